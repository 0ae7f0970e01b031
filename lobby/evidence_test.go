package lobby_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"vestibule/lobby"
	"vestibule/meeting"
)

// waits is a meeting in which one person waits.
func waits(a meeting.Admission, v meeting.Invitation) *lobby.Snapshot {
	return &lobby.Snapshot{
		Meeting: meeting.Meeting{
			ID: "m", Owner: meeting.Contact{Key: "https://id|claire", Name: "Dr Claire Martin"}, Hosts: []meeting.Key{"https://id|claire", "https://id|karim"},
		},
		Invitations: map[string]meeting.Invitation{v.ID: v},
		Admissions: []meeting.Admission{a, {
			ID: "h", Role: meeting.Host, State: meeting.Admitted, Name: "Karim Benali",
			Person: meeting.Person{Issuer: "https://id", Subject: "karim", Name: "Karim Benali"},
		}},
	}
}

// account is somebody who signs in at a provider that says who they are and
// nothing more, changed.
func account(change func(*meeting.Person)) func(*meeting.Admission, *meeting.Invitation) {
	return func(a *meeting.Admission, _ *meeting.Invitation) {
		a.Person = meeting.Person{
			Issuer: "https://any.example", Subject: "u1", Name: "Jeanne Dupont", Evidence: meeting.Evidence{Method: meeting.OIDC},
		}
		change(&a.Person)
	}
}

