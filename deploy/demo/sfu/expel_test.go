package sfu_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/turn/v3"

	"vestibule/conference"
	"vestibule/conference/livekit"
	"vestibule/deploy/demo/sfu"
	built "vestibule/house"
	"vestibule/store"
	"vestibule/store/storetest"
)

const (
	atATime = 5 // guests inside beside those who stay
	staying = 3
	// stillness is how long nothing may come before it is over.
	stillness = 300 * time.Millisecond
	// slip is how many frames a machine that has other things to do may lose
	// on its own in that time, 80 ms of sound; a cut that reached others would
	// silence them.
	slip = 2
	// bound is what fails on any machine, however busy: LiveKit by itself goes
	// on for 59 s.
	bound = 5 * time.Second
)

// TestT37HundredExpelled puts a hundred people out of a meeting that goes on
// (expulsions), one after the other, and times the last byte that each of them got or had
// heard. Their clients obey nobody.
func TestT37HundredExpelled(t *testing.T) {
	s := start(t, sfu.Config{})
	defer stop(t, s)
	t.Run("at once", func(t *testing.T) {
		t.Run("one node", func(t *testing.T) {
			t.Parallel()
			b := recorded(t, s)
			n := openNodes(t, s, b, store.NewMemory())
			run(t, trial{by: n[0], at: n[0], backend: b, n: expulsions, goal: 250 * time.Millisecond})
		})
		t.Run("two nodes", func(t *testing.T) {
			t.Parallel()
			redis := storetest.StartRedis(t)
			b := recorded(t, s)
			n := openNodes(t, s, b, openRedis(t, redis), openRedis(t, redis), openRedis(t, redis))
			run(t, trial{by: n[0], at: n[1], aside: n[2], backend: b, n: expulsions, goal: time.Second})
		})
	})
	t.Run("a conference server that removes nobody", func(t *testing.T) {
		b := recorded(t, s)
		n := openNodes(t, s, idle{b}, store.NewMemory())
		run(t, trial{by: n[0], at: n[0], backend: b, n: 10, goal: 250 * time.Millisecond, deaf: true})
	})
}

