//go:build amd64 || arm64

package turn

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxShards bounds how many sockets share an address.
	maxShards = 32

	// maxEvents is how many sockets are looked at before the kernel is asked
	// again.
	maxEvents = 128

	// maxParcels is how many packets wait for their ports at a time.
	maxParcels = 256

	// Marks in epoll events that are no port's slot.
	onWire, onWake = -1, -2
)

// shard is the wire of one UDP socket of several on the same address, and of
// the relays of the clients whose packets the kernel steers to it. Its loop
// runs inside read, on the goroutine of pion's reader: data is moved there,
// in batches, and read returns with the requests that are pion's business.
// So one goroutine has it all and takes no locks for a packet.
type shard struct {
	guard *guard
	fd    int
	addr  net.Addr

	epoll  int
	parker *os.File // holds epoll while the loop is parked
	parked syscall.RawConn
	ready  func(uintptr) bool
	events [maxEvents]unix.EpollEvent
	got    int // events
	next   int // event to look at

	// clock is the time of the round, in nanoseconds, and yielded when other
	// goroutines were let run. spareProcs is how many shards may wait in
	// system calls.
	clock      int64
	yielded    time.Time
	spareProcs int32

	// taken counts packets since yielded; busy is whether they were many, and
	// behind whether a socket may have more than was taken.
	taken        int
	busy, behind bool

	// in holds received datagrams: slots below used may be pointed to by
	// parcels and by down. Of the wire's batch, at is the next slot to look
	// at and end where it ends; rest is what is left of the slot before.
	in       *inbox
	used     int
	at, end  int
	rest     []byte
	segment  int
	from     netip.AddrPort
	tuple    *tuple // of from, nil when it has no relay
	parcels  [maxParcels]parcel
	parceled int
	touched  []*port

	// up sends for one port at a time, down for the wire.
	up, down outbox

	ports []*port // by slot; nil is free
	spare []int   // free slots

	closing atomic.Bool

	// mu guards over, abandoned and the life of wake.
	mu        sync.Mutex
	over      bool
	abandoned []*port
	wake      int
}

// parcel is a packet that waits for its port.
type parcel struct {
	body []byte
	to   name
	next int
}

// shareable lets others bind the address of c, which was bound alone, so that
// a second server on the same address is still noticed.
func shareable(c *net.UDPConn) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return sharing("", "", raw)
}

// sharing prepares a socket for an address that others have.
func sharing(_, _ string, raw syscall.RawConn) error {
	var err error
	return errors.Join(raw.Control(func(fd uintptr) {
		err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
	}), err)
}

// udpWire is the wire of c for g: a shard, unless there is something in the
// way of it.
func udpWire(g *guard, c *net.UDPConn) (wire, error) {
	sh, err := newShard(g, c)
	if err != nil {
		return datagrams{c}, err
	}
	return sh, nil
}

// newShard takes the socket over from conn, which is closed then.
func newShard(g *guard, conn *net.UDPConn) (*shard, error) {
	sh := &shard{guard: g, fd: -1, epoll: -1, wake: -1, addr: conn.LocalAddr()}
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		sh.fd, failed = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0)
	})
	if err = errors.Join(err, failed); err == nil {
		err = sh.begin()
	}
	if err == nil {
		err = conn.Close()
	}
	if err != nil {
		return nil, errors.Join(err, sh.finish())
	}
	return sh, nil
}

// begin opens what the loop needs.
func (sh *shard) begin() error {
	var err error
	if sh.in, err = newInbox(inboxSlots, slotSize); err != nil {
		return err
	}
	if sh.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if sh.wake, err = unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC); err != nil {
		return os.NewSyscallError("eventfd", err)
	}
	if err := errors.Join(sh.watch(sh.fd, onWire), sh.watch(sh.wake, onWake)); err != nil {
		return err
	}
	// os.File takes only what does not block into the scheduler's poller.
	parker, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := unix.SetNonblock(parker, true); err != nil {
		return errors.Join(os.NewSyscallError("fcntl", err), unix.Close(parker))
	}
	sh.parker = os.NewFile(uintptr(parker), "epoll")
	if sh.parked, err = sh.parker.SyscallConn(); err != nil {
		return err
	}
	sh.ready = func(uintptr) bool { return sh.look(0) }
	sh.spareProcs = int32(runtime.GOMAXPROCS(0) - 1)
	_, takes := segments(sh.fd)
	sh.down = outbox{kernel: linux(), fd: sh.fd, runs: takes}
	sh.up = outbox{kernel: linux(), runs: takes}
	return nil
}

func (sh *shard) watch(fd, mark int) error {
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(mark)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(sh.epoll, unix.EPOLL_CTL_ADD, fd, &e))
}

// adopt has the loop read p.
func (sh *shard) adopt(p *port) error {
	if n := len(sh.spare); n > 0 {
		p.slot, sh.spare = sh.spare[n-1], sh.spare[:n-1]
	} else {
		p.slot = len(sh.ports)
		sh.ports = append(sh.ports, nil)
	}
	if err := sh.watch(p.fd, p.slot); err != nil {
		sh.spare = append(sh.spare, p.slot)
		return err
	}
	sh.ports[p.slot] = p
	return nil
}

// abandon has p's descriptor closed: by the loop, which may be using it, or
// here when that is over.
func (sh *shard) abandon(p *port) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.over {
		_ = unix.Close(p.fd) // of a socket nobody reads
		return
	}
	sh.abandoned = append(sh.abandoned, p)
	sh.ring()
}

// ring wakes the loop. mu is held, and it is not over.
func (sh *shard) ring() {
	one := binary.NativeEndian.AppendUint64(nil, 1)
	_, _ = unix.Write(sh.wake, one) // full is as good as rung
}

// reap closes the descriptors of abandoned ports. Nothing is queued for them
// any more.
func (sh *shard) reap() {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	var count [8]byte
	_, _ = unix.Read(sh.wake, count[:]) // empty is as good
	for _, p := range sh.abandoned {
		_ = unix.Close(p.fd)
		sh.ports[p.slot] = nil
		sh.spare = append(sh.spare, p.slot)
	}
	clear(sh.abandoned)
	sh.abandoned = sh.abandoned[:0]
}

// Close ends the loop. Nobody waits for it here.
func (sh *shard) Close() error {
	sh.closing.Store(true)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.over {
		return net.ErrClosed
	}
	sh.ring()
	return nil
}

// finish frees everything, once; the loop's goroutine calls it, or nobody's
// where none was begun.
func (sh *shard) finish() error {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.over {
		return nil
	}
	sh.over = true
	var errs []error
	for _, p := range sh.abandoned {
		errs = append(errs, unix.Close(p.fd))
	}
	sh.abandoned = nil
	if sh.parker != nil {
		errs = append(errs, sh.parker.Close())
	}
	for _, fd := range []int{sh.fd, sh.wake, sh.epoll} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	if sh.in != nil {
		errs = append(errs, sh.in.free())
	}
	return errors.Join(errs...)
}

func (sh *shard) local() net.Addr                      { return sh.addr }
func (sh *shard) address(from netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(from) }

// write sends an answer.
func (sh *shard) write(p []byte, to netip.AddrPort) (int, error) {
	n := nameOf(to)
	if errno := sh.down.sendto(sh.fd, p, &n); errno != 0 {
		return 0, os.NewSyscallError("sendto", errno)
	}
	return len(p), nil
}
