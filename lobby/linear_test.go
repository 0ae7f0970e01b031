package lobby_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"vestibule/lobby"
	"vestibule/meeting"
)

// move is one operation of an actor on a guest; the lock concerns them all.
type move struct {
	verb      string
	guest     int
	admission string
	ticket    string
	yes       bool
}

// result is what the lobby answered.
type result struct {
	no        meeting.Reason // where refused
	refused   bool
	admission string // of a knock
	ticket    string // of an entry
	stand     string // of a look
}

// stand is what one door alone would know of one guest.
type stand struct {
	locked, revoked, banned bool

	id       string // the current admission
	state    meeting.State
	let      bool   // was admitted before they left
	ticket   string // not yet spent
	expelled string // earlier admissions that were expelled, though they had left
}

// seen is what a look can tell of it.
func (s *stand) seen() string {
	return fmt.Sprint(s.locked, s.revoked, s.banned, s.id, s.state)
}

// of is the state of an admission, current or earlier.
func (s *stand) of(admission string) meeting.State {
	switch {
	case admission == s.id:
		return s.state
	case strings.Contains(s.expelled, admission):
		return meeting.Expelled
	default:
		return meeting.Left
	}
}

// oneDoor is the model: a door with one desk, which serves one after another.
// It is split by guest, each with the moves of the lock.
func oneDoor(guests int) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return stand{} },
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			parts := make([][]porcupine.Operation, guests)
			for _, o := range history {
				m := o.Input.(move)
				for i := range parts {
					if m.guest == i || m.verb == "lock" {
						parts[i] = append(parts[i], o)
					}
				}
			}
			return parts
		},
		Step: func(state, input, output any) (bool, any) {
			s, m, r := state.(stand), input.(move), output.(result)
			if r.refused && (r.no == meeting.Busy || r.no == meeting.TooMany && m.verb == "knock") {
				return true, s // nothing happened, and it says so
			}
			ok := s.step(&m, &r)
			return ok, s
		},
		DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v: %+v", input, output) },
		DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}

// step does the move, and reports whether the lobby's answer is the door's.
func (s *stand) step(m *move, r *result) bool {
	switch m.verb {
	case "lock":
		s.locked = m.yes
		return !r.refused
	case "revoke":
		s.revoked = true
		return !r.refused
	case "look":
		return r.stand == s.seen()
	case "knock":
		return s.knock(r)
	case "answer":
		return s.answer(m, r)
	case "leave":
		if m.admission == s.id && (s.state == meeting.Waiting || s.state == meeting.Admitted) {
			s.let = s.state == meeting.Admitted
			s.state, s.ticket = meeting.Left, ""
		}
		return !r.refused
	case "expel":
		if m.admission == s.id {
			s.state, s.ticket = meeting.Expelled, ""
		} else if s.of(m.admission) != meeting.Expelled {
			s.expelled += " " + m.admission
		}
		s.banned, s.revoked = true, true
		return !r.refused
	default:
		return s.enter(m, r)
	}
}

// is reports whether the answer is a refusal for one of the reasons.
func (r *result) is(reasons ...meeting.Reason) bool {
	for _, why := range reasons {
		if r.refused && r.no == why {
			return true
		}
	}
	return false
}

func (s *stand) knock(r *result) bool {
	fresh := !r.refused && r.admission != s.id
	switch {
	case s.banned:
		return r.is(meeting.Removed, meeting.Revoked)
	case s.revoked:
		return r.is(meeting.Revoked)
	case s.state == meeting.Refused:
		return r.is(meeting.ByHost)
	case s.state == meeting.Waiting || s.state == meeting.Admitted:
		return !r.refused && !fresh
	case s.locked:
		return r.is(meeting.IsLocked)
	}
	back := s.state == meeting.Left && s.let
	again := s.state == meeting.Left && !s.let // nobody decided: the same one waits again
	s.id, s.state, s.let = r.admission, meeting.Waiting, false
	if back {
		s.state = meeting.Admitted // as they were before
	}
	return fresh != again
}

