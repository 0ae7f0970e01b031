package lobby_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// Half an hour without a word: the knock lapses by the door's clock where
// somebody looks on, and whoever said that they are there keeps the place.
func TestKnocksLapse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 2, store.NewMemory())
		id, links := d[0].meet(t, "Jeanne", "Paul")
		jeanne, paul := knocks(t, d[0], links["Jeanne"]), knocks(t, d[0], links["Paul"])
		for _, door := range d {
			stop, err := door.Subscribe(t.Context(), id, func(*lobby.Snapshot) {})
			if err != nil {
				t.Fatal(err)
			}
			defer stop()
		}
		state := func(a string) meeting.State {
			snap, err := d[0].Snapshot(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			x, _ := snap.Admission(a)
			return x.State
		}
		time.Sleep(meeting.Patience + time.Minute)
		if err := d[1].Stay(t.Context(), id, paul); err != nil {
			t.Fatal(err)
		}
		d[0].wire.away.Store(true)
		d[1].wire.away.Store(true)
		time.Sleep(meeting.Unanswered)
		d[0].wire.away.Store(false)
		d[1].wire.away.Store(false)
		if state(jeanne) != meeting.Waiting {
			t.Error("somebody lost their place while the store was away")
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if state(jeanne) != meeting.Left || state(paul) != meeting.Waiting {
			t.Errorf("jeanne, who said nothing: %v; paul, who is there: %v", state(jeanne), state(paul))
		}
		if n := strings.Count(trail(t, d[0], id), "lapsed:"); n != 1 {
			t.Errorf("two doors wrote %d lapses, want 1", n)
		}
	})
}

