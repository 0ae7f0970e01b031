//go:build amd64 || arm64

package turn

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// port is the carrier of a shard: a relay socket that the shard's loop reads
// and writes. pion holds it without seeing any data. What is not said to be
// for all belongs to the loop.
type port struct {
	shard *shard
	tuple *tuple
	fd    int
	slot  int // in shard.ports
	local *net.UDPAddr
	from  name // the client

	// channels and permits hold what pion granted, with their ends: at most
	// maxPeers of each, because the guard asks pion for no more.
	channels []*channel
	permits  []permit

	// first and last are the parcels that wait for this port, from 1; 0 is
	// none.
	first, last int

	// gone and closed are for all: nothing passes once the relay is closed,
	// although its descriptor is closed by the loop only, a little later.
	gone   atomic.Bool
	closed chan struct{}
	once   sync.Once
}

// channel is a channel binding (RFC 8656 §12).
type channel struct {
	number uint16
	peer   netip.AddrPort
	to     name
	until  int64
}

// permit is a permission (RFC 8656 §9).
type permit struct {
	peer  netip.Addr
	until int64
}

// open gives t a port of sh. pion asks for it on the loop's goroutine.
func (sh *shard) open(t *tuple) error {
	p := &port{shard: sh, tuple: t, from: nameOf(t.from), closed: make(chan struct{})}
	if err := t.guard.s.tryPorts(t.is4, p.listen); err != nil {
		return err
	}
	_, _ = segments(p.fd) // sh knows already whether it works
	if err := sh.adopt(p); err != nil {
		return errors.Join(err, unix.Close(p.fd))
	}
	t.relay = p
	return nil
}

// listen binds p to at.
func (p *port) listen(at netip.AddrPort) error {
	family := unix.AF_INET6
	if at.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if at.Addr().Is4() {
		err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()})
	} else if err = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet6{Port: int(at.Port()), Addr: at.Addr().As16()})
	}
	if err != nil {
		return errors.Join(os.NewSyscallError("bind", err), unix.Close(fd))
	}
	p.fd, p.local = fd, net.UDPAddrFromAddrPort(at)
	return nil
}

func (p *port) bind(number uint16, peer netip.AddrPort) {
	now := time.Now()
	c := &channel{number: number, peer: peer, to: nameOf(peer), until: now.Add(bindingTime).UnixNano()}
	kept := p.channels[:0]
	for _, old := range p.channels {
		if old.number != number && old.peer != peer && old.until > now.UnixNano() {
			kept = append(kept, old)
		}
	}
	clear(p.channels[len(kept):])
	p.channels = append(kept, c)
	p.permit(peer.Addr()) // RFC 8656 §12.2
}

func (p *port) permit(peer netip.Addr) {
	now := time.Now()
	kept := p.permits[:0]
	for _, old := range p.permits {
		if old.peer != peer && old.until > now.UnixNano() {
			kept = append(kept, old)
		}
	}
	p.permits = append(kept, permit{peer: peer, until: now.Add(permissionTime).UnixNano()})
}

// numbered finds the channel of a number, nil when none is bound.
func (p *port) numbered(number uint16, clock int64) *channel {
	for _, c := range p.channels {
		if c.number == number {
			if clock < c.until {
				return c
			}
			return nil
		}
	}
	return nil
}

// to finds the channel to peer, nil when none is bound.
func (p *port) to(peer netip.AddrPort, clock int64) *channel {
	for _, c := range p.channels {
		if c.peer == peer {
			if clock < c.until {
				return c
			}
			return nil
		}
	}
	return nil
}

// allows reports whether peer may be heard and sent to without a channel.
func (p *port) allows(peer netip.Addr, clock int64) bool {
	for _, q := range p.permits {
		if q.peer == peer {
			return clock < q.until
		}
	}
	return false
}

// deliver queues what peer sent for the client: as ChannelData, as a Data
// indication where no channel is bound, or not at all.
func (p *port) deliver(b []byte, peer netip.AddrPort, clock int64) {
	if len(b) >= maxPacket {
		return
	}
	out := &p.shard.down
	if c := p.to(peer, clock); c != nil {
		if p.tuple.passes(len(b), clock) {
			head := binary.BigEndian.AppendUint16(out.head(), c.number)
			// RFC 8656 §12.5: over UDP there need be no padding.
			out.add(&p.from, &p.gone, binary.BigEndian.AppendUint16(head, uint16(len(b))), b, 0)
		}
		return
	}
	if p.allows(peer.Addr(), clock) && p.tuple.guard.s.c.Peers.Allows(peer) && p.tuple.passes(len(b), clock) {
		pad := -len(b) & 3
		out.add(&p.from, &p.gone, indication(out.head(), peer, len(b), pad), b, pad)
	}
}

// indication begins a Data indication (RFC 8656 §11.5) of n bytes and pad
// behind b.
func indication(b []byte, peer netip.AddrPort, n, pad int) []byte {
	ip := peer.Addr().AsSlice()
	b = binary.BigEndian.AppendUint16(b, dataIndication)
	b = binary.BigEndian.AppendUint16(b, uint16(attrHeaderSize+4+len(ip)+attrHeaderSize+n+pad))
	b = binary.BigEndian.AppendUint32(b, magicCookie)
	// Nothing answers an indication, so nobody gains by knowing its id.
	b = binary.BigEndian.AppendUint64(b, rand.Uint64()) //nolint:gosec // see above
	b = binary.BigEndian.AppendUint32(b, rand.Uint32()) //nolint:gosec // see above
	mask := b[4:headerSize]
	b = binary.BigEndian.AppendUint16(b, attrPeerAddress)
	b = binary.BigEndian.AppendUint16(b, uint16(4+len(ip)))
	family := uint16(familyIPv4)
	if len(ip) == 16 {
		family = familyIPv6
	}
	b = binary.BigEndian.AppendUint16(b, family)
	b = binary.BigEndian.AppendUint16(b, peer.Port()^magicCookie>>16)
	for i, x := range ip {
		b = append(b, x^mask[i])
	}
	b = binary.BigEndian.AppendUint16(b, attrData)
	return binary.BigEndian.AppendUint16(b, uint16(n))
}

// ReadFrom waits until the relay is closed, which is all pion hears of it.
func (p *port) ReadFrom([]byte) (int, net.Addr, error) {
	<-p.closed
	p.tuple.guard.settle()
	return 0, nil, net.ErrClosed
}

// WriteTo refuses: pion is shown no data, so it has none to send.
func (p *port) WriteTo([]byte, net.Addr) (int, error) { return 0, errRefused }

// Close ends the relay at once, for whoever calls first.
func (p *port) Close() error {
	p.once.Do(func() {
		p.gone.Store(true)
		p.tuple.guard.s.detach(p.tuple)
		p.shard.abandon(p)
		close(p.closed)
		p.tuple.guard.journal.ended(p.tuple.grant.admission)
	})
	return nil
}

// LocalAddr is where peers send to.
func (p *port) LocalAddr() net.Addr { return p.local }

// SetDeadline and its kin are part of net.PacketConn; pion does not call
// them.
func (p *port) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing, see SetDeadline.
func (p *port) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing, see SetDeadline.
func (p *port) SetWriteDeadline(time.Time) error { return nil }
