package lobby_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// listener keeps what it was told.
type listener struct {
	mu   sync.Mutex
	told []*lobby.Snapshot
}

func (l *listener) hear(s *lobby.Snapshot) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.told = append(l.told, s)
}

func (l *listener) last() (*lobby.Snapshot, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.told) == 0 {
		return nil, 0
	}
	return l.told[len(l.told)-1], len(l.told)
}

// Whoever subscribes hears how it is, and then of every change, by whatever door
// it is made, also when the wake is lost; and nothing after they stopped.
func TestSubscribe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 2, store.NewMemory())
		id, links := d[0].meet(t, "Jeanne")
		synctest.Wait()
		var here, there listener
		stopHere, err := d[0].Subscribe(t.Context(), id, here.hear)
		if err != nil {
			t.Fatal(err)
		}
		stopThere, err := d[1].Subscribe(t.Context(), id, there.hear)
		if err != nil {
			t.Fatal(err)
		}
		if s, _ := there.last(); s == nil || s.Meeting.ID != id || len(s.Invitations) != 1 {
			t.Fatalf("told %+v on subscribing, want the meeting", s)
		}
		expect := func(what string, holds func(*lobby.Snapshot) bool) {
			t.Helper()
			synctest.Wait()
			for _, l := range []*listener{&here, &there} {
				if s, n := l.last(); !holds(s) {
					t.Errorf("%s: not told, after %d tellings", what, n)
				}
			}
		}
		a, _ := d[0].admitted(t, id, links["Jeanne"])
		expect("admission", func(s *lobby.Snapshot) bool {
			x, ok := s.Admission(a)
			return ok && x.State == meeting.Admitted && s.Recent[len(s.Recent)-1].What == meeting.LetIn
		})
		d[1].wire.deaf.Store(true)
		if err := d[0].Lock(t.Context(), id, d[0].host.Key(), true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(1100 * time.Millisecond)
		expect("lock", func(s *lobby.Snapshot) bool { return s.Meeting.Locked })
		stopHere()
		stopThere()
		_, before := here.last()
		if err := d[0].Lock(t.Context(), id, d[0].host.Key(), false); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if _, after := here.last(); after != before {
			t.Errorf("told %d times after stop", after-before)
		}
	})
}

// What nothing happens to is not told again and again.
func TestQuietMeetingIsQuiet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id, _ := d.meet(t, "Jeanne")
		synctest.Wait()
		var l listener
		stop, err := d.Subscribe(t.Context(), id, l.hear)
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
		synctest.Wait()
		_, before := l.last()
		time.Sleep(time.Hour)
		if _, after := l.last(); after != before {
			t.Errorf("told %d times of nothing", after-before)
		}
		time.Sleep(2 * time.Hour) // over: that is told, once
		if _, after := l.last(); after != before+1 {
			t.Errorf("told %d times that it is over, want once", after-before)
		}
	})
}

func TestSubscribeToNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		nobody := func(*lobby.Snapshot) {}
		if _, err := d.Subscribe(t.Context(), meeting.NewID(), nobody); reason(err) != meeting.NotFound {
			t.Errorf("Subscribe = %v, want not_found", err)
		}
		if _, err := d.Follow(t.Context(), meeting.NewID()); reason(err) != meeting.NotFound {
			t.Errorf("Follow = %v, want not_found", err)
		}
		if _, err := d.Snapshot(t.Context(), meeting.NewID()); reason(err) != meeting.NotFound {
			t.Errorf("Snapshot = %v, want not_found", err)
		}
		id, _ := d.meet(t)
		d.wire.away.Store(true)
		if _, err := d.Subscribe(t.Context(), id, nobody); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Subscribe = %v, want unavailable", err)
		}
		d.wire.away.Store(false)
		time.Sleep(2 * time.Second)
		if n := d.Followed(); n != 0 {
			t.Errorf("%d meetings followed for nobody, want none", n)
		}
	})
}

// Recent is the newest events only, however many there are.
func TestRecentIsBounded(t *testing.T) {
	d := doors(t, 1, store.NewMemory())[0]
	id, _ := d.meet(t)
	for i := range 301 {
		if err := d.Lock(t.Context(), id, d.host.Key(), i%2 == 0); err != nil {
			t.Fatal(err)
		}
	}
	s, err := d.Follow(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.Recent); n != 40 || s.Recent[n-1].What != meeting.WasLocked || s.Recent[n-2].What != meeting.WasUnlocked {
		t.Errorf("%d recent events, the last %v, want 40 and locked", n, s.Recent[n-1].What)
	}
}

