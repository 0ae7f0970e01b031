//go:build amd64 || arm64

package turn

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// quietTime is how many milliseconds without a packet make a shard
	// quiet.
	quietTime = 7

	// yieldTime is how often a shard that is not quiet lets others run. If
	// that and the wait came to 10 ms, the Go scheduler would see to it
	// itself, and then look every 20 us for more of the kind.
	yieldTime = 2 * time.Millisecond

	// gatherTime is how long a busy shard lets packets come together, as
	// network cards do. The kernel adds as much again for its timer: 0.1 ms of
	// delay that nobody hears, for a third of the work of a packet.
	gatherTime = 50 * time.Microsecond

	// busyTime is between two packets of a busy shard, at most. Where fewer
	// come there is nothing to gather.
	busyTime = 200 * time.Microsecond
)

// maxWant and minWant are how many datagrams are asked for at a time. Asking
// for more than there are costs less than another call, and keeps runs
// together.
const (
	maxWant = 32
	minWant = 8
)

// read moves data until a request comes, which it returns.
func (sh *shard) read(b []byte) (int, netip.AddrPort, error) {
	for !sh.closing.Load() {
		if n := sh.unpack(b); n > 0 {
			return n, sh.from, nil
		}
		if sh.next < sh.got {
			sh.next++
			sh.serve(int(sh.events[sh.next-1].Fd))
			continue
		}
		sh.flush()
		sh.got, sh.next = 0, 0
		if err := sh.wait(); err != nil {
			break
		}
	}
	return 0, netip.AddrPort{}, errors.Join(net.ErrClosed, sh.finish())
}

// wait waits until a socket has something.
//
// A goroutine that the Go scheduler parks and wakes costs more than a packet
// does. So while packets come, the wait is a system call, which the scheduler
// lets be for 10 ms as long as another P is free for everybody else; only a
// quiet shard is parked.
func (sh *shard) wait() error {
	s := sh.guard.s
	if now := time.Now(); now.Sub(sh.yielded) > yieldTime {
		sh.busy = sh.taken >= int(now.Sub(sh.yielded)/busyTime)
		sh.taken = 0
		runtime.Gosched()
		sh.yielded = now
	}
	if s.waiting.Add(1) <= sh.spareProcs && sh.look(quietTime) && sh.gathers() {
		pause := unix.NsecToTimespec(int64(gatherTime))
		_ = unix.Nanosleep(&pause, nil) // interrupted is shorter
		sh.look(0)
	}
	s.waiting.Add(-1)
	if sh.got > 0 {
		return nil
	}
	// The parker would wake a thread for every packet if it held epoll all
	// the time.
	e := unix.EpollEvent{Events: unix.EPOLLIN}
	var err error
	failed := sh.parked.Control(func(parker uintptr) {
		err = unix.EpollCtl(int(parker), unix.EPOLL_CTL_ADD, sh.epoll, &e)
	})
	if err = errors.Join(failed, err); err != nil {
		return err
	}
	err = sh.parked.Read(sh.ready)
	return errors.Join(err, sh.parked.Control(func(parker uintptr) {
		_ = unix.EpollCtl(int(parker), unix.EPOLL_CTL_DEL, sh.epoll, nil) // it is there
	}))
}

// gathers reports whether to wait for more packets: there is nothing to gain
// where few come, nor where a socket had more than was asked for.
func (sh *shard) gathers() bool {
	behind := sh.behind
	sh.behind = false
	return sh.busy && !behind
}

// look asks for events for up to wait milliseconds.
func (sh *shard) look(wait int) bool {
	n, err := unix.EpollWait(sh.epoll, sh.events[:], wait)
	for err == unix.EINTR {
		n, err = unix.EpollWait(sh.epoll, sh.events[:], wait)
	}
	sh.got = max(n, 0)
	sh.clock = time.Now().UnixNano()
	return n != 0
}

// serve takes what the socket of one event has.
func (sh *shard) serve(mark int) {
	switch mark {
	case onWake:
		sh.flush()
		sh.reap()
	case onWire:
		got := sh.receive(sh.fd)
		sh.at, sh.end = sh.used-got, sh.used
	default:
		if p := sh.ports[mark]; p != nil {
			sh.hear(p)
		}
	}
}

// receive takes datagrams from fd into the first unused slots and returns
// how many. An error is that of one packet, or there is none.
func (sh *shard) receive(fd int) int {
	if inboxSlots-sh.used < minWant {
		sh.flush()
	}
	want := min(maxWant, inboxSlots-sh.used)
	got, _ := sh.in.receive(fd, sh.used, want)
	sh.behind = sh.behind || got == want
	sh.used += got
	sh.taken += got
	return got
}

