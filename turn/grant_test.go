package turn_test

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v2"

	"vestibule/turn"
)

func TestT34NobodyRelaysWithoutAdmission(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		c.TLS = certificate(t)
		s := start(t, c)
		good := s.Issue("adm-1", time.Now())
		other, err := turn.New(func() turn.Config {
			c := config()
			c.Secret = []byte("another secret of thirty-two byte")
			return c
		}())
		if err != nil {
			t.Fatal(err)
		}
		creds := map[string]turn.Credentials{
			"none":          {},
			"garbage":       {Username: "x", Password: "y"},
			"no admission":  {Username: good.Username[:11], Password: good.Password},
			"other name":    {Username: good.Username + "x", Password: good.Password},
			"no password":   {Username: good.Username},
			"other secret":  other.Issue("adm-1", time.Now()),
			"expired":       s.Issue("adm-2", time.Now().Add(-11*time.Minute)),
			"from too late": s.Issue("adm-3", time.Now().Add(time.Hour)),
		}
		host := byte(1)
		for name, cred := range creds {
			host++
			for _, network := range []string{"udp", "tcp", "tls"} {
				a := dialFrom(t, s, network, cred, host)
				if a.cred.Username == "" {
					a.cred.Username = "0"
				}
				if code := a.allocate(); code != 401 {
					t.Errorf("Allocate with %s over %s = %d, want 401", name, network, code)
				}
			}
		}
		for _, admission := range []string{"adm-1", "adm-2", "adm-3", "adm-1x"} {
			if got := s.Live(admission); got != 0 {
				t.Errorf("Live(%s) = %d, want 0", admission, got)
			}
		}
	})
}

func TestT37CutEndsEverythingAtOnce(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		c.TLS = certificate(t)
		s := start(t, c)
		networks := []string{"udp", "tcp", "tls"}
		var out, in []*caller
		older := s.Issue("out", time.Now().Add(-time.Minute))
		for _, network := range networks {
			out = append(out, relayed(t, s, network, "out"))
			in = append(in, relayed(t, s, network, "in"))
		}
		newer := s.Issue("out", time.Now().Add(time.Minute/2))
		for i, a := range append(out, in...) {
			if !a.echoes(0x4000, "before", patience) {
				t.Fatalf("caller %d: nothing came back before the cut", i)
			}
		}

		if err := s.Cut(t.Context(), "out"); err != nil {
			t.Fatalf("Cut = %v", err)
		}

		if got := s.Live("out"); got != 0 {
			t.Errorf("Live = %d after the cut, want 0", got)
		}
		var wait sync.WaitGroup
		for i, a := range out {
			wait.Go(func() {
				if a.echoes(0x4000, "after", 300*time.Millisecond) {
					t.Errorf("%s: the expelled is still heard", networks[i])
				}
			})
		}
		wait.Wait()
		for i, a := range out[1:] {
			if !closed(a.conn, patience) {
				t.Errorf("%s: the connection of the expelled stays", networks[i+1])
			}
		}
		if code := out[0].refresh(); code != 401 {
			t.Errorf("Refresh after the cut = %d, want 401", code)
		}
		for _, cred := range []turn.Credentials{older, newer, out[0].cred} {
			for _, network := range networks {
				if code := dial(t, s, network, cred).allocate(); code != 401 {
					t.Errorf("Allocate with kept credentials over %s = %d, want 401", network, code)
				}
			}
		}
		if again := s.Issue("out", time.Now()); again.Password != "" {
			t.Error("Issue gave the expelled new credentials")
		}
		for i, a := range in {
			if !a.echoes(0x4000, "still here", patience) || a.refresh() != 0 {
				t.Errorf("%s: the others lost their relay", networks[i])
			}
		}
		if err := s.Cut(t.Context(), "out"); err != nil {
			t.Errorf("second Cut = %v, want nil", err)
		}
		if err := s.Cut(t.Context(), "never seen"); err != nil {
			t.Errorf("Cut of an unknown = %v, want nil", err)
		}
	})
}

