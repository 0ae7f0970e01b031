package lobby_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
	"vestibule/store/storetest"
)

// keeper is all that a lobby asks of a store.
type keeper interface {
	lobby.Documents
	lobby.Shelf
}

// wire runs between one lobby and the store. It counts what passes, can be cut,
// and can lose the wakes.
type wire struct {
	keeper
	calls atomic.Int64
	away  atomic.Bool
	deaf  atomic.Bool
	slow  atomic.Int64 // nanoseconds that a change waits for what it reads
	after atomic.Pointer[func()]
	dumb  atomic.Bool // loses what is put into the queue
}

func (w *wire) pass() error {
	w.calls.Add(1)
	if w.away.Load() {
		return fmt.Errorf("wire is cut: %w", store.ErrUnavailable)
	}
	return nil
}

func (w *wire) Read(ctx context.Context, m meeting.ID, names ...string) (map[string]store.Doc, error) {
	// Nowhere else: who waits for a lock, while its holder sleeps, stops the
	// clock of a synctest bubble.
	time.Sleep(time.Duration(w.slow.Load()))
	if err := w.pass(); err != nil {
		return nil, err
	}
	return w.keeper.Read(ctx, m, names...)
}

func (w *wire) All(ctx context.Context, m meeting.ID) (map[string]store.Doc, error) {
	if err := w.pass(); err != nil {
		return nil, err
	}
	return w.keeper.All(ctx, m)
}

func (w *wire) Commit(ctx context.Context, m meeting.ID, c store.Commit) ([]byte, bool, error) {
	if err := w.pass(); err != nil {
		return nil, false, err
	}
	defer func() {
		if f := w.after.Swap(nil); f != nil {
			(*f)()
		}
	}()
	return w.keeper.Commit(ctx, m, c)
}

// onCommit calls f once, after the next commit.
func (w *wire) onCommit(f func()) { w.after.Store(&f) }

func (w *wire) Events(ctx context.Context, m meeting.ID, after string, limit int) ([]store.Event, error) {
	if err := w.pass(); err != nil {
		return nil, err
	}
	return w.keeper.Events(ctx, m, after, limit)
}

func (w *wire) Count(ctx context.Context, kind, key string, limit int, window time.Duration) (bool, error) {
	if err := w.pass(); err != nil {
		return false, err
	}
	return w.keeper.Count(ctx, kind, key, limit, window)
}

// The queue's calls are not counted: they come with the clock.

func (w *wire) gone() error {
	if w.away.Load() {
		return fmt.Errorf("wire is cut: %w", store.ErrUnavailable)
	}
	return nil
}

func (w *wire) Index(ctx context.Context, owner string, m meeting.ID, ends, expires time.Time) error {
	if w.dumb.Load() && owner == "mail" {
		return fmt.Errorf("wire is cut: %w", store.ErrUnavailable)
	}
	if err := w.gone(); err != nil {
		return err
	}
	return w.keeper.Index(ctx, owner, m, ends, expires)
}

func (w *wire) Lease(ctx context.Context, owner string, now, until time.Time, limit int) ([]meeting.ID, error) {
	if err := w.gone(); err != nil {
		return nil, err
	}
	return w.keeper.Lease(ctx, owner, now, until, limit)
}

func (w *wire) Release(ctx context.Context, owner string, m meeting.ID, until, next time.Time) error {
	if err := w.gone(); err != nil {
		return err
	}
	return w.keeper.Release(ctx, owner, m, until, next)
}

func (w *wire) Roster(ctx context.Context, m meeting.ID, node string, who []byte, life time.Duration) ([][]byte, error) {
	if err := w.gone(); err != nil {
		return nil, err
	}
	return w.keeper.Roster(ctx, m, node, who, life)
}

func (w *wire) Watch(ctx context.Context, wake func(meeting.ID)) error {
	return w.keeper.Watch(ctx, func(m meeting.ID) {
		if !w.deaf.Load() && !w.away.Load() {
			wake(m)
		}
	})
}

// knife remembers whom it cut.
type knife struct {
	mu  sync.Mutex
	cut []string
}

func (k *knife) Cut(_ context.Context, admission string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cut = append(k.cut, admission)
	return nil
}

func (k *knife) has(admission string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Contains(k.cut, admission)
}

