package web

import (
	"slices"

	"vestibule/meeting"
)

// NewMeeting is the one form that makes a meeting. The field names of the form
// are those of the struct tags.
type NewMeeting struct {
	Frame
	Form Form
	// Faults are what has to be put right; the first of each field is shown
	// beside it.
	Faults []FieldFault
	// MayWelcome says that there are providers to tell who is a member.
	MayWelcome bool
	// Zones are offered for the time zone; any other may be typed.
	Zones []string
}

func (NewMeeting) file() string { return "newmeeting" }

// Form is what was typed, kept as it was.
type Form struct {
	Title    string // title
	Date     string // date, 2026-11-24
	Start    string // start, 14:00
	Duration int    // duration, in minutes
	Zone     string // zone, IANA name
	Lang     string // lang, of the invitations
	Invitees string // invitees, one a line: Name <mail> +33…, or less
	CoHosts  string // cohosts, likewise

	JoinBeforeHost bool // join_before_host, "1"
	GuestScreen    bool // guest_screen, "1"
	GuestChat      bool // guest_chat, "1"

	Members meeting.Welcome // members: "", "wait" or "admit"
}

// FieldFault is something to put right.
type FieldFault struct {
	Field string
	What  What
	Line  int // of a field with lines, from 1
}

// What is wrong with a field. The zero value says the least.
type What uint8

// What can be wrong.
const (
	Unreadable What = iota
	Missing
	TooLong
	InThePast
	NoAddress // a line whose address is none
	Twice     // a line that repeats another
	TooManyLines
	NoPhone // a number without its country
)

// Key names the fault in the catalogue.
func (f FieldFault) Key() string {
	return [...]string{"unreadable", "missing", "long", "past", "address", "twice", "many", "phone"}[f.What%8]
}

// FaultAt returns the fault of a field; nil: none.
func (n NewMeeting) FaultAt(field string) *FieldFault {
	i := slices.IndexFunc(n.Faults, func(f FieldFault) bool { return f.Field == field })
	if i < 0 {
		return nil
	}
	return &n.Faults[i]
}

// FaultsOf returns every fault of a field with lines.
func (n NewMeeting) FaultsOf(field string) []FieldFault {
	var list []FieldFault
	for _, f := range n.Faults {
		if f.Field == field {
			list = append(list, f)
		}
	}
	return list
}

// Unfold reports whether the folded options hold something to look at.
func (n NewMeeting) Unfold() bool {
	f := n.Form
	return f.JoinBeforeHost || f.GuestScreen || f.GuestChat || f.Members != "" || n.FaultAt("zone") != nil || n.FaultAt("lang") != nil
}

// Welcomes are how members may come without an invitation.
func (NewMeeting) Welcomes() []meeting.Welcome {
	return []meeting.Welcome{meeting.ByName, meeting.Knocks, meeting.Enters}
}

// Durations are the lengths offered, in minutes, with the chosen one among
// them.
func (n NewMeeting) Durations() []int {
	offered := []int{15, 20, 30, 45, 60, 90, 120, 180, 240}
	if d := n.Form.Duration; d > 0 && !slices.Contains(offered, d) {
		offered = append(offered, d)
		slices.Sort(offered)
	}
	return offered
}

// Chosen returns the length that is selected.
func (n NewMeeting) Chosen() int {
	if n.Form.Duration > 0 {
		return n.Form.Duration
	}
	return 30
}

// Langs returns the languages of invitations, the chosen one first.
func (n NewMeeting) Langs() []string {
	if n.Form.Lang == "en" || (n.Form.Lang == "" && n.Lang == "en") {
		return []string{"en", "fr"}
	}
	return []string{"fr", "en"}
}

// Created is what follows: one personal link for each invitee.
type Created struct {
	Frame
	Meeting  string
	Title    string
	Times    Times
	Invitees []Invitee
	Members  MemberLink
}

func (Created) file() string { return "created" }

// MailFault reports whether any mail came back.
func (c Created) MailFault() bool {
	return slices.ContainsFunc(c.Invitees, func(i Invitee) bool { return i.State == MailFailed || i.State == MailBounced })
}

// roleKey names a role in the catalogue.
func roleKey(r meeting.Role) string {
	if r == meeting.Host {
		return "host"
	}
	return "guest"
}
