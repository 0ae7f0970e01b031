package media

import (
	"crypto/rand"
	"encoding/binary"
	"net/netip"

	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"
)

// sender is the half of a session that speaks. The session's lock guards it.
type sender struct {
	format Format
	to     netip.AddrPort
	keys   *Keys
	cage   *srtp.Context // nil in the clear

	ssrc  uint32
	seq   uint16
	ts    uint32
	fresh bool // the next packet begins after a pause

	packet, sealed []byte
	header         rtp.Header
}

// headSize is how long an RTP head without extras is.
const headSize = 12

func newSender() sender {
	var b [10]byte
	_, _ = rand.Read(b[:]) // never fails
	return sender{
		ssrc: binary.BigEndian.Uint32(b[:]), ts: binary.BigEndian.Uint32(b[4:]), seq: binary.BigEndian.Uint16(b[8:]) >> 1,
		fresh: true, packet: make([]byte, headSize+maxPayload), sealed: make([]byte, 0, headSize+maxPayload+64),
	}
}

func (s *sender) agree(to netip.AddrPort, f Format, k *Keys) error {
	if !k.sealsAs(s.keys) {
		cage, err := k.seals()
		if err != nil {
			return err
		}
		s.cage = cage
	}
	s.keys = k
	s.to, s.format = to, f
	return nil
}

// frame makes the packet of pcm. The result is good until the next one.
func (s *sender) frame(pcm []int16) ([]byte, error) {
	b := s.packet[:headSize+len(pcm)]
	b[0], b[1] = 0x80, s.format.PayloadType
	if s.fresh {
		b[1] |= 0x80 // RFC 3551 §4.1: the marker is the start of a talkspurt
		s.fresh = false
	}
	binary.BigEndian.PutUint16(b[2:], s.seq)
	binary.BigEndian.PutUint32(b[4:], s.ts)
	binary.BigEndian.PutUint32(b[8:], s.ssrc)
	s.format.Codec.encode(b[headSize:], pcm)
	s.seq++
	s.ts += uint32(len(pcm))
	if s.cage == nil {
		return b, nil
	}
	sealed, err := s.cage.EncryptRTP(s.sealed[:0], b, &s.header)
	if err == nil {
		s.sealed = sealed
	}
	return sealed, err
}

// pause lets n samples pass in silence.
func (s *sender) pause(n int) {
	s.ts += uint32(n)
	s.fresh = true
}
