package web

import (
	"slices"
	"strconv"
	"strings"

	"vestibule/meeting"
)

// NewMeeting is the one form that makes a meeting. The field names of the form
// are those of the struct tags.
type NewMeeting struct {
	Frame
	Form Form
	// Meeting is the one to change; empty: a new one is made.
	Meeting string
	// Version is which one was seen; Stale says that there is a newer one.
	Version string
	Stale   bool
	// Left is how many people of a copied meeting could not be taken over.
	Left int
	// Telephones says that there is a phone door.
	Telephones bool
	// Early and Remind are the site's, as Form has them.
	Early  int
	Remind string
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
	Early   int             // early, in minutes before the start
	Remind  string          // remind, in minutes before the start: "1440,30"; empty: not
	Chime   bool            // chime, "1"
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
	NoPhone    // a number without its country
	NoClaim    // a claim that nobody vouches for
	NoProvider // one that several do, or a provider that is not there
)

// Key names the fault in the catalogue.
func (f FieldFault) Key() string {
	return [...]string{"unreadable", "missing", "long", "past", "address", "twice", "many", "phone", "claim", "provider"}[f.What%10]
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
	return f.JoinBeforeHost || f.GuestScreen || f.GuestChat || f.Members != "" || n.unusual() || n.FaultAt("zone") != nil || n.FaultAt("lang") != nil
}

// unusual reports whether an option is not as the site has it.
func (n NewMeeting) unusual() bool {
	f := n.Form
	return f.Early != n.Early || f.Remind != n.Remind || n.FaultAt("early") != nil || n.FaultAt("remind") != nil || n.FaultAt("members") != nil
}

// Earlies are when a link may begin to work, in minutes before the start, with
// the chosen one among them.
func (n NewMeeting) Earlies() []int { return among([]int{5, 15, 30, 60, 240, 1440}, n.Form.Early) }

// Reminds are the reminders offered, the site's and the chosen ones among them.
func (n NewMeeting) Reminds() []Remind {
	var list []Remind
	for _, value := range []string{n.Remind, "", "1440", "30", "1440,30", n.Form.Remind} {
		if slices.ContainsFunc(list, func(r Remind) bool { return r.Value == value }) {
			continue
		}
		r := Remind{Value: value, Chosen: value == n.Form.Remind, Usual: value == n.Remind}
		for m := range strings.SplitSeq(value, ",") {
			if minutes, err := strconv.Atoi(m); err == nil {
				r.Before = append(r.Before, minutes)
			}
		}
		list = append(list, r)
	}
	return list
}

// Remind is a choice of reminders: none, one or two, in minutes before the start.
type Remind struct {
	Value         string
	Before        []int
	Chosen, Usual bool
}

// Welcomes are how members may come without an invitation.
func (NewMeeting) Welcomes() []meeting.Welcome {
	return []meeting.Welcome{meeting.ByName, meeting.Knocks, meeting.Enters}
}

// Durations are the lengths offered, in minutes, with the chosen one among
// them.
func (n NewMeeting) Durations() []int {
	return among([]int{15, 20, 30, 45, 60, 90, 120, 180, 240}, n.Form.Duration)
}

// among answers what is offered, with the chosen one where it is missing.
func among(offered []int, chosen int) []int {
	if chosen > 0 && !slices.Contains(offered, chosen) {
		offered = append(offered, chosen)
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
