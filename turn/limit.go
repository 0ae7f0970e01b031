package turn

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

const (
	// limiterSlots bounds the state strangers can make us keep: sources
	// that share a slot share its budget.
	limiterSlots = 4096

	// A challenge is about 150 bytes for a request of 20, so a source gets
	// challengeBurst at once and challengeRate a second from then on:
	// enough for a ward behind one address, worthless as an amplifier.
	challengeBurst = 40
	challengeRate  = 20

	// trustedShare is how many times that a trusted source gets: a hospital
	// behind one address, whose meetings begin at the full hour. It is bounded
	// all the same, for over UDP anybody can claim to be there.
	trustedShare = 10
)

// limiter bounds what is answered to a source that has proved nothing.
type limiter struct {
	seed maphash.Seed

	// mu guards slots. Known participants' packets do not come here.
	mu    sync.Mutex
	slots [limiterSlots]budget
}

type budget struct {
	at   int64 // nanoseconds, when left was right
	left float64
}

func newLimiter() *limiter { return &limiter{seed: maphash.MakeSeed()} }

// allow takes one answer from the budget of source, which is share times that
// of others, and reports whether there was one.
func (l *limiter) allow(source netip.Addr, share float64, now int64) bool {
	slot := &l.slots[maphash.Comparable(l.seed, network(source))%limiterSlots]
	l.mu.Lock()
	defer l.mu.Unlock()
	if slot.at == 0 {
		slot.left = share * challengeBurst
	} else {
		passed := time.Duration(max(now-slot.at, 0)).Seconds()
		slot.left = min(slot.left+share*passed*challengeRate, share*challengeBurst)
	}
	slot.at = now
	if slot.left < 1 {
		return false
	}
	slot.left--
	return true
}

// network is what one source may hold of the address space for nothing: an
// IPv4 address or an IPv6 /64.
func network(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return netip.Addr{} // the invalid address shares one budget
	}
	return p.Addr()
}

// census counts open connections, in all and by source.
type census struct {
	all int

	// mu guards count and sources.
	mu      sync.Mutex
	count   int
	sources map[netip.Addr]int
}

func newCensus(all int) *census {
	return &census{all: all, sources: make(map[netip.Addr]int)}
}

// enter reports whether one more connection of source may stay, which may have
// each at a time; leave must then follow.
func (c *census) enter(source netip.Addr, each int) bool {
	source = network(source)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.count >= c.all || c.sources[source] >= each {
		return false
	}
	c.count++
	c.sources[source]++
	return true
}

func (c *census) leave(source netip.Addr) {
	source = network(source)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count--
	if c.sources[source]--; c.sources[source] <= 0 {
		delete(c.sources, source)
	}
}
