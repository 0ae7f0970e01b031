package turn_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v2"

	"vestibule/turn"
)

func TestT34NobodyRelaysWithoutAdmission(t *testing.T) {
	t.Parallel()
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
}

func TestT37CutEndsEverythingAtOnce(t *testing.T) {
	t.Parallel()
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
}

// TestT37PeerIsNotHeardAfterCut sends from the conference server's side.
func TestT37PeerIsNotHeardAfterCut(t *testing.T) {
	t.Parallel()
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
}

func TestT47ThreeRelaysAnAdmission(t *testing.T) {
	t.Parallel()
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
}

func TestT47BandwidthOfOneAdmission(t *testing.T) {
	t.Parallel()
	c := config()
	c.BytesPerSecond = 64 << 10
	s := start(t, c)
	greedy, modest := relayed(t, s, "udp", "greedy"), relayed(t, s, "udp", "modest")
	got := 0
	for range 200 { // 200 KB each way
		if greedy.echoes(0x4000, string(make([]byte, 1000)), 10*time.Millisecond) {
			got++
		}
	}
	// The bucket holds a second's worth and the loop takes seconds, so what
	// came back is bounded by time, not by one bucket.
	if got == 0 || got == 200 {
		t.Errorf("%d of 200 KB came back through 64 KiB/s, want some", got)
	}
	if !modest.echoes(0x4000, "hello", patience) {
		t.Error("another admission suffers from it")
	}
}

// TestT48CallCrossesThreeExpiries keeps a call going with the credentials it
// began with, as browsers do, while newer ones are issued.
func TestT48CallCrossesThreeExpiries(t *testing.T) {
	t.Parallel()
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
}

func TestT48ExpiredStops(t *testing.T) {
	t.Parallel()
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
}

// TestTupleBelongsToItsAdmission: pion looks at the 5-tuple only.
func TestTupleBelongsToItsAdmission(t *testing.T) {
	t.Parallel()
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
}

func TestAllocateRefusesWhatPionMisreads(t *testing.T) {
	t.Parallel()
	s := start(t, config())
	for _, c := range []struct {
		name  string
		attrs []stun.Setter
		want  int
	}{
		{"no transport", nil, 400},
		{"TCP transport", []stun.Setter{stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{6, 0, 0, 0}}}, 442},
		{"no IPv6 here", []stun.Setter{udpTransport, stun.RawAttribute{Type: stun.AttrRequestedAddressFamily, Value: []byte{2, 0, 0, 0}}}, 440},
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
}
