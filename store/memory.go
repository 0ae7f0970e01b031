package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"time"

	"vestibule/meeting"
)

const (
	shards = 64
	// sweepEvery is how often a shard that is used drops what has expired.
	sweepEvery = 30 * time.Second
)

// Memory keeps everything in this process and forgets it with the process: for
// the demo and for tests. It starts no goroutine.
type Memory struct {
	seed   maphash.Seed
	shards [shards]shard

	// watchers is guarded by watching.
	watching sync.RWMutex
	watchers map[*watcher]struct{}
}

// shard is one part of the store; everything in it is guarded by mu.
type shard struct {
	mu       sync.Mutex
	meetings map[meeting.ID]*book
	attempts map[attempt]value
	values   map[string]value
	taken    map[string]taken
	counts   map[string]count
	owners   map[string]shelf
	rosters  map[meeting.ID]map[string]value
	sweep    time.Time // when to drop expired things next
}

// book is everything of one meeting.
type book struct {
	docs    map[string]Doc
	events  []Event
	version uint64 // of the last commit
	number  uint64 // of the last event
	expires time.Time
}

type attempt struct {
	meeting meeting.ID
	id      string
}

// value is something with an end.
type value struct {
	data []byte
	ends time.Time
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	s := &Memory{seed: maphash.MakeSeed(), watchers: map[*watcher]struct{}{}}
	for i := range s.shards {
		s.shards[i] = shard{
			meetings: map[meeting.ID]*book{},
			attempts: map[attempt]value{},
			values:   map[string]value{},
			taken:    map[string]taken{},
			counts:   map[string]count{},
			owners:   map[string]shelf{},
			rosters:  map[meeting.ID]map[string]value{},
		}
	}
	return s
}

