package sip_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vestibule/dialin/sip"
)

func trunk(addr string) []sip.Peer {
	return []sip.Peer{{Name: "operator", Addresses: []netip.Prefix{netip.MustParsePrefix(addr + "/32")}}}
}

// throng sends n calls of each source, and confirms none. It returns how many got
// an answer.
func throng(t *testing.T, d *door, sources, n int) (answered int) {
	t.Helper()
	p := dial(t, d, "udp")
	for i := range sources * n {
		p.callID, p.tag = fmt.Sprint("crowd", i), fmt.Sprint("crowd", i)
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(100 + i/n/250), byte(1 + i/n%250)}), 5060)
		if len(sip.Receive(d.Server, []byte(p.request("INVITE", meetingURI, p.sdp())), from)) > 0 {
			answered++
		}
	}
	return answered
}

// Many sources that call and never confirm, as a forger of addresses does, hold
// no line: of such calls the oldest gives way.
func TestT51ManySourcesDoNotFillTheLines(t *testing.T) {
	d := open(t, func(c *sip.Config) { c.Total, c.Peers, c.PerSecond = 80, trunk("127.0.0.50"), 10_000 })
	if got := throng(t, d, 100, 20); got != 2000 {
		t.Errorf("%d calls of 2000 were answered at all: nothing is tried", got)
	}
	for _, from := range []string{"127.0.0.10", "127.0.0.50"} {
		p := dialFrom(t, d, "udp", from)
		p.call(meetingURI, p.sdp())
		<-d.calls
	}
	if n := d.Calls(); n > 20 {
		t.Errorf("%d calls stand, want those that are confirmed and few others", n)
	}
}

// Lines that strangers really take are not the trunk's.
func TestT51PeersKeepLines(t *testing.T) {
	d := open(t, func(c *sip.Config) { c.Total, c.PerSource, c.Peers = 10, 4, trunk("127.0.0.50") })
	for i := range 8 {
		p := dialFrom(t, d, "udp", fmt.Sprint("127.0.0.", 60+i/4))
		p.call(meetingURI, p.sdp())
	}
	p := dialFrom(t, d, "udp", "127.0.0.70")
	p.say("INVITE", meetingURI, p.sdp())
	if r := p.final("INVITE"); r.code != 503 {
		t.Errorf("one stranger more = %q, want 503", r.start)
	}
	for range 2 {
		q := dialFrom(t, d, "udp", "127.0.0.50")
		q.call(meetingURI, q.sdp())
	}
}

// However many they are, so many strangers a second are taken and no more. One
// who repeats the call, as a telephone does, gets through.
func TestT51StrangersTogetherAreBounded(t *testing.T) {
	d := open(t, func(c *sip.Config) { c.PerSecond, c.Peers = 5, trunk("127.0.0.50") })
	start := time.Now()
	got := throng(t, d, 300, 1)
	if most := 6 + int(5*time.Since(start).Seconds()); got > most {
		t.Errorf("%d calls were taken at once, want at most %d", got, most)
	}
	q := dialFrom(t, d, "udp", "127.0.0.50")
	q.call(meetingURI, q.sdp())
	p := dialFrom(t, d, "udp", "127.0.0.10")
	m := p.request("INVITE", meetingURI, p.sdp())
	for range 10 {
		p.raw(m)
		if r := p.final("INVITE"); r.code == 200 {
			return
		}
	}
	t.Error("a stranger who repeats the call gets no answer")
}

// While the memory of a rate is full of others, it costs nothing to say so.
func TestRateIsFullForLittle(t *testing.T) {
	now := time.Now()
	for _, lax := range []bool{false, true} {
		allow := sip.Rate(lax)
		for i := range 8192 {
			allow(fmt.Sprint(i), now)
		}
		begun := time.Now()
		for i := range 100_000 {
			if allow(fmt.Sprint("other", i), now) != lax {
				t.Fatalf("an unknown one passes: %v, want %v", !lax, lax)
			}
		}
		if took := time.Since(begun); took > 5*time.Second { // walking through all takes minutes
			t.Errorf("100,000 refusals took %v", took)
		}
		if !allow("honest", now.Add(2*time.Minute)) {
			t.Error("nobody is forgotten")
		}
	}
}

// Who gives way is told once.
func TestT51WhoGivesWayIsToldOnce(t *testing.T) {
	d := open(t, func(c *sip.Config) { c.Total, c.PerSource = 20, 1 })
	p := dialFrom(t, d, "udp", "127.0.0.10")
	p.say("INVITE", meetingURI, p.sdp())
	p.final("INVITE")
	throng(t, d, 10, 1)
	byes := 0
	for r := p.next(); r.start != ""; r = p.next() {
		if strings.HasPrefix(r.start, "BYE ") {
			byes++
		}
	}
	if byes != 1 {
		t.Errorf("%d BYEs, want 1", byes)
	}
	d = open(t, func(c *sip.Config) {
		c.Total, c.PerSource = 20, 1
		c.Answer = func(_ context.Context, c *sip.Call) { <-c.Gone() }
	})
	p = dialFrom(t, d, "udp", "127.0.0.10")
	p.say("INVITE", meetingURI, p.sdp())
	for r := p.next(); r.code != 180; r = p.next() {
		if r.start == "" {
			t.Fatal("it does not ring")
		}
	}
	throng(t, d, 10, 1)
	noes := 0
	for r := p.next(); r.start != ""; r = p.next() {
		if r.code >= 300 {
			noes++
		}
	}
	if noes != 1 {
		t.Errorf("%d refusals, want 1", noes)
	}
}

// Who holds a connection has proved its address: those who forge theirs take
// neither its line nor its turn.
func TestT51ConnectionsKeepTheirTurn(t *testing.T) {
	d := open(t, func(c *sip.Config) { c.Total, c.PerSecond = 80, 10_000 })
	p := dialFrom(t, d, "tcp", "127.0.0.10")
	p.say("INVITE", meetingURI, p.sdp())
	r := p.final("INVITE")
	throng(t, d, 300, 1)
	p.confirm(r, "")
	select {
	case <-d.calls:
	case <-time.After(5 * time.Second):
		t.Fatal("a call by a connection gave way to forged ones")
	}
	d = open(t, func(c *sip.Config) { c.PerSecond = 5 })
	throng(t, d, 300, 1)
	q := dialFrom(t, d, "tcp", "127.0.0.11")
	q.say("INVITE", meetingURI, q.sdp())
	if r := q.final("INVITE"); r.code != 200 {
		t.Errorf("a call by a connection in the middle of forged ones = %q, want 200", r.start)
	}
}

// A room that proves its secret from anywhere is no stranger among strangers.
func TestT51WhoProvesItselfIsNoStranger(t *testing.T) {
	const secret = "a secret of a room"
	d := open(t, func(c *sip.Config) {
		c.PerSecond, c.Peers = 5, []sip.Peer{{Name: "salle1", User: "salle1", Secret: secret}}
		c.OnlyPeers = true
	})
	p := dialFrom(t, d, "udp", "127.0.0.10")
	p.say("INVITE", meetingURI, p.sdp())
	challenge := p.final("INVITE").get("www-authenticate")
	throng(t, d, 300, 1)
	p.seq++
	p.say("INVITE", meetingURI, p.sdp(), digest(challenge, "salle1", secret, "INVITE", meetingURI, "00000001"))
	if r := p.final("INVITE"); r.code != 200 {
		t.Errorf("a paired room in the middle of strangers = %q, want 200", r.start)
	}
}