// TestT37PeerIsNotHeardAfterCut sends from the conference server's side.
func TestT37PeerIsNotHeardAfterCut(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		peer := newPeer(t)
		a := dial(t, s, "udp", s.Issue("out", time.Now()))
		if a.allocate() != 0 || a.bind(0x4000, peer.LocalAddr()) != 0 {
			t.Fatal("no relay")
		}
		if _, err := peer.WriteTo([]byte("before"), a.relay); err != nil {
			t.Fatal(err)
		}
		if b, err := a.receive(patience); err != nil {
			t.Fatalf("receive = %q, %v, want the packet before the cut", b, err)
		}
		if err := s.Cut(t.Context(), "out"); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			_, _ = peer.WriteTo([]byte("after"), a.relay) // refused by now
		}
		if b, err := a.receive(200 * time.Millisecond); err == nil {
			t.Errorf("received %q after the cut", b)
		}
	})
}

// TestT37FloodEndsWithTheCut: not what is sent after a cut only, but a flood
// that runs both ways while it comes, ends with it.
func TestT37FloodEndsWithTheCut(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		c.BytesPerSecond = 1 << 30
		s := start(t, c)
		peer := newPeer(t)
		a := dial(t, s, "udp", s.Issue("out", time.Now()))
		if a.allocate() != 0 || a.bind(0x4000, peer.LocalAddr()) != 0 {
			t.Fatal("no relay")
		}
		var wait sync.WaitGroup
		stop, begun := make(chan struct{}), make(chan struct{}, 2)
		flood := func(send func()) {
			wait.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					default:
						send()
					}
					if i == 100 {
						begun <- struct{}{}
					}
				}
			})
		}
		packet := channelData(0x4000, make([]byte, 100))
		flood(func() { _, _ = a.conn.Write(packet) })
		flood(func() { _, _ = peer.WriteTo(packet, a.relay) })
		<-begun
		<-begun
		if err := s.Cut(t.Context(), "out"); err != nil {
			t.Error(err)
		}
		// What had left the relay before may still be in the sockets.
		for name, c := range map[string]net.Conn{"client": a.conn, "peer": peer} {
			for end := time.Now().Add(2 * time.Second); ; {
				_ = c.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
				if _, err := c.Read(make([]byte, 2048)); err != nil {
					break
				}
				if time.Now().After(end) {
					t.Errorf("the %s still gets packets after the cut", name)
					break
				}
			}
		}
		close(stop)
		wait.Wait()
	})
}

func TestT47ThreeRelaysAnAdmission(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		counts := make(map[int]int)
		var held []*caller
		for i := range 300 {
			network := "udp"
			if i%10 == 9 {
				network = "tcp"
			}
			a := dial(t, s, network, s.Issue("adm-1", time.Now()))
			if i > 0 {
				// Another tuple's nonce serves as well over the same socket, and
				// spares the 401 that is rationed.
				a.realm = "visio.example.org"
				if network == "udp" {
					a.nonce = held[0].nonce
				}
			}
			code := a.allocate()
			counts[code]++
			if code == 0 || i == 0 {
				held = append(held, a)
			}
			if code != 0 && network == "tcp" {
				_ = a.conn.Close()
			}
		}
		if counts[0] != 3 || counts[486] != 297 {
			t.Errorf("300 Allocates = %v, want 3 successes and 297 times 486", counts)
		}
		if got := s.Live("adm-1"); got != 3 {
			t.Errorf("Live = %d, want 3", got)
		}
		if code := dial(t, s, "udp", s.Issue("adm-2", time.Now())).allocate(); code != 0 {
			t.Errorf("Allocate of another admission = %d, want success", code)
		}
		// One given back may be had again.
		if code, _ := held[0].do(stun.MethodRefresh, lifetime(0)); code != 0 {
			t.Errorf("Refresh to 0 = %d, want success", code)
		}
		if code := dial(t, s, "udp", s.Issue("adm-1", time.Now())).allocate(); code != 0 {
			t.Errorf("Allocate after giving one back = %d, want success", code)
		}
	})
}

