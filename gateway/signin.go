package gateway

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"vestibule/auth"
	"vestibule/meeting"
	"vestibule/web"
)

// signInLife is how long a sign-in at a provider may take.
const signInLife = 10 * time.Minute

// pending is a sign-in under way. It travels sealed in the browser's own
// cookie, so that starting one stores nothing (T62) and another browser cannot
// finish it (T14).
type pending struct {
	Provider string           `json:"p"`
	Tx       auth.Transaction `json:"t"`
	Link     string           `json:"l,omitempty"` // the invitation it is for
	Until    time.Time        `json:"u"`
}

func (s *Server) home(w http.ResponseWriter, r *http.Request) error {
	if r.URL.Query().Has("state") {
		return s.signedOut(w, r)
	}
	ses, err := s.session(r.Context(), r)
	if err != nil {
		return err
	}
	if ses.Person != nil {
		http.Redirect(w, r, "/meetings", http.StatusSeeOther)
		return nil
	}
	return s.page(w, r, web.Home{Frame: s.frame(w, r), Providers: s.ways()})
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) error {
	return s.startSignIn(w, r, "")
}

func (s *Server) guestSignIn(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.c.Lobby.Look(r.Context(), r.PathValue("link")); err != nil {
		return err
	}
	return s.startSignIn(w, r, r.PathValue("link"))
}

func (s *Server) startSignIn(w http.ResponseWriter, r *http.Request, link string) error {
	if s.c.OIDC == nil {
		return meeting.Refuse(meeting.NotFound)
	}
	provider := r.PostForm.Get("provider")
	if !slices.ContainsFunc(s.c.OIDC.Providers(), func(c auth.Choice) bool { return c.ID == provider }) {
		return meeting.Refuse(meeting.Invalid)
	}
	to, tx, err := s.c.OIDC.Start(r.Context(), provider)
	if err != nil {
		return err
	}
	b, err := json.Marshal(pending{Provider: provider, Tx: tx, Link: link, Until: time.Now().Add(signInLife)})
	if err != nil {
		return err
	}
	nonce := make([]byte, s.seal.NonceSize())
	_, _ = rand.Read(nonce) // never fails since Go 1.24
	setCookie(w, signInCookie, base64.RawURLEncoding.EncodeToString(s.seal.Seal(nonce, nonce, b, nil)), signInLife)
	w.Header().Set("Refresh", "0; url="+to)
	return s.lead(w, r, provider, web.Leaving{To: to})
}

// leadOut sends the browser to the provider's sign-out. By a form, the page may
// lead to any host by the scheme of the first: a browser holds form-action
// against all on the way, and nobody knows them.
func (s *Server) leadOut(w http.ResponseWriter, r *http.Request, provider string, e auth.Exit) error {
	setCookie(w, signOutCookie, e.State, signInLife)
	if e.Fields == nil {
		w.Header().Set("Refresh", "0; url="+e.To)
	} else {
		actions := "https:"
		if strings.HasPrefix(e.To, "http:") { // DangerouslyAllowPlainHTTP
			actions += " http:"
		}
		w.Header().Set("Content-Security-Policy", doorContent(actions))
	}
	return s.lead(w, r, provider, web.Leaving{To: e.To, Fields: e.Fields, Out: true})
}

// lead sends the browser to a provider, by a page of its own: see web.Leaving.
func (s *Server) lead(w http.ResponseWriter, r *http.Request, provider string, p web.Leaving) error {
	p.Frame = s.frame(w, r)
	for _, c := range s.c.OIDC.Providers() {
		if c.ID == provider {
			p.Provider = c.Name
		}
	}
	return s.page(w, r, p)
}

// pending opens the sign-in cookie.
func (s *Server) pending(r *http.Request) (p pending, ok bool) {
	c, err := r.Cookie(signInCookie)
	if err != nil {
		return p, false
	}
	b, err := base64.RawURLEncoding.DecodeString(c.Value)
	n := s.seal.NonceSize()
	if err != nil || len(b) < n {
		return p, false
	}
	b, err = s.seal.Open(nil, b[:n], b[n:], nil)
	if err != nil || json.Unmarshal(b, &p) != nil {
		return p, false
	}
	return p, time.Now().Before(p.Until)
}

// callback is where a provider sends the browser back.
func (s *Server) callback(w http.ResponseWriter, r *http.Request) error {
	p, ok := s.pending(r)
	setCookie(w, signInCookie, "", -1)
	if !ok || s.c.OIDC == nil {
		return meeting.Refuse(meeting.Stale)
	}
	if p.Provider != r.PathValue("provider") {
		// One provider's answer at another's address is a mix-up, not an old form (T14).
		return &auth.Doubt{Provider: p.Provider, Check: "provider", Refusal: meeting.Refuse(meeting.Invalid)}
	}
	person, login, err := s.c.OIDC.Finish(r.Context(), p.Provider, r.URL.Query(), p.Tx)
	if err != nil && p.Link != "" {
		return from{err, "/i/" + p.Link}
	}
	if err != nil {
		return err
	}
	ses, err := s.session(r.Context(), r)
	if err != nil {
		return err
	}
	to, invitation := "/meetings", ""
	if p.Link != "" {
		v, err := s.c.Lobby.Look(r.Context(), p.Link)
		if err != nil {
			return err
		}
		to, invitation = "/i/"+p.Link+"/name", v.Invitation.ID
		if !v.Invitation.Welcomes(&person) {
			return meeting.Refuse(meeting.NotInvited)
		}
	}
	another := func(ses *session) bool { return ses.Person != nil && ses.Person.Key() != person.Key() }
	if s.c.SignOutLeaves && another(ses) {
		if err := s.leaveAll(r.Context(), ses.Admissions); err != nil {
			return err
		}
	}
	err = s.rise(w, r, ses, "", func(ses *session) {
		if another(ses) {
			*ses = session{} // sat down at this browser
		}
		ses.Person, ses.Login, ses.Hint, ses.Began = &person, &login, nil, time.Now()
		if invitation != "" {
			ses.prove(invitation, person)
		}
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// prove notes who was proved for one invitation.
func (ses *session) prove(invitation string, p meeting.Person) {
	if ses.Proofs == nil {
		ses.Proofs = map[string]meeting.Person{}
	}
	ses.Proofs[invitation] = p
}
