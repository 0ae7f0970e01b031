package lobby_test

import (
	"fmt"
	"strings"
	"testing"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/policy"
)

// anybody admits whoever may knock at all.
const anybody = `@id("anybody") permit(principal, action, resource);`

func sharing(t *testing.T) (*site, meeting.ID) {
	t.Helper()
	rules, err := policy.Load("rules.cedar", []byte(anybody))
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, func(c *lobby.Config) { c.SharedCodes, c.Rules = true, rules })
	id, _ := s.meet(t, "Jeanne")
	return s, id
}

// shares opens a shared code, or a new one, and answers how to dial it.
func (s *site) shares(t *testing.T, id meeting.ID) phone {
	t.Helper()
	if err := s.Share(t.Context(), id, s.host.Key(), ""); err != nil {
		t.Fatal(err)
	}
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	v, open := snap.Shared()
	d := s.Dial(&snap.Meeting, &v)
	if !open || d.Zero() {
		t.Fatalf("the shared code is open: %v, %d digits", open, len(d.Code))
	}
	return phone{d.Number, d.Code}
}

func (s *site) admission(t *testing.T, id meeting.ID, a string) meeting.Admission {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	got, _ := snap.Admission(a)
	return got
}

// Whoever comes by the shared code waits for the host and nobody else: not a
// rule that admits everybody, not "admit all verified".
func TestT52SharedCodeNeverAdmits(t *testing.T) {
	s, id := sharing(t)
	own, err := s.dial(t, s.phones(t, id)["Jeanne"], caller("own", "192.0.2.9"))
	if err != nil || s.admission(t, id, own).State != meeting.Admitted {
		t.Fatalf("the rule admits a personal code: %v, %v", s.admission(t, id, own).State, err)
	}
	p := s.shares(t, id)
	var waiting []string
	for i := range 3 { // at the same time, from one address
		a, err := s.dial(t, p, caller(fmt.Sprint("c", i), "192.0.2.1"))
		if err != nil {
			t.Fatal(err)
		}
		got := s.admission(t, id, a)
		if got.State != meeting.Waiting || got.Person.Verified() || got.Name != "Salle 1" || got.Line.Address != "192.0.2.1" || got.Rule != policy.BuiltIn {
			t.Errorf("caller %d = %+v", i, got)
		}
		waiting = append(waiting, a)
	}
	if n, err := s.AdmitSure(t.Context(), id, s.host.Key(), waiting, ""); n != 0 || err != nil {
		t.Errorf("admit all verified lets %d in, %v", n, err)
	}
	if err := s.Answer(t.Context(), id, s.host.Key(), waiting[0], meeting.Answer{Admit: true}, ""); err != nil || s.admission(t, id, waiting[0]).State != meeting.Admitted {
		t.Errorf("the host lets one in: %v", err)
	}
	if s.admission(t, id, waiting[1]).State != meeting.Waiting {
		t.Error("letting one in let another in")
	}
	// The same call again, after a lost answer, is the same caller.
	if a, err := s.dial(t, p, caller("c0", "192.0.2.1")); err != nil || a != waiting[0] {
		t.Errorf("the same call knocks again: %v", err)
	}
}

