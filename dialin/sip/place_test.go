package sip_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"testing"

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
