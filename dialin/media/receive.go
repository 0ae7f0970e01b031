package media

import (
	"net/netip"
	"time"

	"github.com/pion/rtp"
)

// comfortNoise is the payload type of RFC 3389: the device says that nobody
// speaks.
const comfortNoise = 13

// receiver is the half of a session that listens. The session's lock guards it.
type receiver struct {
	format Format
	// remote is the signalled address. The port is not compared: devices
	// behind a NAT send from another one than they know of. from is the exact
	// source of the first good packet, and the only one from then on (T54): but
	// for as long as regain the very port that was signalled takes the lock from
	// whoever was faster.
	remote, from netip.AddrPort
	since        time.Time // of the lock
	ssrc         uint32
	locked       bool

	keys  *Keys
	cage  *cage // nil in the clear
	plain []byte

	header rtp.Header
	jitter Buffer
	pcm    []int16 // of one packet
	events events
	order  order
	other  change
	stats  Stats
}

// change watches for a device that changes its SSRC in the middle of a call.
type change struct {
	ssrc uint32
	seq  uint16
}

// silent is how long the source must have said nothing before another SSRC
// of the same address may take its place.
const silent = 500 * time.Millisecond

// regain is how long after another port was locked the signalled one may still
// speak first.
const regain = 3 * time.Second

// agree takes what signalling agreed on. Another address, or another key of the
// device's, makes the lock fall; the same ones leave it.
func (r *receiver) agree(remote netip.AddrPort, f Format, k *Keys) error {
	remote = netip.AddrPortFrom(remote.Addr().Unmap(), remote.Port())
	same := k.opensAs(r.keys)
	if !same {
		cage, err := k.cage()
		if err != nil {
			return err
		}
		r.cage = cage
	}
	if remote != r.remote || !same {
		r.remote, r.locked = remote, false
		r.jitter.on, r.events, r.other = false, events{}, change{}
	}
	r.keys, r.format = k, f
	return nil
}

// packet takes one datagram and returns the digit that it begins, if any.
func (r *receiver) packet(b []byte, from netip.AddrPort, now time.Time) rune {
	from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
	if isReport(b) {
		r.report(b, from, now) // reports and sound at one port: not agreed, but no harm
		return 0
	}
	payload, ok := r.open(b, from, now)
	if !ok {
		r.stats.Foreign++
		return 0
	}
	if !r.locked || r.ssrc != r.header.SSRC || r.from != from {
		if !r.locked {
			r.since = now
		}
		r.locked, r.from, r.ssrc = true, from, r.header.SSRC
		r.order, r.events, r.jitter.on = order{}, events{}, false
	}
	r.stats.Heard = now
	r.stats.Received++
	r.stats.Lost = r.order.take(r.header.SequenceNumber, r.stats.Lost)
	switch r.header.PayloadType {
	case r.format.PayloadType:
		r.pcm = r.format.Codec.Linear(r.pcm[:0], payload)
		if !r.jitter.Put(r.header.Timestamp, r.pcm) {
			r.stats.Late++
		}
	case comfortNoise:
		r.jitter.conceal.quiet = true
	default:
		r.jitter.conceal.quiet = true
		return r.events.take(r.header.Timestamp, payload)
	}
	return 0
}

// open judges a datagram and returns its payload, decrypted. What is cheap to
// refuse is refused first.
func (r *receiver) open(b []byte, from netip.AddrPort, now time.Time) ([]byte, bool) {
	regains := r.locked && from == r.remote && from != r.from && now.Sub(r.since) < regain
	if from.Addr() != r.remote.Addr() || r.locked && from != r.from && !regains {
		return nil, false
	}
	h := &r.header
	n, err := h.Unmarshal(b)
	if err != nil || h.Version != 2 || !r.known(h.PayloadType) || r.locked && h.SSRC != r.ssrc && !regains && !r.mayChange(now) {
		return nil, false
	}
	if r.cage != nil {
		if b, err = r.cage.packet(r.plain[:0], b, h, r.ssrc); err != nil {
			return nil, false
		}
		r.plain = b
	}
	b = b[n:]
	if h.Padding {
		if len(b) == 0 || b[len(b)-1] == 0 || int(b[len(b)-1]) > len(b) {
			return nil, false
		}
		b = b[:len(b)-int(b[len(b)-1])]
	}
	return b, len(b) > 0 && len(b) <= maxPayload
}

func (r *receiver) known(t uint8) bool {
	return t == r.format.PayloadType || t == r.format.EventType && t != 0 || t == comfortNoise
}

// mayChange reports whether the packet of r.header, of a new SSRC from the
// locked address, may be believed: the old one is silent, and two in a row
// have come (RFC 3550 §6.2.1, probation).
func (r *receiver) mayChange(now time.Time) bool {
	if now.Sub(r.stats.Heard) < silent {
		return false
	}
	before := r.other
	r.other = change{ssrc: r.header.SSRC, seq: r.header.SequenceNumber}
	return before == change{ssrc: r.header.SSRC, seq: r.header.SequenceNumber - 1}
}

// order counts what is missing between sequence numbers.
type order struct {
	on   bool
	last uint16
}

// take returns lost with what number n adds to it, or takes from it when it
// comes after its turn.
func (o *order) take(n uint16, lost uint64) uint64 {
	if !o.on {
		o.on, o.last = true, n
		return lost
	}
	switch step := int16(n - o.last); {
	case step > 0 && step < 1000:
		o.last = n
		return lost + uint64(step-1)
	case step < 0 && step > -100 && lost > 0:
		return lost - 1
	case step != 0:
		o.last = n
	}
	return lost
}
