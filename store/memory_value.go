package store

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"vestibule/meeting"
)

// taken is a value that was used up, kept for who used it.
type taken struct {
	by   string
	data []byte
	ends time.Time
}

// count holds when the last tries were allowed, oldest first.
type count struct {
	tries []time.Time
	ends  time.Time
}

// entry is one meeting of a person.
type entry struct {
	ends    int64 // milliseconds
	expires time.Time
}

func valueKey(kind, key string) string { return kind + " " + key }

// Put keeps a value for the given time, in place of any before.
func (s *Memory) Put(ctx context.Context, kind, key string, data []byte, ttl time.Duration) error {
	if err := checkPut(kind, key, data, ttl); err != nil {
		return fmt.Errorf("putting: %w", err)
	}
	k := valueKey(kind, key)
	h, now, err := s.lock(ctx, k)
	if err != nil {
		return fmt.Errorf("putting a %s: %w", kind, err)
	}
	defer h.mu.Unlock()
	h.values[k] = value{append([]byte{}, data...), now.Add(ttl)}
	return nil
}

// Get returns a value, nil when there is none.
func (s *Memory) Get(ctx context.Context, kind, key string) ([]byte, error) {
	if err := checkKey(kind, key); err != nil {
		return nil, fmt.Errorf("getting: %w", err)
	}
	k := valueKey(kind, key)
	h, now, err := s.lock(ctx, k)
	if err != nil {
		return nil, fmt.Errorf("getting a %s: %w", kind, err)
	}
	defer h.mu.Unlock()
	if v, ok := h.values[k]; ok && now.Before(v.ends) {
		return bytes.Clone(v.data), nil
	}
	return nil, nil
}

// Swap puts data in the place of old, and answers false where something else is
// there by now. A nil old stands for no value.
func (s *Memory) Swap(ctx context.Context, kind, key string, old, data []byte, ttl time.Duration) (bool, error) {
	if err := checkPut(kind, key, data, ttl); err != nil {
		return false, fmt.Errorf("swapping: %w", err)
	}
	k := valueKey(kind, key)
	h, now, err := s.lock(ctx, k)
	if err != nil {
		return false, fmt.Errorf("swapping a %s: %w", kind, err)
	}
	defer h.mu.Unlock()
	v, ok := h.values[k]
	ok = ok && now.Before(v.ends)
	same := ok && bytes.Equal(v.data, data) // sent a second time
	if !same && (ok != (old != nil) || ok && !bytes.Equal(v.data, old)) {
		return false, nil
	}
	h.values[k] = value{append([]byte{}, data...), now.Add(ttl)}
	return true, nil
}

// Take returns a value and uses it up. The same attempt gets it again for
// AttemptLife; any other gets nil.
func (s *Memory) Take(ctx context.Context, kind, key, attempt string) ([]byte, error) {
	if err := checkTake(kind, key, attempt); err != nil {
		return nil, fmt.Errorf("taking: %w", err)
	}
	k := valueKey(kind, key)
	h, now, err := s.lock(ctx, k)
	if err != nil {
		return nil, fmt.Errorf("taking a %s: %w", kind, err)
	}
	defer h.mu.Unlock()
	if t, ok := h.taken[k]; ok && attempt != "" && t.by == attempt && now.Before(t.ends) {
		return bytes.Clone(t.data), nil
	}
	v, ok := h.values[k]
	delete(h.values, k)
	if !ok || !now.Before(v.ends) {
		return nil, nil
	}
	if attempt != "" {
		h.taken[k] = taken{by: attempt, data: bytes.Clone(v.data), ends: now.Add(AttemptLife)}
	}
	return v.data, nil
}

// Delete forgets a value, also for the attempt that took it.
func (s *Memory) Delete(ctx context.Context, kind, key string) error {
	if err := checkKey(kind, key); err != nil {
		return fmt.Errorf("deleting: %w", err)
	}
	k := valueKey(kind, key)
	h, _, err := s.lock(ctx, k)
	if err != nil {
		return fmt.Errorf("deleting a %s: %w", kind, err)
	}
	defer h.mu.Unlock()
	delete(h.values, k)
	delete(h.taken, k)
	return nil
}

