package web_test

import (
	"bytes"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vestibule/meeting"
	"vestibule/web"
	"vestibule/web/locale"
)

// golden is written anew by go test ./web -run Golden -update.
var update = flag.Bool("update", false, "write the golden pages anew")

func newPages(t *testing.T) *web.Pages {
	t.Helper()
	p, err := web.New(web.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// render returns a page in a language, as it is sent.
func render(t *testing.T, p *web.Pages, lang string, page web.Page) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, "/here", nil)
	r.Header.Set("Accept-Language", lang)
	if err := p.Write(w, r, http.StatusOK, page); err != nil {
		t.Fatal(err)
	}
	if got := w.Header().Get("Content-Language"); got != lang {
		t.Errorf("Content-Language = %q, want %q", got, lang)
	}
	return w.Body.Bytes()
}

// hashes change with every change of the style; the golden pages do not.
func hashes() *regexp.Regexp {
	return regexp.MustCompile(`(door|icon)\.[0-9a-f]{12}\.`)
}

func TestGoldenPages(t *testing.T) {
	p := newPages(t)
	for _, lang := range locale.Langs() {
		for _, e := range examples() {
			t.Run(e.name+"."+lang, func(t *testing.T) {
				got := hashes().ReplaceAll(render(t, p, lang, e.page), []byte("$1.HASH."))
				path := filepath.Join("testdata", "golden", e.name+"."+lang+".html")
				if *update {
					if err := os.WriteFile(path, got, 0o644); err != nil {
						t.Fatal(err)
					}
					return
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), string(got)); d != "" {
					t.Errorf("page differs (-want +got); if it is meant to: go test ./web -run Golden -update\n%s", d)
				}
			})
		}
	}
}

func TestGoldenHasNoLeftovers(t *testing.T) {
	known := map[string]bool{}
	for _, lang := range locale.Langs() {
		for _, e := range examples() {
			if known[e.name+"."+lang+".html"] {
				t.Errorf("two examples are called %s", e.name)
			}
			known[e.name+"."+lang+".html"] = true
		}
	}
	files, err := os.ReadDir(filepath.Join("testdata", "golden"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !known[f.Name()] {
			t.Errorf("testdata/golden/%s belongs to no example", f.Name())
		}
	}
}

func TestEveryTextIsUsed(t *testing.T) {
	used := map[string]bool{}
	p, err := web.Watched(web.Config{}, func(k string) { used[k] = true })
	if err != nil {
		t.Fatal(err)
	}
	words, err := locale.Open("fr")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range examples() {
		render(t, p, "fr", e.page)
	}
	for _, k := range words.Keys() {
		if !used[k] {
			t.Errorf("text %q is used by no page", k)
		}
	}
}

// A form that changes anything proves where it came from. The one to the room
// carries its ticket and must not carry the door's secret there.
func TestEveryFormIsGuarded(t *testing.T) {
	form := regexp.MustCompile(`(?s)<form.*?</form>`)
	p := newPages(t)
	for _, e := range examples() {
		page := render(t, p, "en", e.page)
		for _, f := range form.FindAll(page, -1) {
			guarded := bytes.Contains(f, []byte(`name="csrf" value="csrf-of-this-reader"`)) &&
				bytes.Contains(f, []byte(`name="attempt" value="attempt-1"`))
			leaves := bytes.Contains(f, []byte(`action="https://`))
			if guarded == leaves {
				t.Errorf("%s: guarded = %v, leaves this origin = %v:\n%s", e.name, guarded, leaves, f)
			}
			if !bytes.Contains(f, []byte(`method="post"`)) || !bytes.Contains(f, []byte("<button")) {
				t.Errorf("%s: a form is no POST or has no button:\n%s", e.name, f)
			}
		}
	}
}

func TestNothingIsInline(t *testing.T) {
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|<script(?: [^>]*)?>[^<]|javascript:`)
	p := newPages(t)
	for _, e := range examples() {
		if m := inline.Find(render(t, p, "fr", e.page)); m != nil {
			t.Errorf("%s holds %q, which the content policy refuses", e.name, m)
		}
	}
}

// Whoever names themselves like markup stays a name, and no name turns the
// direction of the words round it.
func TestT21NamesStayNames(t *testing.T) {
	p := newPages(t)
	for _, name := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `{{.CSRF}}`, `{host}`,
		"\u202ednah", "a\x00b", strings.Repeat("x", 10_000), "</title><script>", "أمينة", "Ewen ar C’hoad",
	} {
		inv := web.Invitation{Frame: frame("/i/k"), Link: "k", HostName: name, Title: name, Standing: web.Ready, Mailbox: "j•••@e.fr"}
		con := web.Console{Frame: hostFrame("/m/1"), Meeting: "1", Title: name, Waiting: []web.Card{{Admission: "a", Invited: name, Name: name + "2"}}}
		for _, page := range []web.Page{inv, con, web.Waiting{Frame: frame("/a/a"), Admission: "a", HostName: name, Name: name, Message: name}} {
			got := string(render(t, p, "en", page))
			if strings.Contains(got, "<script>") || strings.Contains(got, "<img src=x") || strings.Contains(got, "csrf-of-this-reader alert") {
				t.Errorf("%q became markup", name)
			}
			main := got[strings.Index(got, "<main"):]
			for _, at := range regexp.MustCompile(regexp.QuoteMeta("\u202ednah")).FindAllStringIndex(main, -1) {
				before := main[:at[0]]
				isolated := strings.HasSuffix(before, "<bdi>") || strings.HasSuffix(before, "\u2068") || strings.Contains(before[max(0, len(before)-80):], `dir="auto"`)
				isolated = isolated || strings.HasSuffix(before, `<input type="hidden" name="name" value="`) // shown to nobody
				if !isolated {
					t.Errorf("a name that turns directions is not isolated: …%s", before[max(0, len(before)-60):])
				}
			}
		}
	}
}

