package api_test

import (
	"crypto/rand"
	"strings"
	"testing"

	"vestibule/lobby"
	"vestibule/meeting"
)

// What the site hides from hosts is hidden from their programs, by no other
// field either; who tried what with a link is told.
func TestAddressesAsTheSiteShowsThem(t *testing.T) {
	for rule, want := range map[lobby.Emails]string{
		lobby.EmailsFull: "jeanne@exemple.fr", lobby.EmailsMasked: "j•••@exemple.fr", lobby.EmailsHidden: "",
	} {
		s := openWith(t, nil, nil, func(c *lobby.Config) { c.Emails = rule })
		m := of(s.must(201, "all", "POST", "/meetings", form("Jeanne")).text("id"))
		list := s.must(200, "all", "GET", m+"/invitations", "")
		link := strings.TrimPrefix(list.text("items.0.link"), door+"/i/")
		first := s.knock(list.text("items.0.link"), "Jeanne")
		p := meeting.Person{
			Issuer: "https://id", Subject: "1", Email: "jeanne@exemple.fr",
			Evidence: meeting.Evidence{Method: meeting.OIDC, Claims: map[string][]string{"upn": {"jeanne@exemple.fr", "x"}}},
		}
		_, second, err := s.lobby.Knock(t.Context(), link, lobby.Arrival{Person: p, Device: rand.Text(), Consent: true}, "")
		if err != nil {
			t.Fatal(err)
		}
		a := s.must(200, "all", "GET", m+"/admissions/"+first, "")
		b := s.must(200, "all", "GET", m+"/admissions/"+second, "")
		for where, got := range map[string]string{
			"invitation": list.text("items.0.email"), "invited": a.text("invited.email"), "proved": a.text("person.email"), "subject": a.text("person.subject"), "vouched": b.text("person.email"),
		} {
			if got != want {
				t.Errorf("%s, %s: %q, want %q", rule, where, got, want)
			}
		}
		for _, r := range []reply{list, a, b} {
			if rule != lobby.EmailsFull && strings.Contains(r.raw, "jeanne@") {
				t.Errorf("%s: an address by another way: %s", rule, r.raw)
			}
		}
		if a.text("link.others.0") != second || b.text("link.invited_by") == "" || b.text("link.first_used") == "" {
			t.Errorf("of the link: %s, %s", a.raw, b.raw)
		}
	}
}