// lock returns the shard of a key, locked, and the time.
func (s *Memory) lock(ctx context.Context, key string) (*shard, time.Time, error) {
	if err := ctx.Err(); err != nil {
		return nil, time.Time{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	h := &s.shards[maphash.String(s.seed, key)%shards]
	h.mu.Lock()
	now := time.Now()
	if now.After(h.sweep) {
		h.clean(now)
		h.sweep = now.Add(sweepEvery)
	}
	return h, now, nil
}

func (h *shard) clean(now time.Time) {
	for m, b := range h.meetings {
		if !now.Before(b.expires) {
			delete(h.meetings, m)
		}
	}
	drop(h.attempts, now)
	drop(h.values, now)
	for k, t := range h.taken {
		if !now.Before(t.ends) {
			delete(h.taken, k)
		}
	}
	for k, c := range h.counts {
		if !now.Before(c.ends) {
			delete(h.counts, k)
		}
	}
	for m, nodes := range h.rosters {
		if drop(nodes, now); len(nodes) == 0 {
			delete(h.rosters, m)
		}
	}
	for o, list := range h.owners {
		if cleanIndex(list, now); len(list) == 0 {
			delete(h.owners, o)
		}
	}
}

func drop[K comparable](m map[K]value, now time.Time) {
	for k, v := range m {
		if !now.Before(v.ends) {
			delete(m, k)
		}
	}
}

// book returns the meeting's book, nil when there is none any more.
func (h *shard) book(m meeting.ID, now time.Time) *book {
	b := h.meetings[m]
	if b != nil && !now.Before(b.expires) {
		delete(h.meetings, m)
		return nil
	}
	return b
}

// Read returns the named documents of a meeting; one that is absent has
// Version 0.
func (s *Memory) Read(ctx context.Context, m meeting.ID, names ...string) (map[string]Doc, error) {
	if len(names) > maxDocs {
		return nil, errors.New("reading documents: too many names")
	}
	h, now, err := s.lock(ctx, string(m))
	if err != nil {
		return nil, fmt.Errorf("reading documents: %w", err)
	}
	defer h.mu.Unlock()
	docs := make(map[string]Doc, len(names))
	b := h.book(m, now)
	for _, n := range names {
		docs[n] = Doc{}
		if b == nil {
			continue
		}
		if d, ok := b.docs[n]; ok {
			docs[n] = Doc{Version: d.Version, Value: bytes.Clone(d.Value)}
		}
	}
	return docs, nil
}

// All returns every document of a meeting.
func (s *Memory) All(ctx context.Context, m meeting.ID) (map[string]Doc, error) {
	h, now, err := s.lock(ctx, string(m))
	if err != nil {
		return nil, fmt.Errorf("reading all documents: %w", err)
	}
	defer h.mu.Unlock()
	docs := map[string]Doc{}
	if b := h.book(m, now); b != nil {
		for n, d := range b.docs {
			docs[n] = Doc{Version: d.Version, Value: bytes.Clone(d.Value)}
		}
	}
	return docs, nil
}

// Commit applies all of a change or nothing. It answers what the same attempt
// was answered before, if it was, and then replayed is true.
func (s *Memory) Commit(ctx context.Context, m meeting.ID, c Commit) (answer []byte, replayed bool, err error) {
	if err := c.check(m); err != nil {
		return nil, false, fmt.Errorf("committing: %w", err)
	}
	h, now, err := s.lock(ctx, string(m))
	if err != nil {
		return nil, false, fmt.Errorf("committing: %w", err)
	}
	answer, replayed, err = h.commit(m, &c, now)
	h.mu.Unlock()
	if err == nil && !replayed {
		s.wake(m)
	}
	return answer, replayed, err
}

func (h *shard) commit(m meeting.ID, c *Commit, now time.Time) ([]byte, bool, error) {
	key := attempt{m, c.Attempt}
	if v, ok := h.attempts[key]; ok && now.Before(v.ends) {
		return bytes.Clone(v.data), true, nil
	}
	b := h.book(m, now)
	if b == nil {
		b = &book{docs: map[string]Doc{}}
	}
	for name, version := range c.Reads {
		if b.docs[name].Version != version {
			return nil, false, ErrConflict
		}
	}
	if c.Expires.IsZero() && b.expires.IsZero() {
		return nil, false, fmt.Errorf("committing: %w", errFirst)
	}
	b.apply(c)
	h.meetings[m] = b
	var answer []byte
	if len(c.Answer) > 0 {
		answer = bytes.Clone(c.Answer)
	}
	if c.Attempt != "" {
		h.attempts[key] = value{bytes.Clone(answer), now.Add(AttemptLife)}
	}
	return answer, false, nil
}

func (b *book) apply(c *Commit) {
	b.version += uint64(step())
	for _, w := range c.Writes {
		if w.Value == nil {
			delete(b.docs, w.Name)
			continue
		}
		b.docs[w.Name] = Doc{Version: b.version, Value: bytes.Clone(w.Value)}
	}
	for _, e := range c.Events {
		b.number++
		b.events = append(b.events, Event{
			ID:    strconv.FormatUint(b.number, 10),
			Value: append([]byte{}, e...),
			Docs:  c.docs(),
		})
	}
	if over := len(b.events) - maxStream; over > 0 {
		b.events = slices.Delete(b.events, 0, over)
	}
	if !c.Expires.IsZero() {
		b.expires = c.Expires
	}
}

// Events returns at most limit events of a meeting that come after the given
// id, oldest first; all when after is empty.
func (s *Memory) Events(ctx context.Context, m meeting.ID, after string, limit int) ([]Event, error) {
	if err := checkLimit(limit, maxEvents); err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	var last uint64
	if after != "" {
		n, err := strconv.ParseUint(after, 10, 64)
		if err != nil {
			return nil, errors.New("reading events: malformed event id")
		}
		last = n
	}
	h, now, err := s.lock(ctx, string(m))
	if err != nil {
		return nil, fmt.Errorf("reading events: %w", err)
	}
	defer h.mu.Unlock()
	b := h.book(m, now)
	if b == nil {
		return nil, nil
	}
	return b.since(last, limit), nil
}

func (b *book) since(last uint64, limit int) []Event {
	first := b.number - uint64(len(b.events)) // the number before the oldest
	skip := min(max(last, first), b.number) - first
	var events []Event
	for _, e := range b.events[skip:] {
		if len(events) == limit {
			break
		}
		e.Value, e.Docs = bytes.Clone(e.Value), slices.Clone(e.Docs)
		events = append(events, e)
	}
	return events
}

// Ready reports whether the store can be written and read.
func (s *Memory) Ready(ctx context.Context) error {
	h, _, err := s.lock(ctx, "ready")
	if err != nil {
		return fmt.Errorf("probing: %w", err)
	}
	h.mu.Unlock()
	return nil
}

// Close has nothing to close: what is kept ends with the process.
func (s *Memory) Close() error { return nil }
