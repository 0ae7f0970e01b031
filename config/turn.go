package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"vestibule/cert"
	"vestibule/house"
	"vestibule/turn"
)

// Turn is the relay.
type Turn struct {
	UDP            []string      `yaml:"udp"`
	TCP            []string      `yaml:"tcp"`
	TLS            []string      `yaml:"tls"`
	Public         []string      `yaml:"public"`
	Host           string        `yaml:"host"`
	Peers          []string      `yaml:"peers"`
	PeerPorts      string        `yaml:"peer_ports"`
	Lifetime       time.Duration `yaml:"lifetime"`
	Quota          int           `yaml:"quota"`
	BytesPerSecond int           `yaml:"bytes_per_second"`
	MinPort        int           `yaml:"min_port"`
	MaxPort        int           `yaml:"max_port"`
}

func (c *checker) turn() {
	t := &c.f.Turn
	c.bad(len(t.UDP)+len(t.TCP)+len(t.TLS) == 0, "turn", "listens nowhere", `udp: [":3478"]`)
	for _, l := range []struct {
		key  string
		list []string
	}{{"udp", t.UDP}, {"tcp", t.TCP}, {"tls", t.TLS}} {
		for i, a := range l.list {
			c.address(a, fmt.Sprintf("turn.%s[%d]", l.key, i), false)
		}
	}
	c.bad(len(t.Public) == 0, "turn.public", "is missing", "the address under which browsers reach this machine")
	for i, a := range t.Public {
		_, err := netip.ParseAddr(a)
		c.bad(err != nil, fmt.Sprintf("turn.public[%d]", i), quoted(a)+" is no IP address", "")
	}
	c.bad(len(t.Peers) == 0, "turn.peers", "reaches nobody", "the conference server's media addresses: [127.0.0.1/32]")
	c.prefixes(t.Peers, "turn.peers")
	c.peerPorts()
	const name = "browsers compare it with the certificate: relay.visio.example.org, which leads to this machine alone"
	c.bad(len(t.TLS) > 0 && t.Host == "", "turn.host", "is missing", name)
	c.bad(t.Host != "" && !isName(t.Host) && (len(t.TLS) > 0 || !isAddress(t.Host)), "turn.host", quoted(t.Host)+" is no name", name)
	c.within(t.Lifetime, "turn.lifetime", time.Minute, 24*time.Hour)
	c.between(t.Quota, "turn.quota", 1, 100)
	c.bad(t.BytesPerSecond < 16<<10, "turn.bytes_per_second", fmt.Sprintf("%d is below 16384", t.BytesPerSecond), "")
	c.between(t.MinPort, "turn.min_port", 1024, 65535)
	c.between(t.MaxPort, "turn.max_port", max(t.MinPort, 1024), 65535)
}

// isName reports whether s is a DNS name that a certificate may be for.
func isName(s string) bool {
	return s != "" && !strings.ContainsAny(s, "*/:@[] ") && !isAddress(s)
}

func isAddress(s string) bool {
	_, err := netip.ParseAddr(s)
	return err == nil
}

// ports are some in a row.
type ports struct{ low, high int }

// portsOf reads one port or a range, above those that need a privilege.
func portsOf(s string) (ports, bool) {
	first, last, isRange := strings.Cut(s, "-")
	if !isRange {
		last = first
	}
	low, err := strconv.ParseUint(first, 10, 16)
	if err != nil {
		return ports{}, false
	}
	high, err := strconv.ParseUint(last, 10, 16)
	if err != nil || low < 1024 || high < low {
		return ports{}, false
	}
	return ports{int(low), int(high)}, true
}

func (p ports) overlaps(q ports) bool { return p.low <= q.high && q.low <= p.high }

// peerPorts keeps relays to the conference server: at the same address much
// else may answer, the door's own other ports among it. Those are asked about
// even where the peers are another machine, for they may be this one under
// another address.
func (c *checker) peerPorts() {
	const key = "turn.peer_ports"
	t, d := &c.f.Turn, &c.f.Dialin
	c.bad(t.PeerPorts == "", key, "is missing", "the conference server's media ports: 7882 where LiveKit has udp_port: 7882")
	p, ok := portsOf(t.PeerPorts)
	c.bad(!ok, key, quoted(t.PeerPorts)+" is neither a port nor a range of ports above 1023", "7882, or 40000-40999")
	if !ok {
		return
	}
	taken := func(q ports, by string) {
		c.bad(p.overlaps(q), key, quoted(t.PeerPorts)+" has ports of "+by, "participants could send to them; give one of both others")
	}
	taken(ports{t.MinPort, t.MaxPort}, "turn.min_port to max_port")
	listens := func(list []string, by string) {
		for _, a := range list {
			_, port, _ := net.SplitHostPort(a)
			if n, err := strconv.Atoi(port); err == nil && n > 0 {
				taken(ports{n, n}, by)
			}
		}
	}
	listens(t.UDP, "turn.udp")
	if d.on() {
		listens(d.UDP, "dialin.udp")
		taken(ports{d.MinPort, d.MaxPort}, "dialin.min_port to max_port")
	}
}

func (b *builder) turn(h *house.Config, certs *cert.Certs) {
	t := &b.f.Turn
	c := turn.Config{
		Realm: host(b.f.Door), Host: t.Host, Lifetime: t.Lifetime, Quota: t.Quota, BytesPerSecond: t.BytesPerSecond,
		MinPort: uint16(t.MinPort), MaxPort: uint16(t.MaxPort), // checked to be ports
		Logger: b.log,
	}
	for i, a := range t.Public {
		ip, err := netip.ParseAddr(a)
		b.fault(fmt.Sprintf("turn.public[%d]", i), err)
		c.PublicIPs = append(c.PublicIPs, ip)
	}
	c.Peers.Prefixes = b.prefixes(t.Peers, "turn.peers")
	p, _ := portsOf(t.PeerPorts) // checked
	c.Peers.MinPort, c.Peers.MaxPort = uint16(p.low), uint16(p.high)
	if len(t.TLS) > 0 && certs != nil {
		c.TLS = certs.TLS()
	}
	h.Turn, h.TurnOn = c, turn.Addresses{UDP: t.UDP, TCP: t.TCP, TLS: t.TLS}
}
