package lobby_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// seat is somebody inside, through one door.
type seat struct {
	admission, device, pass string
	*lobby.Seat
}

// sit takes an invitee inside through the door.
func (d *door) sit(t *testing.T, id meeting.ID, link string) seat {
	t.Helper()
	a, device := d.admitted(t, id, link)
	return d.again(t, id, a, device)
}

// again takes an admission inside once more.
func (d *door) again(t *testing.T, id meeting.ID, admission, device string) seat {
	t.Helper()
	pass := d.inside(t, id, admission, device)
	s, _, err := d.Live(t.Context(), pass)
	if err != nil {
		t.Fatal(err)
	}
	return seat{admission, device, pass, s}
}

func (s seat) over() bool {
	select {
	case <-s.Over():
		return true
	default:
		return false
	}
}

// T38: a host expels while the store is away. The channels end here and now, the
// host is told what is not confirmed, and once the store is back both doors
// agree. Those who are inside lose nothing.
func TestT38ExpelWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 2, store.NewMemory())
		id, links := d[0].meet(t, "Jeanne", "Paul")
		d[0].opened(t, id)
		jeanne, paul := d[0].sit(t, id, links["Jeanne"]), d[0].sit(t, id, links["Paul"])
		other := d[1].again(t, id, paul.admission, paul.device) // paul is inside by the other door now
		synctest.Wait()

		d[0].wire.away.Store(true)
		cuts, err := d[0].Expel(t.Context(), id, d[0].host.Key(), jeanne.admission, "expel")
		if err != nil {
			t.Fatal(err)
		}
		confirmed := map[string]bool{}
		for _, c := range cuts {
			confirmed[c.What] = c.Err == nil
		}
		if confirmed["link"] || !confirmed["relay"] || !confirmed["conference"] {
			t.Errorf("confirmed = %v, want all but the link", confirmed)
		}
		if !jeanne.over() || !d[0].knife.has(jeanne.admission) {
			t.Error("the channels are not cut")
		}
		refused := func(when string) {
			t.Helper()
			if _, _, err := d[0].Live(t.Context(), jeanne.pass); reason(err) != meeting.Removed {
				t.Errorf("Live %s = %v, want removed", when, err)
			}
		}
		refused("at once")
		time.Sleep(10 * time.Second)
		refused("with the store away for long")
		if other.over() || d[0].knife.has(paul.admission) {
			t.Error("somebody else was cut")
		}
		// Nobody who is no host expels, and nobody whom this door does not know.
		if _, err := d[0].Expel(t.Context(), id, "mailto:|paul@exemple.fr", jeanne.admission, ""); reason(err) != meeting.NotHost {
			t.Errorf("Expel by a guest = %v, want not_host", err)
		}
		if _, err := d[0].Expel(t.Context(), meeting.NewID(), d[0].host.Key(), jeanne.admission, ""); reason(err) != meeting.Busy {
			t.Errorf("Expel in a meeting nobody knows here = %v, want busy", err)
		}
		// The other door knows nothing yet; it has the store, which was not told.
		if _, _, err := d[1].Live(t.Context(), jeanne.pass); err != nil {
			t.Errorf("Live at the other door = %v", err)
		}

		d[0].wire.away.Store(false)
		time.Sleep(2 * time.Second)
		for i := range d {
			if _, _, err := d[i].Live(t.Context(), jeanne.pass); reason(err) != meeting.Removed {
				t.Errorf("Live at door %d after all = %v, want removed", i, err)
			}
			if _, err := d[i].Look(t.Context(), links["Jeanne"]); reason(err) != meeting.Revoked {
				t.Errorf("Look at door %d after all = %v, want revoked", i, err)
			}
		}
		if !d[1].knife.has(jeanne.admission) {
			t.Error("the other door has not cut")
		}
		if n := count(d[1].history(t, id), meeting.PutOut); n != 1 {
			t.Errorf("%d expulsions in the stream, want 1", n)
		}
		if _, _, err := d[1].Live(t.Context(), other.pass); err != nil {
			t.Errorf("Live of somebody else = %v, want nil", err)
		}
	})
}

