package store

import (
	"context"
	"sync"

	"vestibule/meeting"
)

// watcher is one Watch under way: the meetings it was not yet woken for. A
// meeting that changes twice meanwhile wakes once.
type watcher struct {
	mu      sync.Mutex
	pending map[meeting.ID]struct{} // guarded by mu
	signal  chan struct{}
}

// Watch calls wake for every meeting that changes, until ctx ends; then it
// returns nil. wake is never called twice at the same time.
func (s *Memory) Watch(ctx context.Context, wake func(meeting.ID)) error {
	w := &watcher{pending: map[meeting.ID]struct{}{}, signal: make(chan struct{}, 1)}
	s.watching.Lock()
	s.watchers[w] = struct{}{}
	s.watching.Unlock()
	defer func() {
		s.watching.Lock()
		delete(s.watchers, w)
		s.watching.Unlock()
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.signal:
			for m := range w.take() {
				wake(m)
			}
		}
	}
}

func (w *watcher) take() map[meeting.ID]struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.pending
	w.pending = map[meeting.ID]struct{}{}
	return p
}

func (s *Memory) wake(m meeting.ID) {
	s.watching.RLock()
	defer s.watching.RUnlock()
	for w := range s.watchers {
		w.mu.Lock()
		w.pending[m] = struct{}{}
		w.mu.Unlock()
		select {
		case w.signal <- struct{}{}:
		default: // It has been told already.
		}
	}
}
