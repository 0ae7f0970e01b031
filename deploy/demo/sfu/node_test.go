package sfu_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"vestibule/conference"
	"vestibule/deploy/demo/sfu"
	built "vestibule/house"
	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/turn"
	"vestibule/web"
)

const (
	doorOrigin = "https://door.test"
	roomOrigin = "https://room.test"
)

// node is one door with everything behind it.
type node struct {
	*built.House
	addr  string
	roots *x509.CertPool

	mu         sync.Mutex
	transports []*http.Transport // guarded by mu
}

// tls is how to speak to the node under a name.
func (n *node) tls(name string, protos ...string) *tls.Config {
	return &tls.Config{RootCAs: n.roots, ServerName: name, NextProtos: protos, MinVersion: tls.VersionTLS12}
}

// client asks the node whatever the name, and notes what comes.
func (n *node) client(proto string, m *meter) *http.Client {
	tr := &http.Transport{ForceAttemptHTTP2: proto == "h2", DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", n.addr)
		if err != nil {
			return nil, err
		}
		s := tls.Client(metered{c, m, false}, n.tls("room.test", proto))
		return s, s.HandshakeContext(ctx)
	}}
	n.mu.Lock()
	n.transports = append(n.transports, tr)
	n.mu.Unlock()
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// forget closes the connections that no request is using.
func (n *node) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, t := range n.transports {
		t.CloseIdleConnections()
	}
}

// certificate is of both origins and of the relay's address.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"door.test", "room.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, MinVersion: tls.VersionTLS12}, roots
}

// openNodes opens one door for each store, all before one conference server.
func openNodes(t *testing.T, s *sfu.Server, b conference.Backend, stores ...built.Store) []*node {
	t.Helper()
	secret := []byte(rand.Text() + rand.Text())
	secure, roots := certificate(t)
	loopback := netip.MustParseAddr("127.0.0.1")
	nodes := make([]*node, len(stores))
	for i := range stores {
		h, err := built.New(built.Config{
			Door: doorOrigin, Room: roomOrigin, Secret: secret, Store: stores[i], Backend: b,
			Turn: turn.Config{
				Realm: "door.test", PublicIPs: []netip.Addr{loopback}, Peers: turn.PeerPolicy{Prefixes: []netip.Prefix{s.Media}, MinPort: uint16(s.Port), MaxPort: uint16(s.Port)},
				Quota: 16, TLS: secure, ConnectionsPerSource: 1000,
			},
			TurnOn: turn.Addresses{UDP: []string{"127.0.0.1:0"}, TCP: []string{"127.0.0.1:0"}, TLS: []string{"127.0.0.1:0"}},
			Site:   web.Site{Name: "Hôpital"}, Limits: built.Limits{PerSource: 10_000}, State: t.TempDir(),
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
		if err := h.Listen(ctx); err != nil {
			t.Fatal(err)
		}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		nodes[i] = &node{House: h, addr: ln.Addr().String(), roots: roots}
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := h.Run(ctx); err != nil {
				t.Errorf("Run = %v", err)
			}
		})
		wg.Go(func() {
			if err := built.Serve(ctx, h.Guard(ln), h.Handler(), secure, time.Second, slog.New(slog.DiscardHandler)); err != nil {
				t.Errorf("Serve = %v", err)
			}
		})
		t.Cleanup(func() { cancel(); wg.Wait(); nodes[i].forget() })
	}
	return nodes
}

// gathering is one meeting that is going on.
type gathering struct {
	t     *testing.T
	id    meeting.ID
	host  meeting.Person
	links map[string]string
	room  string
}

// gather makes a meeting of n guests on a node and opens it.
func gather(t *testing.T, n *node, guests int) *gathering {
	t.Helper()
	g := &gathering{t: t, links: map[string]string{}, host: meeting.Person{
		Issuer: "https://id.test", Subject: "doctor", Name: "Dr Claire Martin", Email: "claire@hopital.test",
		Evidence: meeting.Evidence{Method: meeting.OIDC, EmailVerified: true, Member: true},
	}}
	d := lobby.Draft{Title: "Consultation", Starts: time.Now(), Ends: time.Now().Add(2 * time.Hour), Zone: "Europe/Paris", Lang: "fr"}
	for i := range guests {
		d.Invitees = append(d.Invitees, lobby.Invitee{Name: fmt.Sprint("G ", i), Email: fmt.Sprintf("g%d@exemple.test", i)})
	}
	var err error
	if g.id, err = n.Lobby.Create(t.Context(), g.host, d, ""); err != nil {
		t.Fatal(err)
	}
	s, err := n.Lobby.Snapshot(t.Context(), g.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range s.Invitations {
		g.links[v.Name] = n.Lobby.Link(g.id, &v)
	}
	g.room = s.Meeting.Room
	a, err := n.Lobby.HostKnock(t.Context(), g.id, lobby.Arrival{Person: g.host, Device: "desk"}, "")
	if err != nil {
		t.Fatal(err)
	}
	ticket, err := n.Lobby.Enter(t.Context(), g.id, a, "desk")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Lobby.Redeem(t.Context(), ticket); err != nil {
		t.Fatal(err)
	}
	return g
}

// admits takes an invitee through the door of a node, as far as the pass.
func (g *gathering) admits(n *node, number int) *guest {
	g.t.Helper()
	p := &guest{t: g.t, at: n, meeting: g.id, number: uint32(number), device: fmt.Sprint("device ", number)}
	ctx, fail := g.t.Context(), func(err error) {
		g.t.Helper()
		if err != nil {
			g.t.Fatal(err)
		}
	}
	var err error
	_, p.admission, err = n.Lobby.Knock(ctx, g.links[fmt.Sprint("G ", number)], lobby.Arrival{
		Person: meeting.MailboxPerson(fmt.Sprintf("g%d@exemple.test", number), time.Now()), Device: p.device, Consent: true,
	}, "")
	fail(err)
	fail(n.Lobby.Answer(ctx, g.id, g.host.Key(), p.admission, meeting.Answer{Admit: true}, ""))
	p.ticket, err = n.Lobby.Enter(ctx, g.id, p.admission, p.device)
	fail(err)
	p.pass, err = n.Lobby.Redeem(ctx, p.ticket)
	fail(err)
	return p
}
