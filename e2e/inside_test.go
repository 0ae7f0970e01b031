package e2e_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vestibule/auth"
	"vestibule/auth/authtest"
	"vestibule/conference/conferencetest"
	"vestibule/conference/livekit"
	built "vestibule/house"
	"vestibule/lobby"
	"vestibule/mail"
	"vestibule/meeting"
	"vestibule/store"
	"vestibule/turn"
	"vestibule/web"
)

// inside is the product in this process, between stand-ins that can be made to
// fail: a conference server without media, a provider and a mailbox. It is
// walked through like any house.
type inside struct {
	*house
	product    *built.House
	conference *conferencetest.Fake
	provider   *provider
}

// provider is an identity provider that can be away.
type provider struct {
	*authtest.Provider
	away atomic.Bool
}

// RoundTrip implements http.RoundTripper.
func (p *provider) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.away.Load() {
		return nil, errors.New("nobody answers")
	}
	return p.Provider.RoundTrip(r)
}

// letters keeps the subjects of mailed codes. It answers as the
// demonstration's mailbox does.
type letters struct {
	mu   sync.Mutex
	subs map[string][]string // by address; guarded by mu
}

func (l *letters) Invitation(context.Context, mail.Invite) error { return nil }

func (l *letters) Cancel(context.Context, mail.Invite) error { return nil }

func (l *letters) Reminder(context.Context, mail.Invite) error { return nil }

func (l *letters) Code(_ context.Context, c mail.Code) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.subs[c.To] = append(l.subs[c.To], c.Code)
	return nil
}

func (l *letters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []map[string]string{}
	for _, s := range l.subs[r.URL.Query().Get("to")] {
		list = append([]map[string]string{{"subject": s}}, list...)
	}
	_ = json.NewEncoder(w).Encode(list)
}

// streets leads a visitor to the house of each name.
type streets struct {
	*http.Transport
	provider *provider
	mails    *letters
}

// RoundTrip implements http.RoundTripper.
func (s streets) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	switch r.URL.Hostname() {
	case "mail.test":
		s.mails.ServeHTTP(w, r)
		return w.Result(), nil
	case "id.test":
		// The browser's way through the provider.
		back, err := s.provider.Authorize(r.URL.String())
		if err != nil {
			return nil, err
		}
		http.Redirect(w, r, r.URL.Query().Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
		return w.Result(), nil
	}
	return s.Transport.RoundTrip(r)
}

// openInside opens a house in this process. Each change sees the configuration
// before it is used.
func openInside(t *testing.T, changes ...func(*built.Config)) *inside {
	t.Helper()
	i := &inside{conference: conferencetest.NewFake(t), provider: newProvider()}
	box := &letters{subs: map[string][]string{}}
	var handler http.Handler
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	_, port, _ := net.SplitHostPort(srv.Listener.Addr().String())
	backend, err := livekit.New(livekit.Config{URL: i.conference.URL, Key: i.conference.Key, Secret: i.conference.Secret, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	i.house = &house{Door: "https://door.test:" + port, Room: "https://room.test:" + port, ID: "https://id.test", Mail: "https://mail.test", log: &output{}}
	loopback := netip.MustParseAddr("127.0.0.1")
	c := built.Config{
		Door: i.Door, Room: i.Room, Secret: []byte(rand.Text() + rand.Text()), Store: store.NewMemory(), Backend: backend, Mailer: box,
		Early: 15 * time.Minute, Grace: time.Hour,
		OIDC: auth.Config{Transport: i.provider, Providers: []auth.Provider{{
			ID: "demo", Name: "Hôpital", Issuer: i.ID, ClientID: i.provider.ClientID, ClientSecret: i.provider.ClientSecret,
			Member: auth.Rule{Claim: "organization", Values: []string{"hospital.example"}},
		}}},
		Turn:   turn.Config{Realm: "door.test", PublicIPs: []netip.Addr{loopback}, Peers: turn.PeerPolicy{Prefixes: []netip.Prefix{netip.PrefixFrom(loopback, 32)}, MinPort: 7882, MaxPort: 7882}},
		TurnOn: turn.Addresses{UDP: []string{"127.0.0.1:0"}},
		Site:   web.Site{Name: "Hôpital", Contact: "05 61 00 00 00"}, Pages: web.Config{Lang: "fr"},
		Logger: slog.New(slog.NewTextHandler(i.log, nil)),
	}
	for _, change := range changes {
		change(&c)
	}
	if i.product, err = built.New(c); err != nil {
		t.Fatal(err)
	}
	if err := i.product.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	handler = i.product.Handler()
	i.TURN = i.product.Turn.Addrs().UDP[0].String()
	srv.StartTLS()
	i.client = &http.Client{
		Transport: streets{&http.Transport{
			// The door compares the name in the handshake with the request's;
			// httptest's certificate is for neither.
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS13},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, network, srv.Listener.Addr().String())
			},
		}, i.provider, box},
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	i.run(t, srv)
	return i
}

func newProvider() *provider {
	p := &provider{Provider: authtest.New("https://id.test", authtest.NewKey("k", jose.ES256))}
	p.Person["organization"] = "hospital.example"
	return p
}

// run keeps the house going until the test ends.
func (i *inside) run(t *testing.T, srv *httptest.Server) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- i.product.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the house ended with %v", err)
		}
		i.client.CloseIdleConnections()
		srv.Close()
		if t.Failed() {
			t.Logf("the house said:\n%s", i.log)
		}
	})
}

// meet makes a meeting of the provider's person with guests who have a mailbox,
// "Name <address>", and takes it for the house's own.
func (i *inside) meet(t *testing.T, starts, ends time.Time, guests ...string) {
	t.Helper()
	d := lobby.Draft{Title: "Consultation", Starts: starts, Ends: ends, Zone: "Europe/Paris", Lang: "fr", Settings: i.product.Lobby.Defaults()}
	for _, g := range guests {
		name, address, _ := strings.Cut(strings.TrimSuffix(g, ">"), " <")
		d.Invitees = append(d.Invitees, lobby.Invitee{Name: name, Email: address})
	}
	id, err := i.product.Lobby.Create(t.Context(), meeting.Person{
		Issuer: i.ID, Subject: "u-1", Name: "Ada Martin", Email: "ada@hospital.example",
		Evidence: meeting.Evidence{Method: meeting.OIDC, Member: true, EmailVerified: true},
	}, d, "")
	if err != nil {
		t.Fatal(err)
	}
	i.Meeting, i.Invitations = string(id), nil
	s, err := i.product.Lobby.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range s.Invitations {
		i.Invitations = append(i.Invitations, invited{For: v.Name, By: "mail", Email: v.Email, Link: i.Door + "/i/" + i.product.Lobby.Link(id, &v)})
	}
}

// now is a meeting that has begun and lasts an hour, with J. D. and M. L.
func (i *inside) now(t *testing.T) {
	t.Helper()
	i.meet(t, time.Now().Add(-time.Minute), time.Now().Add(time.Hour), "J. D. <"+jeanne+">", "M. L. <"+marc+">")
}

// console is the host at the console.
func (i *inside) console(t *testing.T) *visitor {
	t.Helper()
	v := i.visitor(t)
	v.open(i.Door+"/").submit("/signin", one("provider", "demo"))
	return v.open(i.Door + "/m/" + i.Meeting)
}
