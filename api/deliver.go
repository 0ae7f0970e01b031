package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"vestibule/meeting"
	"vestibule/store"
)

// What is still to be told is not kept apart: it is the end of each meeting's
// stream of events, after the place up to which a hook was told. The store
// keeps that place, and which meetings have such an end, so that a restart and
// other nodes go on where one stopped. An event is told at least once; its id
// is the same each time.

const (
	hands      = 4 // deliveries under way to one hook on one node
	batch      = 64
	sweepEvery = 5 * time.Second
	// claimTime is longer than a delivery can take.
	claimTime = 20 * time.Second
	// mostPending bounds the meetings that one hook is told of in one round.
	mostPending = 1000
)

// pauses are the waits before each new try; after the last one the event is
// given up.
func pauses() []time.Duration {
	return []time.Duration{
		5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 4 * time.Hour, 8 * time.Hour,
	}
}

// place is up to where a hook was told of a meeting.
type place struct {
	After string    `json:"after,omitempty"`
	Tries int       `json:"tries,omitempty"` // at the next event
	Next  time.Time `json:"next,omitzero"`   // not to be tried before
}

// Run tells the hooks until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	if len(s.hooks) == 0 {
		<-ctx.Done()
		return nil
	}
	defer func() {
		for _, h := range s.hooks {
			h.sender.Close()
		}
	}()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return s.c.Streams.Watch(ctx, func(m meeting.ID) {
			for _, h := range s.hooks {
				h.todo.add(m)
			}
		})
	})
	for _, h := range s.hooks {
		g.Go(func() error { return s.sweep(ctx, h) })
		for range hands {
			g.Go(func() error { return s.work(ctx, h) })
		}
	}
	err := g.Wait()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// sweep finds what is due again, what another node left, and what a lost wake
// would have told of.
func (s *Server) sweep(ctx context.Context, h *hook) error {
	tick := time.NewTicker(s.every)
	defer tick.Stop()
	for {
		list, err := s.c.Streams.Owned(ctx, h.list, time.Time{}, mostPending)
		if err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "pending webhooks not read", slog.String("hook", h.list), slog.Any("error", err))
		}
		for _, m := range list {
			h.todo.add(m)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (s *Server) work(ctx context.Context, h *hook) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-h.todo.signal:
		}
		for ctx.Err() == nil {
			m, ok := h.todo.take()
			if !ok {
				break
			}
			if err := s.deliver(ctx, h, m); err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "webhook not told", slog.String("hook", h.list), slog.String("meeting", string(m)), slog.Any("error", err))
			}
		}
	}
}

// deliver tells a hook everything of one meeting that is due.
func (s *Server) deliver(ctx context.Context, h *hook, m meeting.ID) error {
	head, err := s.c.Lobby.Header(ctx, m)
	var no *meeting.Refusal
	if errors.As(err, &no) {
		return s.c.Streams.Unindex(ctx, h.list, m) // forgotten
	}
	if err != nil {
		return err
	}
	// Noted first: should this node die here, another goes on.
	if err := s.c.Streams.Index(ctx, h.list, m, time.Now(), head.Expires); err != nil {
		return err
	}
	t := teller{s: s, h: h, m: m, key: s.mac("place", h.list, string(m)), expires: head.Expires}
	for ctx.Err() == nil {
		more, err := t.round(ctx)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// teller tells one hook of one meeting.
type teller struct {
	s       *Server
	h       *hook
	m       meeting.ID
	key     string
	expires time.Time
}

// round tells what there is. More says that there may be more at once.
func (t *teller) round(ctx context.Context) (more bool, err error) {
	p, err := t.place(ctx)
	if err != nil || time.Now().Before(p.Next) || t.h.resting(time.Now()) {
		return false, err
	}
	list, err := t.s.c.Streams.Events(ctx, t.m, p.After, batch)
	if err != nil {
		return false, err
	}
	if len(list) == 0 {
		return t.finish(ctx, p)
	}
	for i := range list {
		next, ok, err := t.one(ctx, p, &list[i])
		if err != nil || !ok {
			return false, err
		}
		p = next
	}
	return true, t.keep(ctx, p)
}

// finish takes the meeting off the list, unless something happened meanwhile.
func (t *teller) finish(ctx context.Context, p place) (more bool, err error) {
	if err := t.s.c.Streams.Unindex(ctx, t.h.list, t.m); err != nil {
		return false, err
	}
	list, err := t.s.c.Streams.Events(ctx, t.m, p.After, 1)
	if err != nil || len(list) == 0 {
		return false, err
	}
	return true, t.s.c.Streams.Index(ctx, t.h.list, t.m, time.Now(), t.expires)
}

// one tells one event and answers the place after it. Not ok means: not now.
func (t *teller) one(ctx context.Context, p place, ev *store.Event) (next place, ok bool, err error) {
	after := place{After: ev.ID}
	v, e, err := t.s.event(t.m, ev)
	if err != nil || !t.h.wants(e.What) {
		return after, true, nil //nolint:nilerr // an entry of an older version must not hold up the others
	}
	if t.h.IncludeNames {
		v.Name = e.Name
	}
	mine, err := t.s.c.Shelf.Count(ctx, "webhook-claim", t.s.mac("claim", t.h.list, string(t.m), ev.ID, fmt.Sprint(p.Tries)), 1, t.s.claim)
	if err != nil || !mine {
		return p, false, err // another node is at it
	}
	err = t.h.send(ctx, v, time.Now())
	if ctx.Err() != nil {
		return p, false, nil //nolint:nilerr // shut in the middle: told again later
	}
	t.h.told(err, time.Now())
	if err == nil {
		return after, true, t.keep(ctx, after)
	}
	if p.Tries >= len(t.s.pauses) {
		t.s.log.ErrorContext(ctx, "webhook given up", slog.String("hook", t.h.list), slog.String("meeting", string(t.m)), slog.String("event", v.ID), slog.Any("error", err))
		return after, true, t.keep(ctx, after)
	}
	p.Next = time.Now().Add(t.s.pauses[p.Tries])
	p.Tries++
	t.s.log.WarnContext(ctx, "webhook failed", slog.String("hook", t.h.list), slog.String("event", v.ID), slog.Int("tries", p.Tries), slog.Any("error", err))
	return p, false, t.keep(ctx, p)
}

func (t *teller) place(ctx context.Context) (p place, err error) {
	b, err := t.s.c.Shelf.Get(ctx, "webhook", t.key)
	if err != nil || b == nil {
		return p, err
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return p, fmt.Errorf("decoding a webhook's place: %w", err)
	}
	return p, nil
}

// keep notes the place for as long as the meeting's events are there.
func (t *teller) keep(ctx context.Context, p place) error {
	b, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("encoding a webhook's place: %w", err)
	}
	return t.s.c.Shelf.Put(ctx, "webhook", t.key, b, max(time.Until(t.expires)+time.Hour, time.Minute))
}