// TestT47SilentRelaysGiveWay: a page that lost its network has relays that it
// cannot give back, and still gets new ones when it returns; what it uses is
// left to it.
func TestT47SilentRelaysGiveWay(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		var old []*caller
		for _, network := range []string{"udp", "udp", "tcp"} {
			old = append(old, relayed(t, s, network, "adm-1"))
		}
		cred := s.Issue("adm-1", time.Now())
		for _, ago := range []time.Duration{0, 8 * time.Second} {
			s.Silence("adm-1", ago)
			if code := dial(t, s, "udp", cred).allocate(); code != 486 {
				t.Errorf("Allocate %s after the others spoke = %d, want 486", ago, code)
			}
		}
		s.Silence("adm-1", time.Minute)
		if !old[1].echoes(0x4000, "this one is used", patience) {
			t.Fatal("no echo")
		}
		for range 2 {
			if code := dial(t, s, "udp", cred).allocate(); code != 0 {
				t.Errorf("Allocate of the page that came back = %d, want success", code)
			}
		}
		if code := dial(t, s, "udp", cred).allocate(); code != 486 {
			t.Errorf("Allocate of one too many = %d, want 486", code)
		}
		if got := s.Live("adm-1"); got != 3 {
			t.Errorf("Live = %d, want 3", got)
		}
		if !old[1].echoes(0x4000, "still used", patience) {
			t.Error("the relay in use was taken")
		}
	})
}

// TestT47BandwidthOfOneAdmission bursts 200 KB each way through 64 KiB/s.
func TestT47BandwidthOfOneAdmission(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		const rate, packets, size = 64 << 10, 200, 1000
		c := config()
		c.BytesPerSecond = rate
		s := start(t, c)
		modest := relayed(t, s, "udp", "modest")
		for _, up := range []bool{true, false} {
			peer := newPeer(t)
			greedy := dial(t, s, "udp", s.Issue(fmt.Sprintf("greedy %v", up), time.Now()))
			if greedy.allocate() != 0 || greedy.bind(0x4000, peer.LocalAddr()) != 0 {
				t.Fatal("no relay")
			}
			begin := time.Now()
			hear := func() ([]byte, error) { return greedy.receive(100 * time.Millisecond) }
			if up {
				hear = func() ([]byte, error) {
					b := make([]byte, 2048)
					_ = peer.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
					n, _, err := peer.ReadFrom(b)
					return b[:n], err
				}
			}
			for range packets {
				if up {
					greedy.send(channelData(0x4000, make([]byte, size)))
				} else if _, err := peer.WriteTo(make([]byte, size), greedy.relay); err != nil {
					t.Fatal(err)
				}
			}
			got := 0
			for {
				b, err := hear()
				if err != nil {
					break
				}
				got += len(b)
			}
			// A second's worth at once, and what time has brought since.
			most := rate + int(time.Since(begin).Seconds()*rate) + 2*size
			if got < rate/2 || got > most {
				t.Errorf("up %v: %d of %d bytes came through, want %d to %d", up, got, packets*size, rate/2, most)
			}
		}
		if !modest.echoes(0x4000, "hello", patience) {
			t.Error("another admission suffers from it")
		}
	})
}

