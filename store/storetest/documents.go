package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vestibule/meeting"
	"vestibule/store"
)

func soon() time.Time { return time.Now().Add(time.Hour) }

// put commits one document and returns its version.
func put(t *testing.T, s Store, m meeting.ID, name, value string) uint64 {
	t.Helper()
	commit(t, s, m, store.Commit{
		Writes:  []store.Write{{Name: name, Value: []byte(value)}},
		Expires: soon(),
	})
	return read(t, s, m, name).Version
}

func commit(t *testing.T, s Store, m meeting.ID, c store.Commit) (string, bool) {
	t.Helper()
	answer, replayed, err := s.Commit(t.Context(), m, c)
	if err != nil {
		t.Fatalf("Commit: %v", err)
	}
	return string(answer), replayed
}

func read(t *testing.T, s Store, m meeting.ID, name string) store.Doc {
	t.Helper()
	docs, err := s.Read(t.Context(), m, name)
	if err != nil {
		t.Fatalf("Read: %v", err)
	}
	d, ok := docs[name]
	if !ok {
		t.Fatalf("Read(%q) does not name it", name)
	}
	return d
}

func history(t *testing.T, s Store, m meeting.ID, after string, limit int) []store.Event {
	t.Helper()
	list, err := s.Events(t.Context(), m, after, limit)
	if err != nil {
		t.Fatalf("Events: %v", err)
	}
	return list
}

func versions(t *testing.T, open func(*testing.T) Store) {
	s, m := open(t), meeting.NewID()
	if got := read(t, s, m, "a"); got.Version != 0 || got.Value != nil {
		t.Errorf("absent document = %v, want version 0 and nil", got)
	}
	first := put(t, s, m, "a", "one")
	if first == 0 {
		t.Fatal("first version = 0")
	}
	other := put(t, s, m, "b", "")
	second := put(t, s, m, "a", "two:three")
	if second <= first || second <= other {
		t.Errorf("versions %d, %d, then %d: want them to grow", first, other, second)
	}
	want := map[string]store.Doc{
		"a": {Version: second, Value: []byte("two:three")},
		"b": {Version: other, Value: []byte{}},
	}
	got, err := s.All(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("All (-want +got):\n%s", d)
	}
	want["c"] = store.Doc{}
	if got, err = s.Read(t.Context(), m, "a", "b", "c"); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("Read (-want +got):\n%s", d)
	}
	commit(t, s, m, store.Commit{Reads: map[string]uint64{"a": second}, Writes: []store.Write{{Name: "a"}}})
	if got := read(t, s, m, "a"); got.Version != 0 || got.Value != nil {
		t.Errorf("deleted document = %v, want version 0 and nil", got)
	}
	if again := put(t, s, m, "a", "one"); again <= second {
		t.Errorf("version after a delete = %d, want more than %d", again, second)
	}
}

func conflicts(t *testing.T, open func(*testing.T) Store) {
	s, m := open(t), meeting.NewID()
	old := put(t, s, m, "a", "one")
	now := put(t, s, m, "a", "two")
	for name, reads := range map[string]map[string]uint64{
		"older":           {"a": old},
		"absent":          {"a": 0},
		"never":           {"a": now + 1},
		"prefix":          {"a": now / 10},
		"not there":       {"b": 1},
		"one of two":      {"a": now, "b": now},
		"the other of 2":  {"a": old, "b": 0},
		"absent of three": {"a": now, "b": 0, "c": now},
	} {
		_, _, err := s.Commit(t.Context(), m, store.Commit{
			Attempt: "attempt",
			Reads:   reads,
			Writes:  []store.Write{{Name: "a"}, {Name: "b", Value: []byte("x")}},
			Events:  [][]byte{[]byte("e")},
			Answer:  []byte("answer"),
		})
		if !errors.Is(err, store.ErrConflict) {
			t.Errorf("%s: Commit = %v, want ErrConflict", name, err)
		}
	}
	want := map[string]store.Doc{"a": {Version: now, Value: []byte("two")}}
	if got, _ := s.All(t.Context(), m); !cmp.Equal(got, want) {
		t.Errorf("after conflicts, All = %v, want %v", got, want)
	}
	if got := history(t, s, m, "", 10); len(got) != 0 {
		t.Errorf("after conflicts, Events = %v, want none", got)
	}
	// A conflict is not an answer: the attempt decides again.
	_, replayed := commit(t, s, m, store.Commit{Attempt: "attempt", Reads: map[string]uint64{"a": now, "b": 0}})
	if replayed {
		t.Error("a conflict was remembered for its attempt")
	}
}

