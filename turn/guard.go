package turn

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"

	pion "github.com/pion/turn/v3"
)

const (
	// maxPacket is the largest datagram or stream frame let through: media
	// keeps below 1500 bytes.
	maxPacket = 2048

	// maxPeers is how many peers one relay may name at a time, so that
	// pion's linear search through them stays short.
	maxPeers = 64

	// permissionTime and bindingTime are for how long pion keeps them
	// (RFC 8656 §9 and §12).
	permissionTime = 5 * time.Minute
	bindingTime    = 10 * time.Minute

	// endMargin is how long before pion's own timer ends an allocation we
	// take it for ended: that timer does not wait for a request that is
	// being handled, see guard.handling.
	endMargin = 2 * time.Second
)

// guard stands between the network and pion. To pion it is a
// net.PacketConn; what pion reads from it is well-formed, authenticated
// where it claims to be, within quota and for allowed peers. Each UDP socket
// has one guard and so has each TCP or TLS connection, with a pion server
// of its own: that server's reader calls ReadFrom, handles what it got, and
// only then calls again, so whatever it asks meanwhile (its AuthHandler, a
// relay, an answer) is about the request at hand.
//
// On Linux the UDP wire is a shard, which moves data itself and shows pion
// the requests only.
type guard struct {
	s       *Server
	wire    wire
	stream  bool
	tuples  *tuples
	journal journal

	// frame and request belong to the goroutine that calls ReadFrom.
	frame   frame
	request request

	// handling is held while pion handles a request. pion takes an
	// allocation apart while its reader may be putting a permission into it,
	// and dies of a timer that is not there yet; so a relay that is ended
	// from outside tells pion only between two requests.
	handling sync.Mutex

	// done is called once when the reader has got its last error.
	done func()
}

// request is what the guard found out about the authenticated request that
// pion handles now. The zero value is none.
type request struct {
	kind     uint16
	from     netip.AddrPort
	addr     net.Addr
	ends     time.Time
	username string
	key      []byte
	grant    *grant
	public   netip.Addr
}

// ReadFrom returns the next packet that pion may see. It fails only when the
// wire is closed, because pion gives up at the first error.
func (g *guard) ReadFrom(p []byte) (int, net.Addr, error) {
	for {
		if g.request.grant != nil {
			g.request = request{}
			g.handling.Unlock()
		}
		n, from, err := g.wire.read(p)
		if err != nil {
			if g.done != nil {
				g.done()
				g.done = nil
			}
			return 0, nil, err
		}
		if n >= maxPacket {
			continue
		}
		if n, addr := g.admit(p[:n], from); n > 0 {
			return n, addr, nil
		}
	}
}

// settle waits until pion has handled the request at hand, for a relay that
// is closed and detached: no further request for it gets to pion.
func (g *guard) settle() {
	g.handling.Lock()
	g.handling.Unlock() //nolint:staticcheck // waited, see handling
}

// admit decides about one packet and returns how much of it pion gets, 0 for
// nothing, and the source as pion shall know it.
func (g *guard) admit(p []byte, from netip.AddrPort) (int, net.Addr) {
	t := g.tuples.find(from)
	if t != nil {
		t.hear(g.s.clock.Load())
	}
	if isChannelData(p) {
		if t == nil || !channelData(p) || !t.passes(len(p), g.s.clock.Load()) {
			return 0, nil
		}
		return len(p), t.addr
	}
	f := &g.frame
	if !f.parse(p) {
		return 0, nil
	}
	switch f.kind {
	case sendIndication:
		return g.send(p, t)
	case bindingRequest:
		if f.unknown != 0 || !g.rations(from) {
			return 0, nil
		}
		return len(p), g.wire.address(from)
	}
	return g.ask(p, from, t)
}

// send decides about a Send indication.
func (g *guard) send(p []byte, t *tuple) (int, net.Addr) {
	if !g.sends(t) || !t.passes(len(p), g.s.clock.Load()) {
		return 0, nil
	}
	return len(p), t.addr
}

// sends reports whether the Send indication at hand, which nothing
// authenticates but its 5-tuple (RFC 8656 §11.2), may be obeyed.
func (g *guard) sends(t *tuple) bool {
	f := &g.frame
	return t != nil && f.unknown == 0 && f.hasData && f.peer.IsValid() && t.reaches(f.peer)
}

// reaches reports whether the relay of t may send to peer.
func (t *tuple) reaches(peer netip.AddrPort) bool {
	return peer.Addr().Unmap().Is4() == t.is4 && t.guard.s.c.Peers.Allows(peer)
}