// Count counts one try and says whether it is among the limit allowed in any
// window. A try that is not allowed is not counted.
func (s *Memory) Count(ctx context.Context, kind, key string, limit int, window time.Duration) (bool, error) {
	if err := checkCount(kind, key, limit, window); err != nil {
		return false, fmt.Errorf("counting: %w", err)
	}
	k := valueKey(kind, key)
	h, now, err := s.lock(ctx, k)
	if err != nil {
		return false, fmt.Errorf("counting a %s: %w", kind, err)
	}
	defer h.mu.Unlock()
	c := h.counts[k]
	if !now.Before(c.ends) {
		c.tries = nil
	}
	if n := len(c.tries); n >= limit {
		if now.Sub(c.tries[n-limit]) < window {
			return false, nil
		}
		c.tries = slices.Delete(c.tries, 0, n-limit+1)
	}
	h.counts[k] = count{append(c.tries, now), now.Add(window)}
	return true, nil
}

// Index notes a meeting among its owner's until it expires.
func (s *Memory) Index(ctx context.Context, owner string, m meeting.ID, ends, expires time.Time) error {
	if err := checkIndex(owner, m, expires); err != nil {
		return fmt.Errorf("indexing: %w", err)
	}
	h, now, err := s.lock(ctx, owner)
	if err != nil {
		return fmt.Errorf("indexing: %w", err)
	}
	defer h.mu.Unlock()
	if h.owners[owner] == nil {
		h.owners[owner] = shelf{}
	}
	h.owners[owner][m] = entry{ends.UnixMilli(), expires}
	cleanIndex(h.owners[owner], now)
	return nil
}

// Unindex takes a meeting from its owner's.
func (s *Memory) Unindex(ctx context.Context, owner string, m meeting.ID) error {
	h, _, err := s.lock(ctx, owner)
	if err != nil {
		return fmt.Errorf("unindexing: %w", err)
	}
	defer h.mu.Unlock()
	delete(h.owners[owner], m)
	return nil
}

// Owned returns at most limit meetings of an owner that end at the given time
// or later, the earliest end first.
func (s *Memory) Owned(ctx context.Context, owner string, from time.Time, limit int) ([]meeting.ID, error) {
	if err := checkLimit(limit, maxDocs); err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	h, now, err := s.lock(ctx, owner)
	if err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	defer h.mu.Unlock()
	list := h.owners[owner]
	cleanIndex(list, now)
	return list.sorted(func(e entry) bool { return e.ends >= from.UnixMilli() }, limit), nil
}

// Lease gives at most limit meetings of an owner whose end has come the end
// until, and returns them: nobody else is given them before. An owner can so be
// a queue, with the end as the time at which a meeting is due.
func (s *Memory) Lease(ctx context.Context, owner string, now, until time.Time, limit int) ([]meeting.ID, error) {
	if err := checkLimit(limit, maxDocs); err != nil {
		return nil, fmt.Errorf("leasing: %w", err)
	}
	h, clock, err := s.lock(ctx, owner)
	if err != nil {
		return nil, fmt.Errorf("leasing: %w", err)
	}
	defer h.mu.Unlock()
	list := h.owners[owner]
	cleanIndex(list, clock)
	ids := list.sorted(func(e entry) bool { return e.ends <= now.UnixMilli() }, limit)
	for _, m := range ids {
		list[m] = entry{until.UnixMilli(), list[m].expires}
	}
	return ids, nil
}

// Release gives a meeting that was leased until then its next end, or takes it
// from its owner's where that is zero. A meeting that was indexed meanwhile
// stays as it is.
func (s *Memory) Release(ctx context.Context, owner string, m meeting.ID, until, next time.Time) error {
	h, _, err := s.lock(ctx, owner)
	if err != nil {
		return fmt.Errorf("releasing: %w", err)
	}
	defer h.mu.Unlock()
	e, ok := h.owners[owner][m]
	switch {
	case !ok || e.ends != until.UnixMilli():
	case next.IsZero():
		delete(h.owners[owner], m)
	default:
		h.owners[owner][m] = entry{next.UnixMilli(), e.expires}
	}
	return nil
}

// shelf is the meetings of one owner.
type shelf map[meeting.ID]entry

// sorted returns at most limit of the meetings that fit, the earliest end
// first.
func (l shelf) sorted(fits func(entry) bool, limit int) []meeting.ID {
	var ids []meeting.ID
	for m, e := range l {
		if fits(e) {
			ids = append(ids, m)
		}
	}
	slices.SortFunc(ids, func(a, b meeting.ID) int {
		return cmp.Or(cmp.Compare(l[a].ends, l[b].ends), cmp.Compare(a, b))
	})
	return ids[:min(limit, len(ids))]
}

func cleanIndex(list shelf, now time.Time) {
	for m, e := range list {
		if !now.Before(e.expires) {
			delete(list, m)
		}
	}
}
