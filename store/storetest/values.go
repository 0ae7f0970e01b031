package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vestibule/meeting"
)

// get returns a value and whether there is one.
func get(t *testing.T, s Store, kind, key string) (string, bool) {
	t.Helper()
	v, err := s.Get(t.Context(), kind, key)
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	return string(v), v != nil
}

func keep(t *testing.T, s Store, kind, key, value string, ttl time.Duration) {
	t.Helper()
	if err := s.Put(t.Context(), kind, key, []byte(value), ttl); err != nil {
		t.Fatalf("Put: %v", err)
	}
}

func values(t *testing.T, open func(*testing.T) Store) {
	s, key := open(t), string(meeting.NewID())
	if got, ok := get(t, s, "session", key); ok {
		t.Errorf("Get of nothing = %q", got)
	}
	keep(t, s, "session", key, "one", time.Minute)
	keep(t, s, "session", key, "two", time.Minute)
	keep(t, s, "empty", key, "", time.Minute)
	if got, ok := get(t, open(t), "session", key); got != "two" || !ok {
		t.Errorf("Get = %q, %t, want two", got, ok)
	}
	if got, ok := get(t, s, "empty", key); got != "" || !ok {
		t.Errorf("Get of an empty value = %q, %t, want it there", got, ok)
	}
	if got, ok := get(t, s, "other", key); ok {
		t.Errorf("Get of another kind = %q", got)
	}
	for range 2 {
		if err := s.Delete(t.Context(), "session", key); err != nil {
			t.Fatal(err)
		}
	}
	if got, ok := get(t, s, "session", key); ok {
		t.Errorf("Get after Delete = %q", got)
	}
	ends := time.Now().Add(200 * time.Millisecond)
	keep(t, s, "session", key, "short", time.Until(ends))
	eventually(t, "forgotten", func() bool { _, ok := get(t, s, "session", key); return !ok })
	if early := time.Until(ends); early > 5*time.Millisecond {
		t.Errorf("forgotten %v too early", early)
	}
	if v, err := s.Take(t.Context(), "session", key, "a"); v != nil || err != nil {
		t.Errorf("Take after its time = %q, %v", v, err)
	}
}

func take(t *testing.T, open func(*testing.T) Store) {
	s, other, key := open(t), open(t), string(meeting.NewID())
	taken := func(s Store, attempt, want string) {
		t.Helper()
		v, err := s.Take(t.Context(), "code", key, attempt)
		if err != nil || string(v) != want || (v == nil) != (want == "") {
			t.Errorf("Take(%q) = %q, %v, want %q", attempt, v, err, want)
		}
	}
	taken(s, "a", "")
	keep(t, s, "code", key, "x y", time.Minute)
	var all sync.WaitGroup
	var got atomic.Int32
	for i := range 100 {
		all.Go(func() {
			v, err := []Store{s, other}[i%2].Take(t.Context(), "code", key, fmt.Sprintf("a%d", i))
			if err != nil {
				t.Errorf("Take: %v", err)
			}
			if v != nil {
				got.Add(1)
			}
		})
	}
	all.Wait()
	if got.Load() != 1 {
		t.Errorf("%d of 100 took the value, want 1", got.Load())
	}
	keep(t, s, "code", key, "x y", time.Minute)
	taken(s, "a", "x y")
	for range 3 {
		taken(other, "a", "x y") // the reply was lost
		taken(other, "b", "")
		taken(other, "", "")
	}
	if got, ok := get(t, s, "code", key); ok {
		t.Errorf("Get after Take = %q", got)
	}
	keep(t, s, "code", key, "new", time.Minute)
	taken(s, "", "new")
	taken(s, "", "")
	keep(t, s, "code", key, "newer", time.Minute)
	taken(s, "c", "newer")
	taken(s, "a", "")
	if err := s.Delete(t.Context(), "code", key); err != nil {
		t.Fatal(err)
	}
	taken(s, "c", "")
}

