package gateway

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"vestibule/auth"
	"vestibule/meeting"
)

// The cookies. All are __Host-: this origin only, HTTPS only, no Domain.
const (
	deviceCookie  = "__Host-device"  // tells one browser from another; opens nothing
	sessionCookie = "__Host-door"    // a sign-in or a proved mailbox
	signInCookie  = "__Host-signin"  // a sign-in under way, sealed
	signOutCookie = "__Host-signout" // a sign-out under way: its state
	roomCookie    = "__Host-room"    // a live admission, on the room origin
)

// session is what the door remembers of a browser in which somebody proved who
// they are. Kept for SessionLife at most.
type session struct {
	// Person is who signed in by OIDC; nil for one who only proved a mailbox.
	Person *meeting.Person `json:"person,omitempty"`
	// Login is what signing out at the provider needs.
	Login *auth.Session `json:"login,omitempty"`
	// Hint is the ID token that Login came by, where signing out at the provider
	// takes it back there. It is sealed under the browser's cookie, of which the
	// store holds a MAC: who reads the store learns nothing of it.
	Hint []byte `json:"hint,omitempty"`
	// Began is when Person signed in; a sign-out at the provider ends what
	// began before it.
	Began time.Time `json:"began,omitzero"`
	// Proofs are the persons proved for one invitation each.
	Proofs map[string]meeting.Person `json:"proofs,omitempty"`
	// Admissions are those made in this browser, and their meetings.
	Admissions map[string]meeting.ID `json:"admissions,omitempty"`
	// From is the session that this one rose from: for a while the form that it
	// rose by is given that one's content again.
	From string `json:"from,omitempty"`
	// Agent is the kind of browser, for the list of one's own sign-ins.
	Agent   string    `json:"agent,omitempty"`
	Created time.Time `json:"created"`
	Seen    time.Time `json:"seen"`

	key string // under which it is kept
	raw []byte // as it was read; nil: it is not kept yet
}

func random() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // never fails since Go 1.24
	return base64.RawURLEncoding.EncodeToString(b)
}

func (s *Server) mac(kind, value string) string {
	h := hmac.New(sha256.New, s.c.Secret)
	h.Write([]byte(kind))
	h.Write([]byte{0})
	h.Write([]byte(value))
	return hex.EncodeToString(h.Sum(nil))
}

func newSeal(secret []byte, use string) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, secret, nil, use, 32)
	if err != nil {
		panic(err) // only for lengths that are not ours
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err)
	}
	a, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return a
}

func setCookie(w http.ResponseWriter, name, value string, life time.Duration) {
	c := &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if life < 0 {
		c.MaxAge = -1
	} else if life > 0 {
		c.MaxAge = int(life.Seconds())
	}
	http.SetCookie(w, c)
}

// device answers the fingerprint of the browser, giving it a cookie first where
// it has none. Nothing is stored for it.
func (s *Server) device(w http.ResponseWriter, r *http.Request) string {
	if c, err := r.Cookie(deviceCookie); err == nil && len(c.Value) == 43 {
		return s.mac("device", c.Value)
	}
	v := random()
	setCookie(w, deviceCookie, v, 365*24*time.Hour)
	// The same response may ask again, and its form must fit the new cookie.
	r.AddCookie(&http.Cookie{Name: deviceCookie, Value: v})
	return s.mac("device", v)
}

// session answers the browser's session; an empty one when there is none.
func (s *Server) session(ctx context.Context, r *http.Request) (*session, error) {
	empty := &session{}
	key := s.shown(r)
	if key == "" {
		return empty, nil
	}
	ses, err := s.stored(ctx, key)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if over, err := s.over(ctx, ses, now); err != nil || over {
		if over {
			s.recall.forget(key)
		}
		return empty, err
	}
	if ses.Person != nil {
		until := ses.Created.Add(s.c.SessionLife)
		if idle := now.Add(s.c.SessionIdle); idle.Before(until) {
			until = idle
		}
		s.recall.note(ses, until, now)
	}
	if now.Sub(ses.Seen) > s.c.SessionIdle/8 {
		_, err = s.keep(ctx, ses) // who was quicker has kept it fresh
	}
	return ses, err
}

