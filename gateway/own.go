package gateway

import (
	"crypto/hmac"
	"mime"
	"net/http"
	"strings"

	"vestibule/meeting"
)

// maxForm bounds a form (T60).
const maxForm = 64 << 10

// csrf answers the token that the browser's forms must carry: bound to its
// device cookie, so that nothing is stored and another site cannot know it.
func (s *Server) csrf(w http.ResponseWriter, r *http.Request) string {
	return s.mac("csrf", s.device(w, r))[:32]
}

// own refuses a change that did not come from one of the door's own pages:
// Origin, Fetch metadata and form token must all agree (T18). No Origin and
// "null" are refused too: every browser sends one with a POST.
func (s *Server) own(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if r.Method != http.MethodPost || r.Header.Get("Origin") != s.c.Door {
		return foreign{}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return foreign{}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return foreign{}
	}
	if err := r.ParseForm(); err != nil {
		return meeting.Refuse(meeting.Invalid)
	}
	if _, err := r.Cookie(deviceCookie); err != nil {
		return foreign{}
	}
	if !hmac.Equal([]byte(r.PostForm.Get("csrf")), []byte(s.csrf(w, r))) {
		return foreign{}
	}
	return nil
}

// foreign is a change asked for by somebody else's page.
type foreign struct{}

func (foreign) Error() string { return "request from another site" }

// attempt answers the idempotency id of a form: bound to this browser, so that
// one cannot collect another's answer, and to what the form is about, because
// all forms of one console carry the same.
func (s *Server) attempt(w http.ResponseWriter, r *http.Request) string {
	a := r.PostForm.Get("attempt")
	if a == "" || len(a) > 64 {
		return ""
	}
	about := []string{s.device(w, r), a, r.URL.Path, r.PostForm.Get("admission"), r.PostForm.Get("invitation"), r.PostForm.Get("answer")}
	return s.mac("attempt", strings.Join(about, "\n"))[:32]
}