// A shared code can be replaced and withdrawn; it dies with whoever is put out.
func TestSharedCodeChangesAndEnds(t *testing.T) {
	s, id := sharing(t)
	first := s.shares(t, id)
	second := s.shares(t, id)
	if first.number != second.number || first.code == second.code {
		t.Error("a new code is the old one")
	}
	if _, err := s.dial(t, first, caller("old", "192.0.2.1")); reason(err) != meeting.WrongCode {
		t.Errorf("the old code = %v, want wrong code", err)
	}
	in, err := s.dial(t, second, caller("a", "192.0.2.2"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := s.dial(t, second, caller("b", "192.0.2.3"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Expel(t.Context(), id, s.host.Key(), in, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.dial(t, second, caller("again", "192.0.2.2")); reason(err) != meeting.WrongCode {
		t.Errorf("after an expulsion the code = %v, want wrong code", err)
	}
	if err := s.Answer(t.Context(), id, s.host.Key(), other, meeting.Answer{Admit: true}, ""); err != nil {
		t.Errorf("the other who waited is let in: %v", err)
	}
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	v, open := snap.Shared()
	if !open {
		t.Fatal("an expulsion withdrew the code")
	}
	third := phone{first.number, s.DialCode(id, &v)}
	if err := s.Revoke(t.Context(), id, s.host.Key(), v.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.dial(t, third, caller("c", "192.0.2.4")); reason(err) != meeting.WrongCode {
		t.Errorf("a withdrawn code = %v, want wrong code", err)
	}
	// Its link opens nothing.
	if _, err := s.Look(t.Context(), s.Link(id, &v)); reason(err) != meeting.NotFound {
		t.Errorf("the link of a shared code = %v, want not found", err)
	}
}

// Only so many at once; who has gone makes room.
func TestSharedCodeIsBounded(t *testing.T) {
	s, id := sharing(t)
	p := s.shares(t, id)
	var first string
	for i := range meeting.MaxShared {
		a, err := s.dial(t, p, caller(fmt.Sprint("c", i), fmt.Sprint("192.0.2.", i)))
		if err != nil {
			t.Fatal(err)
		}
		if first == "" {
			first = a
		}
	}
	if _, err := s.dial(t, p, caller("one-more", "198.51.100.1")); reason(err) != meeting.TooMany {
		t.Errorf("one more = %v, want too many", err)
	}
	if err := s.Leave(t.Context(), id, first); err != nil {
		t.Fatal(err)
	}
	if _, err := s.dial(t, p, caller("one-more", "198.51.100.1")); err != nil {
		t.Errorf("in the place of one who left: %v", err)
	}
}

// Each call by a shared code is remembered with the meeting, so that there is an end
// to them: for one source before all others are shut out, and for all. A new code
// begins anew.
func TestSharedCodeIsNotRedialledWithoutEnd(t *testing.T) {
	s, id := sharing(t)
	p := s.shares(t, id)
	calls := 0
	redials := func(p phone, source string, n int) (accepted int) {
		t.Helper()
		for range n {
			calls++
			a, err := s.dial(t, p, caller(fmt.Sprint("redial", calls), source))
			if reason(err) == meeting.TooMany {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			accepted++
			if err := s.Leave(t.Context(), id, a); err != nil {
				t.Fatal(err)
			}
		}
		return accepted
	}
	if got := redials(p, "192.0.2.1", 200); got != 120 {
		t.Errorf("one source calls %d times, want 120", got)
	}
	if got := redials(p, "192.0.2.2", 20); got != 20 {
		t.Errorf("beside it another calls %d times, want 20", got)
	}
	if got := redials(p, "192.0.2.3", 200); got != 100 {
		t.Errorf("the third calls %d times, want 100", got)
	}
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(snap.Admissions); n > 250 {
		t.Errorf("the meeting remembers %d", n)
	}
	if got := redials(s.shares(t, id), "192.0.2.1", 1); got != 1 {
		t.Error("a new code is used up as well")
	}
}

// Where the site does not let them, no host opens a shared code, and one that
// was open before opens nothing.
func TestSharedCodesAreOffUnlessAllowed(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne")
	if err := s.Share(t.Context(), id, s.host.Key(), ""); reason(err) != meeting.NotFound {
		t.Errorf("Share = %v, want not found", err)
	}
	if code := s.DialCode(id, &meeting.Invitation{ID: strings.Repeat("a", 16), Shared: true}); code != "" {
		t.Error("a shared code from before is one")
	}
	s, id = sharing(t)
	stranger := meeting.Person{Issuer: "https://id.example", Subject: "x"}
	if err := s.Share(t.Context(), id, stranger.Key(), ""); reason(err) != meeting.NotHost {
		t.Errorf("a stranger's Share = %v, want not host", err)
	}
}