func (s *stand) answer(m *move, r *result) bool {
	state := s.of(m.admission)
	switch {
	case m.yes && s.revoked:
		return r.is(meeting.Revoked, meeting.Removed)
	case state == meeting.Waiting, state == meeting.Refused && m.yes:
		s.state = meeting.Refused
		if m.yes {
			s.state = meeting.Admitted
		}
		return !r.refused
	case state != meeting.Expelled && m.yes == (state == meeting.Admitted):
		return !r.refused // it is so already
	default:
		return r.is(meeting.Stale)
	}
}

func (s *stand) enter(m *move, r *result) bool {
	switch state := s.of(m.admission); {
	case state == meeting.Expelled:
		return r.is(meeting.Removed)
	case state == meeting.Refused:
		return r.is(meeting.ByHost)
	case state != meeting.Admitted:
		return r.is(meeting.Stale)
	case s.revoked:
		return r.is(meeting.Revoked, meeting.Removed)
	case m.verb == "enter":
		s.ticket = r.ticket
		return !r.refused && r.ticket != ""
	case m.ticket != s.ticket:
		return r.is(meeting.TicketSpent)
	}
	s.ticket = ""
	return !r.refused
}

// T44: 100,000 operations of six actors at two doors, in many short meetings.
// What each was answered, and when, must be what a door with one desk could
// have answered, one after another.
func TestT44Linearizable(t *testing.T) {
	const moves, actors, invited = 34, 6, 6
	meetings := 500
	if raced {
		meetings = 20
	}
	everyStore(t, func(t *testing.T, k keeper) {
		d := doors(t, 2, k)
		names := make([]string, invited)
		for i := range names {
			names[i] = "guest" + strconv.Itoa(i)
		}
		busy := 0
		for n := range meetings {
			h := newHistory(t, d, names, n)
			errs := atOnce(actors, func(actor int) error {
				r := rand.New(rand.NewPCG(uint64(actor), uint64(n)))
				for range moves {
					if err := h.move(t.Context(), actor, r); err != nil {
						return err
					}
				}
				return nil
			})
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			for _, o := range h.done {
				if r := o.Output.(result); r.is(meeting.Busy) {
					busy++
				}
			}
			h.check(t, n)
		}
		if busy > meetings*moves*actors/100 {
			t.Errorf("%d operations were answered Busy; too many to learn from", busy)
		}
	})
}

// given is a ticket and the admission it is for.
type given struct{ ticket, admission string }

// history is one meeting, what its actors know, and what they did.
type history struct {
	doors   []*door
	id      meeting.ID
	began   time.Time
	guests  []guest
	invited []string       // ids of their invitations
	tokens  []atomic.Value // the ticket of each guest that was given last

	mu   sync.Mutex
	done []porcupine.Operation // guarded by mu
}

func newHistory(t *testing.T, doors []*door, names []string, n int) *history {
	t.Helper()
	id := doors[0].another(t, "form"+strconv.Itoa(n), names...)
	doors[0].opened(t, id)
	h := &history{doors: doors, id: id, began: time.Now(), guests: make([]guest, len(names)), tokens: make([]atomic.Value, len(names))}
	snap, err := doors[0].Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		g := &h.guests[i]
		for _, v := range snap.Invitations {
			if v.Name == name {
				h.invited = append(h.invited, v.ID)
				g.link, g.device = doors[0].Link(id, &v), "device-"+name
			}
		}
		g.person = meeting.MailboxPerson(strings.ToLower(name)+"@exemple.fr", h.began)
		g.admission.Store("")
		h.tokens[i].Store(given{})
	}
	return h
}

