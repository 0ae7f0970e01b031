package gateway

import (
	"crypto/hmac"
	"errors"
	"mime"
	"net/http"
	"strings"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
)

// maxForm and formTime bound a form (T58, T60): five hundred invitees over a
// poor line fit.
const (
	maxForm  = 64 << 10
	formTime = 15 * time.Second
)

// csrf answers the token that the browser's forms must carry: bound to its
// device cookie, so that nothing is stored and another site cannot know it.
func (s *Server) csrf(w http.ResponseWriter, r *http.Request) string {
	return s.mac("csrf", s.device(w, r))[:32]
}

// own refuses a change that did not come from one of the door's own pages:
// Origin, Fetch metadata and form token must all agree (T18). No Origin and
// "null" are refused too: every browser sends one with a POST.
func (s *Server) own(w http.ResponseWriter, r *http.Request) error {
	if r.Method != http.MethodPost || r.Header.Get("Origin") != s.c.Door {
		return foreign{}
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" && site != "same-origin" {
		return foreign{}
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" && (kind != "multipart/form-data" || !takesList(r)) {
		return foreign{}
	}
	if err := s.parse(w, r); err != nil {
		return err
	}
	if _, err := r.Cookie(deviceCookie); err != nil {
		return foreign{}
	}
	if !hmac.Equal([]byte(r.PostForm.Get("csrf")), []byte(s.csrf(w, r))) {
		return foreign{}
	}
	return nil
}

// The routes of the one form that may bring a list of people.
const (
	createRoute = "POST /meetings"
	changeRoute = "POST /m/{meeting}/change"
)

// takesList reports whether the request is for a form with a list: browsers send
// one in parts, with or without a file, and no other form of the door's so.
func takesList(r *http.Request) bool {
	return r.Pattern == createRoute || r.Pattern == changeRoute
}

// unhurried gives a request's body its time. A body that comes by drops would
// hold its connection for ever otherwise, also where nobody wants to read it:
// net/http reads on after the handler (T58).
func (s *Server) unhurried(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.formTime)) // a test's writer has none
	}
}

// parse reads a form of a size that a form has (T60).
func (s *Server) parse(w http.ResponseWriter, r *http.Request) error {
	most, read := int64(maxForm), r.ParseForm
	if strings.HasPrefix(r.Header.Get("Content-Type"), "multipart/") {
		// With a list; kept in memory, never in a file of its own.
		most += lobby.MaxList
		read = func() error { return r.ParseMultipartForm(most) }
	}
	r.Body = http.MaxBytesReader(w, r.Body, most)
	err := read()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return tooLarge{}
	case err != nil && most > maxForm:
		return foreign{} // no browser writes such parts
	case err != nil:
		return meeting.Refuse(meeting.Invalid) // what is still to come has its time too
	}
	// From here on the connection is read only to notice its end.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return nil
}

// tooLarge is a form that no page of the door sends.
type tooLarge struct{}

func (tooLarge) Error() string { return "request too large" }

// foreign is a change asked for by somebody else's page.
type foreign struct{}

func (foreign) Error() string { return "request from another site" }

// attempt answers the idempotency id of a form: bound to this browser, so that
// one cannot collect another's answer, and to where it goes and all it says:
// what is typed after going back to a page is another wish than the first one,
// and carries that one's id.
func (s *Server) attempt(w http.ResponseWriter, r *http.Request) string {
	a := r.PostForm.Get("attempt")
	if a == "" || len(a) > 64 {
		return ""
	}
	return s.mac("attempt", strings.Join([]string{s.device(w, r), r.URL.Path, r.PostForm.Encode()}, "\n"))[:32]
}
