package e2e_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vestibule/auth/authtest"
	"vestibule/config"
	built "vestibule/house"
	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store/storetest"
)

// pair is two processes of the product on one redis-server, as behind a load
// balancer, with a provider that both know.
type pair struct {
	*house
	nodes    [2]site
	doors    [2]*running
	provider *authtest.Provider
	lobby    *lobby.Lobby // on the same store, to make meetings by
}

// openPair starts both.
func openPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{nodes: [2]site{newSite(t, storetest.Redis(t))}}
	srv := httptest.NewUnstartedServer(nil)
	p.provider = authtest.New("http://"+srv.Listener.Addr().String(), authtest.NewKey("k", jose.ES256))
	srv.Config.Handler = p.provider
	srv.Start()
	t.Cleanup(srv.Close)
	dir := filepath.Dir(p.nodes[0].config)
	secret := filepath.Join(dir, "oidc")
	if err := os.WriteFile(secret, []byte(p.provider.ClientSecret), 0o600); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(p.nodes[0].config)
	if err != nil {
		t.Fatal(err)
	}
	first := string(text) + fmt.Sprintf(`
providers:
  - {id: demo, name: Hôpital, issuer: %q, client_id: %q, client_secret: "file:%s", member: {claim: email, values: ["@hospital.example"]}, dangerously_allow_plain_http: true}
`, p.provider.Issuer, p.provider.ClientID, secret)
	// The other node has the same names and port at another address.
	p.nodes[1] = p.nodes[0]
	_, port, _ := net.SplitHostPort(p.nodes[0].https)
	p.nodes[1].config, p.nodes[1].https, p.nodes[1].ops = filepath.Join(dir, "other.yaml"), "127.0.0.2:"+port, freeAddress(t)
	second := strings.NewReplacer(p.nodes[0].https, p.nodes[1].https, p.nodes[0].ops, p.nodes[1].ops, filepath.Join(dir, "state"), filepath.Join(dir, "other")).Replace(first)
	for i, text := range []string{first, second} {
		if err := os.WriteFile(p.nodes[i].config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		p.doors[i] = p.nodes[i].serve(t)
	}
	p.house = &house{Door: "https://visio.test:" + port, Room: "https://room.visio.test:" + port}
	p.open(t)
	return p
}

// open reads what both processes read.
func (p *pair) open(t *testing.T) {
	t.Helper()
	f, err := config.Load(p.nodes[0].config)
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.Build(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Store.Close() })
	h, err := built.New(b.House)
	if err != nil {
		t.Fatal(err)
	}
	p.lobby = h.Lobby
}