// T37: a store that does not answer is noticed after a while. Who is put out is
// silent long before.
func TestT37CutWaitsForNoStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id, links := d.meet(t, "Jeanne", "Paul")
		d.opened(t, id)
		jeanne, paul := d.sit(t, id, links["Jeanne"]), d.sit(t, id, links["Paul"])
		synctest.Wait()
		d.wire.slow.Store(int64(2 * time.Second))
		d.wire.away.Store(true)
		done := make(chan []lobby.Cut)
		go func() {
			cuts, err := d.Expel(t.Context(), id, d.host.Key(), jeanne.admission, "expel")
			if err != nil {
				t.Error(err)
			}
			done <- cuts
		}()
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if !jeanne.over() || !d.knife.has(jeanne.admission) {
			t.Error("200 ms after the click the channels are not cut")
		}
		if _, _, err := d.Live(t.Context(), jeanne.pass); reason(err) != meeting.Removed {
			t.Errorf("Live = %v, want removed", err)
		}
		var link, relay bool
		for _, c := range <-done {
			link, relay = link || c.What == "link" && c.Err != nil, relay || c.What == "relay" && c.Err == nil
		}
		if !link || !relay {
			t.Errorf("link unconfirmed %v, relay confirmed %v; want both", link, relay)
		}
		// Who is no host cuts nobody, however long the store takes.
		if _, err := d.Expel(t.Context(), id, "mailto:|jeanne@exemple.fr", paul.admission, ""); reason(err) != meeting.NotHost {
			t.Errorf("Expel by a guest = %v, want not_host", err)
		}
		if paul.over() || d.knife.has(paul.admission) {
			t.Error("a guest has cut somebody")
		}
		d.wire.slow.Store(0)
		d.wire.away.Store(false)
		time.Sleep(3 * time.Second)
		if n := count(d.history(t, id), meeting.PutOut); n != 1 {
			t.Errorf("%d expulsions in the stream, want 1", n)
		}
	})
}

// T38: between the store's return and the telling, the expelled do not slip
// back by leaving and knocking.
func TestT38ExpelledKnockBeforeTheStoreKnows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id, links := d.meet(t, "Jeanne")
		d.opened(t, id)
		jeanne := d.sit(t, id, links["Jeanne"])
		synctest.Wait()
		d.wire.away.Store(true)
		if _, err := d.Expel(t.Context(), id, d.host.Key(), jeanne.admission, ""); err != nil {
			t.Fatal(err)
		}
		d.wire.away.Store(false)
		// What the store says meanwhile does not bring them back.
		if _, err := d.Follow(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		if _, _, err := d.Live(t.Context(), jeanne.pass); reason(err) != meeting.Removed {
			t.Errorf("Live before the store knows = %v, want removed", err)
		}
		if err := d.Leave(t.Context(), id, jeanne.admission); err != nil {
			t.Fatal(err)
		}
		p := meeting.MailboxPerson("jeanne@exemple.fr", time.Now())
		for _, device := range []string{jeanne.device, "another"} {
			_, _, err := d.Knock(t.Context(), links["Jeanne"], lobby.Arrival{Person: p, Device: device, Consent: true}, "")
			if reason(err) != meeting.Removed {
				t.Errorf("Knock = %v, want removed", err)
			}
		}
		time.Sleep(2 * time.Second)
		if n := count(d.history(t, id), meeting.PutOut); n != 1 {
			t.Errorf("%d expulsions in the stream, want 1", n)
		}
	})
}

// T37: expelled by one door, out at every door, on every device.
func TestT37ExpelledAtEveryDoor(t *testing.T) {
	for name, deaf := range map[string]bool{"woken": false, "wakes are lost": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := doors(t, 2, store.NewMemory())
				id, links := d[0].meet(t, "Jeanne", "Paul")
				d[0].opened(t, id)
				jeanne, paul := d[1].sit(t, id, links["Jeanne"]), d[1].sit(t, id, links["Paul"])
				// Jeanne has a second device inside, by the other door.
				p := meeting.MailboxPerson("jeanne@exemple.fr", time.Now())
				_, a, err := d[0].Knock(t.Context(), links["Jeanne"], lobby.Arrival{Person: p, Device: "tablet", Consent: true}, "")
				if err != nil {
					t.Fatal(err)
				}
				if err := d[0].Answer(t.Context(), id, d[0].host.Key(), a, meeting.Answer{Admit: true}, ""); err != nil {
					t.Fatal(err)
				}
				tablet := d[1].again(t, id, a, "tablet")
				time.Sleep(3 * time.Second)
				d[1].wire.deaf.Store(deaf)
				if _, err := d[0].Expel(t.Context(), id, d[0].host.Key(), jeanne.admission, ""); err != nil {
					t.Fatal(err)
				}
				if deaf {
					time.Sleep(1100 * time.Millisecond) // the sweep
				}
				synctest.Wait()
				for _, s := range []seat{jeanne, tablet} {
					if !s.over() || !d[1].knife.has(s.admission) {
						t.Errorf("%s is not cut at the other door", s.device)
					}
					if _, _, err := d[1].Live(t.Context(), s.pass); reason(err) != meeting.Removed {
						t.Errorf("Live of %s = %v, want removed", s.device, err)
					}
				}
				if paul.over() || d[1].knife.has(paul.admission) || d[0].knife.has(paul.admission) {
					t.Error("somebody else was cut")
				}
			})
		})
	}
}

