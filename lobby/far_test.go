package lobby_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// connects holds a connection of a seat as a door does: until the seat is over.
func (s seat) connects(t *testing.T) {
	release, gone := s.Hold(), make(chan struct{})
	go func() {
		defer close(gone)
		<-s.Over()
		release()
	}()
	t.Cleanup(func() { <-gone })
}

// TestT37OtherNodesAreAnsweredFor expels at one door whom another door holds:
// the host is told whether that one let go, also where it hears of nothing.
func TestT37OtherNodesAreAnsweredFor(t *testing.T) {
	for name, c := range map[string]struct {
		sits, expels int // doors
		cutOff       bool
		told         []bool // confirmed or not; nothing where no other door held anything
	}{
		"held here":                        {sits: 0, expels: 0},
		"held elsewhere":                   {sits: 1, expels: 0, told: []bool{true}},
		"from a door that looks at it not": {sits: 1, expels: 2, told: []bool{true}},
		"by a door without the store":      {sits: 1, expels: 0, cutOff: true, told: []bool{false}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := doors(t, 3, store.NewMemory())
				id, links := d[0].meet(t, "Jeanne")
				d[0].opened(t, id)
				var heard listener
				stop, err := d[0].Subscribe(t.Context(), id, heard.hear)
				if err != nil {
					t.Fatal(err)
				}
				defer stop()
				jeanne := d[c.sits].sit(t, id, links["Jeanne"])
				jeanne.connects(t)
				synctest.Wait()
				time.Sleep(2 * time.Second) // the doors have told each other
				d[c.sits].wire.away.Store(c.cutOff)
				begun := time.Now()
				cuts, err := d[c.expels].Expel(t.Context(), id, d[0].host.Key(), jeanne.admission, "")
				if err != nil {
					t.Fatal(err)
				}
				var got []bool
				for _, x := range cuts {
					if x.What == "nodes" {
						got = append(got, x.Err == nil)
					}
				}
				if !slices.Equal(got, c.told) {
					t.Errorf("other nodes: %v, want %v", got, c.told)
				}
				if took := time.Since(begun); took > 4*time.Second {
					t.Errorf("the answer took %v", took)
				}
				d[c.sits].wire.away.Store(false)
				time.Sleep(2 * time.Second)
				for i := range d {
					checkCuts(t, d[i], id, jeanne.admission, cuts)
				}
			})
		})
	}
}

// checkCuts looks for the report of what was cut among what a door tells.
func checkCuts(t *testing.T, d *door, id meeting.ID, admission string, cuts []lobby.Cut) {
	t.Helper()
	s, err := d.Follow(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.Recent, func(e meeting.Entry) bool { return e.What == meeting.WasCut && e.Admission == admission })
	if i < 0 {
		t.Fatal("no event tells what was cut")
	}
	if got := s.Recent[i].Cuts; len(got) != len(cuts) || s.Recent[i].By != d.host.Key() {
		t.Errorf("the event tells of %d cuts by %q, want %d", len(got), s.Recent[i].By, len(cuts))
	}
	for j, x := range s.Recent[i].Cuts {
		if x.What != cuts[j].What || x.Confirmed != (cuts[j].Err == nil) {
			t.Errorf("the event tells of %s: %v, the host was told %v", x.What, x.Confirmed, cuts[j].Err)
		}
	}
}
