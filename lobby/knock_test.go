package lobby_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// T62: who knocks, leaves and knocks again, or is refused without end, fills
// neither the store nor what hosts read. Reloads cost nothing, others are not
// held up, and after a while they may knock again.
func TestT62EndlessKnocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id, links := d.meet(t, "Jeanne", "Paul", "Rose")
		jeanne, paul := d.prove(t, links["Jeanne"]), d.prove(t, links["Paul"])
		tries := func(name string, p meeting.Person, n int, after func(admission string)) map[string]int {
			var errs []error
			for range n {
				a, err := d.comes(t, links[name], p, name)
				errs = append(errs, err)
				if err == nil {
					after(a)
				}
			}
			return tally(errs)
		}
		leaves := func(a string) {
			if err := d.Leave(t.Context(), id, a); err != nil {
				t.Fatal(err)
			}
		}
		if got := tries("Paul", paul, 100, func(string) {}); got["yes"] != 100 {
			t.Errorf("a hundred reloads = %v, want all to go well", got)
		}
		if got := tries("Jeanne", jeanne, 100, leaves); got["yes"] != 30 || got["too_many"] != 70 {
			t.Errorf("coming and going = %v, want 30 times and no more", got)
		}
		snap, err := d.Snapshot(t.Context(), id)
		if n := len(snap.Admissions); err != nil || n != 2 {
			t.Errorf("%d admissions, %v; want one of each", n, err)
		}
		if n := count(d.history(t, id), meeting.Knocked); n != 31 {
			t.Errorf("%d knocks in the stream, want 31", n)
		}
		if got := tries("Rose", d.prove(t, links["Rose"]), 1, func(string) {}); got["yes"] != 1 {
			t.Errorf("somebody else meanwhile = %v", got)
		}
		time.Sleep(11 * time.Minute)
		if got := tries("Jeanne", jeanne, 1, func(string) {}); got["yes"] != 1 {
			t.Errorf("after ten minutes = %v, want them to wait again", got)
		}

		// Refused by the host: told of once a minute.
		snap, err = d.Snapshot(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for i := range snap.Admissions {
			if a := &snap.Admissions[i]; a.Person.Key() == paul.Key() {
				if err := d.Answer(t.Context(), id, d.host.Key(), a.ID, meeting.Answer{}, ""); err != nil {
					t.Fatal(err)
				}
			}
		}
		before := count(d.history(t, id), meeting.Turned)
		for range 3 {
			if got := tries("Paul", paul, 500, func(string) {}); got["by_host"] != 500 {
				t.Errorf("knocking on = %v, want by_host", got)
			}
			time.Sleep(meeting.TurnedOnce)
		}
		if n := count(d.history(t, id), meeting.Turned) - before; n != 3 {
			t.Errorf("%d refusals in the stream in three minutes, want 3", n)
		}
	})
}

// T12: the knocks of one who was let in, of a host, and of a link before are
// held against nobody.
func TestT12KnocksKeepNobodyOut(t *testing.T) {
	s := still(t)
	id, links := s.meet(t, "Jeanne")
	p := s.prove(t, links["Jeanne"])
	for range 40 {
		a, err := s.HostKnock(t.Context(), id, lobby.Arrival{Person: s.host, Device: "desk"}, "")
		if err != nil {
			t.Fatalf("a host who comes and goes = %v", err)
		}
		if err := s.Leave(t.Context(), id, a); err != nil {
			t.Fatal(err)
		}
	}
	staff, link := s.cohosted(t)
	for range 40 {
		a, err := s.comes(t, link, colleague(), "co")
		if err != nil {
			t.Fatalf("a co-host who comes and goes by their link = %v", err)
		}
		if err := s.Leave(t.Context(), staff, a); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	for range 40 {
		var a string
		if a, err = s.comes(t, links["Jeanne"], p, "phone"); err == nil {
			err = s.Leave(t.Context(), id, a)
		}
	}
	if reason(err) != meeting.TooMany {
		t.Fatalf("the fortieth knock = %v, want too_many", err)
	}
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for v := range snap.Invitations {
		if err := s.Reissue(t.Context(), id, s.host.Key(), v, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.comes(t, s.links(t, id)["Jeanne"], p, "phone"); err != nil {
		t.Errorf("by the new link = %v", err)
	}
}
