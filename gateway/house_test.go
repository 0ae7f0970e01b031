package gateway_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"go.uber.org/goleak"

	"vestibule/api"
	"vestibule/auth"
	"vestibule/auth/authtest"
	"vestibule/conference"
	"vestibule/conference/conferencetest"
	"vestibule/conference/livekit"
	"vestibule/house"
	"vestibule/lobby"
	"vestibule/mail"
	"vestibule/sms"
	"vestibule/store"
	"vestibule/turn"
	"vestibule/web"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The origins of the test's house.
const (
	doorOrigin = "https://door.example"
	roomOrigin = "https://room.example"
	issuer     = "https://id.example"
)

// site is a whole house, as house.New builds it, on a real TLS listener.
type site struct {
	*house.House
	t     *testing.T
	addr  string
	valve *valve
	fake  *conferencetest.Fake
	box   *box
	id    *institution
	town  *authtest.Provider
	log   *journal
	seen  *record
	tls   *tls.Config // of the server

	resumed tls.ClientSessionCache // of raw connections
}

// setup is what a test may replace.
type setup struct {
	store     house.Store
	backend   conference.Backend
	codesOnly bool
	unsound   bool // the test looks at what was said by itself
	api       api.Config
	emails    lobby.Emails
	idle      time.Duration // of sessions
	life      time.Duration

	// Of two nodes of one site.
	secret        []byte
	id            *institution
	signOutLeaves bool
	town          bool // there are two providers
}

func open(t *testing.T) *site { return openWith(t, setup{}) }

func openWith(t *testing.T, c setup) *site {
	t.Helper()
	s := &site{t: t, box: &box{}, log: &journal{}, seen: &record{}, id: newInstitution(), resumed: tls.NewLRUClientSessionCache(8)}
	if c.store == nil {
		c.store = store.NewMemory()
	}
	if c.id != nil {
		s.id = c.id
	}
	if c.secret == nil {
		c.secret = []byte(rand.Text() + rand.Text())
	}
	s.valve = &valve{Store: c.store}
	logger := slog.New(slog.NewJSONHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if c.backend == nil {
		s.fake = conferencetest.NewFake(t)
		b, err := livekit.New(livekit.Config{URL: s.fake.URL, Key: s.fake.Key, Secret: s.fake.Secret, Logger: logger})
		if err != nil {
			t.Fatal(err)
		}
		c.backend = b
	}
	var err error
	s.House, err = house.New(s.config(c, logger))
	if err != nil {
		t.Fatal(err)
	}
	s.serve(c, logger)
	return s
}

func (s *site) config(c setup, logger *slog.Logger) house.Config {
	loopback := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	hc := house.Config{
		Door: doorOrigin, Room: roomOrigin, Secret: c.secret, Store: s.valve,
		Backend: c.backend, Mailer: s.box, Texter: airtime{s.box}, Logger: logger,
		Early: 15 * time.Minute, Grace: time.Hour,
		Turn: turn.Config{
			Realm: "door.example", PublicIPs: []netip.Addr{loopback},
			Peers: turn.PeerPolicy{Prefixes: []netip.Prefix{netip.PrefixFrom(loopback, 32)}, MinPort: 7882, MaxPort: 7882},
		},
		TurnOn: turn.Addresses{UDP: []string{"127.0.0.1:0"}},
		Site:   web.Site{Name: "Hôpital", Contact: "05 61 00 00 00"},
		Pages:  web.Config{Lang: "en"},
		API:    c.api, Emails: c.emails, SignOutLeaves: c.signOutLeaves, SessionIdle: c.idle, SessionLife: c.life,
	}
	s.town = authtest.New(townIssuer, signingKey())
	if !c.codesOnly {
		hc.OIDC = auth.Config{Transport: network{s.id, s.town}, Providers: []auth.Provider{{
			ID: "hospital", Name: "Hospital sign-in", Issuer: issuer, ClientID: s.id.ClientID, ClientSecret: s.id.ClientSecret,
			Member: auth.Rule{Claim: "org", Values: []string{"hospital"}}, Logout: []string{"rp", "backchannel"}, Keep: []string{"rpps"},
		}}}
	}
	if c.town {
		hc.OIDC.Providers = append(hc.OIDC.Providers, auth.Provider{
			ID: "town", Name: "Town", Issuer: townIssuer, ClientID: s.town.ClientID, ClientSecret: s.town.ClientSecret,
		})
	}
	return hc
}

// townIssuer is a second provider, where a test asks for one.
const townIssuer = "https://town.example"

// network is where both providers are.
type network struct {
	id   *institution
	town *authtest.Provider
}

// RoundTrip implements http.RoundTripper.
func (n network) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == "town.example" {
		return n.town.RoundTrip(r)
	}
	return n.id.RoundTrip(r)
}

