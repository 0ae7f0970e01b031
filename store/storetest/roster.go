package storetest

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"vestibule/meeting"
)

// roster has two nodes say who is connected there.
func roster(t *testing.T, open func(*testing.T) Store) {
	one, two := open(t), open(t)
	m := meeting.NewID()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var woken atomic.Int32
	ended := make(chan error, 1)
	go func() {
		ended <- two.Watch(ctx, func(id meeting.ID) {
			if id == m {
				woken.Add(1)
			}
		})
	}()
	say := func(s Store, node, who string, life time.Duration) []string {
		t.Helper()
		others, err := s.Roster(t.Context(), m, node, []byte(who), life)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, o := range others {
			list = append(list, string(o))
		}
		return list
	}
	if got := say(two, "two", "", time.Minute); len(got) > 0 {
		t.Errorf("the roster of nobody: %q", got)
	}
	// The line may not be up yet: a change is made until it is.
	eventually(t, "woken by a change", func() bool {
		say(one, "one", "", time.Minute)
		say(one, "one", "a b", time.Minute)
		return woken.Load() > 0
	})
	if got := say(two, "two", "c", time.Minute); !slices.Equal(got, []string{"a b"}) {
		t.Errorf("the second node hears %q, want the first one's", got)
	}
	if got := say(one, "one", "a", time.Minute); !slices.Equal(got, []string{"c"}) {
		t.Errorf("the first node hears %q, want the second one's", got)
	}
	if got := say(two, "two", "", time.Minute); !slices.Equal(got, []string{"a"}) {
		t.Errorf("the second node hears %q, want the newest", got)
	}
	if got := say(one, "one", "a", 200*time.Millisecond); len(got) > 0 {
		t.Errorf("the first node hears %q of a node with nobody", got)
	}
	eventually(t, "a node that falls silent is forgotten", func() bool { return len(say(two, "two", "c", time.Minute)) == 0 })
	if _, err := one.Roster(t.Context(), m, "a b", nil, time.Minute); err == nil {
		t.Error("a malformed node is no fault")
	}
	if _, err := one.Roster(t.Context(), m, "one", nil, 0); err == nil {
		t.Error("a roster without an end is no fault")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Watch = %v", err)
	}
}
