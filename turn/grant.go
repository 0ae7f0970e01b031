package turn

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"
)

// sweepEvery is how often grants that ran out are ended and forgotten.
const sweepEvery = time.Second

// silentTime is how long a client that is there is never silent on a relay it
// uses: it asks for consent every few seconds (RFC 7675 §5.1).
const silentTime = 10 * time.Second

// grant is what one admission holds here. It is kept in memory until its
// last credentials have expired, and not a Lifetime longer.
type grant struct {
	admission string
	rate      int64

	// until is when the latest credentials expire, in nanoseconds; cut
	// overrides it. Both are read for every packet, without a lock.
	until atomic.Int64
	cut   atomic.Bool

	// told is whether a full quota was logged: once for all its life.
	told atomic.Bool

	// left is how many bytes may pass before the next refill; filled is the
	// clock's reading at the last one.
	left, filled atomic.Int64

	// tuples, rests and forget are guarded by Server.mu. A grant that rests
	// opens nothing until Issue. forget is when a cut one may be dropped,
	// because nothing can open it any more.
	tuples map[*tuple]struct{}
	rests  bool
	forget time.Time
}

// dead reports whether nothing may pass any more.
func (g *grant) dead(clock int64) bool { return g.cut.Load() || clock >= g.until.Load() }

// spend takes n bytes from the bandwidth of the admission and reports
// whether they were there. What is above is dropped, as a full link would.
func (g *grant) spend(n int, clock int64) bool {
	last := g.filled.Load()
	if passed := clock - last; passed > 0 && g.filled.CompareAndSwap(last, clock) {
		// One second's worth at most; float64 does not overflow where
		// rate times nanoseconds would.
		more := int64(float64(g.rate) * min(time.Duration(passed).Seconds(), 1))
		if left := g.left.Add(more); left > g.rate {
			g.left.Add(g.rate - left)
		}
	}
	if g.left.Add(-int64(n)) >= 0 {
		return true
	}
	g.left.Add(int64(n))
	return false
}

// Cut ends every relay of admission at once, both ways, and refuses all its
// credentials until the last of them has expired. It needs nothing but this
// process, so it is done even when ctx is not, and cutting again, or what was
// never here, is no error.
func (s *Server) Cut(ctx context.Context, admission string) error {
	now := time.Now()
	s.mu.Lock()
	g := s.grant(admission)
	g.cut.Store(true)
	// Another node may have issued credentials a moment ago.
	g.forget = now.Add(s.c.Lifetime + skew)
	if until := time.Unix(0, g.until.Load()); until.After(g.forget) {
		g.forget = until
	}
	tuples := g.held()
	s.mu.Unlock()
	err := end(tuples)
	s.log.InfoContext(ctx, "relays cut", slog.String("admission", admission), slog.Int("relays", len(tuples)))
	return err
}

// Rest ends the relays of an admission if it is idle, and gives it no other
// until Issue is called for it again: a relay that nobody signals beside is
// one whose participant is not seen. idle is asked with nothing issued
// meanwhile; it must not block.
func (s *Server) Rest(ctx context.Context, admission string, idle func() bool) error {
	s.mu.Lock()
	g := s.grants[admission]
	if g == nil || g.rests || !idle() {
		s.mu.Unlock()
		return nil
	}
	g.rests = true
	tuples := g.held()
	s.mu.Unlock()
	err := end(tuples)
	s.log.InfoContext(ctx, "relays rest", slog.String("admission", admission), slog.Int("relays", len(tuples)))
	return err
}

// Holds reports whether the admission has relays here, or credentials that
// would open one.
func (s *Server) Holds(admission string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.grants[admission]
	return g != nil && !g.rests && !g.dead(time.Now().UnixNano())
}

// Live returns how many relays the admission holds.
func (s *Server) Live(admission string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.grants[admission]; g != nil {
		return len(g.tuples)
	}
	return 0
}

