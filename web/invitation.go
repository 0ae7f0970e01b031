package web

import "time"

// Standing is how an invitation stands for the browser that shows it. The zero
// value offers no way in.
type Standing uint8

// The standings of an invitation.
const (
	NotYet    Standing = iota // the link does not work yet
	Ready                     // show who you are
	Here                      // already used in this browser: go straight on
	Elsewhere                 // already used in another: show who you are; the host will see it
)

// Invitation is the page behind a personal link. Looking at it changes
// nothing.
type Invitation struct {
	Frame
	Link     string // the path segment after /i/
	HostName string
	Title    string // as the host wrote it
	Times    Times
	Standing Standing
	// Opens is when the link begins to work, and Wait how long that is from
	// now; the page opens by itself.
	Opens time.Time
	Wait  time.Duration
	// Providers are the sign-ins this invitation allows, the institution's
	// first.
	Providers []Way
	// Mailbox is where a code would go, masked (meeting.MaskAddress); empty: no
	// code.
	Mailbox string
	// Phone is where a code would go by SMS, masked (meeting.MaskPhone); empty: none.
	Phone string
	// Admission is where Here goes on.
	Admission string
	// Members says that the link is for members of the institution.
	Members bool
	// KeptDays is how long who came and when is kept; 0 says "as the law asks".
	KeptDays int
}

func (Invitation) file() string { return "invitation" }

// NotYet reports whether the link does not work yet.
func (i Invitation) NotYet() bool { return i.Standing == NotYet }

// Here reports whether this browser has been through already.
func (i Invitation) Here() bool { return i.Standing == Here }

// Elsewhere reports whether another browser came first.
func (i Invitation) Elsewhere() bool { return i.Standing == Elsewhere }

// NoWay reports whether there is nothing to press: a fault of the invitation
// that only the host can put right.
func (i Invitation) NoWay() bool { return len(i.Providers) == 0 && i.Mailbox == "" && i.Phone == "" }

// Seconds returns how long until the link begins to work.
func (i Invitation) Seconds() int { return seconds(i.Wait) }
