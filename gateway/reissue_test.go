package gateway_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
)

// row is what the console shows of an invitee.
func (v *visitor) row(m *held, name string) string {
	v.t.Helper()
	page := v.want(v.get(m.path("")), http.StatusOK, "the console").body
	_, row, ok := strings.Cut(page, `<li data-key="v-`+m.invitation(name).ID+`">`)
	if !ok {
		v.t.Fatalf("the console does not list %s", name)
	}
	row, _, _ = strings.Cut(row, "<li data-key=")
	return row
}

// invitation is the invitation of a name.
func (m *held) invitation(name string) meeting.Invitation {
	m.s.t.Helper()
	for _, v := range m.snapshot().Invitations {
		if v.Name == name {
			return v
		}
	}
	m.s.t.Fatalf("%s is not invited", name)
	return meeting.Invitation{}
}

// TestT12HostGivesANewLink has somebody spend all that a link has; the host gives
// another, which has all of its own, and is mailed.
func TestT12HostGivesANewLink(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "John Roe")
	m.settles()
	old, eve := m.links["Jane Doe"], s.visit()
	code := s.ask(eve, m, "Jane Doe")
	for i := range meeting.CodeTries {
		eve.post(old+"/verify", url.Values{"code": {other(code, i)}})
	}
	g := s.visit()
	g.get(old)
	g.want(g.post(old+"/verify", url.Values{"code": {code}}), http.StatusUnprocessableEntity, "the right code, of a link that is spent")

	if row := h.row(m, "Jane Doe"); !strings.Contains(row, m.path("/reissue")) || !strings.Contains(row, "sends the same link") {
		t.Errorf("the console offers no new link\n%s", row)
	}
	before, _ := s.box.mailed(m.mails["Jane Doe"])
	h.want(h.post(m.path("/reissue"), url.Values{"invitation": {m.invitation("Jane Doe").ID}}), http.StatusSeeOther, "a new link")
	m.refresh()
	fresh := m.links["Jane Doe"]
	eventually(t, "the new link is mailed", func() bool {
		last, n := s.box.mailed(m.mails["Jane Doe"])
		return n == 2 && strings.HasSuffix(last.Link, fresh) && last.UID == before.UID
	})
	if !strings.Contains(read(h.get(m.path(""))), "You gave Jane Doe a new link") {
		t.Error("the log does not tell of the new link")
	}
	shared, err := s.Lobby.Follow(t.Context(), m.id) // what every host's page reads at the same time
	if err != nil {
		t.Fatal(err)
	}
	read(h.get(m.path("")))
	for _, e := range shared.Recent {
		if e.What == meeting.LinkReissued && e.Name != "" {
			t.Errorf("a console wrote the name %q into what all of them read", e.Name)
		}
	}
	eve.want(eve.get(old), http.StatusNotFound, "the old link")
	eve.want(eve.post(old+"/code", nil), http.StatusNotFound, "a code for the old link")
	s.visit().knock(m, "Jane Doe") // with the new one
	if v := m.invitation("Jane Doe"); v.Tried.Codes != 0 || len(v.Code.Sent) != 1 {
		t.Errorf("the new link begins with %+v and %d codes sent", v.Tried, len(v.Code.Sent)-1)
	}

	// Withdrawn by mistake: no button that could only fail, and a way back.
	john := m.invitation("John Roe").ID
	h.want(h.post(m.path("/revoke"), url.Values{"invitation": {john}}), http.StatusSeeOther, "withdrawing")
	row := h.row(m, "John Roe")
	if strings.Contains(row, m.path("/mail")) || strings.Contains(row, m.path("/revoke")) || !strings.Contains(row, m.path("/reissue")) {
		t.Errorf("of a withdrawn link the console offers\n%s", row)
	}
	if !strings.Contains(read(h.get(m.path(""))), "You withdrew the link of John Roe") {
		t.Error("the log does not say whose link was withdrawn")
	}
	h.want(h.post(m.path("/reissue"), url.Values{"invitation": {john}}), http.StatusSeeOther, "a new link after all")
	m.refresh()
	s.visit().knock(m, "John Roe")
}

// TestT12SpentLinkShutsOutNobodyElse has somebody who got hold of a link spend the
// codes and tries of its mailbox. From the same address another guest and the host
// enter as ever, and so does the victim by a new link that the console gives.
func TestT12SpentLinkShutsOutNobodyElse(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "John Roe")
	m.settles()
	old, eve := m.links["Jane Doe"], s.visit()
	eve.get(old)
	for n := range lobby.CodesPerMailbox {
		code := s.ask(eve, m, "Jane Doe")
		for i := range meeting.CodeTries {
			eve.want(eve.post(old+"/verify", url.Values{"code": {other(code, i)}}), http.StatusUnprocessableEntity, "guessing")
		}
		sent := slices.Repeat([]string{`"` + time.Now().Add(-2*meeting.CodeResend).Format(time.RFC3339Nano) + `"`}, n+1)
		s.rewrite(m, "Jane Doe", `"sent":\[[^]]*\]`, `"sent":[`+strings.Join(sent, ",")+`]`)
	}
	jane := s.visit()
	jane.get(old)
	jane.want(jane.post(old+"/code", nil), http.StatusTooManyRequests, "a code, where all are spent")

	ws := h.opens(m)
	enters := func(v *visitor, name string) *socket {
		a := v.knock(m, name)
		h.admits(m, a)
		v.enters(a)
		return v.joins()
	}
	john := enters(s.visit(), "John Roe")

	if row := h.row(m, "Jane Doe"); !strings.Contains(row, m.path("/reissue")) {
		t.Fatalf("the console offers no new link\n%s", row)
	}
	h.want(h.post(m.path("/reissue"), url.Values{"invitation": {m.invitation("Jane Doe").ID}}), http.StatusSeeOther, "a new link")
	m.refresh()
	if m.links["Jane Doe"] == old {
		t.Fatal("the new link is the old one")
	}
	in := enters(jane, "Jane Doe")
	eve.want(eve.post(old+"/verify", url.Values{"code": {s.box.code(m.mails["Jane Doe"])}}), http.StatusNotFound, "the new code with the old link")
	if !ws.ping(t) || !john.ping(t) || !in.ping(t) {
		t.Error("somebody was put out meanwhile")
	}
}
