package sip

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Sent is a message that the server sent.
type Sent struct {
	Bytes []byte
	To    netip.AddrPort
}

// Receive gives the server one datagram and returns what it answers at once.
func Receive(s *Server, b []byte, from netip.AddrPort) []Sent {
	var mu sync.Mutex
	var all []Sent
	if !tidy(b) {
		return nil
	}
	p := newPeer("UDP", from, netip.MustParseAddrPort("127.0.0.1:5060"))
	p.send = func(b []byte, to netip.AddrPort) error {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, Sent{append([]byte(nil), b...), to})
		return nil
	}
	m, err := s.parser.ParseSIP(append([]byte(nil), squeeze(b)...))
	if err == nil {
		s.message(p, m) // without the net below: a panic must show
	}
	mu.Lock()
	defer mu.Unlock()
	return append([]Sent(nil), all...)
}

// Negotiate answers an offer.
func Negotiate(b []byte) ([]byte, bool) {
	o, err := readOffer(b, Prefer)
	if err != nil {
		return nil, false
	}
	return o.answer(netip.MustParseAddrPort("192.0.2.1:6000"), 1, 1, fresh(o.crypto.profile)), true
}

// Cut takes the messages off a stream that arrives in pieces.
func Cut(b []byte, step int) []string {
	var all []string
	var have []byte
	for len(b) > 0 {
		n := min(step, len(b))
		have = append(have, b[:n]...)
		b = b[n:]
		for {
			m, rest, ok := cut(have)
			if !ok {
				return append(all, "end")
			}
			have = rest
			if m == nil {
				break
			}
			all = append(all, string(m))
		}
	}
	return all
}

// Proves reports whether a header proves a secret that nobody knows.
func Proves(h string) bool {
	_, _, ok := newDigest("vestibule").check(h, "INVITE", func(string) (string, bool) { return "nobody knows", false }, time.Now())
	return ok
}

// Shorten lets sessions be refreshed sooner than RFC 4028 does.
func Shorten(s *Server, d time.Duration) { s.shortest = d }

// Serves reports whether Serve has begun.
func Serves(s *Server) bool { return s.lifetime() != nil }

// Rate lets each source do something once a minute.
func Rate(lax bool) func(source string, now time.Time) bool {
	r := newRate(1, 1)
	r.lax = lax
	return r.allow
}

// Narrow has a server take fewer connections.
func Narrow(s *Server, total int) { s.conns = newGate(total) }

// Stream has a server read a connection until it is done with it.
func Stream(s *Server, c net.Conn, from netip.AddrPort) {
	p := newPeer("TCP", from, netip.MustParseAddrPort("127.0.0.1:5060"))
	s.converse(s.lifetime(), p, c, s.peerAt(p))
}

// LocalFor is the address that a target is told, of a server that reaches it from
// here.
func LocalFor(s *Server, target, here netip.AddrPort) netip.Addr {
	return s.localFor(newPeer("UDP", target, here))
}

// Names has a server ask r for names.
func Names(s *Server, r names) { s.names = r }
