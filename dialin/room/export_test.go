package room

import (
	"context"
	"encoding/binary"
	"net"
	"time"

	"vestibule/dialin/media"
)

// Wire is the door's signalling over a connection.
func Wire(ctx context.Context, c net.Conn) net.Conn {
	w, _ := wired(ctx, c, nil)
	return w
}

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

// Party is callers in a room without a conference server.
type Party struct {
	p   *party
	now time.Time
}

// NewParty is one that such voices reach.
func NewParty(all ...*Speaker) *Party {
	now := time.Now()
	p := newParty(now)
	for _, s := range all {
		p.speakers = append(p.speakers, s.s)
	}
	return &Party{p, now}
}

// Join adds a caller; the conference server calls them identity.
func (p *Party) Join(identity string) *Leg {
	l := &Leg{newLeg(identity, p.p, func() {}), p, 0}
	l.again = func() error { l.Renewed++; return nil }
	return l
}

// Pass lets time pass.
func (p *Party) Pass(d time.Duration) { p.now = p.now.Add(d) }

// Leg is a caller of a party, to whom the party's time is now.
type Leg struct {
	*leg
	p *Party
	// Renewed is how often they were taken into the room once more.
	Renewed int
}

// Silent says that the room sends a caller nothing, and whether it should.
func (l *Leg) Silent(should bool) {
	l.party.silent(l.leg, should, l.p.now)
	l.work.Wait()
}

// Settled waits for what the party has begun for a caller.
func (l *Leg) Settled() { l.work.Wait() }

// Came says that the room sent a packet of a voice to a caller.
func (s *Speaker) Came(to *Leg) {
	s.s.by = to.leg
	s.s.got.Store(true)
}

// Hear is media.Room's.
func (l *Leg) Hear(pcm []int16) { l.hear(pcm, l.p.now) }

// Speak is Say without the conference server.
func (l *Leg) Speak(pcm []int16) { l.own.say(pcm) }

// Ready lets a caller be in the room, Torn out of its reach.
func (l *Leg) Ready()       { l.party.ready(l.leg) }
func (l *Leg) Torn(on bool) { l.party.torn(l.leg, on, l.p.now) }

// Ear is whom the room's voices are sent to.
func (p *Party) Ear() string {
	if p.p.ear == nil {
		return ""
	}
	return p.p.ear.identity
}

// Voices is how many voices the room sends.
func (p *Party) Voices() int { return len(p.p.speakers) }

// Removed has the conference server end a caller's part.
func (l *Leg) Removed() { l.end(media.Removed) }

// As names a voice.
func (s *Speaker) As(identity string) *Speaker { s.s.identity = identity; return s }

// Wanted is whether the n-th voice would be decoded.
func (p *Party) Wanted(n int) bool { return p.p.wanted(p.p.speakers[n]) }

// Speaks lets the room say that somebody speaks, at that Unix time.
func (p *Party) Speaks(identity string, ms int64) { p.p.active([]string{identity}, ms) }

// Parties is how many rooms have callers.
func (r *Rooms) Parties() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.parties)
}

// Loudness is RFC 6464's.
func Loudness(pcm []int16) uint8 { return loudness(pcm) }

// Last tells signals into a leg nobody reads, ends it with one and returns
// what is left.
func Last(many int, s, end media.Signal) []media.Signal {
	l := newLeg("a", newParty(time.Now()), func() {})
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
