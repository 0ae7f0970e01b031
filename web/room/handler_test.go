package room_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/fstest"

	"vestibule/web/room"
)

func TestHandler(t *testing.T) {
	const forever = "public, max-age=31536000, immutable"
	cases := []struct {
		name, method, path, accept string
		status                     int
		body, encoding, cache      string
	}{
		{"script", "GET", "/room-AB.js", "", 200, "script", "", forever},
		{"script compressed", "GET", "/room-AB.js", "br, gzip", 200, "squeezed", "gzip", forever},
		{"script compressed, weighed", "GET", "/room-AB.js", "gzip;q=0.5", 200, "squeezed", "gzip", forever},
		{"gzip refused", "GET", "/room-AB.js", "gzip;q=0.0, br", 200, "script", "", forever},
		{"style without twin", "GET", "/room-CD.css", "gzip", 200, "style", "", forever},
		{"licences", "GET", "/LICENSES.txt", "", 200, "licences", "", "no-cache"},
		{"head", "HEAD", "/room-AB.js", "", 200, "", "", forever},
		{"old build", "GET", "/room-OLD.js", "", 404, "404 page not found\n", "", ""},
		{"manifest", "GET", "/manifest.json", "", 404, "404 page not found\n", "", ""},
		{"twin by name", "GET", "/room-AB.js.gz", "", 404, "404 page not found\n", "", ""},
		{"deeper", "GET", "/deeper/secret.js", "", 404, "404 page not found\n", "", ""},
		{"climbing", "GET", "/../room.go", "", 404, "404 page not found\n", "", ""},
		{"folder", "GET", "/", "", 404, "404 page not found\n", "", ""},
		{"post", "POST", "/room-AB.js", "", 405, "method not allowed\n", "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := httptest.NewRequest(c.method, "/", nil)
			r.URL.Path = c.path
			r.Header.Set("Accept-Encoding", c.accept)
			w := httptest.NewRecorder()
			room.HandlerOf(built()).ServeHTTP(w, r)
			if w.Code != c.status || w.Body.String() != c.body {
				t.Errorf("%s %s = %d %q, want %d %q", c.method, c.path, w.Code, w.Body, c.status, c.body)
			}
			if got := w.Header().Get("Content-Encoding"); got != c.encoding {
				t.Errorf("%s: Content-Encoding %q, want %q", c.path, got, c.encoding)
			}
			if got := w.Header().Get("Cache-Control"); got != c.cache {
				t.Errorf("%s: Cache-Control %q, want %q", c.path, got, c.cache)
			}
		})
	}
}

func TestHandlerSaysThatItIsNotBuilt(t *testing.T) {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/room-AB.js", nil)
	room.HandlerOf(fstest.MapFS{".gitkeep": {}}).ServeHTTP(w, r)
	if want := room.ErrNotBuilt.Error() + "\n"; w.Code != 503 || w.Body.String() != want {
		t.Errorf("unbuilt = %d %q, want 503 %q", w.Code, w.Body, want)
	}
}
