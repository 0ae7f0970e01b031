package auth

import (
	"sync"
	"time"
)

// maxOnce bounds what once remembers.
const maxOnce = 1 << 16

// once remembers what may happen one time only. It is this node's memory: the
// provider's own single use of codes covers the others.
type once struct {
	mu   sync.Mutex
	seen map[string]time.Time // until when
}

// first reports whether key is new, and remembers it until the given time.
func (o *once) first(key string, now, until time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if u, ok := o.seen[key]; ok && now.Before(u) {
		return false
	}
	if len(o.seen) >= maxOnce {
		o.forget(now)
	}
	if o.seen == nil {
		o.seen = map[string]time.Time{}
	}
	o.seen[key] = until
	return true
}

// forget drops what is over; when that is not enough, everything, because
// shutting everybody out would be worse than a replay that the provider
// refuses as well.
func (o *once) forget(now time.Time) {
	for k, u := range o.seen {
		if !now.Before(u) {
			delete(o.seen, k)
		}
	}
	if len(o.seen) >= maxOnce {
		clear(o.seen)
	}
}
