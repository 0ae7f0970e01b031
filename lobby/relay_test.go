package lobby_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/lobby"
	"vestibule/store"
)

// media is a relay as a lobby knows it.
type media struct {
	knife
	mu     sync.Mutex
	holds  map[string]bool // guarded by mu
	rested []string        // guarded by mu
}

func (m *media) Holds(admission string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.holds[admission]
}

func (m *media) Rest(_ context.Context, admission string, idle func() bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if idle() {
		m.rested = append(m.rested, admission)
		delete(m.holds, admission)
	}
	return nil
}

func (m *media) issue(admission string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.holds[admission] = true
}

func (m *media) rests(admission string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.rested, admission)
}

// relays opens n doors, each with a relay.
func relays(t *testing.T, n int) ([]*door, []*media) {
	t.Helper()
	var all []*media
	d := doors(t, n, store.NewMemory(), func(*lobby.Config) { all = append(all, &media{holds: map[string]bool{}}) })
	for i, x := range d {
		x.AddRelay("media", all[i])
	}
	return d, all
}

// T37: somebody who has not asked this door for anything for long, and whose
// web sockets are at another one, may still have its relay.
func TestT37SeatStaysAsLongAsTheRelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, relay := relays(t, 2)
		id, links := d[0].meet(t, "Jeanne")
		d[0].opened(t, id)
		jeanne := d[1].sit(t, id, links["Jeanne"])
		relay[1].issue(jeanne.admission)
		defer d[0].again(t, id, jeanne.admission, jeanne.device).Hold()()
		time.Sleep(30 * time.Minute)
		if relay[1].rests(jeanne.admission) {
			t.Error("the relay of one who is connected at another door was ended")
		}
		if _, err := d[0].Expel(t.Context(), id, d[0].host.Key(), jeanne.admission, ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if !relay[1].has(jeanne.admission) {
			t.Error("the relay at the other door is not cut")
		}
	})
}

// T39: who closes the web socket and keeps the media is not inside unseen.
func TestT39RelayRestsWithoutAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, relay := relays(t, 1)
		door, media := d[0], relay[0]
		id, links := door.meet(t, "Jeanne", "Paul")
		door.opened(t, id)
		jeanne, paul := door.sit(t, id, links["Jeanne"]), door.sit(t, id, links["Paul"])
		defer paul.Hold()()
		release := jeanne.Hold()
		for _, s := range []seat{jeanne, paul} {
			media.issue(s.admission)
		}
		time.Sleep(time.Minute)
		for range 3 { // a network that comes and goes
			release()
			time.Sleep(12 * time.Second)
			release = jeanne.Hold()
			time.Sleep(2 * time.Second)
		}
		release()
		door.wire.away.Store(true) // nobody can come back now
		time.Sleep(time.Minute)
		if media.rests(jeanne.admission) {
			t.Fatal("a relay was ended whose participant could not come back in time")
		}
		door.wire.away.Store(false)
		time.Sleep(18 * time.Second)
		if !media.rests(jeanne.admission) || media.rests(paul.admission) {
			t.Errorf("relays ended: Jeanne's %v, Paul's %v, want hers alone", media.rests(jeanne.admission), media.rests(paul.admission))
		}
		if media.has(jeanne.admission) || jeanne.over() {
			t.Error("she may not come back")
		}
	})
}
