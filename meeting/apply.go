package meeting

import "time"

// Docs are the documents that one event concerns. Invitation and Admission
// are absent when their ID is empty.
type Docs struct {
	Meeting    Meeting
	Invitation Invitation
	Admission  Admission
}

// Entry is one thing that happened, as the trail keeps it. It is written in
// the same step as the change it tells of and is kept until the trail's own
// retention ends.
type Entry struct {
	At         time.Time `json:"at"`
	What       What      `json:"what"`
	Meeting    ID        `json:"meeting"`
	Invitation string    `json:"invitation,omitempty"`
	Admission  string    `json:"admission,omitempty"`
	// By is the host who acted; empty when the guest or a rule did.
	By Key `json:"by,omitempty"`
	// Person is whom it concerns, with the evidence as it then was.
	Person *Person `json:"person,omitempty"`
	Name   string  `json:"name,omitempty"`
	// Was is the display name before this, where it is another.
	Was    string `json:"was,omitempty"`
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Incident is the reference of a removal that was reported.
	Incident string `json:"incident,omitempty"`
	// Cuts are what was cut of somebody who was put out.
	Cuts []Cut `json:"cuts,omitempty"`
}

// What names an entry: stable lower-case words, never translated.
type What string

// The things that happen.
const (
	Created      What = "created"
	Invited      What = "invited"
	MailSent     What = "mail"
	Reminded     What = "reminder"
	LinkRevoked  What = "revoked"
	LinkReissued What = "reissued"
	CodeIssued   What = "code_sent"
	CodeRefused  What = "code_refused"
	CodeProved   What = "code_proved"
	Knocked      What = "knocked"
	Turned       What = "refused"
	LetIn        What = "admitted"
	Entered      What = "entered"
	Gone         What = "left"
	PutOut       What = "expelled"
	WasCut       What = "cut" // after expelled: what was cut
	WasLocked    What = "locked"
	WasUnlocked  What = "unlocked"
	WasEnded     What = "ended"
	WasCancelled What = "cancelled"
	WasAltered   What = "altered"
	WasHeld      What = "held"
	WasAsked     What = "asked"
	Replied      What = "replied"
	Renamed      What = "renamed"
	WasMuted     What = "muted"
	// WasReconsidered is a refusal that a host took back.
	WasReconsidered What = "reconsidered"
	Stayed          What = "stayed" // said that they are still there
	Lapsed          What = "lapsed" // did not say so
	// Doubled and Replaced tell of another device with the pass of somebody
	// inside: turned away, and in the first one's place.
	Doubled  What = "device_turned_away"
	Replaced What = "device_replaced"
	// Moved tells of somebody who came back into a locked meeting on another
	// device, proved to be the same.
	Moved What = "device_moved"
	// DialSlowed tells the host that somebody guesses dial-in codes.
	DialSlowed What = "dial_slowed"
)

// Event is something that is asked of a meeting.
type Event interface {
	apply(d *Docs, now time.Time) (what What, rule string, by Key, no *Refusal)
}

// Apply returns the documents as they are after the event, what happened, and
// a refusal when the answer is no. A refusal may still leave documents changed
// (a wrong code costs a try), so the caller commits them in either case. Apply
// never changes what d points to.
func Apply(d Docs, e Event, now time.Time) (Docs, []Entry, *Refusal) {
	was := d.Admission
	what, rule, by, no := e.apply(&d, now)
	if what == "" {
		return d, nil, no
	}
	entry := Entry{
		At: now, What: what, Meeting: d.Meeting.ID, Invitation: d.Invitation.ID,
		Admission: d.Admission.ID, By: by, Rule: rule, Name: d.Admission.Name,
	}
	if d.Admission.ID != "" {
		p := d.Admission.Person
		entry.Person = &p
		if was.ID == d.Admission.ID && was.Name != d.Admission.Name {
			entry.Was = was.Name
		}
	}
	if k, ok := e.(Knock); ok && d.Admission.ID == "" {
		entry.Person, entry.Name, entry.Admission = &k.Person, k.Name, k.ID
	}
	switch x := e.(type) {
	case Expel:
		entry.Incident = x.Incident
	case Severed:
		entry.Cuts = x.Cuts
	}
	if no != nil {
		entry.Reason = no.Reason.String()
	}
	return d, []Entry{entry}, no
}

// open refuses where the meeting or the link admits nobody, whoever asks.
func (d *Docs) open(now time.Time) *Refusal {
	switch {
	case d.Meeting.ID == "":
		return Refuse(NotFound)
	case d.Meeting.Phase == Cancelled:
		return Refuse(CalledOff)
	case d.Meeting.Over(now):
		return Refuse(Over)
	case d.Invitation.ID != "" && d.Meeting.Withdrawn(&d.Invitation):
		return Refuse(Revoked)
	}
	return nil
}

func byHost(d *Docs, k Key) *Refusal {
	switch {
	case d.Meeting.ID == "":
		return Refuse(NotFound)
	case !d.Meeting.HostedBy(k):
		return Refuse(NotHost)
	}
	return nil
}