func attempts(t *testing.T, open func(*testing.T) Store) {
	s, m := open(t), meeting.NewID()
	c := store.Commit{
		Attempt: "one",
		Reads:   map[string]uint64{"a": 0},
		Writes:  []store.Write{{Name: "a", Value: []byte("one")}},
		Events:  [][]byte{[]byte("e")},
		Answer:  []byte("first"),
		Expires: soon(),
		Durable: true,
	}
	if got, replayed := commit(t, s, m, c); got != "first" || replayed {
		t.Errorf("Commit = %q, %t, want first, false", got, replayed)
	}
	c.Answer, c.Writes[0].Value = []byte("second"), []byte("two")
	for range 3 {
		if got, replayed := commit(t, open(t), m, c); got != "first" || !replayed {
			t.Errorf("same attempt = %q, %t, want first, true", got, replayed)
		}
	}
	if got := read(t, s, m, "a"); string(got.Value) != "one" {
		t.Errorf("after the attempts, a = %q, want one", got.Value)
	}
	if got := history(t, s, m, "", 10); len(got) != 1 {
		t.Errorf("after the attempts there are %d events, want 1", len(got))
	}
	// Another meeting knows nothing of it, and an attempt may answer nothing.
	n := meeting.NewID()
	c.Answer = nil
	for _, want := range []bool{false, true} {
		if got, replayed := commit(t, s, n, c); got != "" || replayed != want {
			t.Errorf("in another meeting, Commit = %q, %t, want nothing, %t", got, replayed, want)
		}
	}
}

func expiry(t *testing.T, open func(*testing.T) Store) {
	s, m := open(t), meeting.NewID()
	write := []store.Write{{Name: "a", Value: []byte("one")}}
	_, _, err := s.Commit(t.Context(), m, store.Commit{Writes: write})
	if err == nil || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) {
		t.Errorf("first commit without Expires = %v, want a fault", err)
	}
	gone := func() bool {
		docs, err := s.All(t.Context(), m)
		list, err2 := s.Events(t.Context(), m, "", 10)
		return err == nil && err2 == nil && len(docs) == 0 && len(list) == 0
	}
	event := [][]byte{[]byte("e")}
	ends := time.Now().Add(300 * time.Millisecond)
	commit(t, s, m, store.Commit{Writes: write, Expires: ends})
	commit(t, s, m, store.Commit{Writes: write, Events: event}) // leaves the time
	eventually(t, "forgotten", gone)
	if late := time.Since(ends); late < 0 || late > time.Second {
		t.Errorf("forgotten %v after its time, want 0 to 1s", late)
	}
	// Longer, without an event and with one.
	commit(t, s, m, store.Commit{Writes: write, Events: event, Expires: ends.Add(time.Second)})
	commit(t, s, m, store.Commit{Writes: write, Expires: soon()})
	if gone() {
		t.Error("forgotten before its time")
	}
	commit(t, s, m, store.Commit{Events: event, Expires: time.Unix(1, 0)})
	if !gone() {
		t.Error("a commit that expires in the past forgets nothing")
	}
}

