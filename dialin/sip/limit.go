package sip

import (
	"sync"
	"time"
)

// gate counts what is open at once, in all and by source.
type gate struct {
	total, each int

	mu   sync.Mutex
	all  int            // guarded by mu
	from map[string]int // guarded by mu
}

func newGate(total, each int) *gate { return &gate{total: total, each: each, from: map[string]int{}} }

func (g *gate) enter(source string) bool { return g.enterUpTo(source, g.each) }

func (g *gate) enterUpTo(source string, each int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= g.total || g.from[source] >= each {
		return false
	}
	g.all++
	g.from[source]++
	return true
}

func (g *gate) leave(source string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.all--
	if g.from[source]--; g.from[source] <= 0 {
		delete(g.from, source)
	}
}

// rate lets each source do something so often a minute, with a burst. It
// remembers so many sources and no more; while it is full of busy ones, who is
// not known has to wait.
type rate struct {
	perMinute, burst int

	mu   sync.Mutex
	from map[string]bucket // guarded by mu
}

type bucket struct {
	left float64
	at   time.Time
}

// maxSources bounds the memory of a rate.
const maxSources = 8192

func newRate(perMinute, burst int) *rate {
	return &rate{perMinute: perMinute, burst: burst, from: map[string]bucket{}}
}

func (r *rate) allow(source string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	b, ok := r.from[source]
	if !ok {
		if len(r.from) >= maxSources && !r.clean(now) {
			return false
		}
		b = bucket{float64(r.burst), now}
	}
	b.left = min(float64(r.burst), b.left+now.Sub(b.at).Minutes()*float64(r.perMinute))
	b.at = now
	ok = b.left >= 1
	if ok {
		b.left--
	}
	r.from[source] = b
	return ok
}

// clean forgets whoever would have a full bucket by now.
func (r *rate) clean(now time.Time) bool {
	for k, b := range r.from {
		if b.left+now.Sub(b.at).Minutes()*float64(r.perMinute) >= float64(r.burst) {
			delete(r.from, k)
		}
	}
	return len(r.from) < maxSources
}

// memory remembers sources for a while: those that have called.
type memory struct {
	life time.Duration

	mu   sync.Mutex
	seen map[string]time.Time // guarded by mu
}

func newMemory(life time.Duration) *memory {
	return &memory{life: life, seen: map[string]time.Time{}}
}

func (m *memory) note(source string, now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.seen) >= maxSources {
		for k, t := range m.seen {
			if now.Sub(t) > m.life || len(m.seen) >= maxSources {
				delete(m.seen, k)
			}
		}
	}
	m.seen[source] = now
}

func (m *memory) knows(source string, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	t, ok := m.seen[source]
	return ok && now.Sub(t) <= m.life
}
