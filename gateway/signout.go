package gateway

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"vestibule/auth"
	"vestibule/meeting"
)

// signOut ends the session here and, where the provider offers it, there.
func (s *Server) signOut(w http.ResponseWriter, r *http.Request) error {
	ses, err := s.session(r.Context(), r)
	if err != nil {
		return err
	}
	if ses.key != "" {
		if err := s.endSession(r.Context(), ses, s.c.SignOutLeaves); err != nil {
			return err
		}
		s.hub.pokeHosts()
	}
	setCookie(w, sessionCookie, "", -1)
	if ses.Login != nil && s.c.OIDC != nil {
		login := *ses.Login
		login.IDToken = ses.hint(r)
		if e, err := s.c.OIDC.Exit(r.Context(), login, s.c.Door+"/"); err == nil && e.To != "" {
			return s.leadOut(w, r, login.Provider, e)
		}
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// signedOut checks that somebody who comes back from a sign-out at a provider
// began it here (RP-Initiated Logout §3), and leads to a clean address.
func (s *Server) signedOut(w http.ResponseWriter, r *http.Request) error {
	c, err := r.Cookie(signOutCookie)
	setCookie(w, signOutCookie, "", -1)
	if err != nil || s.c.OIDC == nil {
		return meeting.Refuse(meeting.Invalid)
	}
	if err := s.c.OIDC.LoggedOut(r.URL.Query(), c.Value); err != nil {
		return err
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// backChannelRoute is asked by servers.
const backChannelRoute = "POST /oidc/backchannel"

// backChannel ends the sessions of somebody who signed out at a provider, and
// with SignOutLeaves what they were let into (Back-Channel Logout §2.5). A server asks, no browser: the signed token is
// the proof, in place of an Origin and a form token.
func (s *Server) backChannel(w http.ResponseWriter, r *http.Request) error {
	if s.c.OIDC == nil {
		return meeting.Refuse(meeting.NotFound)
	}
	if err := s.parse(w, r); err != nil {
		return err
	}
	if len(r.PostForm["logout_token"]) != 1 {
		return meeting.Refuse(meeting.Invalid)
	}
	l, err := s.c.OIDC.BackChannel(r.Context(), r.PostForm.Get("logout_token"))
	if err != nil {
		return err
	}
	now, err := time.Now().MarshalText()
	if err != nil {
		return fmt.Errorf("encoding sign-out: %w", err)
	}
	key := s.loginKey(l.Issuer, "sub", l.Subject)
	if l.SID != "" {
		key = s.loginKey(l.Issuer, "sid", l.SID)
	}
	if err := s.c.Shelf.Put(r.Context(), "signout", key, now, s.c.SessionLife); err != nil {
		return fmt.Errorf("storing sign-out: %w", err)
	}
	s.recheckAll(r.Context()) // here at once; other nodes within recheck
	s.hub.pokeHosts()
	if err := s.endStays(r.Context(), key); err != nil {
		return err
	}
	answerJSON(w, http.StatusOK, struct{}{})
	return nil
}

// loginKey is where the time of the last sign-out at a provider is kept, by
// session there or by person. It is kept for SessionLife, after which every
// session that it could end is over.
func (s *Server) loginKey(issuer, kind, value string) string {
	return s.mac("login", issuer+"\x00"+kind+"\x00"+value)
}

// ended reports whether the provider has ended the sign-in of a session. The
// sign-outs are kept rather than a list of sessions by person: a list that two
// sign-ins write at once loses one, and a session written back by a request
// that was under way would come alive again.
func (s *Server) ended(ctx context.Context, l *auth.Session, began time.Time) (bool, error) {
	if l == nil {
		return false, nil
	}
	for _, k := range s.loginKeys(l) {
		b, err := s.c.Shelf.Get(ctx, "signout", k)
		if err != nil {
			return true, fmt.Errorf("reading sign-out: %w", err)
		}
		var at time.Time
		if b != nil && (at.UnmarshalText(b) != nil || !began.After(at)) {
			return true, nil
		}
	}
	return false, nil
}
