//go:build amd64 || arm64

package turn

import (
	"encoding/binary"
	"net/netip"
	"sync/atomic"
	"syscall"
	"unsafe"
)

// Batched says whether this system moves data in batches.
func Batched() error { return batches() }

// Message is one that an outbox gave to the kernel: Segment is 0, or how long
// each of its packets is.
type Message struct {
	To      netip.AddrPort
	Data    string
	Segment int
}

// Outbox sends to accept instead of the kernel. accept says how many of the
// messages are taken, or why the first is not.
type Outbox struct {
	o     outbox
	names map[netip.AddrPort]*name
	gone  map[netip.AddrPort]*atomic.Bool
}

// NewOutbox is empty.
func NewOutbox(accept func(m []Message) (int, syscall.Errno)) *Outbox {
	o := &Outbox{names: make(map[netip.AddrPort]*name), gone: make(map[netip.AddrPort]*atomic.Bool)}
	o.o.runs = true
	o.o.sendmmsg = func(_ int, msgs []mmsghdr) (int, syscall.Errno) {
		out := make([]Message, len(msgs))
		for i := range msgs {
			out[i] = read(&msgs[i])
		}
		return accept(out)
	}
	return o
}

func read(m *mmsghdr) Message {
	var n name
	copy(n.raw[:], unsafe.Slice(m.Name, m.Namelen))
	out := Message{To: n.addrPort()}
	for _, v := range unsafe.Slice(m.Iov, m.Iovlen) {
		out.Data += string(unsafe.Slice(v.Base, v.Len))
	}
	if m.Controllen > 0 {
		c := unsafe.Slice(m.Control, m.Controllen)
		out.Segment = int(binary.NativeEndian.Uint16(c[controlHead:]))
	}
	return out
}

// Add queues head, body and padding for to.
func (o *Outbox) Add(to netip.AddrPort, head, body string, pad int) {
	if o.names[to] == nil {
		n := nameOf(to)
		o.names[to], o.gone[to] = &n, &atomic.Bool{}
	}
	o.o.add(o.names[to], o.gone[to], append(o.o.head(), head...), []byte(body), pad)
}

// Cut ends the relay of to, for which something may be queued.
func (o *Outbox) Cut(to netip.AddrPort) { o.gone[to].Store(true) }

// Flush sends.
func (o *Outbox) Flush() { o.o.flush() }

// Lost is how many packets were not taken.
func (o *Outbox) Lost() int { return o.o.lost }

// Receive reads one batch of fd into slots of size, which must be a page or
// more, and returns the packets and where they came from.
func Receive(fd, slots, size int) (packets []string, from []netip.AddrPort, err error) {
	_, _ = segments(fd)
	in, err := newInbox(slots, size)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if failed := in.free(); err == nil {
			err = failed
		}
	}()
	got, errno := in.receive(fd, 0, slots)
	if errno != 0 {
		return nil, nil, errno
	}
	for i := range got {
		b, segment := in.datagram(i)
		for len(b) > 0 {
			n := min(segment, len(b))
			packets, from = append(packets, string(b[:n])), append(from, in.names[i].addrPort())
			b = b[n:]
		}
	}
	return packets, from, nil
}
