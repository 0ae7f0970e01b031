package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"vestibule/meeting"
)

// TestReportFromTheConsole puts somebody out with a report: the host reads the
// reference, in the log and beside the invitee, and the incident says who.
func TestReportFromTheConsole(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "John Roe")
	h.opens(m)
	g, a := h.inside(m, "Jane Doe")
	_, b := h.inside(m, "John Roe")
	ws := g.joins()
	h.expels(m, b)
	if page := h.get(m.path("")).body; strings.Contains(page, "Reported") {
		t.Error("the console speaks of a report that nobody made")
	}
	h.want(h.post(m.path("/expel"), url.Values{"admission": {a}, "report": {"1"}}), http.StatusSeeOther, "removing and reporting")
	ws.ended(t)
	list, err := s.Lobby.Incidents(t.Context(), time.Now().Add(-time.Hour))
	if err != nil || len(list) != 1 {
		t.Fatalf("Incidents = %d, %v, want 1", len(list), err)
	}
	i := list[0]
	if i.Admission != a || i.Name != "Jane Doe" || i.Person.Email != m.mails["Jane Doe"] || i.By.Name == "" || len(i.Cuts) < 4 {
		t.Errorf("the incident says %+v", i)
	}
	if page := h.get(m.path("")).body; strings.Count(page, "Reported, reference ") != 2 || strings.Count(page, i.Reference) != 2 {
		t.Errorf("the console does not say twice that %s was reported", i.Reference)
	}
	if s.log.has("Jane Doe") {
		t.Error("the log names who was reported")
	}
}

// TestT37EveryConsoleTellsWhatWasCut expels at one node whom another holds: what
// was cut stands in the console of either, with the other node's word.
func TestT37EveryConsoleTellsWhatWasCut(t *testing.T) {
	t.Parallel()
	one, two := twins(t, false)
	h := one.host(doctor())
	m := h.meet(nil, "Jane Doe")
	h.opens(m)
	g, a := h.inside(m, "Jane Doe")
	ws := g.via(two).joins()
	eventually(t, "the first node knows who is at the second", func() bool {
		snap := m.snapshot()
		adm, _ := snap.Admission(a)
		return one.Lobby.Present(snap, &adm)
	})
	h.expels(m, a)
	ws.ended(t)
	for _, v := range []*visitor{h, h.via(two)} {
		eventually(t, "the console tells what was cut", func() bool {
			page := v.get(m.path("")).body
			return strings.Contains(page, "connections cut in") && strings.Contains(page, "link and code dead in") && strings.Contains(page, "other servers: cut in")
		})
	}
}

// TestT38SignedOutHostIsForgotten has the provider end a host's sign-in just
// before the store goes away: who was host a while ago may put people out then,
// who has signed out may not.
func TestT38SignedOutHostIsForgotten(t *testing.T) {
	t.Parallel()
	s := open(t)
	who := doctor()
	who["sid"] = "desk"
	h := s.host(who)
	m := h.meet(nil, "Jane Doe")
	h.opens(m)
	g, a := h.inside(m, "Jane Doe")
	ws := g.joins()
	h.want(s.tell(s.token(bySID("", "desk"))), http.StatusOK, "the provider's word")
	s.valve.shut.Store(true)
	h.want(h.post(m.path("/expel"), url.Values{"admission": {a}}), http.StatusServiceUnavailable, "expelling after the sign-out")
	if !ws.ping(t) {
		t.Error("who has signed out put somebody out")
	}
	s.valve.shut.Store(false)
	if got := m.state(a); got != meeting.Admitted {
		t.Errorf("the guest is %v", got)
	}
}
