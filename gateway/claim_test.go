package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"vestibule/auth/authtest"
	"vestibule/meeting"
)

// TestInvitedByAClaim is the way of somebody whom a host invites by what their
// sign-in must show: the page offers no code, which could show nothing of it,
// nobody else's sign-in leads in, and theirs does.
func TestInvitedByAClaim(t *testing.T) {
	s := open(t)
	host := s.host(doctor())
	m := host.meet(url.Values{"invitees": {"Jeanne <jeanne@patient.example> RPPS:899700218896\nPaul rpps:1@hospital\n@corp.example\n"}})
	page := s.visit().get(m.links["Jeanne"])
	if strings.Contains(read(page), "Send me a code") || !strings.Contains(read(page), "Hospital sign-in") {
		t.Errorf("the page offers a code for a claim:\n%s", read(page))
	}
	guest := s.visit()
	guest.get(m.links["Jeanne"])
	if a := guest.post(m.links["Jeanne"]+"/code", url.Values{"by": {"mail"}}); a.status != http.StatusNotFound {
		t.Errorf("asking for a code all the same = %d, want 404", a.status)
	}
	for number, want := range map[string]int{"899700218897": http.StatusForbidden, "899700218896": http.StatusSeeOther} {
		guest := s.visit()
		guest.get(m.links["Jeanne"])
		guest.want(guest.signIn(m.links["Jeanne"]+"/signin", authtest.Claims{"sub": "u" + number, "email_verified": true, "rpps": number}), http.StatusSeeOther, "signing in")
		a := guest.post(m.links["Jeanne"]+"/knock", url.Values{"name": {"Jeanne"}, "consent": {"1"}})
		if a.status != want {
			t.Errorf("knocking as %s = %d, want %d", number, a.status, want)
		}
	}
	snap := m.snapshot()
	want := map[string]meeting.Match{
		"Jeanne": {Claim: "rpps", Value: "899700218896", Provider: "hospital"}, "Paul": {Claim: "rpps", Value: "1", Provider: "hospital"},
		"corp.example": {Claim: "domain", Value: "corp.example"},
	}
	for _, v := range snap.Invitations {
		if v.Match != want[v.Name] {
			t.Errorf("%s is asked %v, want %v", v.Name, v.Match, want[v.Name])
		}
	}
	// Whoever duplicates the meeting finds the same lines.
	copied := host.get(m.path("/copy")).body
	for _, line := range []string{"Jeanne &lt;jeanne@patient.example&gt; rpps:899700218896@hospital", "Paul rpps:1@hospital", "@corp.example"} {
		if !strings.Contains(copied, line) {
			t.Errorf("the copy lacks %q", line)
		}
	}
}

// TestClaimsOfTheFormAreChecked: each line that nobody could ever meet is told.
func TestClaimsOfTheFormAreChecked(t *testing.T) {
	s := open(t)
	host := s.host(doctor())
	a := host.post("/meetings", url.Values{
		"title": {"T"}, "date": {"2027-01-01"}, "start": {"10:00"}, "duration": {"30"}, "zone": {"Europe/Paris"}, "lang": {"en"},
		"invitees": {"Jeanne RPSP:1\nPaul rpps:1@elsewhere\nKarim rpps:1\n"}, "cohosts": {"@corp.example\n"},
	})
	for _, want := range []string{"Line 1: No sign-in here shows this", "Line 2: Several sign-ins show this", "Line 1: No sign-in here"} {
		if !strings.Contains(read(a), want) {
			t.Errorf("the form does not say %q", want)
		}
	}
	if a.status != http.StatusUnprocessableEntity || strings.Contains(read(a), "Line 3:") {
		t.Errorf("%d:\n%s", a.status, read(a))
	}
}
