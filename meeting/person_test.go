package meeting_test

import (
	"testing"
	"time"

	"vestibule/meeting"
)

func TestMeets(t *testing.T) {
	signedIn := meeting.Person{
		Issuer: "https://id.example", Subject: "u1", Email: "Jeanne@Exemple.fr",
		Evidence: meeting.Evidence{
			Method: meeting.OIDC, ProviderID: "psc", EmailVerified: true, Claims: map[string][]string{"rpps": {"81", "82"}},
		},
	}
	old := signedIn
	old.Evidence.ProviderID = ""
	unverified := signedIn
	unverified.Evidence.EmailVerified = false
	mailbox := meeting.MailboxPerson(" Jeanne@exemple.FR", time.Now())
	for _, c := range []struct {
		who   meeting.Person
		match meeting.Match
		want  bool
	}{
		{signedIn, meeting.Match{}, true},
		{signedIn, meeting.Match{Claim: "sub", Value: "u1", Provider: "psc"}, true},
		{signedIn, meeting.Match{Claim: "sub", Value: "U1", Provider: "psc"}, false},
		// Another provider's users may choose what is a number of this one.
		{signedIn, meeting.Match{Claim: "sub", Value: "u1", Provider: "other"}, false},
		{signedIn, meeting.Match{Claim: "rpps", Value: "82", Provider: "other"}, false},
		// What older versions wrote.
		{signedIn, meeting.Match{Claim: "sub", Value: "u1"}, false},
		{old, meeting.Match{Claim: "sub", Value: "u1", Provider: "psc"}, false},
		{old, meeting.Match{Claim: "sub", Value: "u1"}, false},
		{signedIn, meeting.Match{Claim: "domain", Value: "exemple.fr"}, true},
		{mailbox, meeting.Match{Claim: "domain", Value: "exemple.fr"}, true},
		{signedIn, meeting.Match{Claim: "domain", Value: "exemple.fr", Provider: "psc"}, true},
		{mailbox, meeting.Match{Claim: "domain", Value: "exemple.fr", Provider: "psc"}, false},
		{unverified, meeting.Match{Claim: "domain", Value: "exemple.fr"}, false},
		{signedIn, meeting.Match{Claim: "domain", Value: "emple.fr"}, false},
		{signedIn, meeting.Match{Claim: "domain"}, false},
		{signedIn, meeting.Match{Claim: "email", Value: "jeanne@exemple.fr"}, true},
		{unverified, meeting.Match{Claim: "email", Value: "jeanne@exemple.fr"}, false},
		{mailbox, meeting.Match{Claim: "email", Value: "jeanne@exemple.fr"}, true},
		// A mailbox's subject is typed text: it is no provider's sub.
		{mailbox, meeting.Match{Claim: "sub", Value: "jeanne@exemple.fr"}, false},
		{signedIn, meeting.Match{Claim: "rpps", Value: "82", Provider: "psc"}, true},
		{signedIn, meeting.Match{Claim: "rpps", Value: "83", Provider: "psc"}, false},
		{signedIn, meeting.Match{Claim: "rpps", Provider: "psc"}, false},
		{mailbox, meeting.Match{Claim: "rpps", Value: "82", Provider: "psc"}, false},
		{meeting.Person{}, meeting.Match{Claim: "email"}, false},
	} {
		if got := c.who.Meets(c.match); got != c.want {
			t.Errorf("%s.Meets(%v) = %v, want %v", c.who.Key(), c.match, got, c.want)
		}
	}
}

func TestIDsAreRandom(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		for id, length := range map[string]int{
			string(meeting.NewID()): 32, meeting.NewAdmissionID(): 32, meeting.NewInvitationID(): 16,
		} {
			if seen[id] || len(id) != length {
				t.Fatalf("id %q seen=%v, want %d digits", id, seen[id], length)
			}
			seen[id] = true
		}
	}
}
