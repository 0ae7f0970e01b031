package look_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"

	"vestibule/deploy/demo/look"
)

func TestLanguage(t *testing.T) {
	for _, c := range []struct{ query, cookie, accept, want string }{
		{"", "", "", "fr"},
		{"", "", "de, pl;q=0.5", "fr"},
		{"", "", "en-GB,en;q=0.9", "en"},
		{"", "", "de, en;q=0.5, fr;q=0.1", "en"},
		{"", "", "fr-CA", "fr"},
		{"", "", "*", "fr"},
		{"", "", ";;;", "fr"},
		{"", "en", "fr", "en"},
		{"lang=fr", "en", "en", "fr"},
		{"lang=xx", "en", "fr", "en"},
		{"ui_locales=en+fr", "fr", "fr", "en"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/?"+c.query, nil)
		r.Header.Set("Accept-Language", c.accept)
		if c.cookie != "" {
			r.AddCookie(&http.Cookie{Name: "__Host-lang", Value: c.cookie})
		}
		if got := look.Language(r, "fr"); got != c.want {
			t.Errorf("Language(query %q, cookie %q, accept %q) = %s, want %s", c.query, c.cookie, c.accept, got, c.want)
		}
	}
}

func TestWrite(t *testing.T) {
	b, err := look.New(look.Config{Pages: pages(`{"house":"h","foot":"f","hello":"Bonjour %s"}`, `{"house":"h","foot":"f","hello":"Hello %s"}`)})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodGet, "/a?state=x%26y&lang=en", nil)
	w := httptest.NewRecorder()
	b.Write(w, r, http.StatusTeapot, "greet", "<script>", "https://door.localhost:1")
	for _, want := range []string{`<html lang="en">`, "Hello &lt;script&gt;", `href="/a?lang=fr&amp;state=x%26y"`} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("the page lacks %s:\n%s", want, w.Body)
		}
	}
	if w.Code != http.StatusTeapot {
		t.Errorf("status %d, want %d", w.Code, http.StatusTeapot)
	}
	csp := w.Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "form-action 'self' https://door.localhost:1", "frame-ancestors 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("Content-Security-Policy %q lacks %s", csp, want)
		}
	}
	c := w.Result().Cookies()
	if len(c) != 1 || c[0].Value != "en" || !c[0].Secure || !c[0].HttpOnly {
		t.Errorf("cookies %v, want the language kept", c)
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := look.New(look.Config{Pages: pages(`{"foot":"f","hello":"%s","only":""}`, `{"foot":"f","hello":"%d","more":""}`), Language: "de"})
	if err == nil {
		t.Fatal("New accepted it")
	}
	for _, want := range []string{`en.json lacks "only"`, `fr.json lacks "more"`, `placeholders of "hello"`, `"de"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want %s named", err, want)
		}
	}
}

func TestStatic(t *testing.T) {
	for path, want := range map[string]int{"/static/look.css": 200, "/static/look.svg": 200, "/static/": 404, "/layout.html/": 404, "/static/none": 404} {
		w := httptest.NewRecorder()
		look.Static().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		if w.Code != want {
			t.Errorf("GET %s: %d, want %d", path, w.Code, want)
		}
	}
}

func pages(fr, en string) fstest.MapFS {
	return fstest.MapFS{
		"templates/greet.html": {Data: []byte(`{{define "title"}}t{{end}}{{define "body"}}{{say "hello" .}}{{end}}`)},
		"locale/fr.json":       {Data: []byte(fr)},
		"locale/en.json":       {Data: []byte(en)},
	}
}