// shown is the key of the session whose cookie the browser shows, whether there
// is one or not; empty: it shows none.
func (s *Server) shown(r *http.Request) string {
	c, err := r.Cookie(sessionCookie)
	if err != nil || len(c.Value) != 43 {
		return ""
	}
	return s.mac("session", c.Value)
}

// over reports whether a session has ended: unused for too long, too old, or by
// a sign-out at its provider.
func (s *Server) over(ctx context.Context, ses *session, now time.Time) (bool, error) {
	if ses == nil || now.Sub(ses.Created) > s.c.SessionLife || now.Sub(ses.Seen) > s.c.SessionIdle {
		return true, nil
	}
	return s.ended(ctx, ses.Login, ses.Began)
}

// stored reads a session, nil where there is none.
func (s *Server) stored(ctx context.Context, key string) (*session, error) {
	b, err := s.c.Shelf.Get(ctx, "session", key)
	if err != nil {
		return nil, fmt.Errorf("reading session: %w", err)
	}
	return opened(key, b), nil
}

func opened(key string, b []byte) *session {
	ses := session{}
	if b == nil || json.Unmarshal(b, &ses) != nil {
		return nil
	}
	ses.key, ses.raw = key, b
	return &ses
}

// keep stores a session under the key it has, in the place of what was read,
// and answers false where another request has written it meanwhile, or ended it.
func (s *Server) keep(ctx context.Context, ses *session) (bool, error) {
	ses.Seen = time.Now()
	b, err := json.Marshal(ses)
	if err != nil {
		return false, fmt.Errorf("encoding session: %w", err)
	}
	left := min(s.c.SessionIdle, time.Until(ses.Created.Add(s.c.SessionLife)))
	ok, err := s.c.Shelf.Swap(ctx, "session", ses.key, ses.raw, b, max(left, time.Second))
	if err != nil {
		return false, fmt.Errorf("storing session: %w", err)
	}
	if ok {
		ses.raw = b
	}
	return ok, nil
}

// maxRevise bounds how often a change is made anew when other tabs were quicker.
const maxRevise = 16

// enrol notes an admission in the session as it then is: somebody may have signed
// out, or risen, in another tab while the lobby was asked. Writing back what was
// read before would bring a dead session to life.
func (s *Server) enrol(ctx context.Context, ses *session, admission string, id meeting.ID) error {
	if ses.key == "" {
		return meeting.Refuse(meeting.SignIn)
	}
	// Before it is asked whether the sign-in has ended: of this and the end,
	// one sees the other.
	if err := s.listStays(ctx, ses.Login, map[string]meeting.ID{admission: id}); err != nil {
		return err
	}
	for range maxRevise {
		if ses.Admissions == nil {
			ses.Admissions = map[string]meeting.ID{}
		}
		ses.Admissions[admission] = id
		ok, err := s.keep(ctx, ses)
		if err != nil {
			return err
		}
		if ok {
			return s.stillIn(ctx, ses, admission, id)
		}
		now, err := s.stored(ctx, ses.key)
		if err != nil {
			return err
		}
		if now == nil {
			return meeting.Refuse(meeting.SignIn)
		}
		*ses = *now
	}
	return meeting.Refuse(meeting.Busy)
}

// stillIn takes an admission back where the provider has ended the sign-in while
// the lobby was asked.
func (s *Server) stillIn(ctx context.Context, ses *session, admission string, id meeting.ID) error {
	if !s.c.SignOutLeaves {
		return nil
	}
	over, err := s.ended(ctx, ses.Login, ses.Began)
	if err != nil || !over {
		return err
	}
	if err := s.leaveAll(ctx, map[string]meeting.ID{admission: id}); err != nil {
		return err
	}
	return meeting.Refuse(meeting.SignIn)
}

