package sip

import (
	"slices"
	"sync"
	"time"
)

// gate counts what is open at once, in all and by source.
type gate struct {
	total int

	mu   sync.Mutex
	all  int            // guarded by mu
	from map[string]int // guarded by mu
}

func newGate(total int) *gate { return &gate{total: total, from: map[string]int{}} }

// enter lets in where its source has less than each, and all together less
// than all.
func (g *gate) enter(source string, each, all int) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.all >= min(all, g.total) || g.from[source] >= each {
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

// share is whom a caller counts for, how much of total that one may take, and how
// much all like it: a fifth is kept for peers, where there are any.
func (s *Server) share(p *Peer, source string, each, total int) (key string, most, all int) {
	switch {
	case p != nil:
		return p.whose(), total, total
	case len(s.c.Peers) > 0:
		return source, each, total - total/5
	}
	return source, each, total
}

// rate lets each source do something so often a minute, with a burst. It
// remembers so many sources and no more.
type rate struct {
	perMinute, burst int
	// lax lets who is not known pass uncounted while it is full of busy ones,
	// since something else bounds them all; otherwise they have to wait.
	lax bool

	mu      sync.Mutex
	from    map[string]bucket // guarded by mu
	cleaned time.Time         // guarded by mu
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
			return r.lax
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

// clean forgets whoever would have a full bucket by now, once a second: it looks
// at all of them. r.mu is held.
func (r *rate) clean(now time.Time) bool {
	if now.Sub(r.cleaned) < time.Second {
		return false
	}
	r.cleaned = now
	for k, b := range r.from {
		if b.left+now.Sub(b.at).Minutes()*float64(r.perMinute) >= float64(r.burst) {
			delete(r.from, k)
		}
	}
	return len(r.from) < maxSources
}

// halfOpen are calls that nobody has confirmed yet, oldest first. Over its
// bound the oldest gives way: who asks in another's name never confirms, who
// means it does so at once.
type halfOpen struct {
	most int

	mu    sync.Mutex
	calls []*Call // guarded by mu
}

func newHalfOpen(lines int) *halfOpen { return &halfOpen{most: max(lines/8, min(10, (lines+1)/2))} }

func (h *halfOpen) enter(c *Call) {
	h.mu.Lock()
	var oldest *Call
	if len(h.calls) >= h.most {
		oldest = h.calls[0]
		h.calls = slices.Delete(h.calls, 0, 1)
	}
	h.calls = append(h.calls, c)
	h.mu.Unlock()
	if oldest != nil {
		oldest.giveWay()
	}
}

func (h *halfOpen) leave(c *Call) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i := slices.Index(h.calls, c); i >= 0 {
		h.calls = slices.Delete(h.calls, i, i+1)
	}
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