// move does one operation and notes it with its answer.
func (h *history) move(ctx context.Context, actor int, r *rand.Rand) error {
	i := r.IntN(len(h.guests))
	m := move{guest: i, admission: h.guests[i].admission.Load().(string), yes: r.IntN(3) > 0}
	token := h.tokens[i].Load().(given)
	switch dice := r.IntN(100); {
	case dice < 30 || m.admission == "":
		m.verb = "knock"
	case dice < 36:
		m.verb = "lock"
	case dice < 56:
		m.verb = "answer"
	case dice < 68:
		m.verb = "leave"
	case dice < 70:
		m.verb = "expel"
	case dice < 71:
		m.verb = "revoke"
	case dice < 76:
		m.verb = "look"
	case dice < 88 || token.ticket == "":
		m.verb = "enter"
	default:
		m.verb, m.ticket, m.admission = "redeem", token.ticket, token.admission
	}
	d := h.doors[r.IntN(len(h.doors))]
	call := time.Since(h.began).Nanoseconds()
	got, err := h.do(ctx, d, &m)
	o := porcupine.Operation{ClientId: actor, Input: m, Call: call, Return: time.Since(h.began).Nanoseconds()}
	var no *meeting.Refusal
	if errors.As(err, &no) {
		got.refused, got.no, err = true, no.Reason, nil
	}
	o.Output = got
	h.mu.Lock()
	h.done = append(h.done, o)
	h.mu.Unlock()
	return err
}

func (h *history) do(ctx context.Context, d *door, m *move) (r result, err error) {
	g, host := &h.guests[m.guest], d.host.Key()
	switch m.verb {
	case "knock":
		_, r.admission, err = d.Knock(ctx, g.link, lobby.Arrival{Person: g.person, Device: g.device, Consent: true}, "")
		if err == nil {
			g.admission.Store(r.admission)
		}
	case "lock":
		err = d.Lock(ctx, h.id, host, m.yes)
	case "answer":
		err = d.Answer(ctx, h.id, host, m.admission, meeting.Answer{Admit: m.yes}, "")
	case "leave":
		err = d.Leave(ctx, h.id, m.admission)
	case "expel":
		_, err = d.Expel(ctx, h.id, host, m.admission, "")
	case "revoke":
		err = d.Revoke(ctx, h.id, host, h.invited[m.guest], "")
	case "look":
		r.stand, err = h.look(ctx, d, g)
	case "enter":
		r.ticket, err = d.Enter(ctx, h.id, m.admission, g.device)
		if err == nil {
			h.tokens[m.guest].Store(given{r.ticket, m.admission})
		}
	case "redeem":
		_, err = d.Redeem(ctx, m.ticket)
	}
	return r, err
}

// look tells the stand of one guest by the documents.
func (h *history) look(ctx context.Context, d *door, g *guest) (string, error) {
	snap, err := d.Snapshot(ctx, h.id)
	if err != nil {
		return "", err
	}
	s := stand{locked: snap.Meeting.Locked, banned: slices.Contains(snap.Meeting.Banned, g.person.Key())}
	for _, v := range snap.Invitations {
		if v.Email != g.person.Email {
			continue
		}
		s.revoked = v.Revoked
		for _, seat := range v.Seats {
			a, _ := snap.Admission(seat.Admission)
			s.id, s.state = a.ID, a.State
		}
	}
	return s.seen(), nil
}

// check holds the answers against the model, and tells the first guest's
// moves that do not fit.
func (h *history) check(t *testing.T, n int) {
	t.Helper()
	model := oneDoor(len(h.guests))
	if porcupine.CheckOperationsTimeout(model, h.done, time.Minute) == porcupine.Ok {
		return
	}
	for i, part := range model.Partition(h.done) {
		alone := model
		alone.Partition = nil
		got := porcupine.CheckOperationsTimeout(alone, part, time.Minute)
		if got == porcupine.Ok {
			continue
		}
		slices.SortFunc(part, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
		var told strings.Builder
		for _, o := range part {
			fmt.Fprintf(&told, "%9d %9d actor %d %+v\n", o.Call/1000, o.Return/1000, o.ClientId, model.DescribeOperation(o.Input, o.Output))
		}
		t.Fatalf("meeting %d, guest %d: porcupine says %v of\n%s", n, i, got, told.String())
	}
}
