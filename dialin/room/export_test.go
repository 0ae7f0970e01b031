package room

import (
	"encoding/binary"

	"vestibule/dialin/media"
)

// Speaker is a voice without a network.
type Speaker struct {
	s   *speaker
	b   []byte
	seq uint16
	ts  uint32
}

// NewSpeaker returns one of a codec.
func NewSpeaker(mime string) (*Speaker, error) {
	s, err := newSpeaker(mime)
	return &Speaker{s: s, seq: 65500, ts: 1<<32 - 48000}, err
}

// Say is one packet of so many ticks of the codec's clock.
func (s *Speaker) Say(payload []byte, ticks uint32) {
	s.b = append(s.b[:0], 0x80, 0)
	s.b = binary.BigEndian.AppendUint16(s.b, s.seq)
	s.b = binary.BigEndian.AppendUint32(s.b, s.ts)
	s.b = binary.BigEndian.AppendUint32(s.b, 1)
	s.Raw(append(s.b, payload...))
	s.seq++
	s.ts += ticks
}

// Raw is one packet as it comes.
func (s *Speaker) Raw(b []byte) { s.s.packet(b) }

// Take plays the voice.
func (s *Speaker) Take(out []int16) bool { return s.s.take(out) }

// NewLeg is a leg with speakers and no room.
func NewLeg(all ...*Speaker) media.Room {
	l := newLeg(nil, func() {})
	for _, s := range all {
		l.speakers = append(l.speakers, s.s)
	}
	return l
}

// Wanted is whether the n-th voice would be decoded.
func Wanted(r media.Room, n int) bool { l := r.(*leg); return l.wanted(l.speakers[n]) }

// Speaks lets the room say that the n-th speaks, at that Unix time.
func Speaks(r media.Room, n int, ms int64) { r.(*leg).speakers[n].spoke.Store(ms) }

// Loudness is RFC 6464's.
func Loudness(pcm []int16) uint8 { return loudness(pcm) }

// Last tells signals into a leg nobody reads, ends it with one and returns
// what is left.
func Last(many int, s, end media.Signal) []media.Signal {
	l := newLeg(nil, func() {})
	for range many {
		l.signal(s)
	}
	l.end(end)
	l.end(media.Lost)
	l.signal(s)
	var all []media.Signal
	for s := range l.Signals() {
		all = append(all, s)
	}
	return all
}
