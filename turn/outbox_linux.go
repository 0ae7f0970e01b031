//go:build amd64 || arm64

package turn

import (
	"encoding/binary"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	outboxMessages = 64
	outboxPieces   = 256
	piecesOfRun    = 64    // UDP_MAX_SEGMENTS of the oldest kernels
	bytesOfRun     = 60000 // an IPv6 packet with every header holds more
	headSpace      = 48    // of the longest Data indication

	// longestSegment of a run fits any link: the kernel refuses runs that it
	// would have to fragment.
	longestSegment = 1232
)

// outbox collects packets for one socket and sends them in as few calls as
// the kernel offers: one for all, and runs of one length to one address as
// one packet that is cut up late (UDP GSO). What it points to must stay
// until flush.
type outbox struct {
	kernel
	fd   int
	runs bool // the socket takes runs

	msgs     [outboxMessages]mmsghdr
	shapes   [outboxMessages]shape
	controls [outboxMessages][controlSpace]byte
	vectors  [3 * outboxPieces]unix.Iovec
	ends     [outboxPieces]int // of each piece in vectors
	heads    [outboxPieces][headSpace]byte

	count, pieces, used int

	// padding stands behind the data of an indication; nobody writes it.
	padding [3]byte

	// lost counts packets the kernel did not take.
	lost int
}

// shape is what an outbox knows of one message.
type shape struct {
	to     *name
	gone   *atomic.Bool // set: it is not sent any more; nil: always is
	first  int          // piece
	pieces int
	size   int // of each piece but the last
	total  int
	closed bool // the last is shorter
}

// head is where the caller writes what precedes the packet it adds next.
func (o *outbox) head() []byte {
	o.room()
	return o.heads[o.pieces][:0]
}

// room makes room for one packet.
func (o *outbox) room() {
	if o.pieces == outboxPieces || o.count == outboxMessages {
		o.flush()
	}
}

// add queues head, body and pad zeros as one packet to to, unless gone is set
// by the time it would leave.
func (o *outbox) add(to *name, gone *atomic.Bool, head, body []byte, pad int) {
	o.room()
	size := len(head) + len(body) + pad
	if !o.extends(to, gone, size) {
		o.shapes[o.count] = shape{to: to, gone: gone, first: o.pieces, size: size}
		o.count++
	}
	if len(head) > 0 {
		o.vector(head)
	}
	if len(body) > 0 {
		o.vector(body)
	}
	if pad > 0 {
		o.vector(o.padding[:pad])
	}
	s := &o.shapes[o.count-1]
	s.pieces++
	s.total += size
	s.closed = size < s.size
	o.ends[o.pieces] = o.used
	o.pieces++
}

func (o *outbox) vector(b []byte) {
	o.vectors[o.used].Base = &b[0]
	o.vectors[o.used].SetLen(len(b))
	o.used++
}

// extends reports whether a packet of size may go on the last message.
func (o *outbox) extends(to *name, gone *atomic.Bool, size int) bool {
	if o.count == 0 || !o.runs {
		return false
	}
	s := &o.shapes[o.count-1]
	return !s.closed && s.gone == gone && size > 0 && size <= s.size && s.size <= longestSegment &&
		s.pieces < piecesOfRun && s.total+size <= bytesOfRun && (s.to == to || *s.to == *to)
}

// start is where the vectors of a piece begin.
func (o *outbox) start(piece int) int {
	if piece == 0 {
		return 0
	}
	return o.ends[piece-1]
}

// flush sends all that is queued. What the kernel does not take is lost, as
// on a full link: nothing waits, nothing is kept.
func (o *outbox) flush() {
	left := 0
	for i := range o.count {
		if gone := o.shapes[i].gone; gone != nil && gone.Load() {
			continue
		}
		o.shapes[left] = o.shapes[i]
		o.write(&o.msgs[left], left, o.shapes[left].first, o.shapes[left].pieces)
		left++
	}
	o.send(o.msgs[:left], true)
	o.count, o.pieces, o.used = 0, 0, 0
}

// write makes m the message of some pieces of shape i.
func (o *outbox) write(m *mmsghdr, i, first, pieces int) {
	s := &o.shapes[i]
	*m = mmsghdr{}
	if s.to.size > 0 {
		m.Name, m.Namelen = &s.to.raw[0], s.to.size
	}
	from := o.start(first)
	if n := o.ends[first+pieces-1] - from; n > 0 {
		m.Iov = &o.vectors[from]
		m.SetIovlen(n)
	}
	if pieces > 1 {
		c := o.controls[i][:]
		binary.NativeEndian.PutUint64(c, controlHead+2)
		binary.NativeEndian.PutUint32(c[8:], unix.SOL_UDP)
		binary.NativeEndian.PutUint32(c[12:], unix.UDP_SEGMENT)
		binary.NativeEndian.PutUint16(c[controlHead:], uint16(s.size))
		m.Control = &c[0]
		m.SetControllen(controlSpace)
	}
}

// send hands msgs to the kernel until it has taken or refused each. They are
// those of shapes, or single packets.
func (o *outbox) send(msgs []mmsghdr, shaped bool) {
	for at := 0; at < len(msgs); {
		n, errno := o.sendmmsg(o.fd, msgs[at:])
		switch {
		case errno == 0:
			at += max(n, 1) // never 0, but a loop must end
		case errno == unix.EINTR:
		case errno == unix.EAGAIN:
			// The socket's buffer is full; none of the rest would go.
			for ; at < len(msgs); at++ {
				o.lost += o.packets(at, shaped)
			}
		case shaped && o.shapes[at].pieces > 1 && errno != unix.ENOBUFS && errno != unix.ENOMEM:
			o.again(at, errno)
			at++
		default:
			o.lost += o.packets(at, shaped)
			at++
		}
	}
}

// packets is how many message i holds.
func (o *outbox) packets(i int, shaped bool) int {
	if shaped {
		return o.shapes[i].pieces
	}
	return 1
}

// again sends the packets of a refused run one by one. A kernel that cannot
// cut runs up, for want of a card that sums for one, is not given any more.
func (o *outbox) again(i int, errno syscall.Errno) {
	if errno == unix.EIO || errno == unix.EOPNOTSUPP || errno == unix.ENOPROTOOPT {
		o.runs = false
	}
	s := &o.shapes[i]
	singles := make([]mmsghdr, s.pieces)
	for k := range singles {
		o.write(&singles[k], i, s.first+k, 1)
	}
	o.send(singles, false)
}