func hintSeal(cookie string) cipher.AEAD {
	return newSeal([]byte(cookie), "vestibule ID token")
}

// seal hides the ID token of a sign-in, or the one hidden under the cookie of
// the request, under a new cookie.
func (ses *session) seal(r *http.Request, cookie string) {
	token := ses.hint(r)
	if ses.Login != nil && ses.Login.IDToken != "" {
		token, ses.Login.IDToken = ses.Login.IDToken, ""
	}
	ses.Hint = nil
	if token == "" {
		return
	}
	a := hintSeal(cookie)
	nonce := make([]byte, a.NonceSize())
	_, _ = rand.Read(nonce) // never fails since Go 1.24
	ses.Hint = a.Seal(nonce, nonce, []byte(token), nil)
}

// hint opens what seal hid, by the cookie of the request; empty: nothing.
func (ses *session) hint(r *http.Request) string {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	a := hintSeal(c.Value)
	n := a.NonceSize()
	if len(ses.Hint) < n {
		return ""
	}
	token, err := a.Open(nil, ses.Hint[:n], ses.Hint[n:], nil)
	if err != nil {
		return ""
	}
	return string(token)
}

// rise changes what the browser's session may do, and gives it a new id for that
// (T17, ASVS 7.2.4). The old one is taken, so that it is dead, and so that what
// another tab wrote into it last is not lost. The same attempt, of a form that was
// sent twice and whose first answer the browser dropped, rises to the same session
// (T07).
func (s *Server) rise(w http.ResponseWriter, r *http.Request, ses *session, attempt string, change func(*session)) error {
	ctx, was := r.Context(), ses.key
	v := random()
	if attempt != "" {
		was = s.shown(r) // its first answer may have ended what is shown
		v = s.risen(was, attempt)
	} else {
		attempt = v
	}
	now, err := s.taken(ctx, was, attempt)
	if err != nil {
		return err
	}
	change(now)
	now.seal(r, v)
	now.key, now.raw, now.Created, now.From, now.Agent = s.mac("session", v), nil, time.Now(), was, agent(r.UserAgent())
	if now.Person != nil {
		now.Created = now.Began // a mailbox proved on top makes a sign-in no longer
	}
	if _, err := s.keep(ctx, now); err != nil { // it may be there, by the same attempt
		return err
	}
	if err := s.listSignIn(ctx, now, was); err != nil {
		return err
	}
	if err := s.listStays(ctx, now.Login, now.Admissions); err != nil {
		return err
	}
	*ses = *now
	setCookie(w, sessionCookie, v, s.c.SessionLife)
	return nil
}

// risen is the cookie of the session to which an attempt rises.
func (s *Server) risen(was, attempt string) string {
	h := hmac.New(sha256.New, s.c.Secret)
	h.Write([]byte("risen\x00" + was + "\x00" + attempt))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// taken ends a session and answers what it held; nothing where it was ended
// before, by another than this attempt: nothing of it lives on.
func (s *Server) taken(ctx context.Context, key, attempt string) (*session, error) {
	if key == "" {
		return &session{}, nil
	}
	s.recall.forget(key)
	b, err := s.c.Shelf.Take(ctx, "session", key, attempt)
	if err != nil {
		return nil, fmt.Errorf("ending old session: %w", err)
	}
	old := opened("", b)
	if over, err := s.over(ctx, old, time.Now()); err != nil || over {
		return &session{}, err
	}
	return old, s.bury(ctx, old)
}

// bury has nobody be given again what a session rose from.
func (s *Server) bury(ctx context.Context, ses *session) error {
	if ses.From == "" {
		return nil
	}
	if err := s.c.Shelf.Delete(ctx, "session", ses.From); err != nil {
		return fmt.Errorf("ending old session: %w", err)
	}
	return nil
}
