package lobby_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"vestibule/lobby"
	"vestibule/meeting"
)

// guest is an invitee as the actors know them.
type guest struct {
	link      string
	person    meeting.Person
	device    string
	admission atomic.Value // string
	pass      atomic.Value // string
}

// T44: six actors approve, refuse, expel, lock, leave and knock at once. What
// the stream tells is a story that one door alone could have lived through, and
// it ends where the documents stand.
func TestT44SixActors(t *testing.T) {
	everyStore(t, func(t *testing.T, k keeper) {
		operations := 2000
		if raced {
			operations = 500
		}
		d := doors(t, 2, k)
		names := make([]string, 40)
		for i := range names {
			names[i] = fmt.Sprintf("guest%d", i)
		}
		id, links := d[0].meet(t, names...)
		d[0].opened(t, id)
		guests := make([]*guest, len(names))
		for i, n := range names {
			p := d[0].prove(t, links[n])
			guests[i] = &guest{link: links[n], person: p, device: "device-" + n}
			guests[i].admission.Store("")
			guests[i].pass.Store("")
		}
		var left atomic.Int64
		left.Store(int64(operations))
		errs := atOnce(6, func(actor int) error {
			r := rand.New(rand.NewPCG(uint64(actor), 7)) // the same at each run
			for left.Add(-1) >= 0 {
				if err := act(t, d[r.IntN(2)], id, guests[r.IntN(len(guests))], r.IntN(100)); err != nil {
					return err
				}
			}
			return nil
		})
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		told := retell(t, d[0].history(t, id))
		snap, err := d[1].Snapshot(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		check(t, snap, told)
		for _, g := range guests {
			pass := g.pass.Load().(string)
			if pass == "" {
				continue
			}
			// The pass of an admission that was left or expelled, or replaced.
			for i := range d {
				s, _, err := d[i].Live(t.Context(), pass)
				if err == nil && (told.state[s.Admission] != meeting.Admitted || told.banned[g.person.Key()]) {
					t.Errorf("door %d lets in an admission in state %d, banned=%v", i, told.state[s.Admission], told.banned[g.person.Key()])
				}
			}
		}
		t.Logf("%d admissions, %d expelled, locked=%v", len(snap.Admissions), len(snap.Meeting.Banned), snap.Meeting.Locked)
	})
}

// act does one thing. A refusal is an answer; anything else is a fault.
func act(t *testing.T, d *door, id meeting.ID, g *guest, dice int) error {
	ctx, host := t.Context(), d.host.Key()
	admission := g.admission.Load().(string)
	var err error
	switch {
	case dice < 35:
		_, admission, err = d.Knock(ctx, g.link, lobby.Arrival{Person: g.person, Device: g.device, Consent: true}, "")
		if err == nil {
			g.admission.Store(admission)
		}
	case dice < 40:
		err = d.Lock(ctx, id, host, dice%2 == 0)
	case admission == "":
		return nil
	case dice < 60:
		err = d.Answer(ctx, id, host, admission, meeting.Answer{Admit: dice%4 > 0}, "")
	case dice < 75:
		err = d.Leave(ctx, id, admission)
	case dice < 77:
		_, err = d.Expel(ctx, id, host, admission, "")
	default:
		var ticket, pass string
		if ticket, err = d.Enter(ctx, id, admission, g.device); err != nil {
			break
		}
		if pass, err = d.Redeem(ctx, ticket); err != nil {
			break
		}
		g.pass.Store(pass)
		_, _, err = d.Live(ctx, pass)
	}
	var no *meeting.Refusal
	if errors.As(err, &no) {
		return nil
	}
	return err
}

// story is where everybody stands by what the stream tells.
type story struct {
	state  map[string]meeting.State
	banned map[meeting.Key]bool
	locked bool
}

// retell plays the stream from the start; a step that could not follow the one
// before fails the test.
func retell(t *testing.T, entries []meeting.Entry) story {
	t.Helper()
	s := story{state: map[string]meeting.State{}, banned: map[meeting.Key]bool{}}
	left := map[string]bool{} // without a decision
	from := func(e *meeting.Entry, allowed ...meeting.State) {
		if !slices.Contains(allowed, s.state[e.Admission]) {
			t.Errorf("%s of %s in state %d", e.What, e.Admission, s.state[e.Admission])
		}
	}
	for i := range entries {
		e := &entries[i]
		var key meeting.Key
		if e.Person != nil {
			key = e.Person.Key()
		}
		switch e.What {
		case meeting.Knocked:
			if !left[e.Admission] { // whom nobody decided on waits again
				from(e, meeting.Outside)
			}
			s.state[e.Admission] = meeting.Waiting
		case meeting.LetIn:
			from(e, meeting.Outside, meeting.Waiting, meeting.Refused)
			if s.banned[key] {
				t.Errorf("%s is let in after their expulsion", e.Admission)
			}
			if s.locked && e.By == "" && e.Invitation != "" {
				t.Errorf("%s is let in by rule through a locked door", e.Admission)
			}
			s.state[e.Admission] = meeting.Admitted
		case meeting.Turned:
			if e.By != "" { // by a host; else somebody was turned away, and stands as before
				from(e, meeting.Waiting)
				s.state[e.Admission] = meeting.Refused
			}
		case meeting.Entered:
			from(e, meeting.Admitted)
		case meeting.Gone:
			from(e, meeting.Waiting, meeting.Admitted)
			left[e.Admission] = s.state[e.Admission] == meeting.Waiting
			s.state[e.Admission] = meeting.Left
		case meeting.PutOut:
			from(e, meeting.Waiting, meeting.Admitted, meeting.Refused, meeting.Left)
			s.state[e.Admission] = meeting.Expelled
			s.banned[key] = true
		case meeting.WasLocked:
			s.locked = true
		case meeting.WasUnlocked:
			s.locked = false
		}
	}
	return s
}

// check holds the documents against the story.
func check(t *testing.T, snap *lobby.Snapshot, told story) {
	t.Helper()
	if snap.Meeting.Locked != told.locked || len(snap.Meeting.Banned) != len(told.banned) {
		t.Errorf("locked=%v with %d banned, the stream tells %v and %d", snap.Meeting.Locked, len(snap.Meeting.Banned), told.locked, len(told.banned))
	}
	if len(snap.Admissions) != len(told.state) {
		t.Errorf("%d admissions, the stream tells of %d", len(snap.Admissions), len(told.state))
	}
	current := map[string]bool{}
	for _, s := range snap.Meeting.Seats {
		current[s.Admission] = true
	}
	for _, v := range snap.Invitations {
		if len(v.Seats) > 1 || v.Revoked != told.banned[meeting.Key(meeting.MailboxIssuer+"|"+strings.ToLower(v.Email))] {
			t.Errorf("invitation %s has %d seats, revoked=%v", v.ID, len(v.Seats), v.Revoked)
		}
		for _, s := range v.Seats {
			current[s.Admission] = true
		}
	}
	for i := range snap.Admissions {
		a := &snap.Admissions[i]
		if a.State != told.state[a.ID] {
			t.Errorf("%s is in state %d, the stream tells %d", a.ID, a.State, told.state[a.ID])
		}
		if a.State != meeting.Admitted && (len(a.Pass) > 0 || len(a.Ticket.MAC) > 0) {
			t.Errorf("%s in state %d still has a pass or a ticket", a.ID, a.State)
		}
		if !current[a.ID] && a.State != meeting.Left && a.State != meeting.Expelled {
			t.Errorf("%s in state %d has no seat", a.ID, a.State)
		}
		delete(current, a.ID)
	}
	if len(current) > 0 {
		t.Errorf("%d seats lead nowhere", len(current))
	}
}
