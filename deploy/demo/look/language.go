package look

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/text/language"
)

// cookie keeps the language a person switched to.
const cookie = "__Host-lang"

// spoken are the languages of the pages.
func spoken() []string { return []string{"fr", "en"} }

// ownName is what a language calls itself.
func ownName(l string) string {
	if l == "fr" {
		return "Français"
	}
	return "English"
}

// Language chooses between fr and en: what was switched to, what the asking
// application wants (ui_locales of OpenID Connect Core §3.1.2.1), what was
// switched to before, what the browser asks for, fallback.
func Language(r *http.Request, fallback string) string {
	q := r.URL.Query()
	wishes := []string{q.Get("lang"), q.Get("ui_locales")}
	if c, err := r.Cookie(cookie); err == nil {
		wishes = append(wishes, c.Value)
	}
	wishes = append(wishes, r.Header.Get("Accept-Language"))
	for _, w := range wishes {
		if l := match(w); l != "" {
			return l
		}
	}
	return fallback
}

// match returns the first of a list of language tags that is spoken here,
// whatever the region (en-GB is English), or nothing. Application lists are
// separated by spaces, browsers' by commas.
func match(wish string) string {
	tags, _, err := language.ParseAcceptLanguage(strings.ReplaceAll(wish, " ", ","))
	if err != nil {
		return ""
	}
	for _, t := range tags {
		if base, _ := t.Base(); slices.Contains(spoken(), base.String()) {
			return base.String()
		}
	}
	return ""
}

// remember keeps a switch made with ?lang= for the next page.
func remember(w http.ResponseWriter, r *http.Request) {
	l := r.URL.Query().Get("lang")
	if !slices.Contains(spoken(), l) {
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookie, Value: l, Path: "/", MaxAge: 365 * 24 * 3600,
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

// switches are the same page's addresses in each language. A page that
// answers a form has no address to return to but the house's first one.
func switches(r *http.Request, current string) []option {
	at := &url.URL{Path: "/"}
	if r.Method == http.MethodGet {
		at.Path, at.RawQuery = r.URL.Path, r.URL.RawQuery
	}
	options := make([]option, 0, 2)
	for _, l := range spoken() {
		q := at.Query()
		q.Set("lang", l)
		u := url.URL{Path: at.Path, RawQuery: q.Encode()}
		options = append(options, option{Code: l, Name: ownName(l), URL: u.String(), Current: l == current})
	}
	return options
}