// ask decides about a request that needs credentials.
func (g *guard) ask(p []byte, from netip.AddrPort, t *tuple) (int, net.Addr) {
	f := &g.frame
	if f.integrity == 0 || len(f.username) == 0 {
		return g.challenge(p, from, t)
	}
	now := time.Now()
	granted, username, key := g.s.authenticate(f, t, now)
	if granted == nil {
		return g.challenge(p, from, t)
	}
	code, public := g.refuses(granted, t, now)
	if code != 0 {
		// The answer is lost with the wire at worst; pion ends then.
		_, _ = g.wire.write(f.answer(code, key), from)
		return 0, nil
	}
	addr := g.wire.address(from)
	if t != nil {
		addr = t.addr
	}
	g.handling.Lock()
	if t != g.tuples.find(from) { // ended since
		g.handling.Unlock()
		return 0, nil
	}
	g.request = request{
		kind: f.kind, from: from, addr: addr, ends: now.Add(f.lifetime()), username: username,
		key: key, grant: granted, public: public,
	}
	return len(p), addr
}

// challenge has pion answer 401 with a nonce, by showing it nothing but the
// header of the request.
func (g *guard) challenge(p []byte, from netip.AddrPort, t *tuple) (int, net.Addr) {
	if t == nil && g.frame.kind != allocateRequest && g.frame.kind != refreshRequest {
		return 0, nil // pion would not answer
	}
	if !g.rations(from) {
		return 0, nil
	}
	binary.BigEndian.PutUint16(p[2:], 0)
	return headerSize, g.wire.address(from)
}

// rations reports whether a stranger may be answered once more. Over a
// stream the source is no lie, and connections are counted instead; so those
// who share an address with a flooder still get in that way.
func (g *guard) rations(from netip.AddrPort) bool {
	if g.stream {
		return true
	}
	share := 1.0
	if g.s.trusts(from.Addr()) {
		share = trustedShare
	}
	return g.s.challenges.allow(from.Addr(), share, g.s.clock.Load())
}

// refuses returns the error code for an authenticated request that pion must
// not see, or 0; and the address to announce for one that makes a relay.
func (g *guard) refuses(granted *grant, t *tuple, now time.Time) (int, netip.Addr) {
	f := &g.frame
	if f.unknown != 0 {
		return codeUnknownAttribute, netip.Addr{}
	}
	if f.kind == allocateRequest {
		return g.refusesRelay(granted, t)
	}
	switch {
	case t == nil:
		return codeMismatch, netip.Addr{}
	case t.grant != granted:
		// RFC 8656 §5; pion looks at the 5-tuple only.
		return codeWrongCredentials, netip.Addr{}
	case f.kind != refreshRequest && t.ends.Sub(now) < endMargin:
		// See endMargin.
		return codeMismatch, netip.Addr{}
	case f.kind == refreshRequest && f.family != 0 && f.family != familyOf(t.is4):
		return codePeerFamilyMismatch, netip.Addr{} // RFC 8656 §7.3
	case f.kind == channelBindRequest:
		return t.refusesBinding(f, now), netip.Addr{}
	case f.kind == createPermissionRequest:
		return t.refusesPermission(f, now), netip.Addr{}
	}
	return 0, netip.Addr{}
}

// refusesRelay is refuses for Allocate, RFC 8656 §7.2.
func (g *guard) refusesRelay(granted *grant, t *tuple) (int, netip.Addr) {
	f := &g.frame
	public, ok := g.s.public(f.family)
	switch {
	case t != nil && t.grant != granted:
		return codeMismatch, public
	case t != nil:
		return 0, public // pion knows a retransmission from a second try
	case f.seen&(1<<attrTransport) == 0:
		return codeBadRequest, public
	case f.transport != protocolUDP:
		return codeUnsupportedTransport, public
	case !ok:
		return codeFamilyNotSupported, public
	case f.reserves:
		// Pairs of ports are for RTP without multiplexing; pion would
		// keep a timer for each, and never honour the token.
		return codeInsufficientCapacity, public
	case !g.s.hasRoom(granted):
		if !granted.told.Swap(true) {
			g.journal.full(granted.admission)
		}
		return codeQuotaReached, public
	}
	return 0, public
}

// refusesBinding is refuses for ChannelBind, RFC 8656 §12.2.
func (t *tuple) refusesBinding(f *frame, now time.Time) int {
	switch {
	case f.channel < lowestChannel || f.channel > highestChannel || !f.peer.IsValid():
		return codeBadRequest
	case !t.guard.s.c.Peers.Allows(f.peer):
		return codeForbidden
	case f.peer.Addr().Unmap().Is4() != t.is4:
		return codePeerFamilyMismatch
	case !t.remember(f.peer, now, bindingTime):
		return codeInsufficientCapacity
	}
	return 0
}