// TestT48CallCrossesThreeExpiries keeps a call going with the credentials it
// began with, as browsers do, while newer ones are issued.
func TestT48CallCrossesThreeExpiries(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		s := start(t, c)
		short := func() turn.Credentials { return s.Issue("adm-1", time.Now().Add(1500*time.Millisecond-10*time.Minute)) }
		first := short()
		a := dial(t, s, "udp", first)
		if a.allocate() != 0 || a.bind(0x4000, echo(t)) != 0 {
			t.Fatal("no relay")
		}
		end := first.Expires.Add(2100 * time.Millisecond)
		expiries := map[time.Time]bool{first.Expires: true}
		sent, lost := 0, 0
		for ; time.Now().Before(end); sent++ {
			expiries[short().Expires] = true
			if !a.echoes(0x4000, fmt.Sprintf("frame %d", sent), time.Second) {
				lost++
			}
			if code := a.refresh(); code != 0 {
				t.Fatalf("Refresh %d with the first credentials = %d, want success", sent, code)
			}
			<-time.After(20 * time.Millisecond)
		}
		if lost != 0 || len(expiries) < 3 {
			t.Errorf("lost %d of %d frames over %d expiries, want none over 3", lost, sent, len(expiries))
		}
		// The old credentials speak for their own relay only.
		b := dial(t, s, "udp", first)
		if code := b.allocate(); code != 401 {
			t.Errorf("Allocate with expired credentials = %d, want 401", code)
		}
		// A newer credential of the same admission may refresh as well.
		a.cred = s.Issue("adm-1", time.Now())
		if code := a.refresh(); code != 0 {
			t.Errorf("Refresh with newer credentials = %d, want success", code)
		}
	})
}

func TestT48ExpiredStops(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		cred := s.Issue("adm-1", time.Now().Add(1100*time.Millisecond-10*time.Minute))
		a := dial(t, s, "udp", cred)
		peer := newPeer(t)
		if a.allocate() != 0 || a.bind(0x4000, peer.LocalAddr()) != 0 {
			t.Fatal("no relay")
		}
		<-time.After(time.Until(cred.Expires) + 100*time.Millisecond)
		a.send(channelData(0x4000, []byte("late")))
		_, _ = peer.WriteTo([]byte("late"), a.relay) // may be closed already
		if code := a.refresh(); code != 401 {
			t.Errorf("Refresh after expiry = %d, want 401", code)
		}
		if len(a.keep) != 0 {
			t.Errorf("the client got %q after expiry", a.keep)
		}
		_ = peer.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, _, err := peer.ReadFrom(make([]byte, 10)); err == nil {
			t.Errorf("the peer got %d bytes after expiry", n)
		}
		for end := time.Now().Add(patience); s.Live("adm-1") != 0; {
			if time.Now().After(end) {
				t.Fatal("the relay of an expired admission was not ended")
			}
			<-time.After(10 * time.Millisecond)
		}
	})
}

// TestTupleBelongsToItsAdmission: pion looks at the 5-tuple only.
func TestTupleBelongsToItsAdmission(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		a := relayed(t, s, "udp", "adm-1")
		a.cred = s.Issue("adm-2", time.Now())
		if code := a.refresh(); code != 441 {
			t.Errorf("Refresh by another admission = %d, want 441", code)
		}
		if code := a.allocate(); code != 437 {
			t.Errorf("Allocate by another admission = %d, want 437", code)
		}
		b := dial(t, s, "udp", s.Issue("adm-1", time.Now()))
		if code := b.refresh(); code != 437 {
			t.Errorf("Refresh without a relay = %d, want 437", code)
		}
	})
}

func TestAllocateRefusesWhatPionMisreads(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		for _, c := range []struct {
			name  string
			attrs []stun.Setter
			want  int
		}{
			{"no transport", nil, 400},
			{"TCP transport", []stun.Setter{stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{6, 0, 0, 0}}}, 442},
			{"no IPv6 here", []stun.Setter{udpTransport, family(2)}, 440},
			{"no such family", []stun.Setter{udpTransport, family(3)}, 440},
			{"even port", []stun.Setter{udpTransport, stun.RawAttribute{Type: stun.AttrEvenPort, Value: []byte{0x80}}}, 508},
			{"reservation", []stun.Setter{udpTransport, stun.RawAttribute{Type: stun.AttrReservationToken, Value: make([]byte, 8)}}, 508},
			{"unknown", []stun.Setter{udpTransport, stun.RawAttribute{Type: 0x7abc, Value: make([]byte, 3)}}, 420},
		} {
			a := dial(t, s, "udp", s.Issue("adm-1", time.Now()))
			if code, _ := a.do(stun.MethodAllocate, c.attrs...); code != c.want {
				t.Errorf("%s: Allocate = %d, want %d", c.name, code, c.want)
			}
		}
		if got := s.Live("adm-1"); got != 0 {
			t.Errorf("Live = %d, want 0", got)
		}
	})
}

