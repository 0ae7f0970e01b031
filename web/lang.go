package web

import (
	"net/http"
	"slices"
	"time"

	"vestibule/web/locale"
)

// langCookie remembers the reader's choice; __Host- so that no neighbouring
// host can set it (T22).
const langCookie = "__Host-lang"

// Lang returns the language to answer in: ?lang=, what was chosen before, what
// the browser asks for, the site's.
func (p *Pages) Lang(r *http.Request) string {
	if l := asked(r); l != "" {
		return l
	}
	if c, err := r.Cookie(langCookie); err == nil && slices.Contains(locale.Langs(), c.Value) {
		return c.Value
	}
	return locale.Match(r.Header.Get("Accept-Language"), p.lang)
}

func asked(r *http.Request) string {
	if r.URL.RawQuery == "" {
		return ""
	}
	l := r.URL.Query().Get("lang")
	if !slices.Contains(locale.Langs(), l) {
		return ""
	}
	return l
}

func remember(w http.ResponseWriter, r *http.Request) {
	l := asked(r)
	if l == "" {
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: langCookie, Value: l, Path: "/",
		MaxAge: int((365 * 24 * time.Hour).Seconds()),
		Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