// A meeting nobody asks for is forgotten; one with somebody connected is not,
// however long they are silent.
func TestIdleMeetingsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id, links := d.meet(t, "Jeanne")
		d.opened(t, id)
		s := d.sit(t, id, links["Jeanne"])
		release := s.Hold()
		time.Sleep(30 * time.Minute)
		if n := d.Followed(); n != 1 {
			t.Errorf("%d meetings followed with somebody inside, want 1", n)
		}
		again, _, err := d.Live(t.Context(), s.pass)
		if err != nil || again != s.Seat {
			t.Errorf("Live = %p, %v, want the seat that is connected", again, err)
		}
		release()
		time.Sleep(11 * time.Minute)
		if n := d.Followed(); n != 0 {
			t.Errorf("%d meetings followed after all, want none", n)
		}
		// Not forgotten for good: the pass opens a seat again.
		if again, _, err = d.Live(t.Context(), s.pass); err != nil || again == s.Seat {
			t.Errorf("Live = %p, %v, want a new seat", again, err)
		}
		if _, err := d.Expel(t.Context(), id, d.host.Key(), s.admission, ""); err != nil || !(seat{Seat: again}).over() {
			t.Errorf("Expel = %v, the new seat over=%v", err, (seat{Seat: again}).over())
		}
	})
}

// Run ends with its context and leaves nothing behind, whatever went on.
func TestRunLeavesNoGoroutine(t *testing.T) {
	k := openRedis(t)
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).addIdleConn"))
	post := &box{}
	l, err := lobby.New(lobby.Config{
		Documents: k, Shelf: k, Backend: &server{open: map[string]bool{}}, Mailer: post,
		Secret: []byte(strings.Repeat("k", 32)), Door: "https://door.example",
		Early: 15 * time.Minute, Grace: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- l.Run(ctx) }()
	s := &site{Lobby: l, box: post, host: doctor()}
	id, links := s.meet(t, "Jeanne")
	s.opened(t, id)
	a, _ := s.admitted(t, id, links["Jeanne"])
	var ear listener
	stop, err := s.Subscribe(t.Context(), id, ear.hear)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Expel(t.Context(), id, s.host.Key(), a, ""); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v, want nil", err)
	}
	stop()
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := lobby.New(lobby.Config{Early: -1, Grace: 13 * time.Hour, Keep: time.Minute, Secret: make([]byte, 31)})
	for _, want := range []string{"Documents", "Shelf", "Backend", "Secret", "Door", "Early", "Grace", "Keep"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want a word on %s", err, want)
		}
	}
}

// A draft is refused field by field, and nobody but a member who signed in
// creates.
func TestCreateRefuses(t *testing.T) {
	d := doors(t, 1, store.NewMemory())[0]
	for field, spoil := range map[string]func(*lobby.Draft){
		"title":      func(d *lobby.Draft) { d.Title = "\u200b\u202e " },
		"zone":       func(d *lobby.Draft) { d.Zone = "Mars/Olympus" },
		"start":      func(d *lobby.Draft) { d.Starts = time.Time{} },
		"end":        func(d *lobby.Draft) { d.Ends = d.Starts },
		"lang":       func(d *lobby.Draft) { d.Lang = "de" },
		"settings":   func(d *lobby.Draft) { d.Settings.Early = -time.Hour },
		"invitees.1": func(d *lobby.Draft) { d.Invitees[0].Email = "a@b.fr, c@d.fr" },
		"invitees.2": func(d *lobby.Draft) {
			d.Invitees = append(d.Invitees, lobby.Invitee{Name: "Co", Role: meeting.Host})
		},
		"invitees": func(d *lobby.Draft) {
			for i := range lobby.MaxInvitees {
				d.Invitees = append(d.Invitees, lobby.Invitee{Name: fmt.Sprint("n", i)})
			}
		},
	} {
		dr := draft("Jeanne")
		spoil(&dr)
		_, err := d.Create(t.Context(), d.host, dr, "")
		var no *meeting.Refusal
		if !errors.As(err, &no) || no.Reason != meeting.Invalid || no.Field != field {
			t.Errorf("Create without a good %s = %+v", field, err)
		}
	}
	stranger := doctor()
	stranger.Evidence.Member = false
	for _, p := range []meeting.Person{{}, stranger, meeting.MailboxPerson("claire@hopital.example", time.Now())} {
		if _, err := d.Create(t.Context(), p, draft("Jeanne"), ""); reason(err) != meeting.NotHost {
			t.Errorf("Create by %s = %v, want not_host", p.Key(), err)
		}
	}
}
