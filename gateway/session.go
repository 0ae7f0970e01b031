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
	// Began is when Person signed in; a sign-out at the provider ends what
	// began before it.
	Began time.Time `json:"began,omitzero"`
	// Proofs are the persons proved for one invitation each.
	Proofs map[string]meeting.Person `json:"proofs,omitempty"`
	// Admissions are those made in this browser, and their meetings.
	Admissions map[string]meeting.ID `json:"admissions,omitempty"`
	Created    time.Time             `json:"created"`
	Seen       time.Time             `json:"seen"`

	key string // under which it is kept
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

func newSeal(secret []byte) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, secret, nil, "vestibule sign-in cookie", 32)
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
	c, err := r.Cookie(sessionCookie)
	if err != nil || len(c.Value) != 43 {
		return empty, nil
	}
	key := s.mac("session", c.Value)
	b, err := s.c.Shelf.Get(ctx, "session", key)
	if err != nil {
		return nil, fmt.Errorf("reading session: %w", err)
	}
	var ses session
	if b == nil || json.Unmarshal(b, &ses) != nil {
		s.recall.forget(key)
		return empty, nil
	}
	now := time.Now()
	if now.Sub(ses.Created) > s.c.SessionLife || now.Sub(ses.Seen) > s.c.SessionIdle {
		s.recall.forget(key)
		return empty, nil
	}
	if over, err := s.ended(ctx, ses.Login, ses.Began); err != nil || over {
		if over {
			s.recall.forget(key)
		}
		return empty, err
	}
	ses.key = key
	if ses.Person != nil {
		until := ses.Created.Add(s.c.SessionLife)
		if idle := now.Add(s.c.SessionIdle); idle.Before(until) {
			until = idle
		}
		s.recall.note(&ses, until, now)
	}
	if now.Sub(ses.Seen) > s.c.SessionIdle/8 {
		return &ses, s.keep(ctx, &ses)
	}
	return &ses, nil
}

// keep stores a session under the key it has.
func (s *Server) keep(ctx context.Context, ses *session) error {
	ses.Seen = time.Now()
	b, err := json.Marshal(ses)
	if err != nil {
		return fmt.Errorf("encoding session: %w", err)
	}
	left := min(s.c.SessionIdle, time.Until(ses.Created.Add(s.c.SessionLife)))
	if err := s.c.Shelf.Put(ctx, "session", ses.key, b, max(left, time.Second)); err != nil {
		return fmt.Errorf("storing session: %w", err)
	}
	return nil
}

// enrol notes an admission in the session as it now is: somebody may have signed
// out, or risen, in another tab while the lobby was asked. Writing back what was
// read before would bring a dead session to life.
func (s *Server) enrol(ctx context.Context, ses *session, admission string, id meeting.ID) error {
	b, err := s.c.Shelf.Get(ctx, "session", ses.key)
	if err != nil {
		return fmt.Errorf("reading session: %w", err)
	}
	now := session{}
	if b == nil || json.Unmarshal(b, &now) != nil {
		return meeting.Refuse(meeting.SignIn)
	}
	now.key = ses.key
	if now.Admissions == nil {
		now.Admissions = map[string]meeting.ID{}
	}
	now.Admissions[admission] = id
	*ses = now
	return s.keep(ctx, ses)
}

// rise gives the browser a new session id, because what it may do has grown
// (T17, ASVS 7.2.4), and kills the old one.
func (s *Server) rise(ctx context.Context, w http.ResponseWriter, ses *session) error {
	old := ses.key
	v := random()
	ses.key = s.mac("session", v)
	ses.Created = time.Now()
	if err := s.keep(ctx, ses); err != nil {
		return err
	}
	if old != "" {
		s.recall.forget(old)
		if err := s.c.Shelf.Delete(ctx, "session", old); err != nil {
			return fmt.Errorf("ending old session: %w", err)
		}
	}
	setCookie(w, sessionCookie, v, s.c.SessionLife)
	return nil
}
