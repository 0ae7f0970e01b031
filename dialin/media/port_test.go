package media_test

import (
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"

	"vestibule/dialin/media"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = netip.MustParseAddr("127.0.0.1")

// Four ports of a range, given back, and no fifth.
func TestPortsStayInTheirRange(t *testing.T) {
	low := freeRange(t)
	ports, err := media.New(media.Config{Addr: loopback, Low: low, High: low + 7})
	if err != nil {
		t.Fatal(err)
	}
	var taken []*media.Port
	for range 4 {
		p, err := ports.Listen()
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if n := p.Addr().Port(); n%2 != 0 || n < low || n > low+7 {
			t.Errorf("port %d is odd or not within %d to %d", n, low, low+7)
		}
		taken = append(taken, p)
	}
	if _, err := ports.Listen(); !errors.Is(err, media.ErrNoPort) {
		t.Errorf("a fifth port: %v", err)
	}
	_ = taken[2].Close()
	p, err := ports.Listen()
	if err != nil || p.Addr() != taken[2].Addr() {
		t.Errorf("a port given back is not handed out again: %v", err)
	}
	_ = p.Close()
}

// Nobody knows a call's port from the one of the call before.
func TestT54PortsAreNotHandedOutInTurn(t *testing.T) {
	ports, err := media.New(media.Config{Addr: loopback, Low: 20000, High: 29999})
	if err != nil {
		t.Fatal(err)
	}
	var before uint16
	next := 0
	for range 20 {
		p, err := ports.Listen()
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		if n := p.Addr().Port(); n == before+2 {
			next++
		}
		before = p.Addr().Port()
	}
	if next > 3 {
		t.Errorf("%d of 20 ports follow the one before", next)
	}
}

// A machine without IPv6 is heard at IPv4.
func TestPortsWithoutIPv6(t *testing.T) {
	ports, err := media.New(media.Config{Addr: netip.IPv6Unspecified()})
	if err != nil {
		t.Fatal(err)
	}
	media.WithoutIPv6(ports)
	p, err := ports.Listen()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Addr().Port() == 0 {
		t.Errorf("listens at %v", p.Addr())
	}
}

// freeRange finds eight ports that nobody uses now.
func freeRange(t *testing.T) uint16 {
	t.Helper()
	for low := uint16(42000); low < 60000; low += 8 {
		free := true
		for n := low; n < low+8; n++ {
			c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, n)))
			if err != nil {
				free = false
				break
			}
			_ = c.Close()
		}
		if free {
			return low
		}
	}
	t.Fatal("no eight free ports in a row")
	return 0
}

func TestNewRefuses(t *testing.T) {
	for name, c := range map[string]media.Config{
		"nothing": {}, "backwards": {Addr: loopback, Low: 20000, High: 10000}, "no low": {Addr: loopback, High: 10000}, "no even": {Addr: loopback, Low: 10001, High: 10001},
	} {
		if _, err := media.New(c); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Over a real network: nothing is sent before Start, and the wire has sound
// in both directions after it.
func TestRealSockets(t *testing.T) {
	ports, err := media.New(media.Config{Addr: loopback})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ports.Listen()
	if err != nil {
		t.Fatal(err)
	}
	dev, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(loopback, 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	s, err := p.Start(dev.LocalAddr().(*net.UDPAddr).AddrPort(), ulaw, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Loop(media.HoldTone())
	b := make([]byte, 1500)
	_ = dev.SetReadDeadline(time.Now().Add(5 * time.Second))
	for n := range uint16(10) {
		size, from, err := dev.ReadFromUDPAddrPort(b)
		if err != nil || size != 172 || from != p.Addr() {
			t.Fatalf("%d bytes from %v: %v", size, from, err)
		}
		if _, err := dev.WriteToUDPAddrPort(rtp(0, n, 160*uint32(n), 5, b[12:172]), p.Addr()); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(5 * time.Second); s.Stats().Received < 9; {
		if time.Now().After(end) {
			t.Fatalf("%+v", s.Stats())
		}
		_, _, _ = dev.ReadFromUDPAddrPort(b)
	}
}
