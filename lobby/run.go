package lobby

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/sync/errgroup"

	"vestibule/meeting"
)

// seatAge is how long a seat without connections is kept after its last
// request.
const seatAge = 10 * time.Minute

// wake asks for a refresh of a meeting if this node follows it.
func (l *Lobby) wake(id meeting.ID) {
	l.mu.Lock()
	w := l.followed[id]
	l.mu.Unlock()
	if w == nil || !w.dirty.CompareAndSwap(false, true) {
		return
	}
	select {
	case l.dirty <- w:
	default: // the sweep will find it within a second
		w.dirty.Store(false)
	}
}

// Run keeps what this node knows true until ctx ends: it listens for changes,
// sweeps for lost ones, settles what the store missed and mails invitations.
func (l *Lobby) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return l.c.Documents.Watch(ctx, l.wake) })
	for range 4 {
		g.Go(func() error { return l.work(ctx) })
	}
	if l.c.Mailer != nil {
		g.Go(func() error { return l.watchMails(ctx) })
		for range posts {
			g.Go(func() error { return l.deliver(ctx) })
		}
	}
	for range 2 {
		g.Go(func() error { return l.cutLost(ctx) })
	}
	g.Go(func() error { return l.everySecond(ctx, func(time.Time) { l.settle(ctx) }) })
	g.Go(func() error { return l.everySecond(ctx, func(now time.Time) { l.sweep(ctx, now) }) })
	err := errors.Join(g.Wait(), l.journal.close()) // an expulsion under way opens it again
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

func (l *Lobby) work(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case w := <-l.dirty:
			w.dirty.Store(false)
			if err := l.refresh(ctx, w); err != nil && ctx.Err() == nil {
				l.log.WarnContext(ctx, "meeting not refreshed", slog.String("meeting", string(w.id)), slog.Any("error", err))
			}
		}
	}
}

func (l *Lobby) everySecond(ctx context.Context, do func(now time.Time)) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			do(now)
		}
	}
}

// sweep renews what is known, forgets what nobody asks for, and cuts whose time
// is over.
func (l *Lobby) sweep(ctx context.Context, now time.Time) {
	l.mu.Lock()
	all := make([]*live, 0, len(l.followed))
	for _, w := range l.followed {
		all = append(all, w)
	}
	l.mu.Unlock()
	// A store that is slow for one must not make all the others stale.
	var g errgroup.Group
	g.SetLimit(8)
	for _, w := range all {
		g.Go(func() error { l.renew(ctx, w, now); return nil })
	}
	_ = g.Wait() // renew tells nothing
}

// renew confirms one meeting, cheaply when nothing happened.
func (l *Lobby) renew(ctx context.Context, w *live, now time.Time) {
	if l.forget(w, now) {
		return
	}
	l.lapse(ctx, w, now)
	w.mu.Lock()
	last := w.last
	w.mu.Unlock()
	before := time.Unix(0, w.at.Load())
	ev, err := l.c.Documents.Events(ctx, w.id, last, 1)
	snap := w.snap.Load()
	l.rest(ctx, w, snap, now, err != nil)
	switch {
	case err != nil:
		return // the store is away: nothing is renewed, nobody live is lost
	case len(ev) > 0 || snap == nil:
		l.wake(w.id)
	case snap.Meeting.Over(now) && !snap.Meeting.Over(before):
		l.wake(w.id)
	default:
		w.at.Store(now.UnixNano())
		if l.moved(ctx, w, snap) {
			l.wake(w.id)
		}
	}
}

// restAfter is how long a relay works on without a connection of its
// participant: a page that lost its network opens another within seconds.
const restAfter = 15 * time.Second

// rest ends the relays of those who are connected nowhere any more. They may
// come back; but a client that only closes its web socket must not hear and be
// heard while the host reads that it is gone (T39). With the store away nobody
// can come back, so nobody rests.
func (l *Lobby) rest(ctx context.Context, w *live, snap *Snapshot, now time.Time, away bool) {
	if l.relay == nil || snap == nil {
		return
	}
	var late []*Seat
	w.mu.Lock()
	for id, s := range w.seats {
		switch {
		case away || s.channels.Load() > 0 || snap.elsewhere[id]:
			s.met.Store(now.UnixNano())
		case now.UnixNano()-s.met.Load() > int64(restAfter) && l.relay.Holds(id):
			late = append(late, s)
		}
	}
	w.mu.Unlock()
	for _, s := range late {
		idle := func() bool {
			newest, ok := l.seatOf(s.Admission)
			return s.channels.Load() == 0 && (!ok || newest.channels.Load() == 0)
		}
		if err := l.relay.Rest(ctx, s.Admission, idle); err != nil {
			l.log.WarnContext(ctx, "relay does not rest", slog.String("admission", s.Admission), slog.Any("error", err))
		}
	}
}

// forget drops the seats that are not used any more, and the row when nothing
// of it is.
func (l *Lobby) forget(w *live, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w.mu.Lock()
	defer w.mu.Unlock()
	idle := func(s *Seat) bool {
		return now.Unix()-s.used.Load() > int64(seatAge.Seconds()) && s.channels.Load() == 0 && s.watched.Load() == 0 &&
			// What the relay would still give must be cut with the rest.
			(l.relay == nil || !l.relay.Holds(s.Admission))
	}
	for id, s := range w.seats {
		if !idle(s) {
			continue
		}
		// A request that came just now sees gone, or is seen here.
		s.gone.Store(true)
		if !idle(s) {
			s.gone.Store(false)
			continue
		}
		delete(w.seats, id)
		l.passes.CompareAndDelete(s.finger, s)
		l.seats.CompareAndDelete(id, s)
	}
	if len(w.seats) > 0 || len(w.subs) > 0 || w.pins > 0 {
		return false
	}
	delete(l.followed, w.id)
	return true
}
