package store_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vestibule/meeting"
	"vestibule/store"
	"vestibule/store/storetest"
)

func TestMemory(t *testing.T) {
	m := store.NewMemory()
	storetest.Run(t, func(*testing.T) storetest.Store { return m })
}

func TestMemoryForgetsAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := store.NewMemory(), meeting.NewID()
		c := store.Commit{Attempt: "a", Answer: []byte("x"), Expires: time.Now().Add(time.Hour)}
		replayed := func() bool {
			_, replayed, err := s.Commit(t.Context(), m, c)
			if err != nil {
				t.Fatal(err)
			}
			return replayed
		}
		if replayed() {
			t.Error("first commit was replayed")
		}
		time.Sleep(store.AttemptLife - time.Second)
		if !replayed() {
			t.Error("attempt forgotten too early")
		}
		time.Sleep(time.Second)
		if replayed() {
			t.Error("attempt remembered too long")
		}
	})
}

// A store that is used drops what has expired, also what nobody asks for.
func TestT62MemoryKeepsNothingForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store.NewMemory()
		soon := time.Now().Add(time.Minute)
		for range 10_000 {
			key := string(meeting.NewID())
			_, _, err := s.Commit(t.Context(), meeting.ID(key), store.Commit{Attempt: "a", Expires: soon})
			if err != nil {
				t.Fatal(err)
			}
			_ = s.Put(t.Context(), "kind", key, nil, time.Minute)
			_ = s.Put(t.Context(), "gone", key, nil, time.Minute)
			_, _ = s.Take(t.Context(), "gone", key, "a")
			_, _ = s.Count(t.Context(), "kind", key, 5, time.Minute)
			_ = s.Index(t.Context(), key, "m", soon, soon)
		}
		if got := s.Len(); got < 60_000 {
			t.Fatalf("%d things kept, want 60,000", got)
		}
		time.Sleep(store.AttemptLife + time.Minute)
		for range 10_000 {
			_, _ = s.Get(t.Context(), "any", string(meeting.NewID()))
		}
		if got := s.Len(); got != 0 {
			t.Errorf("%d things kept after their time, want 0", got)
		}
	})
}
