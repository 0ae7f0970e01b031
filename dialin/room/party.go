package room

import (
	"slices"
	"sync"
	"time"

	"github.com/pion/webrtc/v4"

	"vestibule/dialin/media"
)

// party is the callers of one room at this node. The room's voices are sent to
// one of them, the ear, and decoded once for all: a decoder costs a hundred
// times what a mix does. The callers' own voices go from one to the other
// without leaving the node, so that everybody is left out of their own mix and
// of nobody else's. Who has left the party hears nothing of it.
//
// The ear is a caller like the others and no participant of its own, for most
// rooms have one telephone, and nobody unseen should listen in any.
type party struct {
	born time.Time

	mu       sync.Mutex
	legs     []*leg     // guarded by mu, like all below; their here to deaf too
	ear      *leg       // nil: nobody is inside yet
	speakers []*speaker // the room's; only those that the ear is sent are heard
	// sum holds the last voices added up, made how many samples came of them
	// since born.
	sum   [span]int32
	made  int64
	frame [grain]int16
	// watched is when it was last looked whether the ear hears; since well it
	// does, since silence it does not though it should.
	watched, well, silence time.Time
}

const (
	// span is how many samples are kept for those who listen at another moment:
	// three times slack is needed.
	span = 2048
	// grain is what is mixed at a time; everybody's frames have a multiple.
	grain = media.Rate / 100
	// slack is how far a caller's own clock may be from the party's.
	slack = media.Rate * 60 / 1000
)

func newParty(now time.Time) *party { return &party{born: now} }

// add takes a caller in, so that the room's copy of their voice is known for
// what it is before it comes.
func (p *party) add(l *leg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.legs, l.here = append(p.legs, l), true
}

// leave takes a caller out, with their voice, and reports whether nobody is
// left. From then on they hear nothing.
func (p *party) leave(l *leg) (empty bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.here = false
	p.legs = slices.DeleteFunc(p.legs, func(o *leg) bool { return o == l })
	p.drop(func(s *speaker) bool { return s.by == l })
	if p.ear == l {
		p.ear = nil
		p.settle()
	} else {
		p.again() // they may be back by another node: then the room has their voice
	}
	return len(p.legs) == 0
}

// ready says that a caller is in the room.
func (p *party) ready(l *leg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	l.inside, l.fit = true, true
	p.settle()
}

// torn says that the room cannot reach a caller for now, or can again.
func (p *party) torn(l *leg, on bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.fit = false; on != l.away { // a line that broke may hear nothing after it is back
		l.away, l.since = on, now
	}
	p.well, p.silence = time.Time{}, time.Time{}
	if p.settle(); !on && p.ear == l {
		p.again()
	}
}

// settle makes somebody the ear whom the room's voices reach, if there is one.
// An ear that was out of reach keeps what it has asked for: a conference server
// takes seconds to send again what was sent before, and it may be needed.
func (p *party) settle() {
	best := p.ear
	for _, l := range p.legs {
		if l.here && l.inside && (best == nil || l.reach() > best.reach()) {
			best = l
		}
	}
	if best != p.ear {
		p.ear = best
		p.again()
	}
}

// reach is how surely the room's voices reach a caller.
func (l *leg) reach() int {
	switch {
	case l.away:
		return 0
	case l.fit:
		return 2
	default:
		return 1
	}
}

// again has the ear ask for every voice that there is.
func (p *party) again() {
	if l := p.ear; l != nil {
		l.begin(l.listen)
	}
}

// wants reports whether l is to be sent the voice of identity.
func (p *party) wants(l *leg, identity string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.ear == l && !p.local(identity)
}

// local reports whether identity is of the party.
func (p *party) local(identity string) bool {
	return slices.ContainsFunc(p.legs, func(l *leg) bool { return l.identity == identity })
}

// take adds a voice that one of the party is sent.
func (p *party) take(s *speaker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s.by.here {
		p.speakers = append(p.speakers, s)
	}
	return s.by.here
}

// forget takes a track's voice out of the mix.
func (p *party) forget(t *webrtc.TrackRemote) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.drop(func(s *speaker) bool { return s.track == t })
}

func (p *party) drop(which func(*speaker) bool) {
	p.speakers = slices.DeleteFunc(p.speakers, func(s *speaker) bool {
		gone := which(s)
		if gone {
			s.stop()
		}
		return gone
	})
}

// active notes whom the room says to speak, in Unix milliseconds.
func (p *party) active(identities []string, ms int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.speakers {
		if slices.Contains(identities, s.identity) {
			s.spoke.Store(ms)
		}
	}
}

// wanted reports whether a voice is to be decoded.
func (p *party) wanted(s *speaker) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.heard(s) {
		return false
	}
	before := 0
	for _, o := range p.speakers {
		if o == s {
			break
		}
		if p.heard(o) {
			before++
		}
	}
	return before < voices || time.Since(time.UnixMilli(s.spoke.Load())) < lately
}

// heard reports whether a voice is in the mix: it comes by the ear, and is not
// that of a caller, who is heard without the room.
func (p *party) heard(s *speaker) bool { return s.by == p.ear && !p.local(s.identity) }

// hear fills sum with what everybody but l says now, and returns for how long
// the room has been out of reach of l. Each caller listens by their own clock,
// in steps of their own size: what one has heard is kept for the others, and
// what nobody has heard yet is mixed now.
func (p *party) hear(l *leg, sum []int32, now time.Time) (away time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !l.here {
		clear(sum)
		return 0
	}
	p.watch(now)
	n := int64(len(sum))
	clock := int64(now.Sub(p.born)) * media.Rate / int64(time.Second)
	clock -= clock % grain
	if off := l.at + n - clock; off < -slack || off > slack {
		l.at = clock - n // a new caller, or the machine slept
	}
	p.mix(l.at + n)
	for i := range sum {
		at := (l.at + int64(i)) & (span - 1)
		sum[i] = p.sum[at] - int32(l.said[at])
	}
	l.at += n
	if l.away {
		away = now.Sub(l.since)
	}
	return away
}

// mix adds up all voices until a moment.
func (p *party) mix(to int64) {
	if to-p.made > 2*slack {
		p.made = to - 2*slack // nobody has listened
	}
	for p.made < to {
		at := int(p.made & (span - 1))
		n := min(int(to-p.made), grain, span-at)
		sum := p.sum[at:][:n]
		clear(sum)
		for _, s := range p.speakers {
			if p.heard(s) && s.take(p.frame[:n]) {
				add(sum, p.frame[:n])
			}
		}
		for _, l := range p.legs {
			if said := l.said[at:][:n]; l.own.take(said) {
				add(sum, said)
			}
		}
		p.made += int64(n)
	}
}

func add(sum []int32, pcm []int16) {
	for i, v := range pcm {
		sum[i] += int32(v)
	}
}
