package room

import (
	"io"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"time"
)

// Handler serves the built files by their bare names; the caller strips the
// path it answers under. Only the script, the style sheet and the licences are
// there: the manifest and the compressed twins have no address of their own.
// Security headers are the caller's.
func Handler() http.Handler { return handler(Files()) }

func handler(files fs.FS) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		a, err := assets(files)
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		name := strings.TrimPrefix(r.URL.Path, "/")
		switch name {
		case a.Script, a.Style:
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		case "LICENSES.txt":
			w.Header().Set("Cache-Control", "no-cache")
		default:
			http.NotFound(w, r)
			return
		}
		send(w, r, files, name)
	})
}

// contentType is spelled out because what package mime knows depends on the machine.
func contentType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	}
	return "text/plain; charset=utf-8"
}

func send(w http.ResponseWriter, r *http.Request, files fs.FS, name string) {
	h := w.Header()
	h.Set("Content-Type", contentType(name))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept-Encoding")
	if acceptsGzip(r) {
		if _, err := fs.Stat(files, name+".gz"); err == nil {
			h.Set("Content-Encoding", "gzip")
			name += ".gz"
			// A range of compressed bytes helps nobody.
			r = r.Clone(r.Context())
			r.Header.Del("Range")
		}
	}
	f, err := files.Open(name)
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer f.Close()
	// Embedded files can seek, so nothing is copied to be sent.
	body, ok := f.(io.ReadSeeker)
	if !ok {
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, body)
}

// acceptsGzip follows RFC 9110 §12.5.3 as far as one coding needs it: named,
// and not with the weight nought.
func acceptsGzip(r *http.Request) bool {
	for _, offer := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, weight, weighed := strings.Cut(strings.ReplaceAll(offer, " ", ""), ";q=")
		if strings.EqualFold(coding, "gzip") {
			return !weighed || strings.Trim(weight, "0.") != ""
		}
	}
	return false
}