// With the store away, a seat is good for two seconds after it was last known
// to be; then it is refused as a fault, not as an answer, and is good again
// when the store is back. Nobody's connection ends for it.
func TestLiveIsFreshOrAsksTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id, links := d.meet(t, "Jeanne")
		d.opened(t, id)
		s := d.sit(t, id, links["Jeanne"])
		time.Sleep(time.Minute + 500*time.Millisecond) // between two sweeps
		d.wire.away.Store(true)
		asked := d.wire.calls.Load()
		for range 100 {
			if _, _, err := d.Live(t.Context(), s.pass); err != nil {
				t.Fatalf("Live = %v, want nil", err)
			}
		}
		if got := d.wire.calls.Load() - asked; got != 0 {
			t.Errorf("%d questions to the store on the hot path, want none", got)
		}
		time.Sleep(2100 * time.Millisecond)
		if _, _, err := d.Live(t.Context(), s.pass); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Live of a stale seat = %v, want unavailable", err)
		}
		if s.over() || d.knife.has(s.admission) {
			t.Error("somebody inside was cut because the store is away")
		}
		d.wire.away.Store(false)
		if _, _, err := d.Live(t.Context(), s.pass); err != nil {
			t.Errorf("Live with the store back = %v, want nil", err)
		}
		// Without a sweep too: the store is asked, once for all who ask at once.
		d.wire.deaf.Store(true)
		time.Sleep(time.Minute)
		if _, _, err := d.Live(t.Context(), s.pass); err != nil {
			t.Errorf("Live = %v, want nil", err)
		}
	})
}

// stuckTime is how long a stuck store takes to say so.
const stuckTime = 100 * time.Millisecond

// slow is a store that takes its time to tell what happened, and then fails.
type slow struct {
	keeper
	stuck atomic.Bool
}

func (s *slow) Events(ctx context.Context, m meeting.ID, after string, limit int) ([]store.Event, error) {
	if s.stuck.Load() {
		time.Sleep(stuckTime)
		return nil, store.ErrUnavailable
	}
	return s.keeper.Events(ctx, m, after, limit)
}

// With the store away, a hundred callers wait as long as one does. In real time:
// whoever waits holds a lock.
func TestManyLiveWaitTogether(t *testing.T) {
	k := &slow{keeper: store.NewMemory()}
	d := doors(t, 1, k)[0]
	id, links := d.meet(t, "Jeanne")
	d.opened(t, id)
	s := d.sit(t, id, links["Jeanne"])
	k.stuck.Store(true)
	eventually(t, "the seat is stale", 10*time.Second, func() bool {
		_, _, err := d.Live(t.Context(), s.pass)
		return errors.Is(err, store.ErrUnavailable)
	})
	began := time.Now()
	errs := atOnce(100, func(int) error {
		_, _, err := d.Live(t.Context(), s.pass)
		return err
	})
	if took := time.Since(began); took > 20*stuckTime {
		t.Errorf("a hundred callers waited %v, want about %v", took, stuckTime)
	}
	for _, err := range errs {
		if !errors.Is(err, store.ErrUnavailable) {
			t.Fatalf("Live = %v, want unavailable", err)
		}
	}
}

