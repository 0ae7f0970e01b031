package sip_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vestibule/conference"
	"vestibule/dialin/sip"
)

// zone is a name server's word.
type zone struct {
	services map[string][]*net.SRV // by _service._proto.name
	hosts    map[string][]netip.Addr
}

var errNone = errors.New("no such name")

func (z zone) LookupSRV(_ context.Context, service, proto, name string) (string, []*net.SRV, error) {
	if all := z.services[fmt.Sprintf("_%s._%s.%s", service, proto, name)]; all != nil {
		return name, all, nil
	}
	return "", nil, errNone
}

func (z zone) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	if all := z.hosts[host]; all != nil {
		return all, nil
	}
	return nil, errNone
}

// A target without a port is where its SRV records say, the next where one is
// away; one with a port is where its name is, at an address that we can reach.
func TestLegFindsItsTarget(t *testing.T) {
	far, calls := operator(t, nil)
	closed, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 98)})
	if err != nil {
		t.Fatal(err)
	}
	away := netip.MustParseAddrPort(closed.Addr().String())
	_ = closed.Close()
	z := zone{
		services: map[string][]*net.SRV{
			"_sip._tcp.conf.example": {{Target: "unknown.example.", Port: 1}, {Target: "away.example.", Port: away.Port()}, {Target: "far.example.", Port: far.tcp.Port()}},
			"_sip._udp.conf.example": {{Target: "far.example.", Port: far.at.Port()}},
		},
		hosts: map[string][]netip.Addr{
			"away.example.": {away.Addr()},
			"far.example.":  {netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("127.0.0.1")},
			"far.example":   {netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("127.0.0.1")},
		},
	}
	for _, uri := range []string{
		"sip:room@conf.example", "sip:room@conf.example;transport=tcp", fmt.Sprintf("sip:room@far.example:%d", far.at.Port()),
	} {
		d := open(t, func(c *sip.Config) { c.Target = &sip.Target{URI: uri} }, func(s *sip.Server) { sip.Names(s, z) })
		l, err := d.Join(t.Context(), grants)
		if err != nil {
			t.Errorf("%s: %v", uri, err)
			continue
		}
		within(t, calls)
		l.Close()
	}
	d := open(t, func(c *sip.Config) { c.Target = &sip.Target{URI: "sip:room@nowhere.example"} }, func(s *sip.Server) { sip.Names(s, z) })
	if _, err := d.Join(t.Context(), conference.Grants{Admission: "a2", Room: "r"}); err == nil {
		t.Error("a target without an address is reached")
	}
}

// The target is told the address that leads from it to us, not what devices
// outside are told; but one outside finds us where they do.
func TestLegsAreAnsweredInside(t *testing.T) {
	target, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer target.Close()
	public := netip.MustParseAddr("203.0.113.7")
	d := gateway(t, fmt.Sprintf("sip:room@%s", target.LocalAddr()), func(c *sip.Config) { c.Public = public })
	ctx, giveUp := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := d.Join(ctx, grants); err == nil {
			t.Error("joined without an answer")
		}
	}()
	b := make([]byte, 4096)
	_ = target.SetReadDeadline(time.Now().Add(5 * time.Second))
	n, err := target.Read(b)
	giveUp()
	<-done
	if err != nil {
		t.Fatal(err)
	}
	r := parse(t, b[:n])
	if strings.Contains(string(b[:n]), public.String()) || !strings.Contains(r.body, "c=IN IP4 127.0.0.1\r\n") || !strings.Contains(r.get("contact"), "@127.0.0.1:") {
		t.Errorf("the target is asked to answer elsewhere:\n%s", b[:n])
	}
	for _, x := range []struct{ target, here, want string }{
		{"192.168.1.9:5060", "192.168.1.2:5060", "192.168.1.2"},
		{"192.0.2.9:5060", "192.0.2.2:5060", "192.0.2.2"},
		{"198.51.100.9:5060", "192.168.1.2:5060", "203.0.113.7"},
	} {
		if got := sip.LocalFor(d.Server, netip.MustParseAddrPort(x.target), netip.MustParseAddrPort(x.here)); got.String() != x.want {
			t.Errorf("from %s the target %s is told %s, want %s", x.here, x.target, got, x.want)
		}
	}
}