func TestNotFoundTellsNothing(t *testing.T) {
	p := newPages(t)
	want := render(t, p, "fr", web.Refused{Frame: frame("/i/k")})
	got := render(t, p, "fr", web.Refused{Frame: frame("/i/k"), Reason: meeting.Reason(200)})
	if !bytes.Equal(got, want) {
		t.Error("an unknown reason can be told from an unknown link")
	}
}

func TestLang(t *testing.T) {
	p, err := web.New(web.Config{Lang: "en"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ url, cookie, accept, want string }{
		{"/", "", "", "en"},
		{"/", "", "fr-CA,en;q=0.5", "fr"},
		{"/", "", "br", "fr"},
		{"/", "", "ja", "en"},
		{"/", "", ";;;", "en"},
		{"/", "fr", "en", "fr"},
		{"/", "xx", "fr", "fr"},
		{"/?lang=en", "fr", "fr", "en"},
		{"/?lang=de", "fr", "en", "fr"},
		{"/?lang=fr;lang=en", "", "en", "en"},
	} {
		r := httptest.NewRequest(http.MethodGet, c.url, nil)
		r.Header.Set("Accept-Language", c.accept)
		if c.cookie != "" {
			r.AddCookie(&http.Cookie{Name: "__Host-lang", Value: c.cookie})
		}
		if got := p.Lang(r); got != c.want {
			t.Errorf("Lang(%s, cookie %q, accept %q) = %s, want %s", c.url, c.cookie, c.accept, got, c.want)
		}
	}
}

func TestChoosingALanguageIsRemembered(t *testing.T) {
	p := newPages(t)
	for url, want := range map[string]string{
		"/":         "",
		"/?lang=xx": "",
		"/?lang=en": "__Host-lang=en; Path=/; Max-Age=31536000; HttpOnly; Secure; SameSite=Lax",
	} {
		w := httptest.NewRecorder()
		if err := p.Write(w, httptest.NewRequest(http.MethodGet, url, nil), http.StatusOK, web.Home{}); err != nil {
			t.Fatal(err)
		}
		if got := w.Header().Get("Set-Cookie"); got != want {
			t.Errorf("GET %s sets %q, want %q", url, got, want)
		}
	}
}

func TestHeadSendsNoBody(t *testing.T) {
	p := newPages(t)
	w := httptest.NewRecorder()
	if err := p.Write(w, httptest.NewRequest(http.MethodHead, "/", nil), http.StatusNotFound, web.Refused{}); err != nil {
		t.Fatal(err)
	}
	if w.Code != http.StatusNotFound || w.Body.Len() != 0 {
		t.Errorf("HEAD = %d with %d bytes, want 404 with none", w.Code, w.Body.Len())
	}
}

func TestFragmentIsPartOfThePage(t *testing.T) {
	p := newPages(t)
	for _, e := range consoleExamples() {
		c, ok := e.page.(web.Console)
		if !ok {
			continue
		}
		part, err := p.Fragment("en", web.ConsoleLive(c))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(render(t, p, "en", c), part) {
			t.Errorf("%s: the fragment is not what the page holds", e.name)
		}
	}
	if _, err := p.Fragment("en", web.Home{}); err == nil {
		t.Error("a page without a live part gave one")
	}
	if _, err := p.Fragment("de", web.ConsoleLive{}); err == nil {
		t.Error("a language that is not spoken gave a fragment")
	}
}

func TestNewRefusesAnUnknownLanguage(t *testing.T) {
	if _, err := web.New(web.Config{Lang: "de", ThemeDir: "/nowhere"}); err == nil {
		t.Error("New took a language that the door does not speak")
	} else if !strings.Contains(err.Error(), "language") || !strings.Contains(err.Error(), "theme") {
		t.Errorf("New told one fault only: %v", err)
	}
}
