package lobby_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// T06: a thousand redeem one ticket at once, through two doors: one pass.
func TestT06OneTicketOnePass(t *testing.T) {
	everyStore(t, func(t *testing.T, k keeper) {
		d := doors(t, 2, k)
		id, links := d[0].meet(t, "Jeanne")
		d[0].opened(t, id)
		a, device := d[0].admitted(t, id, links["Jeanne"])
		ticket, err := d[1].Enter(t.Context(), id, a, device)
		if err != nil {
			t.Fatal(err)
		}
		passes := make([]string, 1000)
		errs := atOnce(1000, func(i int) (err error) {
			passes[i], err = d[i%2].Redeem(t.Context(), ticket)
			return err
		})
		if got := tally(errs); got["yes"] != 1 || got["ticket_spent"] != 999 {
			t.Errorf("answers = %v, want one yes and 999 ticket_spent", got)
		}
		for _, pass := range passes {
			if pass == "" {
				continue
			}
			for i := range d {
				if s, _, err := d[i].Live(t.Context(), pass); err != nil || s.Admission != a {
					t.Errorf("Live through door %d = %v, want a seat", i, err)
				}
			}
		}
		if n := count(d[0].history(t, id), meeting.Entered); n != 2 {
			t.Errorf("%d entries, want the host's and one more", n)
		}
	})
}

// A thousand knock at once with one form, and fifty with one link each.
func TestManyKnockAtOnce(t *testing.T) {
	everyStore(t, func(t *testing.T, k keeper) {
		d := doors(t, 2, k)
		id, links := d[0].meet(t, "Jeanne")
		p := d[0].prove(t, links["Jeanne"])
		var mu sync.Mutex
		seen := map[string]bool{}
		errs := atOnce(200, func(i int) error {
			_, a, err := d[i%2].Knock(t.Context(), links["Jeanne"], lobby.Arrival{Person: p, Device: "phone", Consent: true}, "form")
			mu.Lock()
			defer mu.Unlock()
			seen[a] = true
			return err
		})
		if got := tally(errs); got["yes"] != 200 || len(seen) != 1 {
			t.Errorf("answers = %v with %d admissions, want one", got, len(seen))
		}
		// The same link in many browsers: eight seats, no more.
		errs = atOnce(50, func(i int) error {
			_, _, err := d[i%2].Knock(t.Context(), links["Jeanne"], lobby.Arrival{Person: p, Device: string(rune('A' + i)), Consent: true}, "")
			return err
		})
		got := tally(errs)
		snap, err := d[1].Snapshot(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if len(snap.Admissions) != meeting.MaxSeats || got["yes"] != meeting.MaxSeats-1 {
			t.Errorf("answers = %v with %d admissions, want %d", got, len(snap.Admissions), meeting.MaxSeats)
		}
	})
}

// A conference server that is down costs nobody their ticket, and one who has
// no ticket has it open nothing.
func TestRedeemAsksTheServerOnlyForAGoodTicket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		down := &failing{server: &server{open: map[string]bool{}}}
		s := store.NewMemory()
		post := &box{}
		l, err := lobby.New(lobby.Config{
			Documents: s, Shelf: s, Backend: down, Mailer: post, Secret: make([]byte, 32), Door: "https://door.example",
			Early: 15 * time.Minute, Grace: time.Hour,
		})
		if err != nil {
			t.Fatal(err)
		}
		run(t, l)
		d := &site{Lobby: l, box: post, host: doctor(), server: down.server}
		id, _ := d.meet(t)
		a, err := d.HostKnock(t.Context(), id, lobby.Arrival{Person: d.host, Device: "desk"}, "")
		if err != nil {
			t.Fatal(err)
		}
		old, err := d.Enter(t.Context(), id, a, "desk")
		if err != nil {
			t.Fatal(err)
		}
		ticket, err := d.Enter(t.Context(), id, a, "desk")
		if err != nil {
			t.Fatal(err)
		}
		down.asked = 0
		if _, err := d.Redeem(t.Context(), old); reason(err) != meeting.TicketSpent || down.asked != 0 {
			t.Errorf("Redeem of a replaced ticket = %v, asked %d times, want ticket_spent and no question", err, down.asked)
		}
		down.fault = errors.New("connection refused")
		if _, err := d.Redeem(t.Context(), ticket); reason(err) != meeting.Busy {
			t.Errorf("Redeem = %v, want busy", err)
		}
		down.fault = nil
		pass, err := d.Redeem(t.Context(), ticket)
		if err != nil {
			t.Errorf("Redeem = %v, want nil", err)
		}
		if _, _, err := d.Live(t.Context(), pass); err != nil {
			t.Errorf("Live = %v, want nil", err)
		}
		if ticket, err = d.Enter(t.Context(), id, a, "desk"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(meeting.TicketLife + time.Second)
		if _, err := d.Redeem(t.Context(), ticket); reason(err) != meeting.TicketSpent {
			t.Errorf("Redeem too late = %v, want ticket_spent", err)
		}
	})
}

// failing is a conference server that may be down.
type failing struct {
	*server
	asked int
	fault error
}

func (f *failing) Open(ctx context.Context, room string) error {
	f.asked++
	if f.fault != nil {
		return f.fault
	}
	return f.server.Open(ctx, room)
}
