package turn

import (
	"errors"
	"hash/maphash"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// tupleBuckets is the size of the table of one UDP socket: short chains for
// some ten thousand relays.
const tupleBuckets = 4096

// heardStep is how exact tuple.heard is, in nanoseconds.
const heardStep = int64(time.Second)

// tuple is a client's 5-tuple that holds a relay (RFC 8656 §2.2), bound to
// one grant for its life.
type tuple struct {
	from     netip.AddrPort
	addr     net.Addr // from, as pion knows it
	username string   // that made the relay
	grant    *grant
	guard    *guard
	relay    carrier
	is4      bool // the relay's family

	next atomic.Pointer[tuple] // in the same bucket

	// heard is when the client last sent anything, in nanoseconds, give or
	// take heardStep.
	heard atomic.Int64

	// ends is when pion's timer ends the relay, at the earliest. peers is
	// what the client bound or asked to permit, and until when, in
	// nanoseconds. Only the guard's reader touches them.
	ends  time.Time
	peers map[netip.AddrPort]int64
}

// passes reports whether n bytes may pass now, either way, and counts them.
// It is called for every packet.
func (t *tuple) passes(n int, clock int64) bool {
	return !t.grant.dead(clock) && t.grant.spend(n, clock)
}

// hear notes that the client is there.
func (t *tuple) hear(clock int64) {
	if clock-t.heard.Load() > heardStep {
		t.heard.Store(clock)
	}
}

// end closes the relay, and the connection where there is one.
func (t *tuple) end() error {
	err := t.relay.Close()
	if t.guard.stream {
		err = errors.Join(err, t.guard.wire.Close())
	}
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// tuples is a table of tuples by source: readers take no lock, writers hold
// Server.mu.
type tuples struct {
	seed    maphash.Seed
	buckets []atomic.Pointer[tuple]
}

func newTuples(buckets int) *tuples {
	return &tuples{seed: maphash.MakeSeed(), buckets: make([]atomic.Pointer[tuple], buckets)}
}

func (t *tuples) bucket(from netip.AddrPort) *atomic.Pointer[tuple] {
	if len(t.buckets) == 1 {
		return &t.buckets[0]
	}
	return &t.buckets[maphash.Comparable(t.seed, from)%uint64(len(t.buckets))]
}

func (t *tuples) find(from netip.AddrPort) *tuple {
	for c := t.bucket(from).Load(); c != nil; c = c.next.Load() {
		if c.from == from {
			return c
		}
	}
	return nil
}

func (t *tuples) add(c *tuple) {
	b := t.bucket(c.from)
	c.next.Store(b.Load())
	b.Store(c)
}

func (t *tuples) remove(c *tuple) {
	// A reader that stands on c still finds its way on by c.next.
	at := t.bucket(c.from)
	for at.Load() != c {
		if at.Load() == nil {
			return
		}
		at = &at.Load().next
	}
	at.Store(c.next.Load())
}
