// Package assertion tells the conference server who stands behind a request,
// in words that nobody else can say: a short-lived ES256 JWT in a header of its
// own, checked with keys that the door publishes.
//
// It refuses to say more than a backend needs: no e-mail address and no name
// but the one the other participants see, and nothing that is the same in two
// meetings.
package assertion

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4/jwt"
)

// Header carries the assertion to the backend. Named as others name theirs
// (Cf-Access-Jwt-Assertion, X-Pomerium-Jwt-Assertion), without the X- that
// RFC 6648 advises against, and not Authorization, which is the backend's own.
const Header = "Vestibule-Assertion"

// Type is the typ of the JWT, so that no other JWT is taken for one and it is
// taken for no other (RFC 8725 §3.11).
const Type = "vestibule-assertion+jwt"

const (
	// Life is how long an assertion is good.
	Life = time.Minute
	// reuse is how long one is handed out again, so that a request seldom waits
	// for a signature; what leaves is good for at least the other half.
	reuse = Life / 2
	// Rotation is how long one key signs.
	Rotation = 24 * time.Hour
	// CacheLife is how long a backend may keep the published keys.
	CacheLife = time.Hour
)

// Config says who speaks to whom.
type Config struct {
	// Secret is what the keys are derived from, at least 32 bytes and the same
	// on every node.
	Secret []byte
	// Issuer is the door's origin; Audience is the room's, as the backend sees
	// it in X-Forwarded-Host.
	Issuer, Audience string
}

// Person is whom an assertion is about. It is comparable: it is the key under
// which an assertion is found again.
type Person struct {
	// Admission is the one id of this person in this meeting.
	Admission string
	// Room is the conference server's name of the meeting.
	Room string
	// Name is what the other participants see.
	Name string
	// Host marks who hosts the meeting.
	Host bool
}

// Claims is what an assertion says.
type Claims struct {
	jwt.Claims
	Room string `json:"room"`
	Name string `json:"name"`
	Role string `json:"role"` // "host" or "guest"
}

// Signer makes assertions. It is safe for concurrent use.
type Signer struct {
	c Config

	mu    sync.Mutex
	ring  *ring               // of this rotation; guarded by mu
	said  map[Person]sentence // what may be said again; guarded by mu
	swept time.Time           // guarded by mu
}

// sentence is an assertion and until when it may be said again.
type sentence struct {
	token string
	until time.Time
}

// New returns a signer or every fault of the configuration.
func New(c Config) (*Signer, error) {
	var faults []error
	if len(c.Secret) < 32 {
		faults = append(faults, errors.New("assertion: Secret needs at least 32 bytes"))
	}
	if c.Issuer == "" || c.Audience == "" {
		faults = append(faults, errors.New("assertion: Issuer or Audience is missing"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Signer{c: c, said: map[Person]sentence{}}, nil
}

// Sign answers an assertion about p that is good for at least half of Life.
func (s *Signer) Sign(p Person) (string, error) { return s.sign(p, time.Now()) }

func (s *Signer) sign(p Person, now time.Time) (string, error) {
	if p.Admission == "" || p.Room == "" {
		return "", errors.New("assertion: nobody to speak of")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if x, ok := s.said[p]; ok && now.Before(x.until) {
		return x.token, nil
	}
	r, err := s.at(now)
	if err != nil {
		return "", err
	}
	claims := Claims{
		Claims: jwt.Claims{
			Issuer: s.c.Issuer, Audience: jwt.Audience{s.c.Audience}, Subject: p.Admission, ID: p.Admission,
			IssuedAt: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(Life)),
		},
		Room: p.Room, Name: p.Name, Role: "guest",
	}
	if p.Host {
		claims.Role = "host"
	}
	token, err := jwt.Signed(r.signer).Claims(claims).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing an assertion: %w", err)
	}
	s.sweep(now)
	s.said[p] = sentence{token, now.Add(reuse)}
	return token, nil
}

// sweep forgets what may not be said again. The caller holds mu.
func (s *Signer) sweep(now time.Time) {
	if now.Sub(s.swept) < reuse {
		return
	}
	s.swept = now
	for p, x := range s.said {
		if !now.Before(x.until) {
			delete(s.said, p)
		}
	}
}

// ServeHTTP publishes the keys (RFC 7517 §5).
func (s *Signer) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	r, err := s.at(time.Now())
	s.mu.Unlock()
	if err != nil {
		http.Error(w, "no keys", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(int(CacheLife.Seconds())))
	_, _ = w.Write(r.published) // the asker has gone
}