// Whoever is admitted together with others has proved something and shows
// nothing odd; each oddity has its own word, and the host's hold counts too.
func TestT21WarningsAndWhoIsSure(t *testing.T) {
	jeanne := meeting.MailboxPerson("jeanne@exemple.fr", meeting.Meeting{}.Created)
	plain := meeting.Admission{ID: "a", Invitation: "i", State: meeting.Waiting, Name: "Jeanne Dupont", Person: jeanne}
	asked := meeting.Invitation{ID: "i", Name: "Jeanne Dupont", Email: "Jeanne@exemple.fr"}
	for name, c := range map[string]struct {
		change func(*meeting.Admission, *meeting.Invitation)
		want   []lobby.Warning
	}{
		"nothing odd":    {func(*meeting.Admission, *meeting.Invitation) {}, nil},
		"unproved":       {func(a *meeting.Admission, _ *meeting.Invitation) { a.Person = meeting.Person{} }, []lobby.Warning{lobby.NothingProved}},
		"second browser": {func(a *meeting.Admission, _ *meeting.Invitation) { a.Elsewhere = true }, []lobby.Warning{lobby.LinkElsewhere}},
		"first browser": {
			func(_ *meeting.Admission, v *meeting.Invitation) { v.Seats = make([]meeting.Seat, 2) }, []lobby.Warning{lobby.LinkElsewhere},
		},
		"another name":   {func(a *meeting.Admission, _ *meeting.Invitation) { a.Person.Name = "Paul Petit" }, []lobby.Warning{lobby.NameDiffers}},
		"initials":       {func(a *meeting.Admission, v *meeting.Invitation) { a.Person.Name, v.Name = "Jeanne Dupont", "J. D." }, nil},
		"another box":    {func(a *meeting.Admission, _ *meeting.Invitation) { a.Person.Email = "j@ailleurs.fr" }, []lobby.Warning{lobby.AddressDiffers}},
		"no address":     {account(func(*meeting.Person) {}), []lobby.Warning{lobby.AddressUnproved}},
		"not verified":   {account(func(p *meeting.Person) { p.Email = "jeanne@exemple.fr" }), []lobby.Warning{lobby.AddressUnproved}},
		"verified":       {account(func(p *meeting.Person) { p.Email, p.Evidence.EmailVerified = "jeanne@exemple.fr", true }), nil},
		"no name either": {account(func(p *meeting.Person) { p.Name = "" }), []lobby.Warning{lobby.AddressUnproved}},
		"another number": {
			func(a *meeting.Admission, v *meeting.Invitation) {
				a.Person, v.Email, v.Phone = meeting.PhonePerson("+33612345678", a.Knocked), "", "+33612345679"
			}, []lobby.Warning{lobby.AddressUnproved},
		},
		"the number": {
			func(a *meeting.Admission, v *meeting.Invitation) {
				a.Person, v.Phone = meeting.PhonePerson("+33612345678", a.Knocked), "+33612345678"
			}, nil,
		},
		"no claim": {
			func(_ *meeting.Admission, v *meeting.Invitation) {
				v.Match = meeting.Match{Claim: "rpps", Value: "899700218896"}
			}, []lobby.Warning{lobby.AddressUnproved},
		},
		"a code that came with the link": {
			func(a *meeting.Admission, _ *meeting.Invitation) {
				a.Person = meeting.Person{Issuer: meeting.DialIssuer, Subject: "i", Evidence: meeting.Evidence{Method: meeting.DialCode}}
			}, []lobby.Warning{lobby.AddressUnproved},
		},
		"only a name is invited and proved": {
			func(a *meeting.Admission, v *meeting.Invitation) {
				account(func(*meeting.Person) {})(a, v)
				v.Email = ""
			}, nil,
		},
		"only a name is invited and typed": {
			func(a *meeting.Admission, v *meeting.Invitation) {
				account(func(p *meeting.Person) { p.Name = "" })(a, v)
				v.Email = ""
			}, []lobby.Warning{lobby.AddressUnproved},
		},
		"another name typed": {func(a *meeting.Admission, _ *meeting.Invitation) { a.Name = "Paul Petit" }, []lobby.Warning{lobby.NameDiffers}},
		"a sister":           {func(a *meeting.Admission, _ *meeting.Invitation) { a.Name = "Julie Dupont" }, []lobby.Warning{lobby.NameDiffers}},
		"initials typed":     {func(a *meeting.Admission, _ *meeting.Invitation) { a.Name = "J. D." }, nil},
		"one initial":        {func(a *meeting.Admission, _ *meeting.Invitation) { a.Name = "Jeanne D." }, nil},
		"without spaces":     {func(a *meeting.Admission, _ *meeting.Invitation) { a.Name = "JD" }, nil},
		"first name":         {func(a *meeting.Admission, _ *meeting.Invitation) { a.Name = "jeanne" }, nil},
		"one more name":      {func(a *meeting.Admission, _ *meeting.Invitation) { a.Name = "Mme Jeanne Marie DUPONT" }, nil},
		"accents":            {func(a *meeting.Admission, v *meeting.Invitation) { a.Name, v.Name = "Jeanne Dupont", "Jéanne Dûpont" }, nil},
		"initials invited":   {func(_ *meeting.Admission, v *meeting.Invitation) { v.Name = "J. D." }, nil},
		"a name made of the address": {
			func(a *meeting.Admission, v *meeting.Invitation) { a.Name, v.Name = "Mlle Petit", "Jeanne" }, nil,
		},
		"called so by a host": {
			func(a *meeting.Admission, _ *meeting.Invitation) {
				a.Name, a.Named = "Table 4", meeting.Named{By: "h", Count: 1}
			}, nil,
		},
		"like the owner": {func(a *meeting.Admission, _ *meeting.Invitation) { a.Name = "claire  MARTIN" }, []lobby.Warning{lobby.NameDiffers, lobby.NameLikeHost}},
		"like a co-host": {func(a *meeting.Admission, _ *meeting.Invitation) { a.Name = "Benali Karim" }, []lobby.Warning{lobby.NameDiffers, lobby.NameLikeHost}},
		"two alphabets":  {func(a *meeting.Admission, _ *meeting.Invitation) { a.Name = "Jeаnne" }, []lobby.Warning{lobby.NameMixed}},
		"changed": {
			func(a *meeting.Admission, _ *meeting.Invitation) { a.Named = meeting.Named{Was: "Anna", Count: 1} }, []lobby.Warning{lobby.NameChanged},
		},
		"renamed by host": {func(a *meeting.Admission, _ *meeting.Invitation) { a.Named = meeting.Named{By: "h", Count: 1} }, nil},
		"plain call":      {func(a *meeting.Admission, _ *meeting.Invitation) { a.Line.Kind = "SIP" }, []lobby.Warning{lobby.NotEncrypted}},
	} {
		t.Run(name, func(t *testing.T) {
			a, v := plain, asked
			c.change(&a, &v)
			s := waits(a, v)
			got := s.Warnings(&a)
			if d := cmp.Diff(c.want, got, cmp.Transformer("list", func(l []lobby.Warning) []string {
				words := []string{}
				for _, w := range l {
					words = append(words, string(w))
				}
				return words
			})); d != "" {
				t.Errorf("Warnings (-want +got):\n%s", d)
			}
			if s.Sure(&a) != (len(c.want) == 0) {
				t.Errorf("Sure = %v with warnings %v", s.Sure(&a), got)
			}
			a.Talk.Held = a.Knocked.AddDate(1, 0, 0)
			if s.Sure(&a) {
				t.Error("somebody whom the host asked to hold on is let in with the others")
			}
		})
	}
}

