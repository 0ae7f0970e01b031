package lobby_test

import (
	"errors"
	"testing"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
)

// two are providers of which one lets its users choose their names.
func two(c *lobby.Config) {
	c.Vouchers = []lobby.Voucher{{ID: "psc", Keep: []string{"SubjectNameID"}}, {ID: "open", Keep: []string{"preferred_username", "upn"}}}
}

// claimed creates a meeting with one who is asked for a claim.
func (s *site) claimed(t *testing.T, v lobby.Invitee) (meeting.ID, error) {
	t.Helper()
	return s.Create(t.Context(), s.host, lobby.Draft{
		Title: "Consultation", Starts: time.Now().Add(time.Minute), Ends: time.Now().Add(time.Hour), Zone: "Europe/Paris", Lang: "fr",
		Settings: s.Defaults(), Invitees: []lobby.Invitee{v},
	}, "")
}

// A claim is met by whom the provider it is asked of vouches for: what another
// provider lets its users call themselves makes nobody a host, nor lets them in.
func TestT41ClaimOfAnotherProvider(t *testing.T) {
	for _, role := range []meeting.Role{meeting.Guest, meeting.Host} {
		s := open(t, two)
		id, err := s.claimed(t, lobby.Invitee{
			Name: "Karim", Role: role, Match: meeting.Match{Claim: "sub", Value: "karim", Provider: "psc"},
		})
		if err != nil {
			t.Fatal(err)
		}
		link := s.links(t, id)["Karim"]
		knock := func(provider string) (meeting.Role, error) {
			p := meeting.Person{
				Issuer: "https://" + provider, Subject: "karim", Name: "Karim",
				Evidence: meeting.Evidence{Method: meeting.OIDC, ProviderID: provider, At: time.Now()},
			}
			_, a, err := s.Knock(t.Context(), link, lobby.Arrival{Person: p, Device: provider, Name: "Karim", Consent: true}, "")
			if err != nil {
				return meeting.Guest, err
			}
			snap, err := s.Snapshot(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := snap.Admission(a)
			return got.Role, nil
		}
		var no *meeting.Refusal
		if got, err := knock("open"); !errors.As(err, &no) || no.Reason != meeting.NotYou {
			t.Errorf("role %v: the other provider's karim = %v, %v; want %v", role, got, err, meeting.NotYou)
		}
		if got, err := knock("psc"); err != nil || got != role {
			t.Errorf("role %v: karim = %v, %v", role, got, err)
		}
	}
}

// A claim that nobody could ever meet is told to the host and not to the guest,
// and who vouches for it is never guessed.
func TestRequire(t *testing.T) {
	s := open(t, two)
	for _, c := range []struct {
		asked, want meeting.Match
		wrong       string
	}{
		{meeting.Match{}, meeting.Match{}, ""},
		{meeting.Match{Claim: "subjectnameid", Value: "8"}, meeting.Match{Claim: "SubjectNameID", Value: "8", Provider: "psc"}, ""},
		{meeting.Match{Claim: "upn", Value: "k", Provider: "open"}, meeting.Match{Claim: "upn", Value: "k", Provider: "open"}, ""},
		{meeting.Match{Claim: "upn", Value: "k", Provider: "psc"}, meeting.Match{}, "claim"},
		{meeting.Match{Claim: "RPSP", Value: "8"}, meeting.Match{}, "claim"},
		{meeting.Match{Claim: "sub", Value: "8"}, meeting.Match{}, "provider"},
		{meeting.Match{Claim: "sub", Value: "8", Provider: "elsewhere"}, meeting.Match{}, "provider"},
		{meeting.Match{Claim: "sub", Provider: "psc"}, meeting.Match{}, "value"},
		{meeting.Match{Claim: "domain", Value: "@Corp.FR"}, meeting.Match{Claim: "domain", Value: "corp.fr"}, ""},
		{meeting.Match{Claim: "domain", Value: "corp"}, meeting.Match{}, "value"},
		{meeting.Match{Claim: "email", Value: "k@corp.fr"}, meeting.Match{Claim: "email", Value: "k@corp.fr"}, ""},
		{meeting.Match{Claim: "email", Value: "k"}, meeting.Match{}, "value"},
	} {
		got, wrong := s.Require(c.asked)
		if wrong != c.wrong || wrong == "" && got != c.want {
			t.Errorf("Require(%v) = %v, %q; want %v, %q", c.asked, got, wrong, c.want, c.wrong)
		}
	}
	for _, v := range []lobby.Invitee{
		{Name: "K", Match: meeting.Match{Claim: "sub", Value: "k"}},
		{Name: "K", Match: meeting.Match{Claim: "nobody", Value: "k"}},
		// A whole domain does not host.
		{Name: "K", Email: "k@corp.fr", Role: meeting.Host, Match: meeting.Match{Claim: "domain", Value: "corp.fr"}},
	} {
		var no *meeting.Refusal
		if _, err := s.claimed(t, v); !errors.As(err, &no) || no.Field != "invitees.1" {
			t.Errorf("Create with %v = %v, want a fault of the first invitee", v.Match, err)
		}
	}
}

// No code leaves for a claim that no code can show.
func TestNoCodeForAClaim(t *testing.T) {
	s := open(t, two)
	for _, c := range []struct {
		match meeting.Match
		sent  bool
	}{
		{meeting.Match{Claim: "SubjectNameID", Value: "8"}, false},
		{meeting.Match{Claim: "domain", Value: "exemple.fr"}, true},
		{meeting.Match{Claim: "domain", Value: "corp.fr"}, false},
	} {
		id, err := s.claimed(t, lobby.Invitee{Name: "Jeanne", Email: "jeanne@exemple.fr", Match: c.match})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SendCode(t.Context(), s.links(t, id)["Jeanne"], meeting.Mailbox, ""); (err == nil) != c.sent {
			t.Errorf("SendCode for %v = %v, want sent: %v", c.match, err, c.sent)
		}
	}
}