// knocks proves a mailbox and waits.
func knocks(t *testing.T, d *door, link string) string {
	t.Helper()
	p := d.prove(t, link)
	_, a, err := d.Knock(t.Context(), link, lobby.Arrival{Person: p, Device: "phone", Consent: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// trail is every event of a meeting as it is stored.
func trail(t *testing.T, d *door, id meeting.ID) string {
	t.Helper()
	ev, err := d.wire.Events(t.Context(), id, "", 100)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range ev {
		b.Write(ev[i].Value)
		b.WriteByte('\n')
	}
	return strings.ReplaceAll(b.String(), `"what":"lapsed"`, "lapsed:")
}

// names remembers what a conference server was told.
type names struct {
	mu   sync.Mutex
	said []string // guarded by mu
}

func (n *names) Rename(_ context.Context, _, admission, name string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.said = append(n.said, admission+" "+name)
	return nil
}

// silence is a conference server that mutes, or does not answer.
type silence struct {
	fault error
	of    []string
}

func (s *silence) Mute(_ context.Context, room, admission string) error {
	s.of = append(s.of, room+" "+admission)
	return s.fault
}

// A host who mutes somebody is told when the conference server does not do it:
// they must not believe that nobody hears them.
func TestMute(t *testing.T) {
	none := open(t)
	id, links := none.meet(t, "Jeanne")
	a, _ := none.admitted(t, id, links["Jeanne"])
	if err := none.Mute(t.Context(), id, none.host.Key(), a, ""); none.Mutes() || reason(err) != meeting.NotFound {
		t.Errorf("Mute where nothing mutes = %v, want not_found", err)
	}

	told := &silence{}
	s := open(t, func(c *lobby.Config) { c.Muter = told })
	id, links = s.meet(t, "Jeanne", "Paul")
	a, _ = s.admitted(t, id, links["Jeanne"])
	paul := s.prove(t, links["Paul"])
	if err := s.Mute(t.Context(), id, paul.Key(), a, ""); reason(err) != meeting.NotHost || len(told.of) > 0 {
		t.Errorf("a guest mutes: %v, and %v were muted", err, told.of)
	}
	if err := s.Mute(t.Context(), id, s.host.Key(), a, ""); err != nil {
		t.Fatal(err)
	}
	snap, err := s.Follow(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{snap.Meeting.Room + " " + a}, told.of); d != "" {
		t.Errorf("the conference server was told (-want +got):\n%s", d)
	}
	if last := snap.Recent[len(snap.Recent)-1]; last.What != meeting.WasMuted || last.By != s.host.Key() || last.Admission != a {
		t.Errorf("noted last: %+v", last)
	}
	told.fault = errors.New("no answer")
	if err := s.Mute(t.Context(), id, s.host.Key(), a, ""); !errors.Is(err, told.fault) {
		t.Errorf("Mute that did not come about = %v, want a fault", err)
	}
}

// T21: a renaming changes what is shown and never what was proved; the
// conference server hears of those inside alone.
func TestT21RenamedIsShownAndProvesNothing(t *testing.T) {
	told := &names{}
	s := open(t, func(c *lobby.Config) { c.Renamer = told })
	id, links := s.meet(t, "Jeanne")
	p := s.prove(t, links["Jeanne"])
	_, a, err := s.Knock(t.Context(), links["Jeanne"], lobby.Arrival{Person: p, Device: "phone", Name: "Jeanne", Consent: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	rename := func(name string) error { return s.Rename(t.Context(), id, s.host.Key(), a, name, "") }
	if reason(rename(strings.Repeat("x", lobby.MaxName+1))) != meeting.Invalid || reason(rename("\u202e\u200b")) != meeting.Invalid {
		t.Error("a name that cannot be shown was taken")
	}
	if err := rename("J. \u202eD."); err != nil {
		t.Fatal(err)
	}
	if err := s.Answer(t.Context(), id, s.host.Key(), a, meeting.Answer{Admit: true, Name: "J. D."}, ""); err != nil {
		t.Fatal(err)
	}
	h, err := s.HostKnock(t.Context(), id, lobby.Arrival{Person: s.host, Device: "desk"}, "")
	if err != nil {
		t.Fatal(err)
	}
	s.inside(t, id, h, "desk")
	pass := s.inside(t, id, a, "phone")
	if err := rename("Jeanne D."); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{a + " Jeanne D."}, told.said); d != "" {
		t.Errorf("the conference server was told (-want +got):\n%s", d)
	}
	snap, err := s.Follow(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := snap.Admission(a)
	if d := cmp.Diff(p, got.Person); d != "" {
		t.Errorf("what was proved changed (-want +got):\n%s", d)
	}
	if _, info, err := s.Live(t.Context(), pass); err != nil || info.Name != "Jeanne D." {
		t.Errorf("the next token would say %q, %v", info.Name, err)
	}
}

// A host refuses with words and thinks better of it: what was said with the
// refusal is not said again when the guest is put out later.
func TestWordsOfARefusalTakenBack(t *testing.T) {
	d := doors(t, 1, store.NewMemory())[0]
	id, links := d.meet(t, "Jeanne")
	a := knocks(t, d, links["Jeanne"])
	for _, answer := range []meeting.Answer{{Why: meeting.Later, Farewell: "We call you."}, {Admit: true}} {
		if err := d.Answer(t.Context(), id, d.host.Key(), a, answer, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.Expel(t.Context(), id, d.host.Key(), a, ""); err != nil {
		t.Fatal(err)
	}
	snap, err := d.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if x, _ := snap.Admission(a); x.State != meeting.Expelled || x.Talk != (meeting.Talk{}) {
		t.Errorf("put out, %v, somebody is told %+v", x.State, x.Talk)
	}
}

// Too long is told, not cut; what is no text is nobody's question.
func TestWordsAreBounded(t *testing.T) {
	s := open(t)
	id, links := s.meet(t, "Jeanne")
	p := s.prove(t, links["Jeanne"])
	_, a, err := s.Knock(t.Context(), links["Jeanne"], lobby.Arrival{Person: p, Device: "phone", Consent: true}, "")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("é", meeting.MaxWords+1)
	for what, err := range map[string]error{
		"hold":   s.Hold(t.Context(), id, s.host.Key(), a, long, ""),
		"ask":    s.Ask(t.Context(), id, s.host.Key(), a, long, ""),
		"none":   s.Ask(t.Context(), id, s.host.Key(), a, "\u200b\x00", ""),
		"reply":  s.Reply(t.Context(), id, a, 1, long, ""),
		"refuse": s.Answer(t.Context(), id, s.host.Key(), a, meeting.Answer{Farewell: long}, ""),
	} {
		if reason(err) != meeting.Invalid {
			t.Errorf("%s = %v, want invalid", what, err)
		}
	}
	if err := s.Hold(t.Context(), id, s.host.Key(), a, "un\ninstant\u202e "+long[:20], ""); err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := snap.Admission(a); got.Talk.Message != "un instant "+long[:20] {
		t.Errorf("message = %q", got.Talk.Message)
	}
}
