package turn_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/pion/stun/v2"

	"vestibule/turn"
)

// TestT49AnswersAreNoAmplifier sends what a spoofer would: the smallest
// requests there are, from a few victims' addresses.
func TestT49AnswersAreNoAmplifier(t *testing.T) {
	// Not beside others: it counts goroutines.
	onEachPlane(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		requests := [][]byte{raw(0x0003), raw(0x0001), raw(0x0004), raw(0x0008), raw(0x0009), {0x40, 0, 0, 0}, raw(0x0016)}
		before := runtime.NumGoroutine()
		sent, got := 0, 0
		for host := range byte(10) {
			victim := dialFrom(t, s, "udp", turn.Credentials{}, 10+host)
			for i := range 1000 {
				b := requests[0]
				if i%2 == 1 {
					b = requests[i/2%len(requests)]
				}
				victim.send(b)
				sent += len(b)
				if i%50 == 49 { // so that the socket's buffer loses nothing
					got += victim.hear(t)
				}
			}
			got += victim.hear(t)
		}
		if got > sent || got == 0 {
			t.Errorf("%d bytes answered to %d, want some and not more", got, sent)
		}
		t.Logf("10,000 requests, %d bytes, answered with %d", sent, got)
		if now := runtime.NumGoroutine(); now > before+20 {
			t.Errorf("%d goroutines, %d before", now, before)
		}
		// Others are served meanwhile, and so is a victim that has a relay.
		if !relayedFrom(t, s, "udp", "adm-1", 200).echoes(0x4000, "hello", patience) {
			t.Error("no relay for another source")
		}
	})
}

// hear returns how many bytes came, without SOFTWARE, until nothing does.
func (c *caller) hear(t *testing.T) int {
	t.Helper()
	n := 0
	for {
		b, err := c.receive(5 * time.Millisecond)
		if err != nil {
			return n
		}
		n += len(b)
		m := &stun.Message{Raw: b}
		if m.Decode() == nil && m.Contains(stun.AttrSoftware) {
			t.Fatal("answer names its SOFTWARE")
		}
	}
}

func TestConnectionsAreCounted(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		c.Connections, c.ConnectionsPerSource = 5, 3
		s := start(t, c)
		var open []*caller
		for range 3 {
			open = append(open, relayed(t, s, "tcp", "adm-"+string(rune('a'+len(open)))))
		}
		if !closed(dial(t, s, "tcp", turn.Credentials{}).conn, patience) {
			t.Error("a fourth connection of one source stays")
		}
		for host := range byte(2) {
			open = append(open, relayedFrom(t, s, "tcp", "adm-h"+string(rune('a'+host)), 2+host))
		}
		if !closed(dialFrom(t, s, "tcp", turn.Credentials{}, 9).conn, patience) {
			t.Error("a sixth connection stays")
		}
		for i, a := range open {
			if !a.echoes(0x4000, "hello there", patience) {
				t.Errorf("connection %d suffers", i)
			}
		}
		_ = open[0].conn.Close()
		for end := time.Now().Add(patience); s.Live("adm-a") != 0; <-time.After(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("the relay outlives its connection")
			}
		}
		if !relayed(t, s, "tcp", "adm-z").echoes(0x4000, "hello there", patience) {
			t.Error("the place of a closed connection is not given on")
		}
	})
}

// TestManyBehindOneAddress: a hospital's people all come from one address, and
// its meetings begin at the full hour.
func TestManyBehindOneAddress(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		c.ConnectionsPerSource = 3
		c.Trusted = []netip.Prefix{netip.MustParsePrefix("127.0.0.7/32")}
		s := start(t, c)
		const people, listed, other = 200, 7, 8
		count := func(host byte, wait time.Duration) int {
			for i := range people {
				if _, ok := dialFrom(t, s, "udp", turn.Credentials{}, host).tryAllocate(wait); !ok {
					return i
				}
			}
			return people
		}
		if got := count(listed, patience); got != people {
			t.Errorf("%d of %d people behind a listed address were answered", got, people)
		}
		if got := count(other, patience/20); got == people {
			t.Error("as many strangers behind an address that is not listed were answered")
		}
		var open []*caller
		for i := range 6 {
			open = append(open, relayedFrom(t, s, "tcp", fmt.Sprint("adm-", i), listed))
		}
		for i, a := range open {
			if !a.echoes(0x4000, "hello there", patience) {
				t.Errorf("connection %d of a listed address suffers", i)
			}
		}
	})
}

// TestStreamsThatAreNotTURN are closed at once.
func TestStreamsThatAreNotTURN(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		for name, b := range map[string][]byte{
			"HTTP":                     []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
			"no cookie":                make([]byte, 20),
			"data first":               append([]byte{0x40, 0, 0, 40}, make([]byte, 40)...),
			"too long":                 append(raw(0x0003)[:2], append([]byte{0xff, 0xfc}, raw(0x0003)[4:]...)...),
			"second frame is not STUN": append(raw(0x0003), 0xff, 0xff, 0, 0),
		} {
			a := dial(t, s, "tcp", turn.Credentials{})
			a.send(b)
			if !closed(a.conn, patience) {
				t.Errorf("%s: the connection stays", name)
			}
		}
	})
}

// TestHalfOpenStreamsEnd waits as long as strangers may take.
func TestHalfOpenStreamsEnd(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		if testing.Short() {
			t.Skip("takes as long as strangers may")
		}
		c := config()
		c.TLS = certificate(t)
		s := start(t, c)
		silent := dial(t, s, "tcp", turn.Credentials{}).conn
		handshake, err := net.Dial("tcp", s.Addrs().TLS[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer handshake.Close()
		half := dial(t, s, "tcp", turn.Credentials{})
		half.send(append(raw(0x0003), raw(0x0003)[:10]...))
		asking := dial(t, s, "tcp", turn.Credentials{})
		go func() { // a byte now and then does not buy time
			for range 100 {
				if _, err := asking.conn.Write(raw(0x0001)); err != nil {
					return
				}
				<-time.After(200 * time.Millisecond)
			}
		}()
		for name, conn := range map[string]net.Conn{"silent": silent, "handshake": handshake, "half": half.conn, "asking": asking.conn} {
			if !closed(conn, 12*time.Second) {
				t.Errorf("%s: still open", name)
			}
		}
	})
}

// closed reports whether the other end closes c in time.
func closed(c net.Conn, wait time.Duration) bool {
	_ = c.SetReadDeadline(time.Now().Add(wait))
	_, err := io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}
