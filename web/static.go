package web

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path"
	"strings"
	"time"
)

//go:embed static
var staticFiles embed.FS

// themeNames are the only files read from a site's theme.
func themeNames() []string { return []string{"theme.css", "logo.svg", "logo.png", "logo.webp"} }

// asset is one static file.
type asset struct {
	kind   string // media type
	body   []byte
	packed []byte // body by gzip; nil: it is no smaller
}

// static serves files under the hash of what is in them.
type static struct {
	named  map[string]string // door.css -> door.0a1b2c3d4e5f.css
	hashed map[string]asset
}

func newStatic(theme string) (*static, error) {
	s := &static{named: map[string]string{}, hashed: map[string]asset{}}
	own, err := fs.Sub(staticFiles, "static")
	if err != nil {
		return nil, fmt.Errorf("reading static files: %w", err)
	}
	names, err := fs.Glob(own, "*.*")
	if err != nil {
		return nil, fmt.Errorf("reading static files: %w", err)
	}
	for _, n := range names {
		b, err := fs.ReadFile(own, n)
		if err != nil {
			return nil, fmt.Errorf("reading static files: %w", err)
		}
		s.add(n, b)
	}
	if theme == "" {
		return s, nil
	}
	return s, s.dress(os.DirFS(theme))
}

// dress adds the site's own files; a missing one is the door's own look, a
// missing folder is a fault.
func (s *static) dress(theme fs.FS) error {
	if _, err := fs.Stat(theme, "."); err != nil {
		return fmt.Errorf("reading the theme: %w", err)
	}
	for _, n := range themeNames() {
		b, err := fs.ReadFile(theme, n)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("reading the theme: %w", err)
		}
		s.add(n, b)
	}
	return nil
}

func (s *static) add(name string, body []byte) {
	kinds := map[string]string{
		".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8",
		".svg": "image/svg+xml", ".png": "image/png", ".webp": "image/webp",
	}
	ext := path.Ext(name)
	kind, ok := kinds[ext]
	if !ok {
		return
	}
	sum := sha256.Sum256(body)
	h := strings.TrimSuffix(name, ext) + "." + hex.EncodeToString(sum[:6]) + ext
	s.named[name] = h
	s.hashed[h] = asset{kind: kind, body: body, packed: pack(body)}
}

// pack compresses a file once, for telephones on a poor line. Pages are never
// compressed: they hold a form token beside what a guest typed (BREACH).
func pack(body []byte) []byte {
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil
	}
	_, err = w.Write(body)
	if err := errors.Join(err, w.Close()); err != nil || b.Len() >= len(body) {
		return nil
	}
	return b.Bytes()
}

// logo returns the site's own image; empty: none.
func (s *static) logo() string {
	for _, n := range themeNames()[1:] {
		if h, ok := s.named[n]; ok {
			return h
		}
	}
	return ""
}

// ServeHTTP implements http.Handler. A name without its hash is not served: it
// could not be kept for ever.
func (s *static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	a, ok := s.hashed[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("X-Content-Type-Options", "nosniff")
	body := a.body
	if a.packed != nil {
		h.Set("Vary", "Accept-Encoding")
		if takesGzip(r.Header.Get("Accept-Encoding")) {
			h.Set("Content-Encoding", "gzip")
			body = a.packed
		}
	}
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(body))
}

// takesGzip reads Accept-Encoding (RFC 9110 §12.5.3). A browser writes gzip
// without a weight; whoever writes one gets the file as it is.
func takesGzip(accept string) bool {
	for c := range strings.SplitSeq(accept, ",") {
		if strings.EqualFold(strings.TrimSpace(c), "gzip") {
			return true
		}
	}
	return false
}
