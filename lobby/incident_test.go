package lobby_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// TestReportFreezesWhoWasPutOut reports somebody and lets the meeting be
// forgotten: the incident still says who it was, and is forgotten in its turn.
func TestReportFreezesWhoWasPutOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory(), func(c *lobby.Config) { c.Keep, c.KeepIncidents = time.Hour, 24*time.Hour })[0]
		id, links := d.meet(t, "Jeanne", "Paul")
		d.opened(t, id)
		jeanne, paul := d.sit(t, id, links["Jeanne"]), d.sit(t, id, links["Paul"])
		if _, err := d.Expel(t.Context(), id, d.host.Key(), paul.admission, ""); err != nil {
			t.Fatal(err)
		}
		at := time.Now()
		for range 2 { // the host pressed twice
			if _, err := d.Report(t.Context(), id, d.host.Key(), jeanne.admission, ""); err != nil {
				t.Fatal(err)
			}
		}
		if !jeanne.over() || !d.knife.has(jeanne.admission) {
			t.Error("reported and not put out")
		}
		snap, err := d.Snapshot(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		a, _ := snap.Admission(jeanne.admission)
		if b, _ := snap.Admission(paul.admission); b.Incident != "" || a.Incident == "" {
			t.Errorf("references %q and %q, want one for who was reported and none for who was only removed", a.Incident, b.Incident)
		}
		time.Sleep(4 * time.Hour)
		if _, err := d.Snapshot(t.Context(), id); reason(err) != meeting.NotFound {
			t.Fatalf("the meeting is still there: %v", err)
		}
		list, err := d.Incidents(t.Context(), at.Add(-time.Hour))
		if err != nil || len(list) != 1 {
			t.Fatalf("Incidents = %d, %v, want 1", len(list), err)
		}
		i, err := d.Incident(t.Context(), strings.ToLower(strings.ReplaceAll(a.Incident, "-", " ")))
		if err != nil || i.Reference != list[0].Reference {
			t.Fatalf("Incident as one reads it out = %v, %v", i.Reference, err)
		}
		if i.Person.Email != "jeanne@exemple.fr" || i.Person.Evidence.Method != meeting.Mailbox || i.Invited != "Jeanne" || i.By.Name != d.host.Name || !i.At.Equal(at) || i.Meeting != id {
			t.Errorf("the incident says %+v", i)
		}
		cuts := map[string]bool{}
		for _, c := range i.Cuts {
			cuts[c.What] = c.Confirmed
		}
		if !cuts["link"] || !cuts["conference"] || !cuts["relay"] {
			t.Errorf("the incident says of the cuts %v", i.Cuts)
		}
		time.Sleep(24 * time.Hour)
		if _, err := d.Incident(t.Context(), a.Incident); reason(err) != meeting.NotFound {
			t.Errorf("the incident after its time: %v", err)
		}
		if list, err := d.Incidents(t.Context(), at.Add(-time.Hour)); err != nil || len(list) != 0 {
			t.Errorf("the list after its time: %d, %v", len(list), err)
		}
	})
}

