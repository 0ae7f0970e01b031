package e2e_test

import (
	"context"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"vestibule/conference/livekit"
	built "vestibule/house"
	"vestibule/mail"
	"vestibule/store"
	"vestibule/store/storetest"
)

// deaf answers an address of the loopback where nobody listens.
func deaf(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// TestProviderDown takes the provider away: who would sign in is told, and who
// proves a mailbox still enters. When it is back, so is the way.
func TestProviderDown(t *testing.T) {
	t.Parallel()
	i := openInside(t)
	i.now(t)
	console := i.Door + "/m/" + i.Meeting
	host := i.console(t)
	host.submit("/enter", nil).submit("/-/enter", nil)

	i.provider.away.Store(true)
	v := i.visitor(t)
	v.open(i.link(t, "J. D.")).submit("/signin", one("provider", "demo")).want(http.StatusServiceUnavailable, "ne répond pas")
	v = i.guest(t, "J. D.", jeanne)
	id := v.admission()
	host.answers(console, id, "admit")
	v.open(i.Door + "/a/" + id).enters()
	if role(t, i.house, v).Role != "guest" {
		t.Error("who proved a mailbox is not in the room")
	}
	i.provider.away.Store(false)
	again := i.visitor(t)
	eventually(t, "the provider's way is open again", func() bool {
		return again.open(i.Door+"/").submit("/signin", one("provider", "demo")).code == http.StatusOK
	})
	again.want(http.StatusOK, "Consultation")
}

// TestMailServerDown has no mail leave: the host sees which invitations will be
// sent again, and the guest is told that the code did not leave.
func TestMailServerDown(t *testing.T) {
	t.Parallel()
	smtp := deaf(t)
	i := openInside(t, func(c *built.Config) {
		sender, err := mail.New(mail.Config{Addr: smtp, TLS: "none", DangerouslyPlain: true, From: "visio@hospital.example"})
		if err != nil {
			t.Fatal(err)
		}
		c.Mailer = sender
	})
	i.now(t)
	host := i.console(t)
	eventually(t, "the host sees both invitations deferred", func() bool {
		return strings.Count(host.open(host.at.String()).words(), "sera renvoyée") == 2
	})
	v := i.visitor(t)
	v.open(i.link(t, "J. D.")).submit("/code", nil).want(http.StatusServiceUnavailable, "Le code n’a pas pu partir : notre messagerie ne répond pas")
	if strings.Contains(i.log.String(), jeanne) {
		t.Error("an address stands in the log")
	}
}

// TestConferenceServerDown takes LiveKit away: who would enter reads why, on a
// page of the door, and enters when it is back.
func TestConferenceServerDown(t *testing.T) {
	t.Parallel()
	nobody, err := livekit.New(livekit.Config{URL: "http://" + deaf(t), Key: "key", Secret: strings.Repeat("s", 32), Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	i := openInside(t, func(c *built.Config) { c.Backend = nobody })
	i.now(t)
	console := i.Door + "/m/" + i.Meeting
	host := i.console(t)
	v := i.guest(t, "J. D.", jeanne)
	host.answers(console, v.admission(), "admit")
	start := time.Now()
	host.open(console).submit("/enter", nil).want(http.StatusServiceUnavailable, "Un instant")
	if took := time.Since(start); took > bound {
		t.Errorf("it took %v to say so", took)
	}
	if !strings.HasPrefix(host.at.String(), i.Door) || host.header.Get("Retry-After") == "" {
		t.Errorf("the host is left at %s with Retry-After %q", short(host.at.String()), host.header.Get("Retry-After"))
	}
	if v.open(v.at.String()); v.code != http.StatusOK {
		t.Errorf("who waits is answered %d", v.code)
	}
}

// openRedis opens a house on a redis-server.
func openRedis(t *testing.T, s *storetest.Server, changes ...func(*built.Config)) *inside {
	t.Helper()
	return openInside(t, append([]func(*built.Config){func(c *built.Config) {
		kept, err := store.Open(store.Config{URL: s.URL(), Prefix: "e2e:"})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = kept.Close() })
		c.Store = kept
	}}, changes...)...)
}

// busy fails the test unless every page answers that it is our side, and soon:
// in less than a second on a machine that is not busy itself.
func busy(t *testing.T, v *visitor, addresses ...string) {
	t.Helper()
	for _, a := range addresses {
		start := time.Now()
		v.open(a)
		took := time.Since(start)
		v.want(http.StatusServiceUnavailable, "Un instant")
		t.Logf("%s answered after %v", short(a), took.Round(time.Millisecond))
		if took > bound {
			t.Errorf("%s answered after %v", short(a), took)
		}
		if v.header.Get("Retry-After") == "" {
			t.Errorf("%s does not say when to try again", short(a))
		}
	}
}

// TestT63RedisDownAtStart opens the house before its redis-server answers:
// pages say so at once, and the house needs no second start.
func TestT63RedisDownAtStart(t *testing.T) {
	t.Parallel()
	redis := storetest.StartRedis(t)
	secret := []byte(strings.Repeat("s", 32))
	keep := func(c *built.Config) { c.Secret = secret }
	before := openRedis(t, redis, keep)
	before.now(t)

	redis.Stop()
	defer redis.Resume()
	i := openRedis(t, redis, keep)
	// The link is genuine and does not name the house that made it.
	link := i.Door + strings.TrimPrefix(before.link(t, "J. D."), before.Door)
	v := i.visitor(t)
	busy(t, v, link, link+"/code", link)
	if code := ready(t, i); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz answers %d, want 503", code)
	}
	redis.Resume()
	eventually(t, "the link works", func() bool { return v.open(link).code == http.StatusOK })
	eventually(t, "the house is ready", func() bool { return ready(t, i) == http.StatusOK })
}