// meets makes a meeting of the host with guests, and answers their links.
func (p *pair) meets(t *testing.T, guests ...string) (links map[string]string) {
	t.Helper()
	d := lobby.Draft{Title: "Consultation", Starts: time.Now().Add(-time.Minute), Ends: time.Now().Add(time.Hour), Zone: "Europe/Paris", Lang: "fr", Settings: p.lobby.Defaults()}
	for _, g := range guests {
		d.Invitees = append(d.Invitees, lobby.Invitee{Name: g, Email: address(g)})
	}
	id, err := p.lobby.Create(t.Context(), meeting.Person{
		Issuer: p.provider.Issuer, Subject: "host", Name: "Ada Martin", Email: address("host"),
		Evidence: meeting.Evidence{Method: meeting.OIDC, Member: true, EmailVerified: true},
	}, d, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.lobby.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	p.Meeting, links = string(id), map[string]string{}
	for _, v := range s.Invitations {
		links[v.Name] = p.Door + "/i/" + p.lobby.Link(id, &v)
	}
	return links
}

func address(name string) string { return name + "@hospital.example" }

// balanced is a browser that a load balancer leads to one node, and later to
// another.
type balanced struct {
	*visitor
	p  *pair
	to *atomic.Int32
	tr *http.Transport
}

// RoundTrip leads to the doors, and through the provider.
func (b *balanced) RoundTrip(r *http.Request) (*http.Response, error) {
	if "http://"+r.URL.Host != b.p.provider.Issuer {
		return b.tr.RoundTrip(r)
	}
	back, err := b.p.provider.Authorize(r.URL.String())
	if err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	http.Redirect(w, r, r.URL.Query().Get("redirect_uri")+"?"+back.Encode(), http.StatusSeeOther)
	return w.Result(), nil
}

func (p *pair) browser(t *testing.T, node int) *balanced {
	b := &balanced{p: p, to: &atomic.Int32{}}
	b.leads(node)
	b.tr = &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: p.nodes[0].roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, p.nodes[b.to.Load()].https)
		},
	}
	t.Cleanup(b.tr.CloseIdleConnections)
	b.visitor = newVisitor(t, &http.Client{
		Transport: b, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	return b
}

// leads has the browser go to a node from now on.
func (b *balanced) leads(node int) {
	b.to.Store(int32(node))
	if b.tr != nil {
		b.tr.CloseIdleConnections()
	}
}

// as says who is at the provider next.
func (b *balanced) as(name string) url.Values {
	b.p.provider.Person = authtest.Claims{"sub": name, "name": name, "email": address(name), "email_verified": true}
	return one("provider", "demo")
}

// inside opens the signalling by the node that the browser is led to.
func (b *balanced) inside() <-chan struct{} {
	return b.socket(&house{Room: b.p.Room, client: b.client})
}

// TestT39NodeFalls has people inside by two processes of the product. One is
// put out at the other node; then their node is killed: nobody of it is shown
// as connected any more, and they come back by the node that is left.
func TestT39NodeFalls(t *testing.T) {
	t.Parallel()
	p := openPair(t)
	links := p.meets(t, "anna", "bruno", "carla")
	console := p.Door + "/m/" + p.Meeting
	host := p.browser(t, 0)
	host.open(p.Door+"/").submit("/signin", host.as("host"))
	host.open(console).enters()
	host.inside()
	ids, ended, guests := map[string]string{}, map[string]<-chan struct{}{}, map[string]*balanced{}
	for name, link := range links {
		g := p.browser(t, 1)
		g.open(link).submit("/signin", g.as(name))
		ids[name] = g.knocks(name).admission()
		host.answers(console, ids[name], "admit")
		g.open(p.Door + "/a/" + ids[name]).enters()
		ended[name], guests[name] = g.inside(), g
	}
	eventually(t, "all are shown as connected", func() bool {
		return host.open(console).code == http.StatusOK && !strings.Contains(host.words(), "connection lost") && strings.Contains(host.words(), "Inside (4)")
	})

	out := host.form("/expel", "admission", ids["anna"])
	start := time.Now()
	expelled := make(chan time.Duration, 1)
	go func() {
		<-ended["anna"]
		expelled <- time.Since(start)
	}()
	host.post(out)
	select {
	case took := <-expelled:
		t.Logf("put out at one node, cut at the other after %v", took.Round(time.Millisecond))
	case <-time.After(5 * time.Second):
		t.Error("the expelled one's connection at the other node is open 5 s later")
	}

	start = time.Now()
	p.doors[1].falls()
	eventually(t, "nobody of the fallen node is shown as connected", func() bool {
		return strings.Count(host.open(console).words(), "connection lost") == 2
	})
	took := time.Since(start)
	t.Logf("the console shows who lost their connection %v after the node fell", took.Round(time.Millisecond))
	for _, name := range []string{"bruno", "carla"} {
		g := guests[name]
		<-ended[name]
		g.leads(0)
		if name == "bruno" {
			ended[name] = g.inside() // the page in the room tries again by itself
		} else {
			g.open(p.Door + "/a/" + ids[name]).enters()
			g.inside()
		}
	}
	eventually(t, "both are back", func() bool { return !strings.Contains(host.open(console).words(), "connection lost") })
	anna := guests["anna"]
	anna.leads(0)
	if code := (possessions{cookies: anna.jar[p.Room]}).dial(t, &house{Room: p.Room, client: anna.client}, p.Room+"/rtc/v1?access_token=door"); code != http.StatusForbidden && code != http.StatusUnauthorized {
		t.Errorf("the expelled one's web socket answers %d at the node that is left, want 401 or 403", code)
	}
}