func openRedis(t *testing.T, r *storetest.Server) built.Store {
	t.Helper()
	s, err := store.Open(store.Config{URL: r.URL(), Timeout: 5 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// tape is a backend between which and LiveKit every token is seen.
type tape struct {
	*livekit.Backend
	mu     sync.Mutex
	tokens map[string]bool // guarded by mu
}

// recorded builds a backend whose way to the server is recorded.
func recorded(t *testing.T, s *sfu.Server) *tape {
	t.Helper()
	tp := &tape{tokens: map[string]bool{}}
	to, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	p := httputil.NewSingleHostReverseProxy(to)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/rtc") {
			tp.mu.Lock()
			tp.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] = true
			tp.mu.Unlock()
		}
		p.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	if tp.Backend, err = livekit.New(livekit.Config{URL: srv.URL, Key: s.Key, Secret: s.Secret}); err != nil {
		t.Fatal(err)
	}
	return tp
}

// idle says that it removed somebody, and did not.
type idle struct{ *tape }

// Remove implements conference.Rooms.
func (idle) Remove(context.Context, string, string) error { return nil }

var _ conference.Backend = idle{}

// trial is a meeting out of which n are put: by a host at one node, being at
// another.
type trial struct {
	by, at  *node
	aside   *node // has nobody of the meeting; nil: none
	backend *tape
	n       int
	goal    time.Duration
	deaf    bool // the conference server keeps them
}

// took are the times of one kind.
type took []time.Duration

func (d took) at(percent int) time.Duration {
	slices.Sort(d)
	return d[min(len(d)-1, len(d)*percent/100)].Round(time.Microsecond)
}

func run(t *testing.T, c trial) {
	g := gather(t, c.by, c.n+staying)
	var stay []*guest
	for i := range staying {
		stay = append(stay, g.admits(c.at, c.n+i))
	}
	enter(t, stay)
	var signals, downs, ups, posts took
	var gone []*guest
	for first := 0; first < c.n && !t.Failed(); first += atATime {
		var round []*guest
		for i := first; i < min(first+atATime, c.n); i++ {
			round = append(round, g.admits(c.at, i))
		}
		enter(t, round)
		hearEachOther(t, stay, round)
		for _, p := range round {
			before := lost(stay)
			e := c.expels(t, g, p, stay)
			if n := lost(stay) - before; n > slip {
				t.Errorf("those who stay lost %d frames of each other while somebody was put out", n)
			}
			signals, downs, ups, posts = append(signals, e.signal), append(downs, e.down), append(ups, e.up), append(posts, e.call)
		}
		for _, p := range round {
			p.leaves()
			gone = append(gone, p)
		}
	}
	t.Logf("frames that those who stay lost of each other, joining of others included: %d of %d", lost(stay), frames(stay))
	for _, p := range stay {
		select {
		case <-p.ended:
			t.Error("the signalling of one who stays ended")
		case <-p.events:
			t.Errorf("the events of one who stays ended: %v", p.cause)
		default:
		}
	}
	for what, d := range map[string]took{"last signalling byte": signals, "last media byte to them": downs, "last media byte of them": ups, "the call": posts} {
		if len(d) == 0 {
			continue
		}
		t.Logf("%s: p50 %v, p99 %v", what, d.at(50), d.at(99))
		if got := d.at(99); got > c.goal {
			t.Logf("%s: p99 %v is over the goal of %v", what, got, c.goal)
		}
	}
	c.replay(t, gone)
	for _, p := range stay {
		p.leaves()
	}
}

// lost counts the frames of those who stay that did not reach each other.
func lost(stay []*guest) (n int) {
	for _, p := range stay {
		for _, q := range stay {
			n += int(p.of(q.number).lost)
		}
	}
	return n
}

// frames counts those that did.
func frames(stay []*guest) (n int) {
	for _, p := range stay {
		for _, q := range stay {
			n += p.of(q.number).count
		}
	}
	return n
}

// enter has guests join, all at once, by different ways to the relay.
func enter(t *testing.T, all []*guest) {
	t.Helper()
	var wg sync.WaitGroup
	for i, p := range all {
		t.Cleanup(func() {
			if p.done != nil {
				p.leaves()
			}
		})
		wg.Go(func() {
			if err := p.joins([]string{"udp", "tcp", "tls"}[(int(p.number)+i)%3]); err != nil {
				t.Errorf("joining by %s: %v", p.kind, err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		t.FailNow()
	}
}

// hearEachOther waits until those who stay hear each of a round and are heard.
func hearEachOther(t *testing.T, stay, round []*guest) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for _, s := range stay {
		for _, p := range round {
			for s.of(p.number).count < 5 || p.of(s.number).count < 5 {
				if time.Now().After(deadline) {
					t.Fatalf("%d (%s) and %d (%s) do not hear each other: %d, %d", s.number, s.kind, p.number, p.kind, s.of(p.number).count, p.of(s.number).count)
				}
				time.Sleep(5 * time.Millisecond)
			}
		}
	}
}

// ended is what one expulsion took.
type ended struct{ signal, down, up, call time.Duration }

// expels puts somebody out and waits until nothing comes any more.
func (c trial) expels(t *testing.T, g *gathering, p *guest, stay []*guest) (e ended) {
	t.Helper()
	begun := time.Now()
	cuts, err := c.by.Lobby.Expel(t.Context(), g.id, g.host.Key(), p.admission, "")
	e.call = time.Since(begun)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range cuts {
		if x.Err != nil { // the host is told; the bytes are what counts here
			t.Logf("%s not confirmed: %v", x.What, x.Err)
		}
	}
	over := time.After(bound)
	for what, ch := range map[string]chan struct{}{"web socket": p.ended, "stream of events": p.events} {
		select {
		case <-ch:
		case <-over:
			t.Fatalf("the %s of the expelled is open after %v", what, bound)
		}
	}
	up := func() (last time.Duration) {
		for _, s := range stay {
			last = max(last, s.of(p.number).last.Sub(begun))
		}
		return last
	}
	for {
		e.down, e.up, e.signal = p.media.since(begun), up(), p.line.since(begun)
		if time.Since(begun)-max(e.down, e.up, e.signal) > stillness {
			break
		}
		if time.Since(begun) > bound {
			t.Fatalf("media runs on %v after the expulsion: to them until %v, of them until %v", bound, e.down, e.up)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if n := c.at.Turn.Live(p.admission); n > 0 {
		t.Errorf("%d relays of the expelled are open", n)
	}
	for {
		inside, err := c.backend.Participants(t.Context(), g.room)
		if err == nil && slices.Contains(inside, p.admission) == c.deaf {
			break
		}
		if time.Since(begun) > bound {
			t.Fatalf("at the conference server after %v: %v, %v, want %v", bound, !c.deaf, err, c.deaf)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return e
}

// replay tries everything that the expelled ever held, at every listener. Their
// clients went on sending all the while.
func (c trial) replay(t *testing.T, gone []*guest) {
	c.backend.mu.Lock()
	token := ""
	for k := range c.backend.tokens {
		token = k
	}
	before := len(c.backend.tokens)
	c.backend.mu.Unlock()
	if token == "" {
		t.Error("no token was recorded")
	}
	nodes := []*node{c.at}
	if c.by != c.at {
		nodes = append(nodes, c.by)
	}
	if c.aside != nil {
		nodes = append(nodes, c.aside)
	}
	for _, n := range nodes {
		for _, p := range gone {
			was := p.media.count.Load()
			p.at = n
			for what, try := range map[string]func() int{
				"the pass":             func() int { _, code := p.dial(t.Context(), true, "door"); return code },
				"the pass and a token": func() int { _, code := p.dial(t.Context(), true, token); return code },
				"a token alone":        func() int { _, code := p.dial(t.Context(), false, token); return code },
			} {
				if code := try(); code != http.StatusForbidden && code != http.StatusUnauthorized {
					t.Errorf("%s answers %d to the expelled, want 401 or 403", what, code)
				}
			}
			if _, err := n.Lobby.Redeem(t.Context(), p.ticket); err == nil {
				t.Error("the ticket was taken again")
			}
			if _, err := n.Lobby.Enter(t.Context(), p.meeting, p.admission, p.device); err == nil {
				t.Error("the expelled was given a ticket")
			}
			for what, err := range allocates(t, n, p) {
				if err == nil {
					t.Errorf("the relay over %s took the credentials of the expelled", what)
				}
			}
			if p.media.count.Load() != was {
				t.Error("the relay brought something to the expelled")
			}
		}
	}
	c.backend.mu.Lock()
	defer c.backend.mu.Unlock()
	if len(c.backend.tokens) != before {
		t.Error("a replay reached the conference server")
	}
}

// allocates asks for a relay over everything that listens.
func allocates(t *testing.T, n *node, p *guest) map[string]error {
	t.Helper()
	on := n.Turn.Addrs()
	got := map[string]error{}
	ask := func(what string, conn net.PacketConn, err error, to netip.AddrPort) {
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c, err := turn.NewClient(&turn.ClientConfig{
			TURNServerAddr: to.String(), Conn: conn, Username: p.relay.Username, Password: p.relay.Credential.(string), Realm: "door.test",
		})
		if err == nil {
			err = c.Listen()
		}
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		relay, err := c.Allocate()
		if err == nil {
			err = errors.Join(relay.Close(), nil)
		}
		got[what] = err
	}
	udp, err := net.ListenPacket("udp4", "127.0.0.1:0")
	ask("UDP", udp, err, on.UDP[0])
	stream := func(c net.Conn, err error) (net.PacketConn, error) {
		if err != nil {
			return nil, err
		}
		return turn.NewSTUNConn(c), nil
	}
	conn, err := stream(net.Dial("tcp", on.TCP[0].String()))
	ask("TCP", conn, err, on.TCP[0])
	conn, err = stream(tls.Dial("tcp", on.TLS[0].String(), n.tls("127.0.0.1")))
	ask("TLS", conn, err, on.TLS[0])
	return got
}
