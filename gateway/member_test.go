package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"vestibule/meeting"
)

// Members come by a link that the host hands round: they sign in and wait. Who
// is none is refused, and the host sees nothing of them.
func TestMembersComeByTheirLink(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(url.Values{"members": {"wait"}}, "Jane Doe")
	link := m.links[""]
	if page := h.get(m.path("/created")).body; !strings.Contains(page, doorOrigin+link) {
		t.Error("who made the meeting is not given the link for members")
	}
	g, e := s.visit(), s.visit()
	page := g.get(link).body
	if !strings.Contains(page, "This link is for members") || strings.Contains(page, link+"/code") {
		t.Errorf("the link's page offers something else\n%s", head(page))
	}
	g.want(g.post(link+"/code", nil), http.StatusNotFound, "asking for a code")
	g.want(g.signIn(link+"/signin", surgeon()), http.StatusSeeOther, "a member signs in")
	a := g.knockAs(m, "", "Hugo")
	if got := m.state(a); got != meeting.Waiting {
		t.Errorf("the member is %v, want Waiting", got)
	}
	no := e.want(e.signIn(link+"/signin", stranger()), http.StatusForbidden, "a stranger signs in")
	if !strings.Contains(no.body, "You are not on the list") {
		t.Errorf("the stranger reads\n%s", head(no.body))
	}
	if got := e.post(link+"/knock", url.Values{"name": {"Eve"}, "consent": {"1"}}); got.to() != link {
		t.Errorf("the stranger knocks all the same = %d to %q", got.status, got.to())
	}
	console := h.get(m.path("")).body
	for _, want := range []string{"Dr Hugo Petit", "Not invited by name", doorOrigin + link} {
		if !strings.Contains(console, want) {
			t.Errorf("the console does not show %q", want)
		}
	}
	for _, e := range m.snapshot().Recent {
		if e.Person != nil && e.Person.Name == "Eve Elsewhere" {
			t.Errorf("the host hears of the stranger: %s", e.What)
		}
	}
	v, _ := m.snapshot().MemberLink()
	h.admits(m, a)
	h.want(h.post(m.path("/reissue"), url.Values{"invitation": {v.ID}}), http.StatusSeeOther, "a new link")
	if got := m.state(a); got != meeting.Admitted {
		t.Errorf("with a new link the member is %v, want Admitted", got)
	}
	e.want(e.get(link), http.StatusNotFound, "the old link")
	m.refresh()
	e.want(e.get(m.links[""]), http.StatusOK, "the new link")
	h.want(h.post(m.path("/revoke"), url.Values{"invitation": {v.ID}}), http.StatusSeeOther, "withdrawing")
	e.want(e.get(m.links[""]), http.StatusNotFound, "the withdrawn link")
}

// Where the host says so, members are let in by rule: not before the meeting,
// and no second browser of theirs.
func TestMembersAreLetIn(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(url.Values{"members": {"admit"}}, "Jane Doe")
	for i, want := range []meeting.State{meeting.Admitted, meeting.Waiting} {
		g := s.visit()
		g.want(g.signIn(m.links[""]+"/signin", surgeon()), http.StatusSeeOther, "a member signs in")
		if got := m.state(g.knockAs(m, "", "Hugo")); got != want {
			t.Errorf("browser %d is %v, want %v", i+1, got, want)
		}
	}
	h.want(h.post("/meetings", url.Values{"members": {"anybody"}}), http.StatusUnprocessableEntity, "a choice that there is not")
}