// door is one of several lobbies on one store.
type door struct {
	*site
	wire  *wire
	knife *knife
}

// doors opens n lobbies on one store; they share mail and conference server.
func doors(t testing.TB, n int, k keeper, edit ...func(*lobby.Config)) []*door {
	t.Helper()
	srv, post := &server{open: map[string]bool{}}, &box{}
	list := make([]*door, n)
	for i := range list {
		d := &door{site: &site{server: srv, box: post, host: doctor()}, wire: &wire{keeper: k}, knife: &knife{}}
		c := lobby.Config{
			Documents: d.wire, Shelf: d.wire, Backend: srv, Mailer: post, Texter: airtime{post},
			Cutters: []lobby.Channel{{Name: "relay", Cutter: d.knife}},
			Secret:  []byte(strings.Repeat("k", 32)), Door: "https://door.example",
			Early: 15 * time.Minute, Grace: time.Hour,
		}
		for _, f := range edit {
			f(&c)
		}
		l, err := lobby.New(c)
		if err != nil {
			t.Fatal(err)
		}
		d.Lobby = l
		run(t, l)
		list[i] = d
	}
	return list
}

func run(t testing.TB, l *lobby.Lobby) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
}

// everyStore runs a test on the store in memory and on a real redis-server.
func everyStore(t *testing.T, test func(*testing.T, keeper)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) { test(t, store.NewMemory()) })
	t.Run("redis", func(t *testing.T) { test(t, openRedis(t)) })
}

func openRedis(t testing.TB) keeper {
	t.Helper()
	// The machine may be busy: what is tested is not the deadline.
	s, err := store.Open(store.Config{URL: storetest.Redis(t), Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// admitted takes an invitee as far as being admitted, on a device of their name.
func (s *site) admitted(t *testing.T, id meeting.ID, link string) (admission, device string) {
	t.Helper()
	p := s.prove(t, link)
	device = p.Subject
	_, a, err := s.Knock(t.Context(), link, lobby.Arrival{Person: p, Device: device, Consent: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Answer(t.Context(), id, s.host.Key(), a, meeting.Answer{Admit: true}, ""); err != nil {
		t.Fatal(err)
	}
	return a, device
}

// opened lets the host in, so that the meeting is open.
func (s *site) opened(t *testing.T, id meeting.ID) (admission, pass string) {
	t.Helper()
	a, err := s.HostKnock(t.Context(), id, lobby.Arrival{Person: s.host, Device: "desk"}, "")
	if err != nil {
		t.Fatal(err)
	}
	return a, s.inside(t, id, a, "desk")
}

// eventually waits until something holds that another goroutine does.
func eventually(t *testing.T, what string, within time.Duration, holds func() bool) {
	t.Helper()
	end := time.After(within)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-end:
			t.Fatalf("%s: not within %v", what, within)
		case <-tick.C:
		}
	}
}

// history reads the whole stream of a meeting.
func (d *door) history(t *testing.T, id meeting.ID) []meeting.Entry {
	t.Helper()
	var all []meeting.Entry
	last := ""
	for {
		ev, err := d.wire.keeper.Events(t.Context(), id, last, 500)
		if err != nil {
			t.Fatal(err)
		}
		for i := range ev {
			all = append(all, decoded(t, ev[i].Value))
			last = ev[i].ID
		}
		if len(ev) < 500 {
			return all
		}
	}
}

func count(entries []meeting.Entry, what meeting.What) int {
	n := 0
	for i := range entries {
		if entries[i].What == what {
			n++
		}
	}
	return n
}

// tally counts how often each answer came; nil is "yes", a fault its text.
func tally(errs []error) map[string]int {
	n := map[string]int{}
	for _, err := range errs {
		var no *meeting.Refusal
		switch {
		case err == nil:
			n["yes"]++
		case errors.As(err, &no):
			n[no.Reason.String()]++
		default:
			n[err.Error()]++
		}
	}
	return n
}

// atOnce calls f n times at once and returns what each answered.
func atOnce(n int, f func(i int) error) []error {
	errs := make([]error, n)
	var ready, all sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		ready.Add(1)
		all.Go(func() {
			ready.Done()
			<-start
			errs[i] = f(i)
		})
	}
	ready.Wait()
	close(start)
	all.Wait()
	return errs
}
