package lobby

import (
	"slices"
	"strings"

	"vestibule/meeting"
	"vestibule/web/locale"
)

// Warning is something a host should see before they admit somebody: a stable
// word, which pages and programs put into their own.
type Warning string

// The warnings.
const (
	NothingProved  Warning = "nothing_proved"
	LinkElsewhere  Warning = "link_used_elsewhere" // by another browser or person
	NameDiffers    Warning = "name_differs"        // the proved or typed name is not the invited one
	AddressDiffers Warning = "address_differs"     // nor the address
	// AddressUnproved is that nothing proved is what the invitation names: an
	// address, a number, a claim, or, of one that names none, a person.
	AddressUnproved Warning = "address_unproved"
	NameLikeHost    Warning = "name_like_host"     // the name to be shown is taken for a host's
	NameMixed       Warning = "name_mixes_scripts" // and is not what it looks like
	NameChanged     Warning = "name_changed"       // the guest changed it while they waited
	NotEncrypted    Warning = "not_encrypted"      // a call that others on the way can hear
)

// Warnings returns every warning, in the order in which a host is shown them.
func Warnings() []Warning {
	return []Warning{
		NothingProved, LinkElsewhere, NameDiffers, AddressDiffers, AddressUnproved, NameLikeHost, NameMixed, NameChanged, NotEncrypted,
	}
}

// Warnings answers what is odd about an admission. It is the one place that
// says so: console, API and "admit all verified" ask here.
func (s *Snapshot) Warnings(a *meeting.Admission) []Warning {
	v, p := s.Invitations[a.Invitation], &a.Person
	differs := v.Email != "" && p.Email != "" && meeting.FoldAddress(p.Email) != meeting.FoldAddress(v.Email)
	is := map[Warning]bool{
		NothingProved:   !p.Verified(),
		LinkElsewhere:   a.Elsewhere || v.Uses(p.Key()) > 1 && !v.Shared,
		NameDiffers:     anotherName(&v, a),
		AddressDiffers:  differs,
		AddressUnproved: p.Verified() && !differs && unproved(&v, p),
		NameLikeHost:    s.likeHost(a),
		NameMixed:       MixedScripts(a.Name),
		NameChanged:     a.Named.ByGuest(),
		NotEncrypted:    a.Line.Kind != "" && !a.Line.Encrypted,
	}
	return slices.DeleteFunc(Warnings(), func(w Warning) bool { return !is[w] })
}

// unproved reports whether somebody holds a link and has shown nothing of whom
// it is for: a link is forwarded in a moment, and any account opens it.
func unproved(v *meeting.Invitation, p *meeting.Person) bool {
	if v.Match.Claim != "" || v.Email != "" || v.Phone != "" {
		return !matches(v, p)
	}
	return v.Name != "" && !v.Shared && p.Evidence.Method == meeting.OIDC && p.Name == ""
}

// anotherName reports whether the proved name, or where none is proved the typed
// one, is not the name that a host invited. Who types is not held to the letter:
// initials and a name left out are theirs to choose.
func anotherName(v *meeting.Invitation, a *meeting.Admission) bool {
	p := &a.Person
	switch local, _, _ := strings.Cut(v.Email, "@"); {
	case v.Name == "" || v.Shared || v.Name == ClaimName(v.Match):
		return false // no host wrote it
	case p.Name != "":
		return !Resembles(p.Name, v.Name) && !Resembles(Initials(p.Name), v.Name)
	case v.Name == CleanText(local, MaxName) || v.Name == meeting.CountryPhone(v.Phone):
		return false // made of the address
	}
	return a.Name != "" && a.Named.By == "" && !Abbreviates(a.Name, v.Name)
}

// Sure reports whether a host may admit somebody together with others: they
// wait, proved something, nothing about them is odd and no host asked them to
// hold on.
func (s *Snapshot) Sure(a *meeting.Admission) bool {
	return a.State == meeting.Waiting && a.Person.Verified() && a.Talk.Held.IsZero() && len(s.Warnings(a)) == 0
}

// likeHost reports whether the name to be shown could be taken for that of a
// host who is somebody else.
func (s *Snapshot) likeHost(a *meeting.Admission) bool {
	key := a.Person.Key()
	if key != s.Meeting.Owner.Key && Resembles(a.Name, s.Meeting.Owner.Name) {
		return true
	}
	return slices.ContainsFunc(s.Admissions, func(h meeting.Admission) bool {
		return h.Role == meeting.Host && h.Person.Key() != key && s.Meeting.HostedBy(h.Person.Key()) &&
			(Resembles(a.Name, h.Name) || Resembles(a.Name, h.Person.Name))
	})
}

// Uses answers the other admissions made through the same link, oldest first:
// a host who is warned of two devices sees both (T03).
func (s *Snapshot) Uses(a *meeting.Admission) []meeting.Admission {
	var list []meeting.Admission
	if s.Invitations[a.Invitation].Shared {
		return nil // a code that is meant to be used by many
	}
	members := s.Invitations[a.Invitation].Members
	for _, seat := range s.Invitations[a.Invitation].Seats {
		if members && seat.Person != a.Person.Key() {
			continue // a link that is meant to be used by many
		}
		if b, ok := s.Admission(seat.Admission); ok && b.ID != a.ID {
			list = append(list, b)
		}
	}
	return list
}

// HostName answers what a host is called; empty for nobody known.
func (s *Snapshot) HostName(k meeting.Key) string {
	if s.Meeting.Owner.Key == k {
		return s.Meeting.Owner.Name
	}
	for i := range s.Admissions {
		if s.Admissions[i].Person.Key() == k {
			return s.Admissions[i].Name
		}
	}
	return ""
}

// Initials answers "C. M." for "Claire Martin".
func Initials(name string) string {
	var b strings.Builder
	for f := range strings.FieldsSeq(name) {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(strings.ToUpper(string([]rune(f)[0])) + ".")
	}
	return b.String()
}

// NameRule is how a site lets guests be called. The zero value is NamesFree.
type NameRule string

// The rules for guests' names.
const (
	NamesFree     NameRule = "free"     // as they write it
	NamesInitials NameRule = "initials" // the initials of their name, and no more
	NamesIdentity NameRule = "identity" // as their provider vouches, else as the host invited them
)

// Suggest answers the name a guest is offered, and whether the site's rule
// leaves them no other. Of somebody without any name the rule hides nothing and
// still lets none be made up.
func (l *Lobby) Suggest(m *meeting.Meeting, v *meeting.Invitation, p *meeting.Person) (name string, fixed bool) {
	name = CleanText(or(p.Name, v.Name), MaxName)
	switch {
	case l.c.Names == NamesFree:
		return name, false
	case name == "":
		return locale.Participant(m.Lang), true
	case l.c.Names == NamesInitials:
		return Initials(name), true
	}
	return name, true
}