func ready(t *testing.T, i *inside) int {
	t.Helper()
	w := &status{}
	req, err := http.NewRequestWithContext(context.WithoutCancel(t.Context()), http.MethodGet, "http://127.0.0.1/readyz", nil)
	if err != nil {
		t.Fatal(err)
	}
	i.product.Ops("127.0.0.1:0").ServeHTTP(w, req)
	return w.code
}

// status is a response of which only the status matters.
type status struct{ code int }

func (s *status) Header() http.Header         { return http.Header{} }
func (s *status) Write(b []byte) (int, error) { return len(b), nil }
func (s *status) WriteHeader(code int)        { s.code = code }

// TestT63RedisStops freezes redis-server in the middle of a real meeting:
// nobody new enters and is told so, nobody inside loses anything, and all is
// well again when it is back.
func TestT63RedisStops(t *testing.T) {
	redis := storetest.StartRedis(t)
	h := openHouse(t, "--redis", redis.URL())
	host, desk, guest, third := gather(t, h)
	out, stays := guest.identity(), third.admission()
	host.admits(stays)
	third.joins()
	desk.sees(stays, 10)
	peers := func() []int {
		return []int{eval[int](desk, `pcs.length`), eval[int](third, `pcs.length`), len(third.rec.took().Sockets)}
	}
	before := peers()
	kept := eval[string](desk, `spy.track("`+stays+`")`)
	eval[any](desk, `spy.clock()`)
	link := h.link(t, "Dr Hugo Bernard")

	redis.Stop()
	defer redis.Resume()
	busy(t, h.visitor(t), link, link+"/code", link)
	// Three seconds at 20 frames a second are longer than anything is believed
	// without the store.
	for _, p := range []*person{desk, third} {
		p.sees(map[bool]string{true: stays, false: desk.identity()}[p == desk], 60)
	}
	guest.sees(desk.identity(), 10)
	if got := peers(); !slices.Equal(got, before) {
		t.Errorf("connections while redis is away = %v, want %v as before", got, before)
	}
	s := eval[sight](desk, `seen["`+kept+`"]`)
	t.Logf("while redis was away: longest time without a frame %d ms", s.Worst)
	if s.Worst > int(bound.Milliseconds()) {
		t.Errorf("the picture stood still for %d ms", s.Worst)
	}

	redis.Resume()
	v := h.visitor(t)
	eventually(t, "the link works again", func() bool { return v.open(link).code == http.StatusOK })
	v.submit("/signin", one("provider", "demo")).signsIn(hugo).knocks("H. B.")
	host.admits(v.admission())
	desk.sees(out, 10)
}
