package lobby_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// phone is what a caller needs to know.
type phone struct{ number, code string }

func (s *site) phones(t *testing.T, id meeting.ID) map[string]phone {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	p := map[string]phone{}
	for _, v := range snap.Invitations {
		p[v.Name] = phone{s.Number(&snap.Meeting), s.DialCode(id, &v)}
	}
	return p
}

func caller(call, source string) lobby.Caller {
	return lobby.Caller{
		Line: meeting.Line{Kind: "SIP", Claims: "Salle\u202e 1", Address: source}, Source: source, Call: call,
	}
}

func (s *site) dial(t *testing.T, p phone, c lobby.Caller) (string, error) {
	t.Helper()
	_, a, err := s.DialKnock(t.Context(), p.number, p.code, c)
	return a, err
}

// wrong returns a code that is not the phone's.
func (p phone) wrong(n int) phone {
	code := fmt.Sprintf("%08d", n)
	if code == p.code {
		code = "99999999"
	}
	return phone{p.number, code}
}

func TestDialInWayThrough(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne", "Marc")
	p := s.phones(t, id)["Jeanne"]
	if len(p.number) != lobby.NumberDigits || len(p.code) != lobby.CodeDigits || p.number[0] == '0' {
		t.Fatalf("number and code have %d and %d digits", len(p.number), len(p.code))
	}
	a, err := s.dial(t, p, caller("c1", "192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := snap.Admission(a)
	if got.State != meeting.Waiting || got.Name != "Jeanne" || got.Line.Claims != "Salle 1" || got.Person.Evidence.Method != meeting.DialCode || got.Consented.IsZero() {
		t.Errorf("admission = %+v", got)
	}
	if _, err := s.dial(t, p, caller("c2", "192.0.2.2")); reason(err) != meeting.Stale {
		t.Errorf("a second live call with one code = %v, want stale", err)
	}
	if err := s.Answer(t.Context(), id, s.host.Key(), a, meeting.Answer{Admit: true}, ""); err != nil {
		t.Fatal(err)
	}
	h, err := s.HostKnock(t.Context(), id, lobby.Arrival{Person: s.host, Device: "desk"}, "")
	if err != nil {
		t.Fatal(err)
	}
	s.inside(t, id, h, "desk")
	pass := s.inside(t, id, a, got.Device)
	if _, err := s.Expel(t.Context(), id, s.host.Key(), a, ""); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Live(t.Context(), pass); reason(err) != meeting.Removed {
		t.Errorf("Live after expulsion = %v, want removed", err)
	}
	if _, err := s.dial(t, p, caller("c3", "192.0.2.1")); reason(err) != meeting.WrongCode {
		t.Errorf("the code of an expelled caller = %v, want wrong_code", err)
	}
}

func TestNewLinkNewCode(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne")
	p := s.phones(t, id)["Jeanne"]
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for inv := range snap.Invitations {
		if err := s.Reissue(t.Context(), id, s.host.Key(), inv, ""); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.dial(t, p, caller("c1", "192.0.2.1")); reason(err) != meeting.WrongCode {
		t.Errorf("the old code = %v, want wrong_code", err)
	}
	if _, err := s.dial(t, s.phones(t, id)["Jeanne"], caller("c2", "192.0.2.1")); err != nil {
		t.Errorf("the new code = %v", err)
	}
}

// A number that leads nowhere and a code that fits nobody read the same.
func TestT10WrongNumberReadsLikeWrongCode(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne")
	p := s.phones(t, id)["Jeanne"]
	for _, q := range []phone{{"123456789", p.code}, {"", ""}, {p.number, ""}, p.wrong(1), {p.number + "1", p.code}} {
		if _, err := s.dial(t, q, caller("c", "192.0.2.1")); reason(err) != meeting.WrongCode {
			t.Errorf("DialKnock(%d digits, %d digits) = %v, want wrong_code", len(q.number), len(q.code), err)
		}
	}
}

// guess has 50 lines guess at once, three codes each, and answers how many were
// looked at.
func (s *site) guess(t *testing.T, p phone, source func(line int) string) int32 {
	t.Helper()
	var looked atomic.Int32
	var lines sync.WaitGroup
	for line := range 50 {
		lines.Go(func() {
			for try := range 3 {
				_, err := s.dial(t, p.wrong(3*line+try), caller(fmt.Sprint("c", line), source(line)))
				if reason(err) == meeting.WrongCode {
					looked.Add(1)
				}
			}
		})
	}
	lines.Wait()
	return looked.Load()
}

func (s *site) dialAt(t *testing.T, p phone, c lobby.Caller, now time.Time) (string, error) {
	t.Helper()
	_, a, err := s.DialKnockAt(t.Context(), p.number, p.code, c, now)
	return a, err
}

func TestT52DialCodeBruteForce(t *testing.T) {
	for name, source := range map[string]func(int) string{
		"one address":  func(int) string { return "192.0.2.66" },
		"50 addresses": func(line int) string { return fmt.Sprint("198.51.100.", line) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			id, _ := s.meet(t, "Jeanne", "Marc", "Salle")
			p := s.phones(t, id)
			if n := s.guess(t, p["Jeanne"], source); n > meeting.DialMisses {
				t.Errorf("%d codes looked at, want at most %d", n, meeting.DialMisses)
			}
			// A paired room has a budget of its own, at once.
			room := caller("room", "peer:salle1")
			room.Paired = true
			if _, err := s.dial(t, p["Salle"], room); err != nil {
				t.Errorf("the paired room during the attack: %v", err)
			}
			// Another guest, who is asked to wait, is not shut out; the guessers are.
			if _, err := s.dial(t, p["Marc"], caller("marc", "192.0.2.7")); reason(err) != meeting.TooMany {
				t.Errorf("another guest during the attack = %v, want too_many", err)
			}
			soon := time.Now().Add(meeting.DialQuiet)
			if _, err := s.dialAt(t, p["Marc"], caller("marc", "192.0.2.7"), soon); err != nil {
				t.Errorf("another guest soon after: %v", err)
			}
			guessed := 0
			for line := range 50 {
				if _, err := s.dialAt(t, p["Jeanne"].wrong(line), caller("late", source(line)), soon); reason(err) != meeting.TooMany {
					guessed++
				}
			}
			if name == "one address" {
				if _, err := s.dialAt(t, p["Jeanne"], caller("late", source(0)), soon); reason(err) != meeting.TooMany {
					t.Errorf("the right code from the guesser's line = %v, want too_many", err)
				}
			}
			// Of 50 addresses 30 were never looked at: one of those may be a guest.
			if most := map[string]int{"one address": 0, "50 addresses": 1}[name]; guessed > most {
				t.Errorf("%d guessers are looked at again, want at most %d", guessed, most)
			}
			snap, err := s.Follow(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			told := 0
			for _, e := range snap.Recent {
				if e.What == meeting.DialSlowed {
					told++
				}
			}
			if told != 1 {
				t.Errorf("the host is told %d times, want once", told)
			}
		})
	}
}

// However many addresses guess, an hour has 20 looks and one each half minute
// more, and no address has two of those.
func TestT52DistributedGuessesAnHour(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne")
	p := s.phones(t, id)["Jeanne"]
	start := time.Now()
	looked, from := 0, map[int]int{}
	for second := range 3600 {
		if second%5 != 0 {
			continue
		}
		source := second / 5 % 300 // each comes again
		_, err := s.dialAt(t, p.wrong(second), caller("c", fmt.Sprint("2001:db8::", source)), start.Add(time.Duration(second)*time.Second))
		if reason(err) == meeting.WrongCode {
			looked++
			from[source]++
		}
	}
	if looked > meeting.DialMisses+120 || looked < 100 {
		t.Errorf("%d codes looked at in an hour, want at most %d and about that", looked, meeting.DialMisses+120)
	}
	for source, n := range from {
		if n > 3 {
			t.Errorf("source %d was looked at %d times", source, n)
		}
	}
	// Who mistypes in the middle of it comes in with the next look (T12).
	late := start.Add(time.Hour)
	for _, try := range []phone{p.wrong(7), p} {
		late = late.Add(meeting.DialQuiet + time.Second)
		if _, err := s.dialAt(t, try, caller("honest", "192.0.2.9"), late); (err == nil) != (try == p) || err != nil && reason(err) != meeting.WrongCode {
			t.Errorf("an honest caller = %v", err)
		}
	}
}

// Telephones that withhold their number share what is left of a meeting that is
// guessed at: a guesser who calls anew for each code keeps out nobody who shows
// a number.
func TestT52WithheldNumbersShareOnePatience(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne")
	p := s.phones(t, id)["Jeanne"]
	now := time.Now()
	calls := 0
	withheld := func(p phone) error {
		calls++
		c := caller(fmt.Sprint("w", calls), fmt.Sprint("peer:operator:call:", calls))
		c.Crowd = "peer:operator:withheld"
		_, err := s.dialAt(t, p, c, now)
		return err
	}
	for n := range meeting.DialMisses {
		if err := withheld(p.wrong(n)); reason(err) != meeting.WrongCode {
			t.Fatalf("wrong code %d = %v", n, err)
		}
	}
	for n := range 10 {
		now = now.Add(meeting.DialQuiet + time.Second)
		if err := withheld(p.wrong(n)); reason(err) != meeting.TooMany {
			t.Errorf("one more call without a number = %v, want too_many", err)
		}
	}
	if _, err := s.dialAt(t, p, caller("shown", "peer:operator:+33561000001"), now); err != nil {
		t.Errorf("who shows a number = %v", err)
	}
}

// Right codes spend no budget: a hospital calls from behind one address.
func TestT12ManyGuestsOfOneAddress(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne")
	p := s.phones(t, id)["Jeanne"]
	for n := range 70 { // each time the same call, for the test's ease
		if _, err := s.dial(t, p, caller("c", "192.0.2.1")); err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
	}
	for n := range 60 {
		if _, err := s.dial(t, phone{"999999999", "00000000"}, caller(fmt.Sprint("w", n), "192.0.2.1")); reason(err) != meeting.WrongCode {
			t.Fatalf("wrong number %d = %v", n, err)
		}
	}
	if _, err := s.dial(t, p, caller("late", "192.0.2.1")); reason(err) != meeting.TooMany {
		t.Errorf("after 60 wrong numbers = %v, want too_many", err)
	}
	if _, err := s.dial(t, p, caller("c", "192.0.2.2")); err != nil {
		t.Errorf("another address = %v", err)
	}
}

func TestT40DroppedCallerRejoinsLockedMeetingOnce(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne", "Marc")
	p := s.phones(t, id)
	a, err := s.dial(t, p["Jeanne"], caller("c1", "192.0.2.1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Answer(t.Context(), id, s.host.Key(), a, meeting.Answer{Admit: true}, ""); err != nil {
		t.Fatal(err)
	}
	if err := s.Lock(t.Context(), id, s.host.Key(), true); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		call string
		want meeting.Reason
	}{{"c2", 255}, {"c3", meeting.IsLocked}} {
		if err := s.DialGone(t.Context(), "c1"); err != nil {
			t.Fatal(err)
		}
		if err := s.DialGone(t.Context(), "c2"); err != nil {
			t.Fatal(err)
		}
		if _, err := s.dial(t, p["Jeanne"], caller(c.call, "192.0.2.1")); reason(err) != c.want {
			t.Errorf("call %s into the locked meeting = %v, want %v", c.call, err, c.want)
		}
	}
	if _, err := s.dial(t, p["Marc"], caller("c4", "192.0.2.2")); reason(err) != meeting.IsLocked {
		t.Errorf("a new caller into the locked meeting = %v, want locked", err)
	}
}

// What is stored opens nothing: no number and no code stands in it.
func TestNoDialCodeInTheStore(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne")
	p := s.phones(t, id)["Jeanne"]
	if _, err := s.dial(t, p, caller("c1", "192.0.2.1")); err != nil {
		t.Fatal(err)
	}
	docs, err := s.store.All(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(docs)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range docs {
		b = append(b, d.Value...)
		b = append(b, name...)
	}
	if strings.Contains(string(b), p.number) || strings.Contains(string(b), p.code) {
		t.Error("a number or code stands in the store")
	}
}

// Whoever has a room device is told what to dial so that it asks nothing: one
// string for each SIP address that takes it, and none for a telephone number.
func TestDialStrings(t *testing.T) {
	kept := store.NewMemory()
	l, err := lobby.New(lobby.Config{
		Documents: kept, Shelf: kept, Backend: &server{open: map[string]bool{}}, Secret: []byte(strings.Repeat("k", 32)), Door: "https://door.example",
		Dial:  []string{"+33 5 61 00 00 00", "sip:visio.example.org", "sips:visio.example.org:5061", "sip:desk@pbx.example.org"},
		Early: 15 * time.Minute, Grace: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	d := l.Dial(&meeting.Meeting{ID: "m", Number: 1}, &meeting.Invitation{ID: "v"})
	whole := d.Number + "." + d.Code
	want := []string{whole + "@visio.example.org", whole + "@visio.example.org:5061"}
	if diff := cmp.Diff(want, d.Strings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
