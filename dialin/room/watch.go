package room

import (
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"

	"vestibule/dialin/media"
)

// How a party sees to it that it hears. A line that broke and is back may be
// sent nothing, for good, and nobody says so: the conference server and its
// client have lost sight of each other's addresses. Whoever has not broken is
// not doubted, for people are silent, and a microphone that is on may send
// nothing for its own reasons.
const (
	watchEvery = time.Second
	deafAfter  = 3 * time.Second // without a packet, while a microphone is on
	fitAfter   = 5 * time.Second // of packets
	// renewals is how often a caller is taken into the room once more before it
	// is left at that.
	renewals = 2
	// beyond is how long a caller waits for a room that is out of reach.
	beyond = time.Minute
)

// watch looks, once a second, whether the ear hears, and whether somebody has
// been out of the room's reach for too long. mu is held.
func (p *party) watch(now time.Time) {
	if now.Sub(p.watched) < watchEvery {
		return
	}
	p.watched = now
	for _, l := range p.legs {
		if l.away && now.Sub(l.since) >= beyond {
			l.begin(func() { l.end(media.Lost) })
		}
	}
	l := p.ear
	if l == nil || l.fit || l.away {
		return
	}
	if p.sent(l) {
		p.hears(l, now)
		return
	}
	p.well = time.Time{}
	if l.deaf <= renewals {
		l.begin(func() { p.silent(l, l.awaits(), now) })
	}
}

// sent reports whether a packet of any voice has come to l since it was last
// asked.
func (p *party) sent(l *leg) (some bool) {
	for _, s := range p.speakers {
		some = s.by == l && s.got.Swap(false) || some
	}
	return some
}

// hears notes that the ear hears something now.
func (p *party) hears(l *leg, now time.Time) {
	p.silence = time.Time{}
	if p.well.IsZero() {
		p.well = now
	}
	if now.Sub(p.well) < fitAfter {
		return
	}
	l.fit = true
	for _, o := range p.legs {
		o.deaf = 0
	}
}

// silent notes that the ear is sent nothing, and whether it should be. Whoever
// is deaf hands the part to another caller who may be less so; when all have
// been tried the caller is taken into the room once more.
func (p *party) silent(l *leg, awaits bool, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ear != l || l.away:
		return
	case !awaits:
		p.silence = time.Time{}
		return
	case p.silence.IsZero():
		p.silence = now
		return
	case now.Sub(p.silence) < deafAfter:
		return
	}
	p.silence = time.Time{}
	l.deaf++
	best := l
	for _, o := range p.legs {
		if o.here && o.inside && !o.away && o.deaf < best.deaf {
			best = o
		}
	}
	if best != l {
		p.ear = best
		p.again()
		return
	}
	if l.deaf <= renewals {
		l.begin(l.renew)
	}
}

// prefer makes l the ear, who has been taken in anew: nobody else has heard
// anything.
func (p *party) prefer(l *leg) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.here && !l.away && p.ear != nil && !p.ear.fit {
		p.ear = l
		p.again()
	}
}

// awaits reports whether somebody's microphone is on whom the ear should hear.
func (l *leg) awaits() bool {
	for _, p := range l.remote() {
		for _, t := range p.TrackPublications() {
			if t.Kind() == lksdk.TrackKindAudio && !t.IsMuted() && l.party.wants(l, p.Identity()) {
				return true
			}
		}
	}
	return false
}