// grant finds or makes the grant of admission. s.mu is held.
func (s *Server) grant(admission string) *grant {
	g := s.grants[admission]
	if g == nil {
		g = &grant{admission: admission, rate: int64(s.c.BytesPerSecond), tuples: make(map[*tuple]struct{})}
		g.left.Store(g.rate)
		g.filled.Store(s.clock.Load())
		s.grants[admission] = g
	}
	return g
}

// extend lets the grant of admission live until expires, and reports whether
// it may: a cut one does not.
func (s *Server) extend(admission string, expires, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Where another node relays, nobody but Issue sweeps.
	if now.Sub(s.swept) > minLifetime {
		s.swept = now
		s.forget(time.Now())
	}
	g := s.extended(admission, expires)
	if g == nil {
		return false
	}
	g.rests = false
	return true
}

// claim is extend for credentials that were shown; nil when they are refused.
func (s *Server) claim(admission string, expires time.Time) *grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	if g := s.grants[admission]; g != nil && g.rests {
		return nil
	}
	return s.extended(admission, expires)
}

// extended is extend with s.mu held; nil when the grant was cut.
func (s *Server) extended(admission string, expires time.Time) *grant {
	g := s.grant(admission)
	if g.cut.Load() {
		return nil
	}
	if nano := expires.UnixNano(); nano > g.until.Load() {
		g.until.Store(nano)
	}
	return g
}

// attach gives g the relay of t, unless it was cut meanwhile or is full.
func (s *Server) attach(t *tuple) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closing || t.grant.cut.Load() || t.grant.rests:
		return errRefused
	case len(t.grant.tuples) >= s.c.Quota:
		return errRefused
	}
	t.grant.tuples[t] = struct{}{}
	t.guard.tuples.add(t)
	return nil
}

// detach takes t away once its relay is closed.
func (s *Server) detach(t *tuple) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(t.grant.tuples, t)
	t.guard.tuples.remove(t)
}

// hasRoom reports whether g may have one relay more. A full grant gives up
// the one that has been silent longest, if for silentTime: it is that of a
// page that lost its network, and would live on for minutes while the page
// that came back gets none.
func (s *Server) hasRoom(g *grant) bool {
	s.mu.Lock()
	full := len(g.tuples) >= s.c.Quota
	var silent *tuple
	since := time.Now().Add(-silentTime).UnixNano()
	for t := range g.tuples {
		if heard := t.heard.Load(); heard < since {
			silent, since = t, heard
		}
	}
	s.mu.Unlock()
	if !full || silent == nil {
		return !full
	}
	_ = silent.end() // it is away already, as far as we care
	return true
}

// sweep ends the relays whose grants ran out, and forgets those grants.
func (s *Server) sweep(ctx context.Context, now time.Time) {
	s.mu.Lock()
	s.swept = now
	tuples := s.forget(now)
	s.mu.Unlock()
	if len(tuples) == 0 {
		return
	}
	if err := end(tuples); err != nil {
		s.log.WarnContext(ctx, "expired relay did not close", slog.Any("error", err))
	}
	s.log.InfoContext(ctx, "relays expired", slog.Int("relays", len(tuples)))
}

// forget drops what no credentials can open any more and returns the relays
// that have to end. s.mu is held.
func (s *Server) forget(now time.Time) []*tuple {
	var over []*tuple
	for admission, g := range s.grants {
		switch {
		case !g.dead(now.UnixNano()):
		case len(g.tuples) > 0:
			over = append(over, g.held()...)
		case g.forget.Before(now):
			delete(s.grants, admission)
		}
	}
	return over
}

// held lists the relays of g. Server.mu is held.
func (g *grant) held() []*tuple {
	tuples := make([]*tuple, 0, len(g.tuples))
	for t := range g.tuples {
		tuples = append(tuples, t)
	}
	return tuples
}

// end closes the relays of tuples, which makes pion forget them, and the
// connections they came by.
func end(tuples []*tuple) error {
	var errs []error
	for _, t := range tuples {
		errs = append(errs, t.end())
	}
	return errors.Join(errs...)
}
