package provider

import (
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"
)

// signedIn is the cookie that names the browser's session.
const signedIn = "__Host-signed-in"

// session is a person signed in, in one browser. What changes in it is
// guarded by the provider's mu.
type session struct {
	id      string // the claim sid
	secret  string // the cookie; an application knows sid and must not be the browser for it
	person  *Person
	since   time.Time // the claim auth_time
	clients map[string]bool
}

// grant is what an authorization code stands for.
type grant struct {
	try    *try
	person *Person
	sid    string
	since  time.Time
	spent  bool
	access string // issued for it, to be revoked if it comes back
}

// here finds the browser's session. The caller holds mu.
func (p *Provider) here(r *http.Request, now time.Time) *session {
	c, err := r.Cookie(signedIn)
	if err != nil || c.Value == "" {
		return nil
	}
	sid, secret, ok := cut(c.Value)
	if !ok {
		return nil
	}
	if s, ok := p.sessions.get(sid, now); ok && same(s.secret, secret) {
		return s
	}
	return nil
}

// login takes the choice made on the sign-in page.
func (p *Provider) login(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		p.refused(w, r, http.StatusBadRequest, "malformed")
		return
	}
	now := time.Now()
	p.mu.Lock()
	t, ok := p.tries.take(r.PostForm.Get("try"), now)
	p.mu.Unlock()
	if !ok || t.client == nil || !same(t.browser, browser(w, r)) {
		p.refused(w, r, http.StatusBadRequest, "late")
		return
	}
	if r.PostForm.Get("person") == "" {
		p.answer(w, r, t, "error", "access_denied")
		return
	}
	someone := p.person(r.PostForm.Get("person"))
	if someone == nil {
		p.refused(w, r, http.StatusBadRequest, "malformed")
		return
	}
	p.mu.Lock()
	s := p.begin(r, someone, now)
	code := ""
	if s != nil {
		code = p.grant(t, s, now)
		http.SetCookie(w, secure(signedIn, s.id+"."+s.secret))
	}
	p.mu.Unlock()
	p.c.Logger.InfoContext(r.Context(), "signed in", slog.String("client", t.client.ID))
	p.answer(w, r, t, "code", code)
}

// begin signs someone in. The same person in the same browser goes on under
// the same sid, so that one logout ends everything; anybody else gets a new
// one. The cookie is new each time. The caller holds mu.
func (p *Provider) begin(r *http.Request, someone *Person, now time.Time) *session {
	s := p.here(r, now)
	if s == nil || s.person != someone {
		s = &session{id: rand.Text(), person: someone, clients: map[string]bool{}}
	}
	s.secret, s.since = rand.Text(), now
	if !p.sessions.put(s.id, s, now.Add(sessionLife), now) {
		return nil
	}
	return s
}

// grant issues a code, or none if there is no room. The caller holds mu.
func (p *Provider) grant(t *try, s *session, now time.Time) string {
	code := rand.Text() + rand.Text()
	g := &grant{try: t, person: s.person, sid: s.id, since: s.since}
	if !p.codes.put(code, g, now.Add(codeLife), now) {
		return ""
	}
	s.clients[t.client.ID] = true
	return code
}

// homePage says who is signed in, in this browser.
type homePage struct{ People []choice }

// Here is the person signed in, if any.
func (h homePage) Here() *choice {
	for i := range h.People {
		if h.People[i].Here {
			return &h.People[i]
		}
	}
	return nil
}

func (p *Provider) home(w http.ResponseWriter, r *http.Request) {
	browser(w, r)
	p.mu.Lock()
	here := p.here(r, time.Now())
	p.mu.Unlock()
	p.book.Write(w, r, http.StatusOK, "home", homePage{p.choices(here)})
}