// hear takes what peers sent to p.
func (sh *shard) hear(p *port) {
	if p.gone.Load() {
		return
	}
	got := sh.receive(p.fd)
	for i := sh.used - got; i < sh.used; i++ {
		b, segment := sh.in.datagram(i)
		peer := sh.in.names[i].addrPort()
		for len(b) > 0 {
			n := min(segment, len(b))
			p.deliver(b[:n], peer, sh.clock)
			b = b[n:]
		}
	}
}

// unpack goes on with the wire's batch: it moves data, and copies to b the
// next packet that is something else.
func (sh *shard) unpack(b []byte) int {
	if len(sh.rest) > 0 { // pion has handled what came before
		sh.tuple = sh.guard.tuples.find(sh.from)
	}
	for {
		if len(sh.rest) == 0 {
			if sh.at == sh.end {
				return 0
			}
			sh.rest, sh.segment = sh.in.datagram(sh.at)
			sh.from = sh.in.names[sh.at].addrPort()
			sh.tuple = sh.guard.tuples.find(sh.from)
			sh.at++
			continue
		}
		packet := sh.rest[:min(sh.segment, len(sh.rest))]
		sh.rest = sh.rest[len(packet):]
		switch {
		case len(packet) >= maxPacket:
		case isChannelData(packet):
			sh.moveChannelData(packet)
		case isSend(packet):
			sh.moveIndication(packet)
		default:
			// pion takes its time; what is ready does not wait for it.
			sh.flush()
			return copy(b, packet)
		}
	}
}

func isSend(b []byte) bool { return len(b) > 2 && binary.BigEndian.Uint16(b) == sendIndication }

// moveChannelData queues b for the peer its channel is bound to.
func (sh *shard) moveChannelData(b []byte) {
	t := sh.tuple
	if t == nil || !channelData(b) {
		return
	}
	t.hear(sh.clock)
	p, ok := t.relay.(*port)
	if !ok {
		return
	}
	c := p.numbered(binary.BigEndian.Uint16(b), sh.clock)
	if c == nil || !t.passes(len(b), sh.clock) {
		return
	}
	sh.post(p, b[channelHeader:channelHeader+int(binary.BigEndian.Uint16(b[2:]))], &c.to)
}

// moveIndication queues the data of a Send indication for a permitted peer.
func (sh *shard) moveIndication(b []byte) {
	g := sh.guard
	t := sh.tuple
	if t == nil || !g.frame.parse(b) || !g.sends(t) {
		return
	}
	t.hear(sh.clock)
	p, ok := t.relay.(*port)
	peer := netip.AddrPortFrom(g.frame.peer.Addr().Unmap(), g.frame.peer.Port())
	if !ok || !p.allows(peer.Addr(), sh.clock) || !t.passes(len(b), sh.clock) {
		return
	}
	to := nameOf(peer)
	sh.post(p, g.frame.data, &to)
}

// post queues body for to through p.
func (sh *shard) post(p *port, body []byte, to *name) {
	if sh.parceled == maxParcels {
		sh.flush()
	}
	sh.parcels[sh.parceled] = parcel{body: body, to: *to}
	sh.parceled++ // parcels are counted from 1
	if p.last == 0 {
		p.first = sh.parceled
		sh.touched = append(sh.touched, p)
	} else {
		sh.parcels[p.last-1].next = sh.parceled
	}
	p.last = sh.parceled
}

// flush sends what is queued, so that the inbox may be used again, but for
// what unpack has not seen yet.
func (sh *shard) flush() {
	for _, p := range sh.touched {
		// Once more, because this is the last moment.
		if !p.gone.Load() && !p.tuple.grant.dead(sh.clock) {
			sh.ship(p)
		}
		p.first, p.last = 0, 0
	}
	clear(sh.touched)
	sh.touched, sh.parceled = sh.touched[:0], 0
	sh.down.flush()
	if sh.at == sh.end && len(sh.rest) == 0 {
		sh.used = 0
	}
}

// ship sends what waits for p.
func (sh *shard) ship(p *port) {
	if p.first == p.last {
		a := &sh.parcels[p.first-1]
		if errno := sh.up.sendto(p.fd, a.body, &a.to); errno != 0 {
			sh.up.lost++
		}
		return
	}
	sh.up.fd = p.fd
	for i := p.first; i != 0; i = sh.parcels[i-1].next {
		a := &sh.parcels[i-1]
		sh.up.add(&a.to, nil, nil, a.body, 0)
	}
	sh.up.flush()
}