// restartable opens a door on a store with a state folder, as often as asked.
func restartable(t *testing.T, k keeper, dir string) func() *door {
	srv, post := &server{open: map[string]bool{}}, &box{}
	return func() *door {
		d := &door{site: &site{server: srv, box: post, host: doctor()}, wire: &wire{keeper: k}, knife: &knife{}}
		l, err := lobby.New(lobby.Config{
			Documents: d.wire, Shelf: d.wire, Backend: srv, Mailer: post, State: dir,
			Cutters: []lobby.Channel{{Name: "relay", Cutter: d.knife}},
			Secret:  []byte(strings.Repeat("k", 32)), Door: "https://door.example",
			Early: 15 * time.Minute, Grace: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Open(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.Lobby = l
		return d
	}
}

// TestT38ExpulsionSurvivesARestart has a host put two people out while the
// store is away, one of them with a report; then the door falls, a line of its
// journal half written, and opens again with the store still away. Both stay
// out, and the store is told once it is back.
func TestT38ExpulsionSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		reopen := restartable(t, store.NewMemory(), dir)
		first := reopen()
		id, links := first.meet(t, "Jeanne", "Paul", "Marc")
		first.opened(t, id)
		jeanne, paul, marc := first.sit(t, id, links["Jeanne"]), first.sit(t, id, links["Paul"]), first.sit(t, id, links["Marc"])
		first.wire.away.Store(true)
		if _, err := first.Expel(t.Context(), id, first.host.Key(), jeanne.admission, ""); err != nil {
			t.Fatal(err)
		}
		if _, err := first.Report(t.Context(), id, first.host.Key(), paul.admission, ""); err != nil {
			t.Fatal(err)
		}
		// The first door's Run was never begun: it falls without a farewell.
		path := filepath.Join(dir, "expulsions")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"jeanne", "paul", "doctor", "hopital", "@"} {
			if strings.Contains(strings.ToLower(string(b)), secret) {
				t.Errorf("the journal names somebody: %q", secret)
			}
		}
		if st, err := os.Stat(path); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("the journal's mode is %v, %v", st.Mode(), err)
		}
		torn := strings.Replace(strings.SplitAfter(string(b), "\n")[1], jeanne.admission, marc.admission, 1)
		if err := os.WriteFile(path, append(b, torn[:len(torn)-9]...), 0o600); err != nil {
			t.Fatal(err)
		}

		second := reopen()
		second.wire.away.Store(true)
		run(t, second.Lobby)
		time.Sleep(5 * time.Second)
		second.wire.away.Store(false)
		// Before the next round of telling, and after it.
		for _, when := range []string{"at once", "later"} {
			for _, s := range []seat{jeanne, paul} {
				if _, _, err := second.Live(t.Context(), s.pass); reason(err) != meeting.Removed {
					t.Errorf("Live %s = %v, want removed", when, err)
				}
			}
			if _, _, err := second.Live(t.Context(), marc.pass); err != nil {
				t.Errorf("Live of one whose line was torn and who was never put out = %v", err)
			}
			time.Sleep(2 * time.Second)
		}
		if n := count(second.history(t, id), meeting.PutOut); n != 2 {
			t.Errorf("%d expulsions in the stream, want 2", n)
		}
		if list, err := second.Incidents(t.Context(), time.Now().Add(-time.Hour)); err != nil || len(list) != 1 || list[0].Admission != paul.admission {
			t.Errorf("incidents after all: %+v, %v", list, err)
		}
		if b, err := os.ReadFile(path); err != nil || len(b) > 0 {
			t.Errorf("the journal still holds %d bytes, %v", len(b), err)
		}
	})
}

// TestT38FullDiskLosesNoExpulsion has the disk run full in the middle of a line,
// and an expulsion after it; and another while the door shuts, after its own work
// has ended. Both are there after a restart.
func TestT38FullDiskLosesNoExpulsion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "state")
		reopen := restartable(t, store.NewMemory(), dir)
		first := reopen()
		id, links := first.meet(t, "Jeanne", "Paul")
		first.opened(t, id)
		all := []seat{first.sit(t, id, links["Jeanne"]), first.sit(t, id, links["Paul"])}
		first.wire.away.Store(true)
		for i, s := range all {
			if i == 0 {
				f, err := os.OpenFile(filepath.Join(dir, "expulsions"), os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := f.WriteString("expel 0123"); err != nil {
					t.Fatal(err)
				}
				if err := f.Close(); err != nil {
					t.Fatal(err)
				}
			} else {
				ctx, cancel := context.WithCancel(t.Context())
				cancel()
				if err := first.Run(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := first.Expel(t.Context(), id, first.host.Key(), s.admission, ""); err != nil {
				t.Fatal(err)
			}
		}
		second := reopen()
		run(t, second.Lobby)
		for i, s := range all {
			if _, _, err := second.Live(t.Context(), s.pass); reason(err) != meeting.Removed {
				t.Errorf("Live of expelled %d after the restart = %v, want removed", i, err)
			}
		}
	})
}

// A state folder in which somebody left a link is refused, and what it leads to
// stays as it is.
func TestJournalFollowsNoLinkOut(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, filepath.Join(dir, "expulsions")); err != nil {
		t.Fatal(err)
	}
	mem := store.NewMemory()
	l, err := lobby.New(lobby.Config{
		Documents: mem, Shelf: mem, Backend: &server{}, Secret: []byte(strings.Repeat("s", 32)), Door: "https://door.example", State: dir,
		Early: 15 * time.Minute, Grace: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Open(t.Context()); err == nil {
		t.Error("a journal that lies elsewhere was opened")
	}
	if b, err := os.ReadFile(other); err != nil || string(b) != "kept" {
		t.Errorf("what the link leads to holds %q, %v", b, err)
	}
}
