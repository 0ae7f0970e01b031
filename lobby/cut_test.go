package lobby_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

func (s *server) hangs(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hung = d
}

// asked reports whether the conference server removed somebody.
func (s *server) asked(admission string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.removed, admission)
}

// early has guests wait inside for the host, or no more.
func (s *site) early(t *testing.T, id meeting.ID, on bool) {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	m := snap.Meeting
	d := lobby.Draft{Title: m.Title, Starts: m.Starts, Ends: m.Ends, Zone: m.Zone, Lang: m.Lang, Settings: m.Settings}
	d.Settings.JoinBeforeHost = on
	if err := s.Alter(t.Context(), id, s.host.Key(), d, func(*meeting.Meeting) bool { return true }, fmt.Sprint("early", on)); err != nil {
		t.Fatal(err)
	}
}

// T37, nothing lost: who was inside before the host, and has to wait for the host
// after all, sends nothing meanwhile, and has a relay once the host is in.
func TestT37WaitingForTheHostCanBeTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, relays := relays(t, 1)
		d, relay := all[0], relays[0]
		id, links := d.meet(t, "Jeanne")
		d.early(t, id, true)
		jeanne := d.sit(t, id, links["Jeanne"])
		relay.issue(jeanne.admission)
		synctest.Wait()
		d.early(t, id, false)
		time.Sleep(2 * time.Second)
		if _, _, err := d.Live(t.Context(), jeanne.pass); reason(err) != meeting.HostAway {
			t.Errorf("Live before the host = %v, want host_away", err)
		}
		if !jeanne.over() || !relay.rests(jeanne.admission) || !d.server.asked(jeanne.admission) {
			t.Error("who has to wait for the host is still inside")
		}
		d.opened(t, id)
		time.Sleep(2 * time.Second)
		again := d.again(t, id, jeanne.admission, jeanne.device)
		if again.over() {
			t.Error("the way back ends at once")
		}
		if relay.has(jeanne.admission) {
			t.Error("the relay is refused for good")
		}
	})
}

// T34: the conference server is not asked about people whom it never knew, and
// who leaves the queue and is let in later has a relay.
func TestT34LeavingTheQueueCutsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id, links := d.meet(t, "Jeanne", "Paul")
		d.opened(t, id)
		_, a, err := d.Knock(t.Context(), links["Jeanne"], lobby.Arrival{Person: d.prove(t, links["Jeanne"]), Device: "phone", Consent: true}, "")
		if err != nil {
			t.Fatal(err)
		}
		paul := d.sit(t, id, links["Paul"])
		synctest.Wait()
		for range 3 {
			if err := d.Leave(t.Context(), id, a); err != nil {
				t.Fatal(err)
			}
		}
		if d.knife.has(a) || d.server.asked(a) {
			t.Error("leaving the queue cuts")
		}
		if err := d.Leave(t.Context(), id, paul.admission); err != nil {
			t.Fatal(err)
		}
		if !paul.over() || !d.knife.has(paul.admission) || !d.server.asked(paul.admission) {
			t.Error("leaving the room does not cut")
		}
	})
}

// T37: a conference server that does not answer holds up no cut of another
// meeting's, however many are under way.
func TestT37CutsQueueBehindNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 2, store.NewMemory())
		var names []string
		for i := range 20 {
			names = append(names, fmt.Sprint("guest", i))
		}
		ids, links := make([]meeting.ID, 3), make([]map[string]string, 3)
		for i := range ids {
			ids[i] = d[0].in(t, time.Minute, meeting.Reminders{}, names...)
			links[i] = d[0].links(t, ids[i])
			d[0].opened(t, ids[i])
		}
		for _, n := range names {
			d[1].sit(t, ids[0], links[0][n])
			d[1].sit(t, ids[1], links[1][n])
		}
		jeanne := d[1].sit(t, ids[2], links[2][names[0]])
		synctest.Wait()
		d[0].server.hangs(time.Hour)
		for _, id := range ids[:2] { // whoever cuts is busy with each
			go func() { _ = d[0].End(t.Context(), id, d[0].host.Key(), false) }()
			time.Sleep(500 * time.Millisecond)
		}
		go func() { _, _ = d[0].Expel(t.Context(), ids[2], d[0].host.Key(), jeanne.admission, "") }()
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if !jeanne.over() || !d[1].knife.has(jeanne.admission) {
			t.Error("the other node's relay is not cut while the conference server does not answer")
		}
		time.Sleep(time.Minute) // what is under way ends
	})
}

// An expulsion that was cut ahead of a slow store, which then refuses it, leaves
// nothing behind.
func TestExpulsionRefusedLaterIsTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all, relays := relays(t, 2)
		d, relay := all[0], relays[0]
		id, links := d.meet(t, "Jeanne", "Paul")
		d.opened(t, id)
		jeanne := d.sit(t, id, links["Jeanne"])
		ids, err := d.Invite(t.Context(), id, d.host.Key(), []lobby.Invitee{{Name: "Hugo", Email: "hugo@exemple.fr", Role: meeting.Host}}, "co")
		if err != nil || len(ids) != 1 {
			t.Fatal(err)
		}
		hugo := doctor()
		hugo.Subject, hugo.Email = "hugo", "hugo@exemple.fr"
		link := d.links(t, id)["Hugo"]
		_, a, err := d.Knock(t.Context(), link, lobby.Arrival{Person: hugo, Device: "lap", Consent: true}, "")
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !d.hosted(t, id, hugo.Key()) {
			t.Fatalf("the co-host hosts nothing (admission %s)", a)
		}
		// At the other door the owner puts the co-host out; this one does not hear
		// of it, and its store is slow.
		d.wire.deaf.Store(true)
		if _, err := all[1].Expel(t.Context(), id, d.host.Key(), a, ""); err != nil {
			t.Fatal(err)
		}
		d.wire.slow.Store(int64(300 * time.Millisecond))
		if _, err := d.Expel(t.Context(), id, hugo.Key(), jeanne.admission, ""); reason(err) != meeting.NotHost {
			t.Fatalf("Expel by who is host no more = %v, want not_host", err)
		}
		if !jeanne.over() || !relay.rests(jeanne.admission) {
			t.Error("the cut waited for the store")
		}
		d.wire.slow.Store(0)
		d.wire.deaf.Store(false)
		time.Sleep(2 * time.Second)
		if relay.has(jeanne.admission) {
			t.Error("the relay is refused for good")
		}
		if again := d.again(t, id, jeanne.admission, jeanne.device); again.over() {
			t.Error("who was put out by nobody does not come back")
		}
	})
}

func (s *site) hosted(t *testing.T, id meeting.ID, k meeting.Key) bool {
	t.Helper()
	snap, err := s.Follow(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return snap.Meeting.HostedBy(k)
}

// A host who ends the meeting and closes the window at once has ended it: nobody
// stays inside, and the room is closed.
func TestMeetingEndsWithTheWindowClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id, links := d.meet(t, "Jeanne")
		d.opened(t, id)
		jeanne := d.sit(t, id, links["Jeanne"])
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		d.wire.onCommit(cancel)
		if err := d.End(ctx, id, d.host.Key(), false); err != nil {
			t.Fatalf("End = %v", err)
		}
		if !jeanne.over() || !d.knife.has(jeanne.admission) || !d.server.asked(jeanne.admission) {
			t.Error("somebody stays inside")
		}
		d.server.mu.Lock()
		defer d.server.mu.Unlock()
		if len(d.server.open) != 0 {
			t.Error("the room stays open")
		}
	})
}