// refusesPermission is refuses for CreatePermission, RFC 8656 §10.2: all of
// the peers or none.
func (t *tuple) refusesPermission(f *frame, now time.Time) int {
	if !f.peer.IsValid() {
		return codeBadRequest
	}
	for peer := range f.peers {
		switch {
		case !t.guard.s.c.Peers.reaches(peer.Addr()):
			return codeForbidden
		case peer.Addr().Unmap().Is4() != t.is4:
			return codePeerFamilyMismatch
		case !t.remember(netip.AddrPortFrom(peer.Addr(), 0), now, permissionTime):
			return codeInsufficientCapacity
		}
	}
	return 0
}

// remember counts peer among those of t for as long as pion will, and
// reports whether there is room.
func (t *tuple) remember(peer netip.AddrPort, now time.Time, lasts time.Duration) bool {
	if t.peers == nil {
		t.peers = make(map[netip.AddrPort]int64)
	}
	if _, known := t.peers[peer]; !known && len(t.peers) >= maxPeers {
		for p, until := range t.peers {
			if until < now.UnixNano() {
				delete(t.peers, p)
			}
		}
		if len(t.peers) >= maxPeers {
			return false
		}
	}
	t.peers[peer] = now.Add(lasts).UnixNano()
	return true
}

// WriteTo sends what pion has for a client: an answer to the request at
// hand, or data from a peer, which goes to live tuples only.
func (g *guard) WriteTo(p []byte, to net.Addr) (int, error) {
	from := source(to)
	if len(p) < 2 {
		return len(p), nil
	}
	switch kind := binary.BigEndian.Uint16(p); {
	case isChannelData(p), kind == dataIndication:
		if t := g.tuples.find(from); t == nil || t.grant.dead(g.s.clock.Load()) {
			return len(p), nil
		}
	case kind == refreshSuccess, kind == permissionSuccess, kind == bindingSuccess:
		if t := g.tuples.find(from); t != nil {
			g.granted(kind, t)
		}
	}
	return g.wire.write(p, from)
}

// granted learns from pion's answer what t may do from now on. An answer
// means that this is the reader's goroutine, with the request still in frame.
// Until pion says so nothing is believed: it may as well have found the nonce
// stale.
func (g *guard) granted(kind uint16, t *tuple) {
	switch kind {
	case refreshSuccess:
		t.ends = g.request.ends
	case permissionSuccess:
		for peer := range g.frame.peers {
			t.relay.permit(peer.Addr().Unmap())
		}
	case bindingSuccess:
		peer := g.frame.peer
		t.relay.bind(g.frame.channel, netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()))
	}
}

// source is the address pion got from the wire, as the wire knows it.
func source(a net.Addr) netip.AddrPort {
	switch a := a.(type) {
	case *net.UDPAddr:
		return a.AddrPort()
	case *net.TCPAddr:
		return a.AddrPort()
	}
	return netip.AddrPort{}
}

// Close closes the wire; the reader ends with it.
func (g *guard) Close() error {
	if err := g.wire.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// LocalAddr is part of pion's key of an allocation.
func (g *guard) LocalAddr() net.Addr { return g.wire.local() }

// SetDeadline and its kin are part of net.PacketConn; pion does not call
// them, and the wire keeps its own deadlines.
func (g *guard) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing, see SetDeadline.
func (g *guard) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing, see SetDeadline.
func (g *guard) SetWriteDeadline(time.Time) error { return nil }

// serve starts a pion server behind the guard. It ends when ReadFrom fails.
func (g *guard) serve() (*pion.Server, error) {
	return pion.NewServer(pion.ServerConfig{
		Realm:         g.s.c.Realm,
		LoggerFactory: quiet{},
		InboundMTU:    maxPacket,
		// The guard has checked the credentials. pion computes with the
		// same key once more, and sees no other user than the guard did.
		AuthHandler: func(username, _ string, _ net.Addr) ([]byte, bool) {
			if g.request.grant == nil || username != g.request.username {
				return nil, false
			}
			return g.request.key, true
		},
		PacketConnConfigs: []pion.PacketConnConfig{{
			PacketConn:            g,
			RelayAddressGenerator: opener{g},
			PermissionHandler: func(_ net.Addr, peer net.IP) bool {
				a, ok := netip.AddrFromSlice(peer)
				return ok && g.s.c.Peers.reaches(a)
			},
		}},
	})
}