func swap(t *testing.T, open func(*testing.T) Store) {
	s, other, key := open(t), open(t), string(meeting.NewID())
	swapped := func(s Store, old, data []byte, want bool) {
		t.Helper()
		if got, err := s.Swap(t.Context(), "session", key, old, data, time.Minute); got != want || err != nil {
			t.Errorf("Swap(%q, %q) = %t, %v, want %t", old, data, got, err, want)
		}
	}
	swapped(s, []byte("none"), []byte("1"), false)
	swapped(s, []byte{}, []byte("1"), false) // empty is not absent
	swapped(s, nil, []byte("1"), true)
	swapped(other, nil, []byte("2"), false)
	swapped(other, nil, []byte("1"), true) // the reply was lost
	swapped(other, []byte("1"), []byte("2"), true)
	swapped(s, []byte("1"), []byte("3"), false)
	if err := s.Delete(t.Context(), "session", key); err != nil {
		t.Fatal(err)
	}
	swapped(s, []byte("2"), []byte("3"), false) // what was deleted stays so

	// A hundred add themselves at once, and nobody is lost.
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			for {
				old, err := []Store{s, other}[i%2].Get(t.Context(), "session", key)
				if err != nil {
					t.Errorf("Get: %v", err)
					return
				}
				ok, err := []Store{s, other}[i%2].Swap(t.Context(), "session", key, old, fmt.Appendf(bytes.Clone(old), "%d,", i), time.Minute)
				if ok || err != nil {
					if err != nil {
						t.Errorf("Swap: %v", err)
					}
					return
				}
			}
		})
	}
	all.Wait()
	got, _ := get(t, s, "session", key)
	if n := strings.Count(got, ","); n != 100 {
		t.Errorf("%d of 100 are there", n)
	}
}

func count(t *testing.T, open func(*testing.T) Store) {
	s, other, key := open(t), open(t), string(meeting.NewID())
	var all sync.WaitGroup
	var allowed atomic.Int32
	for i := range 1000 {
		all.Go(func() {
			ok, err := []Store{s, other}[i%2].Count(t.Context(), "try", key, 5, time.Minute)
			if err != nil {
				t.Errorf("Count: %v", err)
			}
			if ok {
				allowed.Add(1)
			}
		})
	}
	all.Wait()
	if allowed.Load() != 5 {
		t.Errorf("%d of 1,000 tries allowed, want 5", allowed.Load())
	}
	once := func(key string, limit int, window time.Duration) bool {
		ok, err := s.Count(t.Context(), "try", key, limit, window)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !once(key, 6, time.Minute) || once(key, 6, time.Minute) {
		t.Error("a sixth try of six is allowed, a seventh is not")
	}
	if !once(key+"2", 1, time.Minute) {
		t.Error("another key is counted with the first")
	}
	const window = 300 * time.Millisecond
	var times []time.Time
	eventually(t, "ten tries", func() bool {
		began := time.Now()
		if once(key+"3", 3, window) {
			times = append(times, began, time.Now())
		}
		return len(times) >= 20
	})
	// No window holds more than three: each try began at least a window
	// after the third before it was answered; and trying on does not lock.
	for i := 6; i < len(times); i += 2 {
		if d := times[i+1].Sub(times[i-6]); d < window-2*time.Millisecond {
			t.Errorf("four tries within %v, want three in any %v", d, window)
		}
	}
}

func index(t *testing.T, open func(*testing.T) Store) {
	s, owner := open(t), "https://id.example.org|"+string(meeting.NewID())
	now := time.Now()
	ids := make([]meeting.ID, 5)
	for i := range ids {
		ids[i] = meeting.NewID()
	}
	add := func(i int, ends, expires time.Duration) {
		t.Helper()
		if err := s.Index(t.Context(), owner, ids[i], now.Add(ends), now.Add(expires)); err != nil {
			t.Fatal(err)
		}
	}
	owned := func(from time.Time, limit int, want ...meeting.ID) {
		t.Helper()
		got, err := open(t).Owned(t.Context(), owner, from, limit)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("Owned (-want +got):\n%s", d)
		}
	}
	owned(time.Time{}, 10)
	add(0, 3*time.Hour, 5*time.Hour)
	add(1, time.Hour, 2*time.Hour)
	add(2, 2*time.Hour, 3*time.Hour)
	add(3, -time.Hour, time.Hour)
	add(4, -2*time.Hour, -time.Hour)
	owned(time.Time{}, 10, ids[3], ids[1], ids[2], ids[0])
	owned(now, 10, ids[1], ids[2], ids[0])
	owned(now, 2, ids[1], ids[2])
	add(1, 4*time.Hour, 5*time.Hour) // put off
	owned(now, 10, ids[2], ids[0], ids[1])
	if err := s.Unindex(t.Context(), owner, ids[0]); err != nil {
		t.Fatal(err)
	}
	owned(now, 10, ids[2], ids[1])
	add(2, 2*time.Hour, -time.Minute)
	owned(now, 10, ids[1])
	add(1, time.Hour, time.Since(now)+200*time.Millisecond)
	eventually(t, "forgotten", func() bool {
		got, err := s.Owned(t.Context(), owner, now, 10)
		return err == nil && len(got) == 0
	})
}