// serve opens the house and closes it with the test.
func (s *site) serve(c setup, logger *slog.Logger) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	if err := s.Listen(ctx); err != nil {
		s.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.tls = &tls.Config{Certificates: []tls.Certificate{authority().cert}, MinVersion: tls.VersionTLS12}
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := house.Serve(ctx, ln, s.Handler(), s.tls, time.Second, logger); err != nil {
			s.t.Errorf("Serve = %v", err)
		}
	})
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			s.t.Errorf("Run = %v", err)
		}
	})
	s.t.Cleanup(func() {
		cancel()
		wg.Wait()
		if t, ok := c.backend.Transport().(*http.Transport); ok {
			t.CloseIdleConnections()
		}
		if !c.unsound {
			s.sound()
		}
	})
}

// pair is a certificate for both origins and who trusts it.
type pair struct {
	cert tls.Certificate
	pool *x509.CertPool
}

var authority = sync.OnceValue(func() pair {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"door.example", "room.example", "evil.example"},
		BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return pair{tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, pool}
})

// institution is the provider; it knows one person at a time.
type institution struct {
	*authtest.Provider
	mu   sync.Mutex // held for a whole sign-in
	gate sync.Mutex
	down bool // guarded by gate
}

var signingKey = sync.OnceValue(func() authtest.Key { return authtest.NewKey("k1", jose.ES256) })

func newInstitution() *institution {
	return &institution{Provider: authtest.New(issuer, signingKey())}
}

// RoundTrip implements http.RoundTripper.
func (i *institution) RoundTrip(r *http.Request) (*http.Response, error) {
	i.gate.Lock()
	down := i.down
	i.gate.Unlock()
	if down {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: net.UnknownNetworkError("down")}
	}
	return i.Provider.RoundTrip(r)
}

func (i *institution) fail(down bool) {
	i.gate.Lock()
	defer i.gate.Unlock()
	i.down = down
}

// The people.
func doctor() authtest.Claims {
	return authtest.Claims{"sub": "dr-1", "name": "Dr Claire Martin", "email": "claire.martin@hospital.example", "email_verified": true, "org": "hospital", "sid": "sid-dr-1"}
}

func surgeon() authtest.Claims {
	return authtest.Claims{"sub": "dr-2", "name": "Dr Hugo Petit", "email": "hugo.petit@hospital.example", "email_verified": true, "org": "hospital", "sid": "sid-dr-2"}
}

func stranger() authtest.Claims {
	return authtest.Claims{"sub": "x-9", "name": "Eve Elsewhere", "email": "eve@elsewhere.example", "email_verified": true, "org": "elsewhere", "sid": "sid-x-9"}
}

// box is a mail server that keeps what it was given, or fails.
type box struct {
	mu      sync.Mutex
	codes   []mail.Code
	texts   []sms.Code
	cancels []mail.Invite
	invites []mail.Invite
	fault   error
}

func (b *box) Invitation(_ context.Context, m mail.Invite) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.invites = append(b.invites, m)
	return b.fault
}

func (b *box) Cancel(_ context.Context, m mail.Invite) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.cancels = append(b.cancels, m)
	return b.fault
}

func (b *box) Reminder(context.Context, mail.Invite) error { return nil }

func (b *box) Code(_ context.Context, m mail.Code) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fault == nil {
		b.codes = append(b.codes, m)
	}
	return b.fault
}

// airtime is an SMS gateway that keeps what it was given, or fails.
type airtime struct{ *box }

func (a airtime) Code(_ context.Context, m sms.Code) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fault == nil {
		a.texts = append(a.texts, m)
	}
	return a.fault
}

// texted answers the newest code sent to a number.
func (b *box) texted(number string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range slices.Backward(b.texts) {
		if m.To == number {
			return m.Code
		}
	}
	return ""
}

func (b *box) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = err
}

// code answers the newest code sent to an address.
func (b *box) code(address string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.codes) - 1; i >= 0; i-- {
		if b.codes[i].To == address {
			return b.codes[i].Code
		}
	}
	return ""
}

// journal keeps what was logged.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.String()
}

func (j *journal) has(word string) bool { return strings.Contains(j.String(), word) }
