package web

import (
	"time"

	"vestibule/meeting"
)

// Meetings is a host's own meetings.
type Meetings struct {
	Frame
	Today   []Row
	Later   []Row
	Earlier []Row
	// After is the meeting after which the next page begins; empty: this is
	// the last.
	After string
	// Further is set on every page but the first.
	Further bool
}

func (Meetings) file() string { return "meetings" }

// Empty reports whether there is none at all.
func (m Meetings) Empty() bool { return len(m.Today)+len(m.Later)+len(m.Earlier) == 0 }

// Row is one meeting in the list.
type Row struct {
	Meeting  string // its id
	Title    string
	Times    Times
	Phase    meeting.Phase
	Waiting  int
	Invitees []Invitee
}

// Over reports whether the meeting is past.
func (r Row) Over() bool { return r.Phase == meeting.Ended || r.Phase == meeting.Cancelled }

// PhaseKey names the phase in the catalogue.
func (r Row) PhaseKey() string { return phaseKey(r.Phase) }

func phaseKey(p meeting.Phase) string {
	return [...]string{"planned", "open", "ended", "cancelled"}[p%4]
}

// Invitee is one who was invited, and how far they have come.
type Invitee struct {
	Invitation string
	Name       string
	Mailbox    string // the address as the site lets hosts see it; empty: not shown
	Mails      bool   // there is an address
	Phone      string // the number, likewise
	// InPart is set where an address or number is not shown in full: they are
	// not corrected letter by letter then, and kept where nothing is written.
	InPart bool
	CoHost bool
	State  InviteeState
	// Dead is set once the link is withdrawn, whatever else became of it.
	Dead bool
	// Incident is the reference under which they were reported.
	Incident string
	// Why says in a word why the mail is not there: a key of the catalogue
	// under "mail.". Empty: nothing to say.
	Why string
	// Again is when it is sent again; zero: not by itself.
	Again time.Time
	Zone  string // of Again
	// Link is the personal link, for the host to copy; empty: not shown.
	Link string
	// Dial is their own way in by telephone.
	Dial Dial
}

// InviteeState is how far an invitee has come. The zero value: nowhere.
type InviteeState uint8

// The states of an invitee.
const (
	NotMailed    InviteeState = iota // no address: the host hands the link over
	Mailing                          // the mail is on its way
	Mailed                           // the mail server took it
	MailFailed                       // no mail could be sent: given up
	MailDeferred                     // not taken yet: it is sent again
	MailBounced                      // the address, or the mail, is refused
	Opened                           // the link was used
	IsWaiting
	IsAdmitted // let in, and not connected
	IsInside
	HasGone    // was inside and left
	TurnedAway // refused
	PutOut     // expelled
	Withdrawn  // the link was revoked
)

// Key names the state in the catalogue.
func (s InviteeState) Key() string {
	return [...]string{
		"unmailed", "mailing", "mailed", "failed", "deferred", "bounced", "opened",
		"waiting", "admitted", "inside", "left", "refused", "expelled", "revoked",
	}[s%14]
}

// Tone is how the state is coloured: the words say it already.
func (s InviteeState) Tone() string {
	switch s {
	case MailFailed, MailBounced, PutOut:
		return "bad"
	case IsWaiting, IsAdmitted, IsInside:
		return "good"
	default:
		return "plain"
	}
}

// Mailable reports whether sending the invitation (again) makes sense.
func (i Invitee) Mailable() bool {
	return i.Mails && !i.Dead && i.State != Mailing && i.State != IsAdmitted && i.State != IsInside && i.State != PutOut
}

// Renewable reports whether a new link makes sense: not for who is in already,
// nor for who was put out and stays so.
func (i Invitee) Renewable() bool {
	return i.State != IsAdmitted && i.State != IsInside && i.State != PutOut
}

// Revocable reports whether there is a link to withdraw.
func (i Invitee) Revocable() bool { return !i.Dead && i.State != PutOut }