// The site's rule decides what a guest is called, whatever the browser sends.
func TestNameRules(t *testing.T) {
	doctor := meeting.Person{Issuer: "https://id", Subject: "1", Name: "Jeanne Marie Dupont", Evidence: meeting.Evidence{Method: meeting.OIDC}}
	mailbox := meeting.MailboxPerson("jeanne@exemple.fr", meeting.Meeting{}.Created)
	for _, c := range []struct {
		rule  lobby.NameRule
		p     meeting.Person
		want  string
		fixed bool
	}{
		{"", doctor, "Jeanne Marie Dupont", false},
		{lobby.NamesFree, mailbox, "Jeanne", false},
		{lobby.NamesInitials, doctor, "J. M. D.", true},
		{lobby.NamesInitials, mailbox, "J.", true},
		{lobby.NamesIdentity, doctor, "Jeanne Marie Dupont", true},
		{lobby.NamesIdentity, mailbox, "Jeanne", true},
	} {
		s := open(t, func(l *lobby.Config) { l.Names = c.rule })
		if got, fixed := s.Suggest(&meeting.Meeting{Lang: "fr"}, &meeting.Invitation{Name: "Jeanne"}, &c.p); got != c.want || fixed != c.fixed {
			t.Errorf("%q: Suggest = %q, %v; want %q, %v", c.rule, got, fixed, c.want, c.fixed)
		}
		id, links := s.meet(t, "Jeanne")
		_, a, err := s.Knock(t.Context(), links["Jeanne"], lobby.Arrival{Person: s.prove(t, links["Jeanne"]), Device: "phone", Name: "Dr Claire Martin", Consent: true}, "")
		if err != nil {
			t.Fatal(err)
		}
		want := map[lobby.NameRule]string{lobby.NamesInitials: "J.", lobby.NamesIdentity: "Jeanne"}[c.rule]
		if want == "" {
			want = "Dr Claire Martin"
		}
		snap, err := s.Snapshot(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := snap.Admission(a); got.Name != want {
			t.Errorf("%q: shown as %q, want %q", c.rule, got.Name, want)
		}
	}
}

// T21: nobody but the owner is shown under the owner's name, and who has no name
// of their own makes up none where the site's rule says what people are called.
func TestT21NamelessAreNotTheHost(t *testing.T) {
	for rule, typed := range map[lobby.NameRule]string{
		lobby.NamesFree: "Ann", lobby.NamesInitials: "Participant·e", lobby.NamesIdentity: "Participant·e",
	} {
		s := open(t, func(l *lobby.Config) { l.Names = rule })
		id, link := s.welcoming(t, meeting.Knocks)
		for name, want := range map[string]string{"": "Participant·e", "Ann": typed} {
			p := member(len(name))
			p.Name = ""
			_, a, err := s.Knock(t.Context(), link, lobby.Arrival{Person: p, Device: "d" + name, Name: name, Consent: true}, "")
			if got := s.admission(t, id, a).Name; err != nil || got != want {
				t.Errorf("%s: a member without a name who types %q is shown as %q, %v; want %q", rule, name, got, err, want)
			}
		}
		id, link = s.cohosted(t)
		co := colleague()
		co.Name = ""
		if _, err := s.HostKnock(t.Context(), id, lobby.Arrival{Person: s.host, Device: "desk"}, ""); err != nil {
			t.Fatal(err)
		}
		first, err := s.comes(t, link, co, "co")
		if got := s.admission(t, id, first).Name; err != nil || got != "Hugo" {
			t.Errorf("%s: a co-host without a name is shown as %q, %v; want as invited", rule, got, err)
		}
		second, err := s.HostKnock(t.Context(), id, lobby.Arrival{Person: co, Device: "co"}, "")
		if got := s.admission(t, id, second).Name; err != nil || got != "Hugo" {
			t.Errorf("%s: and from the console as %q, %v; want as invited", rule, got, err)
		}
	}
}

// The owner is shown under their own name, also where their provider tells none.
func TestNamelessOwner(t *testing.T) {
	s := open(t)
	s.host.Name = ""
	id, _ := s.meet(t)
	a, err := s.HostKnock(t.Context(), id, lobby.Arrival{Person: s.host, Device: "desk"}, "")
	if got := s.admission(t, id, a).Name; err != nil || got != s.host.Email {
		t.Errorf("shown as %q, %v; want %q", got, err, s.host.Email)
	}
}

// An address is shown to hosts as the site lets them see it.
func TestEmails(t *testing.T) {
	for rule, want := range map[lobby.Emails]string{
		"": "jeanne@exemple.fr", lobby.EmailsFull: "jeanne@exemple.fr", lobby.EmailsMasked: "j•••@exemple.fr", lobby.EmailsHidden: "",
	} {
		s := open(t, func(l *lobby.Config) { l.Emails = rule })
		if got := s.Email("jeanne@exemple.fr"); got != want {
			t.Errorf("%q: Email = %q, want %q", rule, got, want)
		}
	}
}
