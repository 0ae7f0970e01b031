package media

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"syscall"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// NewPort lets tests put a call on a pipe.
func NewPort(c Conn) *Port { return &Port{conn: c} }

// Law is a codec's two directions.
func (c Codec) Law() (func(int16) byte, func(byte) int16) {
	if c == PCMA {
		return encodeALaw, decodeALaw
	}
	return encodeULaw, decodeULaw
}

// Keypad hears in-band digits.
func Keypad(pcm []int16) string {
	d := newDTMF()
	var got []rune
	for len(pcm) > 0 {
		n := min(160, len(pcm))
		d.hear(pcm[:n], func(r rune) { got = append(got, r) })
		pcm = pcm[n:]
	}
	return string(got)
}

// Events reads telephone-event payloads.
type Events struct{ e events }

// Take reads one.
func (e *Events) Take(ts uint32, payload []byte) rune { return e.e.take(ts, payload) }

// Call is a session without its goroutines.
type Call struct {
	s *Session
	n uint32

	peer   *srtp.Context // nil in the clear
	sealed []byte
	header rtp.Header
}

type nowhere struct{ Conn }

func (nowhere) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) { return len(b), nil }

type quietRoom struct{}

func (quietRoom) Say([]int16)  {}
func (quietRoom) Hear([]int16) {}

// NewHalf returns a call in the clear.
func NewHalf(remote netip.AddrPort, f Format) *Call { return NewCall(remote, f, nil) }

// NewCall returns a bridged call that sends nowhere.
func NewCall(remote netip.AddrPort, f Format, k *Keys) *Call {
	s := (&Port{conn: nowhere{}}).session()
	if err := s.Update(remote, f, k); err != nil {
		panic(err)
	}
	s.room = quietRoom{}
	c := &Call{s: s}
	if k != nil {
		c.peer, _ = k.context(k.Remote)
	}
	return c
}

// Seal encrypts a datagram as the device does.
func (c *Call) Seal(b []byte) []byte {
	var sealed []byte
	if isReport(b) {
		sealed, _ = c.peer.EncryptRTCP(nil, b, nil)
	} else {
		sealed, _ = c.peer.EncryptRTP(nil, b, nil)
	}
	return sealed
}

// Remembers counts which of the first n SSRCs a call has kept something of, for
// their sound and for their reports.
func (c *Call) Remembers(n uint32) (sound, reports int) {
	for ssrc := range n {
		if _, ok := c.s.in.cage.sound.ROC(ssrc); ok {
			sound++
		}
		if _, ok := c.s.in.cage.reports.Index(ssrc); ok {
			reports++
		}
	}
	return sound, reports
}

// Foreign counts what was refused.
func (c *Call) Foreign() uint64 { return c.s.in.stats.Foreign }

// Packet is one datagram that arrives.
func (c *Call) Packet(b []byte, from netip.AddrPort) rune { return c.s.packet(b, from) }

// Tick lets 20 ms pass.
func (c *Call) Tick() { c.s.tick(0) }

// Delay is in milliseconds.
func (c *Call) Delay() int { return int(c.s.Stats().Delay.Milliseconds()) }

// Round lets one packet arrive, as its own sender would write it, and one go.
func (c *Call) Round(packet []byte, from netip.AddrPort) {
	c.n++
	was := c.s.in.stats.Foreign
	binary.BigEndian.PutUint16(packet[2:], uint16(c.n))
	binary.BigEndian.PutUint32(packet[4:], c.n*160)
	if c.peer != nil {
		c.sealed, _ = c.peer.EncryptRTP(c.sealed[:0], packet, &c.header)
		packet = c.sealed
	}
	c.s.packet(packet, from)
	c.s.tick(0)
	if c.s.in.stats.Foreign > was {
		panic("a good packet was refused")
	}
}

// WithoutIPv6 makes ports as a machine without IPv6 has them.
func WithoutIPv6(p *Ports) {
	open := p.listen
	p.listen = func(a netip.AddrPort) (*net.UDPConn, error) {
		if a.Addr().Is6() {
			return nil, &net.OpError{Op: "listen", Err: os.NewSyscallError("socket", syscall.EAFNOSUPPORT)}
		}
		return open(a)
	}
}