// TestCutDuringRequests: pion must not be taken apart while its reader puts
// a permission in. The race detector sees it when it is.
func TestCutDuringRequests(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		c.Peers = policy("127.0.0.0/8")
		s := start(t, c)
		for i := range 40 {
			admission := fmt.Sprintf("adm-%d", i)
			a := dialFrom(t, s, []string{"udp", "tcp"}[i%2], s.Issue(admission, time.Now()), byte(1+i))
			if code := a.allocate(); code != 0 {
				t.Fatalf("Allocate = %d, want success", code)
			}
			var requests [][]byte
			for j := range byte(60) {
				peer := peerAddress(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 1, j}), 20000))
				requests = append(requests, a.signed(stun.MethodCreatePermission, peer).Raw)
			}
			var wait sync.WaitGroup
			begun := make(chan struct{})
			wait.Go(func() {
				for j, b := range requests {
					if j == i {
						close(begun)
					}
					if _, err := a.conn.Write(b); err != nil {
						return // the cut closed it
					}
				}
			})
			<-begun
			if err := s.Cut(t.Context(), admission); err != nil {
				t.Error(err)
			}
			wait.Wait()
		}
		if !relayedFrom(t, s, "udp", "good", 100).echoes(0x4000, "hello", patience) {
			t.Error("the relay does not work any more")
		}
	})
}

// TestEndOfLifetime: pion's own timer does not wait for its reader either,
// so nothing is put into an allocation that is about to end.
func TestEndOfLifetime(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		a := dial(t, s, "udp", s.Issue("adm-1", time.Now()))
		if code, _ := a.do(stun.MethodAllocate, udpTransport, lifetime(1)); code != 0 {
			t.Fatalf("Allocate = %d, want success", code)
		}
		peer := newPeer(t).LocalAddr()
		if code := a.bind(0x4000, peer); code != 437 {
			t.Errorf("ChannelBind in the last second = %d, want 437", code)
		}
		nonce := a.nonce
		a.nonce = "stale"
		if answer := a.exchange(a.signed(stun.MethodRefresh), patience); outcome(t, answer) != 438 {
			t.Errorf("Refresh with a stale nonce = %v, want 438", answer)
		}
		a.nonce = nonce
		if code := a.bind(0x4000, peer); code != 437 {
			t.Errorf("ChannelBind after a refresh that failed = %d, want 437", code)
		}
		if code := a.refresh(); code != 0 {
			t.Errorf("Refresh in the last second = %d, want success", code)
		}
		if code := a.bind(0x4000, peer); code != 0 {
			t.Errorf("ChannelBind after the refresh = %d, want success", code)
		}
	})
}

// TestGrantsAreForgotten: what is remembered of an admission, a cut above
// all, lasts as long as any of its credentials could, and no longer.
func TestGrantsAreForgotten(t *testing.T) {
	t.Parallel()
	s, err := turn.New(config())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for i := range 100 {
		admission := fmt.Sprintf("adm-%d", i)
		s.Issue(admission, now)
		if i%2 == 0 {
			if err := s.Cut(t.Context(), admission); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		after time.Duration
		want  int
	}{
		{9 * time.Minute, 100},
		{10*time.Minute + time.Second, 50}, // the cut, for another node's clock
		{12 * time.Minute, 0},
	} {
		s.SweepAt(t.Context(), now.Add(c.after))
		if got := s.Grants(); got != c.want {
			t.Errorf("%d admissions remembered after %s, want %d", got, c.after, c.want)
		}
	}
}
