package web_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"vestibule/web"
)

func fetch(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestStaticIsKeptForEverUnderItsHash(t *testing.T) {
	p := newPages(t)
	page := string(render(t, p, "en", web.Home{Frame: frame("/")}))
	files := regexp.MustCompile(`/static(/[a-z]+\.[0-9a-f]{12}\.(?:css|js|svg))"`).FindAllStringSubmatch(page, -1)
	if len(files) != 3 {
		t.Fatalf("the page names %d static files, want style, script and icon", len(files))
	}
	for _, f := range files {
		w := fetch(p.Static(), f[1])
		if w.Code != http.StatusOK || w.Body.Len() == 0 {
			t.Errorf("GET %s = %d with %d bytes", f[1], w.Code, w.Body.Len())
		}
		if got := w.Header().Get("Cache-Control"); !strings.Contains(got, "immutable") {
			t.Errorf("GET %s: Cache-Control = %q", f[1], got)
		}
	}
	for _, path := range []string{"/", "/door.css", "/door.000000000000.css", "/../web.go", "/static/door.css"} {
		if w := fetch(p.Static(), path); w.Code != http.StatusNotFound || strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("GET %s = %d, want 404 that is not kept", path, w.Code)
		}
	}
}

// A browser on a poor line gets files packed; what it unpacks is the file.
func TestStaticIsPackedForWhoTakesIt(t *testing.T) {
	p := newPages(t)
	page := string(render(t, p, "en", web.Home{Frame: frame("/")}))
	style := regexp.MustCompile(`/static(/door\.[0-9a-f]{12}\.css)"`).FindStringSubmatch(page)[1]
	plain := fetch(p.Static(), style)
	for accept, packed := range map[string]bool{"gzip, deflate, br": true, "GZIP": true, "gzip;q=0": false, "br": false, "xgzip": false} {
		r := httptest.NewRequest(http.MethodGet, style, nil)
		r.Header.Set("Accept-Encoding", accept)
		w := httptest.NewRecorder()
		p.Static().ServeHTTP(w, r)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != packed || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("Accept-Encoding %q: packed %t with Vary %q, want %t", accept, got, w.Header().Get("Vary"), packed)
		}
		if !packed {
			continue
		}
		z, err := gzip.NewReader(w.Body)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(z); err != nil || !bytes.Equal(b, plain.Body.Bytes()) {
			t.Errorf("what is unpacked has %d bytes (%v), the file %d", len(b), err, plain.Body.Len())
		}
	}
}

func TestThemeDressesThePages(t *testing.T) {
	dir := t.TempDir()
	for name, body := range map[string]string{"theme.css": ":root{--accent:#234}", "logo.svg": "<svg/>", "secret.txt": "no"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p, err := web.New(web.Config{ThemeDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	f := frame("/")
	f.AssetPrefix = "/-/static/"
	page := string(render(t, p, "en", web.Home{Frame: f}))
	for _, want := range []string{`href="/-/static/theme\.[0-9a-f]{12}\.css"`, `src="/-/static/logo\.[0-9a-f]{12}\.svg" alt="Hôpital Saint-Jean"`} {
		if !regexp.MustCompile(want).MatchString(page) {
			t.Errorf("the page has no %s", want)
		}
	}
	if strings.Index(page, "theme.") < strings.Index(page, "door.") {
		t.Error("the theme comes before the style it changes")
	}
	if w := fetch(p.Static(), "/secret.txt"); w.Code != http.StatusNotFound {
		t.Error("a file that is no part of a theme is served")
	}
}
