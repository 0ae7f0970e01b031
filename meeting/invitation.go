package meeting

import (
	"slices"
	"time"
)

// Invitation is one personal link. The link itself is not kept: it is derived
// from the site's secret, the ids and Generation, so that reading the store
// opens nothing. Kept until the meeting's Expires.
type Invitation struct {
	ID   string `json:"id"`
	Name string `json:"name"` // as the host wrote it; initials are enough
	// Email is where the link and codes go; empty where the host hands the
	// link over by other means and the invitee signs in.
	Email string `json:"email,omitempty"`
	// Phone is where codes go by SMS, as E.164 has it; empty: none do.
	Phone string `json:"phone,omitempty"`
	// Match is the claim the invitee must carry; zero asks none.
	Match Match `json:"match"`
	Role  Role  `json:"role"`
	// Shared marks the code that many may dial and that proves nobody. Its link
	// opens nothing, and whoever comes by it is let in by a host alone.
	Shared bool `json:"shared,omitempty"`
	// Members marks the link by which members of the institution come without
	// an invitation of their own. It opens nothing by itself: see Welcomes.
	Members bool `json:"members,omitempty"`
	// Order is the line of the invitation on the host's list.
	Order int    `json:"order,omitempty"`
	Lang  string `json:"lang,omitempty"`
	// Generation counts the links issued; only the newest works.
	Generation uint32    `json:"generation"`
	Revoked    bool      `json:"revoked,omitempty"`
	Created    time.Time `json:"created"`
	// By is the name of the host who invited; empty in what older versions
	// wrote.
	By string `json:"by,omitempty"`
	// Since is the meeting's Sequence when the invitation was made.
	Since int `json:"since,omitempty"`
	// Bound is who first used the link. Others who show up with it wait with
	// a warning (T03).
	Bound Key `json:"bound,omitempty"`
	// Used is when somebody first knocked with the link, Tried what did not
	// lead in.
	Used  time.Time `json:"used,omitzero"`
	Tried Tried     `json:"tried,omitzero"`
	// Seats are the admissions made through this link, newest last, at most
	// MaxSeats.
	Seats []Seat `json:"seats,omitempty"`
	Code  Code   `json:"code"`
	Mail  Mail   `json:"mail"`
	// Reminder is the last mail before the start.
	Reminder Mail `json:"reminder,omitzero"`
	// Told is set once an invitation mail was taken: from then on the calendar
	// entry is kept true.
	Told bool `json:"told,omitempty"`
	// Withdrawn counts how often the link was withdrawn.
	Withdrawn int `json:"withdrawn,omitempty"`
}

// MaxSeats bounds the admissions one link can make, so that a link posted in
// public cannot fill the waiting room.
const MaxSeats = 8

// MaxShared bounds the callers that use a shared code at once.
const MaxShared = 50

// MaxMembers bounds the admissions that the link for members can make at once.
const MaxMembers = 200

// Welcomes reports whether the link is for somebody like p at all. That for
// members is for whom a provider vouches as one, and an address proved by a code
// vouches for nobody.
func (v *Invitation) Welcomes(p *Person) bool {
	return !v.Members || p.Evidence.Method == OIDC && p.Evidence.Member
}

// Uses counts the seats that make a further one of the person odd (T03): all
// those of a personal link, their own of the link for members.
func (v *Invitation) Uses(k Key) int {
	if !v.Members {
		return len(v.Seats)
	}
	n := 0
	for i := range v.Seats {
		if v.Seats[i].Person == k {
			n++
		}
	}
	return n
}

// SeatOf reports whether the person came by the link.
func (v *Invitation) SeatOf(k Key) bool {
	return k != "" && slices.ContainsFunc(v.Seats, func(s Seat) bool { return s.Person == k })
}

// Full reports whether a link for many has no seat left.
func (v *Invitation) Full() bool {
	return v.Shared && len(v.Seats) >= MaxShared || v.Members && len(v.Seats) >= MaxMembers
}

// Withdrawn reports whether a link leads nowhere any more: it was revoked, or is
// for members of whom the meeting now asks an invitation.
func (m *Meeting) Withdrawn(v *Invitation) bool {
	return v.Revoked || v.Members && m.Settings.Members == ByName
}

// Seat points from an invitation to one admission made through it.
type Seat struct {
	Admission string `json:"admission"`
	Person    Key    `json:"person"`
	Device    string `json:"device"`
}

// Tried counts what came of a link and did not lead to the waiting room, for
// the host's eye.
type Tried struct {
	Codes  int       `json:"codes,omitempty"`  // wrong one-time codes
	Knocks int       `json:"knocks,omitempty"` // knocks that were refused
	Last   time.Time `json:"last,omitzero"`
	// Turned is the last knock that was refused and told of.
	Turned Turn `json:"turned,omitzero"`
}

// Turn is a knock that was refused: whose, why and when.
type Turn struct {
	By  Key       `json:"by,omitempty"`
	Why Reason    `json:"why,omitempty"`
	At  time.Time `json:"at,omitzero"`
}

// TurnedOnce is how long the same refusal of the same person is told of once:
// who knocks without end must not push what matters out of a host's sight.
const TurnedOnce = time.Minute

// again reports whether u repeats what was told of shortly before.
func (t Turn) again(u Turn) bool {
	return t.By == u.By && t.Why == u.Why && !t.At.IsZero() && u.At.Sub(t.At) < TurnedOnce
}

// Code is the one-time codes of an invitation and their budget. Only the HMACs
// of codes are kept, for ten minutes.
type Code struct {
	// Open are the codes that may still be typed, the newest last; the newest
	// stays when it is dead, for its count of tries.
	Open []OneTime `json:"open,omitempty"`
	// Sent are the times at which codes were sent in the last 24 hours; they
	// are the budget against guessing and against mail bombing.
	Sent []time.Time `json:"sent,omitempty"`
	// Attempt is the attempt that asked for the newest code.
	Attempt string `json:"attempt,omitempty"`
}