func events(t *testing.T, open func(*testing.T) Store) {
	s, m := open(t), meeting.NewID()
	var want []string
	for i := range 25 {
		a, b := fmt.Sprintf("%d:a", i), fmt.Sprintf("%d:b", i)
		commit(t, s, m, store.Commit{
			Writes:  []store.Write{{Name: "x", Value: []byte("x")}, {Name: "gone"}},
			Events:  [][]byte{[]byte(a), []byte(b)},
			Expires: soon(),
		})
		want = append(want, a, b)
	}
	var got []string
	for after := ""; ; {
		list := history(t, s, m, after, 7)
		if len(list) == 0 {
			break
		}
		for _, e := range list {
			got = append(got, string(e.Value))
			if d := cmp.Diff([]string{"x", "gone"}, e.Docs); d != "" {
				t.Fatalf("Docs (-want +got):\n%s", d)
			}
			after = e.ID
		}
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("events in pages of 7 (-want +got):\n%s", d)
	}
	commit(t, s, m, store.Commit{Events: [][]byte{{}}})
	if list := history(t, s, m, "", 100); len(list) != 51 || len(list[50].Value) != 0 || len(list[50].Docs) != 0 {
		t.Errorf("%d events, want 51, the last one empty", len(list))
	}
	if got := history(t, s, meeting.NewID(), "", 5); len(got) != 0 {
		t.Errorf("events of an unknown meeting = %v", got)
	}
	for _, after := range []string{"+", "x", "1-", "-1", "(1-1", "$"} {
		if _, err := s.Events(t.Context(), m, after, 5); err == nil {
			t.Errorf("Events after %q: no error", after)
		}
	}
	if _, err := s.Events(t.Context(), m, "", 0); err == nil {
		t.Error("Events with limit 0: no error")
	}
}

func watch(t *testing.T, open func(*testing.T) Store) {
	s, other, m := open(t), open(t), meeting.NewID()
	ctx, cancel := context.WithCancel(t.Context())
	woken := make(chan meeting.ID, 1000)
	done := make(chan error, 1)
	go func() {
		done <- s.Watch(ctx, func(id meeting.ID) {
			if id == m {
				woken <- id
			}
		})
	}()
	// When the watch has begun is not known; so commit until it shows.
	eventually(t, "woken", func() bool {
		put(t, other, m, "a", "x")
		select {
		case <-woken:
			return true
		case <-time.After(20 * time.Millisecond):
			return false
		}
	})
	cancel()
	select {
	case err := <-done:
		if err != nil {
			t.Errorf("Watch = %v, want nil", err)
		}
	case <-time.After(2 * time.Second):
		t.Error("Watch did not end with its context")
	}
}

func copies(t *testing.T, open func(*testing.T) Store) {
	s, m := open(t), meeting.NewID()
	b := []byte("one")
	c := store.Commit{
		Attempt: "one", Writes: []store.Write{{Name: "a", Value: b}},
		Events: [][]byte{b}, Answer: b, Expires: soon(),
	}
	answer, _, err := s.Commit(t.Context(), m, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(t.Context(), "copy", string(m), b, time.Minute); err != nil {
		t.Fatal(err)
	}
	spoil := func(b []byte) { copy(b, "XXX") }
	for range 2 {
		spoil(b)
		spoil(answer)
		spoil(read(t, s, m, "a").Value)
		spoil(history(t, s, m, "", 1)[0].Value)
		v, _ := s.Get(t.Context(), "copy", string(m))
		spoil(v)
	}
	v, _ := s.Get(t.Context(), "copy", string(m))
	again, _ := commit(t, s, m, c)
	got := []string{string(read(t, s, m, "a").Value), string(history(t, s, m, "", 1)[0].Value), string(v), again}
	if d := cmp.Diff([]string{"one", "one", "one", "one"}, got); d != "" {
		t.Errorf("kept (-want +got):\n%s", d)
	}
}

func malformed(t *testing.T, open func(*testing.T) Store) {
	s, m := open(t), meeting.NewID()
	ctx := t.Context()
	errs := map[string]error{}
	for _, bad := range []string{"", "a b", "a\n", "{a}", "}", "é", strings.Repeat("a", 257)} {
		_, _, errs["meeting "+bad] = s.Commit(ctx, meeting.ID(bad), store.Commit{Expires: soon()})
		_, _, errs["write "+bad] = s.Commit(ctx, m, store.Commit{Writes: []store.Write{{Name: bad}}, Expires: soon()})
		_, _, errs["read "+bad] = s.Commit(ctx, m, store.Commit{Reads: map[string]uint64{bad: 0}, Expires: soon()})
		errs["key "+bad] = s.Put(ctx, "kind", bad, nil, time.Minute)
		errs["kind "+bad] = s.Put(ctx, bad, "key", nil, time.Minute)
		if _, err := s.All(ctx, meeting.ID(bad)); err != nil {
			t.Errorf("All(%q) = %v, want nothing", bad, err)
		}
		if docs, err := s.Read(ctx, meeting.ID(bad), "a"); err != nil || docs["a"].Version != 0 {
			t.Errorf("Read(%q) = %v, %v, want nothing", bad, docs, err)
		}
		if docs, err := s.Read(ctx, m, bad); err != nil || docs[bad].Version != 0 {
			t.Errorf("Read(m, %q) = %v, %v, want nothing", bad, docs, err)
		}
	}
	_, _, errs["attempt"] = s.Commit(ctx, m, store.Commit{Attempt: "a b", Expires: soon()})
	twice := []store.Write{{Name: "a"}, {Name: "a", Value: []byte("x")}}
	_, _, errs["twice"] = s.Commit(ctx, m, store.Commit{Writes: twice, Expires: soon()})
	errs["for ever"] = s.Put(ctx, "kind", "key", nil, 0)
	_, errs["limit 0"] = s.Count(ctx, "kind", "key", 0, time.Minute)
	_, errs["no window"] = s.Count(ctx, "kind", "key", 1, 0)
	_, errs["owned"] = s.Owned(ctx, "owner", time.Time{}, 0)
	errs["index"] = s.Index(ctx, "owner", m, soon(), time.Time{})
	for name, err := range errs {
		if err == nil || errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrConflict) {
			t.Errorf("%q: %v, want a fault", name, err)
		}
	}
}

