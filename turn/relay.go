package turn

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
	"time"
)

var errRefused = errors.New("refused")

// portTries bounds the search for a free relay port.
const portTries = 128

// carrier is the socket between us and the conference server. What pion lets
// a client send to it learns from pion's own success answers; only one that
// moves data without pion has to remember it.
type carrier interface {
	net.PacketConn
	bind(channel uint16, peer netip.AddrPort)
	permit(peer netip.Addr)
}

// relay is the carrier that leaves everything to pion, the second place all
// of a participant's packets must pass. It asks the same questions
// as the guard again, so that nothing pion does or remembers lets a packet
// out or in that should not.
type relay struct {
	s     *Server
	tuple *tuple
	conn  *net.UDPConn

	closed sync.Once
	err    error

	// heard and heardAddr are the peer of the last packet, touched by
	// pion's reader of this relay only; told is the last one allowed,
	// touched by the guard's reader only. Peers seldom change, so neither
	// direction allocates or walks the policy for each packet.
	heard     netip.AddrPort
	heardAddr *net.UDPAddr
	told      netip.AddrPort
}

// ReadFrom returns the next packet from an allowed peer. pion ends the
// relay when it fails.
func (r *relay) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		n, from, err := r.conn.ReadFromUDPAddrPort(p)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				r.tuple.guard.settle()
				return 0, nil, err
			}
			continue // an ICMP error of one packet
		}
		if n == len(p) {
			continue // there may have been more of it
		}
		if from != r.heard {
			if !r.s.c.Peers.Allows(from) {
				continue
			}
			r.heard, r.heardAddr = from, net.UDPAddrFromAddrPort(from)
		}
		if r.tuple.passes(n, r.s.clock.Load()) {
			return n, r.heardAddr, nil
		}
	}
}

// WriteTo sends p to an allowed peer and loses it otherwise. The guard has
// already counted it.
func (r *relay) WriteTo(p []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return len(p), nil
	}
	peer := udp.AddrPort()
	if peer = netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()); peer != r.told {
		if peer.Addr().Is4() != r.tuple.is4 || !r.s.c.Peers.Allows(peer) {
			return len(p), nil
		}
		r.told = peer
	}
	if r.tuple.grant.dead(r.s.clock.Load()) {
		return len(p), nil
	}
	// A peer that is away is no fault of ours: its datagrams are lost.
	if _, err := r.conn.WriteToUDPAddrPort(p, peer); errors.Is(err, net.ErrClosed) {
		return 0, err
	}
	return len(p), nil
}

// Close ends the relay. Whoever calls first, pion or Cut, the tuple is gone
// from our books afterwards.
func (r *relay) Close() error {
	r.closed.Do(func() {
		r.s.detach(r.tuple)
		r.err = r.conn.Close()
		r.tuple.guard.journal.ended(r.tuple.grant.admission)
	})
	return r.err
}

func (*relay) bind(uint16, netip.AddrPort) {}
func (*relay) permit(netip.Addr)           {}

func (r *relay) LocalAddr() net.Addr                { return r.conn.LocalAddr() }
func (r *relay) SetDeadline(t time.Time) error      { return r.conn.SetDeadline(t) }
func (r *relay) SetReadDeadline(t time.Time) error  { return r.conn.SetReadDeadline(t) }
func (r *relay) SetWriteDeadline(t time.Time) error { return r.conn.SetWriteDeadline(t) }

// opener makes relays for pion (turn.RelayAddressGenerator). pion asks
// while it handles the request its reader just got from the guard, on the
// same goroutine, which is how the relay gets its tuple.
type opener struct{ g *guard }

// Validate is asked once by pion.
func (o opener) Validate() error { return nil }

// AllocateConn refuses: we relay no TCP to peers (RFC 6062).
func (o opener) AllocateConn(string, int) (net.Conn, net.Addr, error) {
	return nil, nil, errRefused
}

// AllocatePacketConn opens the relay of the request at hand.
func (o opener) AllocatePacketConn(string, int) (net.PacketConn, net.Addr, error) {
	g, now := o.g, o.g.request
	if now.grant == nil || now.kind != allocateRequest {
		return nil, nil, errRefused
	}
	t := &tuple{
		from: now.from, addr: now.addr, username: now.username,
		grant: now.grant, guard: g, is4: now.public.Is4(), ends: now.ends,
	}
	t.heard.Store(time.Now().UnixNano())
	if err := g.wire.open(t); err != nil {
		g.journal.failed(err)
		return nil, nil, err
	}
	if err := g.s.attach(t); err != nil {
		return nil, nil, errors.Join(err, t.relay.Close())
	}
	g.journal.opened(now.grant.admission)
	return t.relay, &net.UDPAddr{IP: now.public.AsSlice(), Port: int(source(t.relay.LocalAddr()).Port())}, nil
}

// openRelay gives t a carrier that leaves everything to pion.
func openRelay(t *tuple) error {
	s := t.guard.s
	return s.tryPorts(t.is4, func(at netip.AddrPort) error {
		network := "udp6"
		if t.is4 {
			network = "udp4"
		}
		conn, err := net.ListenUDP(network, net.UDPAddrFromAddrPort(at))
		if err == nil {
			t.relay = &relay{s: s, tuple: t, conn: conn}
		}
		return err
	})
}

// tryPorts looks for a free port of the relay range: one that bind takes.
func (s *Server) tryPorts(is4 bool, bind func(netip.AddrPort) error) error {
	ip := netip.IPv6Unspecified()
	if is4 {
		ip = netip.IPv4Unspecified()
	}
	if s.c.RelayIP.IsValid() && s.c.RelayIP.Is4() == is4 {
		ip = s.c.RelayIP
	}
	size := int(s.c.MaxPort) - int(s.c.MinPort) + 1
	start := rand.IntN(size) //nolint:gosec // a port is announced, not secret
	var err error
	for i := range min(size, portTries) {
		port := s.c.MinPort + uint16((start+i)%size)
		if err = bind(netip.AddrPortFrom(ip, port)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("opening a relay port: %w", err)
}

// public is the announced address for the family a client asked for
// (RFC 8656 §7.2), or any when it asked for none.
func (s *Server) public(family byte) (netip.Addr, bool) {
	var found netip.Addr
	for _, ip := range s.c.PublicIPs {
		switch {
		case family != 0 && family != familyOf(ip.Is4()):
		case !found.IsValid() || ip.Is4():
			found = ip
		}
	}
	return found, found.IsValid()
}

func familyOf(is4 bool) byte {
	if is4 {
		return familyIPv4
	}
	return familyIPv6
}
