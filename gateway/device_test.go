package gateway_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"vestibule/gateway"
)

// otherAgent is another browser than everybody's.
const otherAgent = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"

// tells waits for the console of a meeting to say the words.
func (v *visitor) tells(m *held, words string) {
	v.t.Helper()
	eventually(v.t, "the console says "+words, func() bool { return strings.Contains(v.get(m.path("")).body, words) })
}

// copied is another device with the room cookie of somebody inside: another
// browser, or the same kind in another network.
func (v *visitor) copied(agent, from string) *visitor {
	o := v.s.visit()
	o.agent = agent
	o.plant(roomOrigin, "__Host-room", v.cookie(roomOrigin, "__Host-room"))
	tr, ok := o.plain.Transport.(*http.Transport)
	if !ok {
		v.t.Fatal("no transport")
	}
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
		return d.DialContext(ctx, network, v.s.addr)
	}
	return o
}

// talks has a socket speak as a page does, until the test or the socket ends.
func (s *socket) talks(t *testing.T) {
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for tick := time.NewTicker(20 * time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
				if !s.ping(t) {
					tick.Stop()
					return
				}
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-ended })
}

// TestT43SecondDeviceWaits brings a copied room cookie to a second device: it is
// turned away while the first speaks, and the host is told; the page's own way
// back is not.
func TestT43SecondDeviceWaits(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	h.opens(m)
	g, _ := h.inside(m, "Jane Doe")
	first := g.joins()
	first.talks(t)
	for what, thief := range map[string]*visitor{"another browser": g.copied(otherAgent, "127.0.0.1"), "another network": g.copied(g.agent, "127.0.7.7")} {
		if ws, status := thief.dial(nil); ws != nil || status != http.StatusConflict {
			t.Errorf("%s beside the first = %d, want 409", what, status)
		}
		said := thief.send(thief.request(http.MethodGet, roomOrigin+"/-/pass", nil)).body
		if what == "another browser" && !strings.Contains(said, `"elsewhere":true`) {
			t.Errorf("%s is told %s, want that the place is taken", what, said)
		}
	}
	h.tells(m, "A second device tried to take the place of ")
	h.tells(m, `class="state bad">second device<`)
	if n := strings.Count(h.get(m.path("")).body, "A second device tried to take"); n != 1 {
		t.Errorf("the console says it %d times, want once a minute", n)
	}
	if said := g.send(g.request(http.MethodGet, roomOrigin+"/-/pass", nil)).body; !strings.Contains(said, `"elsewhere":false`) {
		t.Errorf("the first device is told %s", said)
	}
	if again, status := g.dial(nil); again == nil {
		t.Errorf("the page's own way back = %d", status)
	}
}

// TestT43MovedDeviceComesBack has a device come back by another network, its old
// line dead and nobody told of that: it is let in, and no host is alarmed. One
// that looks otherwise is let in too, and the host is told.
func TestT43MovedDeviceComesBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	gateway.Silent(s.Gateway, 200*time.Millisecond)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	h.opens(m)
	g, _ := h.inside(m, "Jane Doe")
	first := g.joins()
	moved := g.copied(g.agent, "127.0.7.7").joins()
	first.ended(t)
	if !moved.ping(t) {
		t.Error("the device that moved has no line")
	}
	if page := h.get(m.path("")).body; strings.Contains(page, "second device") {
		t.Error("the host is warned of a device that changed networks")
	}
	g.copied(otherAgent, "127.0.7.7").joins()
	moved.ended(t)
	h.tells(m, "A second device took the place of ")
}

// TestT43SocketsAreCounted opens more web sockets than a page could have left
// behind, to a conference server that minds none: the silent ones give way.
func TestT43SocketsAreCounted(t *testing.T) {
	t.Parallel()
	_, s, h, _ := echoing(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, b, err := c.Read(r.Context())
			if err != nil || c.Write(r.Context(), kind, b) != nil {
				return
			}
		}
	})
	m := h.meet(nil, "Jane Doe")
	h.want(h.post(m.path("/enter"), nil), http.StatusOK, "the way in")
	h.redeems()
	g, _ := h.inside(m, "Jane Doe")
	var last *websocket.Conn
	for range 20 {
		c, _, err := websocket.Dial(t.Context(), roomOrigin+"/app/ws", &websocket.DialOptions{HTTPClient: g.plain, HTTPHeader: http.Header{"Origin": {roomOrigin}, "User-Agent": {g.agent}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.CloseNow() })
		last = c
	}
	eventually(t, "six sockets are left", func() bool { return s.Gateway.Connections() == 6 })
	if err := last.Write(t.Context(), websocket.MessageText, []byte("here")); err != nil {
		t.Fatal(err)
	}
	if _, b, err := last.Read(t.Context()); err != nil || string(b) != "here" {
		t.Errorf("the newest socket says %q, %v", b, err)
	}
}

// TestT43TicketElsewhereEndsTheFirst spends a second ticket of the same admission
// in another browser: the first is out, and the host hears of it.
func TestT43TicketElsewhereEndsTheFirst(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	host := h.opens(m)
	g, a := h.inside(m, "Jane Doe")
	first := g.joins()
	events := g.listen(roomOrigin + "/-/events")
	g.want(g.post("/a/"+a+"/enter", nil), http.StatusOK, "a second ticket")
	thief := s.visit()
	thief.agent = otherAgent
	thief.want(thief.redeem(g.ticket), http.StatusSeeOther, "redeeming it elsewhere")
	first.ended(t)
	events.over(t)
	second := thief.joins()
	if again, status := g.dial(nil); again != nil || status == http.StatusSwitchingProtocols {
		t.Error("the first device's pass still opens the room")
	}
	if !second.ping(t) || !host.ping(t) {
		t.Error("the second device or the host lost their socket")
	}
	h.tells(m, "A second device took the place of ")
	// Its cookie of the door is not enough either: the ticket is for the
	// browser that knocked.
	copied := s.visit()
	copied.get("/")
	copied.plant(doorOrigin, "__Host-door", g.cookie(doorOrigin, "__Host-door"))
	copied.want(copied.post("/a/"+a+"/enter", nil), http.StatusForbidden, "entering with a stolen cookie")
}