func ended(t *testing.T, open func(*testing.T) Store) {
	s, m := open(t), meeting.NewID()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := s.Commit(ctx, m, store.Commit{Attempt: "a", Expires: soon()})
	if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("Commit = %v, want ErrUnavailable and context.Canceled", err)
	}
	if _, err := s.Read(ctx, m, "a"); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Read = %v, want ErrUnavailable", err)
	}
	if err := s.Ready(ctx); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Ready = %v, want ErrUnavailable", err)
	}
}

func ready(t *testing.T, open func(*testing.T) Store) {
	s := open(t)
	for range 3 {
		if err := s.Ready(t.Context()); err != nil {
			t.Errorf("Ready = %v, want nil", err)
		}
	}
}

func large(t *testing.T, open func(*testing.T) Store) {
	s, m := open(t), meeting.NewID()
	c := store.Commit{Reads: map[string]uint64{}, Expires: soon()}
	var names []string
	for i := range 1000 {
		n := fmt.Sprintf("i:%d", i)
		names = append(names, n)
		c.Reads[n] = 0
		c.Writes = append(c.Writes, store.Write{Name: n, Value: []byte(n)})
		c.Events = append(c.Events, []byte(n))
	}
	commit(t, s, m, c)
	docs, err := s.Read(t.Context(), m, names...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range c.Writes {
		n := c.Writes[i].Name
		if string(docs[n].Value) != n {
			t.Fatalf("%s = %q", n, docs[n].Value)
		}
		c.Reads[n], c.Writes[i].Value = docs[n].Version, nil
	}
	commit(t, s, m, c)
	if got, err := s.All(t.Context(), m); err != nil || len(got) != 0 {
		t.Errorf("after deleting all there are %d documents, %v", len(got), err)
	}
	c.Writes = append(c.Writes, store.Write{Name: "more"})
	if _, _, err := s.Commit(t.Context(), m, c); err == nil || errors.Is(err, store.ErrConflict) {
		t.Errorf("a commit of 1,001 documents = %v, want a fault", err)
	}
}

// parallel: knocks write documents of their own and read the header; none may
// see a conflict.
func parallel(t *testing.T, open func(*testing.T) Store) {
	s, m := open(t), meeting.NewID()
	header := put(t, s, m, "header", "open")
	var all sync.WaitGroup
	for i := range 100 {
		all.Go(func() {
			n := fmt.Sprintf("knock:%d", i)
			_, _, err := s.Commit(t.Context(), m, store.Commit{
				Attempt: n,
				Reads:   map[string]uint64{"header": header, n: 0},
				Writes:  []store.Write{{Name: n, Value: []byte(n)}},
				Events:  [][]byte{[]byte(n)},
			})
			if err != nil {
				t.Errorf("%s: %v", n, err)
			}
		})
	}
	all.Wait()
	if got := history(t, s, m, "", 1000); len(got) != 100 {
		t.Errorf("%d events, want 100", len(got))
	}
}