// T43: a second entry replaces the pass of the first: that seat is over, the new
// one lives, and nothing of the admission is cut.
func TestT43NewPassReplacesTheOld(t *testing.T) {
	for name, other := range map[string]int{"same door": 0, "other door": 1} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := doors(t, 2, store.NewMemory())
				id, links := d[0].meet(t, "Jeanne")
				d[0].opened(t, id)
				first := d[0].sit(t, id, links["Jeanne"])
				second := d[other].again(t, id, first.admission, first.device)
				synctest.Wait()
				if !first.over() || second.over() {
					t.Errorf("over = %v, %v, want the first only", first.over(), second.over())
				}
				for i := range d {
					if _, _, err := d[i].Live(t.Context(), first.pass); err == nil {
						t.Errorf("Live of the old pass at door %d = nil, want a refusal", i)
					}
					if _, _, err := d[i].Live(t.Context(), second.pass); err != nil {
						t.Errorf("Live of the new pass at door %d = %v, want nil", i, err)
					}
					if d[i].knife.has(first.admission) {
						t.Errorf("door %d cut the admission", i)
					}
				}
				// Expelled later, the door of the old seat cuts as well: what
				// belongs to the admission may still run there.
				if _, err := d[other].Expel(t.Context(), id, d[0].host.Key(), first.admission, ""); err != nil {
					t.Fatal(err)
				}
				time.Sleep(1100 * time.Millisecond)
				if !second.over() || !d[0].knife.has(first.admission) || !d[other].knife.has(first.admission) {
					t.Error("the admission is not cut at both doors")
				}
			})
		})
	}
}

// A browser asks many times at once with a pass that is new here: all share one
// seat, and none ends another's.
func TestParallelFirstRequestsShareASeat(t *testing.T) {
	d := doors(t, 1, store.NewMemory())[0]
	id, links := d.meet(t, "Jeanne")
	d.opened(t, id)
	a, device := d.admitted(t, id, links["Jeanne"])
	for range 20 {
		ticket, err := d.Enter(t.Context(), id, a, device)
		if err != nil {
			t.Fatal(err)
		}
		pass, err := d.Redeem(t.Context(), ticket)
		if err != nil {
			t.Fatal(err)
		}
		seats := make([]*lobby.Seat, 16)
		errs := atOnce(len(seats), func(i int) (err error) {
			seats[i], _, err = d.Live(t.Context(), pass)
			return err
		})
		for i, s := range seats {
			if errs[i] != nil || s != seats[0] {
				t.Fatalf("seat %d = %p, %v, want %p", i, s, errs[i], seats[0])
			}
		}
		if (seat{Seat: seats[0]}).over() {
			t.Fatal("the seat is over before it was used")
		}
	}
}

// T39: present is who has a connection, at the door that holds the seat.
func TestT39PresentIsWhoIsConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 2, store.NewMemory())
		id, links := d[0].meet(t, "Jeanne")
		d[0].opened(t, id)
		s := d[0].sit(t, id, links["Jeanne"])
		present := func(i int) bool {
			snap, err := d[i].Snapshot(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			a, _ := snap.Admission(s.admission)
			synctest.Wait()
			return d[i].Present(snap, &a)
		}
		if present(0) {
			t.Error("present without a connection")
		}
		one, two := s.Hold(), s.Hold()
		one()
		if !present(0) || !present(1) {
			t.Error("absent with a connection")
		}
		two()
		if present(0) {
			t.Error("present after the last connection")
		}
		if err := d[0].Leave(t.Context(), id, s.admission); err != nil {
			t.Fatal(err)
		}
		if present(1) || !s.over() || !d[0].knife.has(s.admission) {
			t.Error("present, or a channel open, after leaving")
		}
	})
}

// When its time is over, or the host ends it, a meeting's seats are over at
// every door.
func TestMeetingEndsAtEveryDoor(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *door, meeting.ID) error{
		"by the host": func(t *testing.T, d *door, id meeting.ID) error { return d.End(t.Context(), id, d.host.Key(), false) },
		"by the clock": func(*testing.T, *door, meeting.ID) error {
			time.Sleep(2*time.Hour + 2*time.Second)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := doors(t, 2, store.NewMemory())
				id, links := d[0].meet(t, "Jeanne", "Paul")
				d[0].opened(t, id)
				seats := []seat{d[0].sit(t, id, links["Jeanne"]), d[1].sit(t, id, links["Paul"])}
				for _, s := range seats {
					defer s.Hold()()
				}
				if err := end(t, d[0], id); err != nil {
					t.Fatal(err)
				}
				time.Sleep(1100 * time.Millisecond)
				for i, s := range seats {
					if _, _, err := d[i].Live(t.Context(), s.pass); reason(err) != meeting.Over || !s.over() || !d[i].knife.has(s.admission) {
						t.Errorf("door %d: Live = %v, over=%v, want over and cut", i, err, s.over())
					}
				}
			})
		})
	}
}
