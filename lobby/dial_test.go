package lobby_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vestibule/lobby"
	"vestibule/meeting"
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
		if err := s.Revoke(t.Context(), id, s.host.Key(), inv, true, ""); err != nil {
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

func TestT52DialCodeBruteForce(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne", "Marc")
	p := s.phones(t, id)
	var looked atomic.Int32
	var lines sync.WaitGroup
	for line := range 50 {
		lines.Go(func() {
			for try := range 3 {
				_, err := s.dial(t, p["Jeanne"].wrong(3*line+try), caller(fmt.Sprint("c", line), "192.0.2.66"))
				if reason(err) == meeting.WrongCode {
					looked.Add(1)
				}
			}
		})
	}
	lines.Wait()
	if n := looked.Load(); n > meeting.DialMisses {
		t.Errorf("%d codes looked at, want at most %d", n, meeting.DialMisses)
	}
	if _, err := s.dial(t, p["Jeanne"], caller("late", "192.0.2.66")); reason(err) != meeting.TooMany {
		t.Errorf("the right code from the guesser's line = %v, want too_many", err)
	}
	// Another guest is not shut out, and the host is told.
	if _, err := s.dial(t, p["Marc"], caller("marc", "192.0.2.7")); err != nil {
		t.Errorf("another guest during the attack: %v", err)
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
