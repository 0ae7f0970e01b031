package storetest

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vestibule/meeting"
)

// lease is an owner's list as a queue: what is due goes to one of many, comes
// back when they die with it, and is not lost when somebody asks meanwhile.
func lease(t *testing.T, open func(*testing.T) Store) {
	s, queue := open(t), "queue "+string(meeting.NewID())
	now := time.Now().Truncate(time.Millisecond)
	first, second, later := meeting.NewID(), meeting.NewID(), meeting.NewID()
	put := func(m meeting.ID, due time.Time) {
		t.Helper()
		if err := s.Index(t.Context(), queue, m, due, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	leased := func(at, until time.Time, limit int, want ...meeting.ID) {
		t.Helper()
		got, err := open(t).Lease(t.Context(), queue, at, until, limit)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Lease (-want +got):\n%s", d)
		}
	}
	release := func(m meeting.ID, until, next time.Time) {
		t.Helper()
		if err := s.Release(t.Context(), queue, m, until, next); err != nil {
			t.Fatal(err)
		}
	}
	minute := now.Add(time.Minute)
	leased(now, minute, 10)
	put(second, now.Add(-time.Second))
	put(first, now.Add(-time.Minute))
	put(later, now.Add(30*time.Minute))
	leased(now, minute, 1, first)
	leased(now, minute, 10, second)
	leased(now, minute, 10)
	leased(minute, minute.Add(time.Minute), 10, min(first, second), max(first, second)) // who had them is gone
	minute = minute.Add(time.Minute)
	release(first, minute, time.Time{})
	release(second, minute.Add(-time.Minute), time.Time{}) // by who had it before
	put(second, now)                                       // asked for while leased
	release(second, minute, time.Time{})
	leased(now, minute, 10, second)
	release(second, minute, now.Add(10*time.Minute))
	leased(now.Add(9*time.Minute), minute, 10)
	leased(now.Add(10*time.Minute), minute, 10, second)
	release(later, minute, time.Time{}) // never leased
	leased(now.Add(30*time.Minute), now.Add(time.Hour), 10, second, later)
	contended(t, open, queue)
}

// contended leases a hundred through two handles at once.
func contended(t *testing.T, open func(*testing.T) Store, queue string) {
	t.Helper()
	s, other := open(t), open(t)
	now := time.Now()
	for range 100 {
		if err := s.Index(t.Context(), queue, meeting.NewID(), now, now.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	var got []meeting.ID
	for i := range 40 {
		all.Go(func() {
			ids, err := []Store{s, other}[i%2].Lease(t.Context(), queue, now, now.Add(time.Minute), 7)
			if err != nil {
				t.Errorf("Lease: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			got = append(got, ids...)
		})
	}
	all.Wait()
	slices.Sort(got)
	if n := len(slices.Compact(slices.Clone(got))); n != 100 || len(got) != 100 {
		t.Errorf("%d leases of %d meetings, want 100 of 100", len(got), n)
	}
}
