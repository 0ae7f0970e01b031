package meeting

import (
	"crypto/hmac"
	"slices"
	"time"
)

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
	Rule   string  `json:"rule,omitempty"`
	Reason string  `json:"reason,omitempty"`
}

// What names an entry: stable lower-case words, never translated.
type What string

// The things that happen.
const (
	Created      What = "created"
	Invited      What = "invited"
	MailSent     What = "mail"
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
	WasLocked    What = "locked"
	WasUnlocked  What = "unlocked"
	WasEnded     What = "ended"
	WasCancelled What = "cancelled"
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
	}
	if k, ok := e.(Knock); ok && d.Admission.ID == "" {
		entry.Person, entry.Name, entry.Admission = &k.Person, k.Name, k.ID
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
	case d.Invitation.ID != "" && d.Invitation.Revoked:
		return Refuse(Revoked)
	}
	return nil
}

// Knock is somebody at the door, with the policy's verdict on them. With an
// Admission among the documents it is the same person on the same device
// coming back; without, Knock makes a new one.
type Knock struct {
	ID        string // of the admission to make
	Person    Person
	Name      string // to be shown to others, cleaned
	Role      Role
	Device    string
	Agent     string
	Consented time.Time
	// Admit and Wait are the policy's verdict; both false refuses.
	Admit, Wait bool
	Rule        string
	// Why is the policy's reason when it refuses.
	Why Reason
}

func (k Knock) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := k.hard(d, now); no != nil {
		return Turned, "built-in", "", no
	}
	if d.Admission.ID != "" {
		return k.again(d, now)
	}
	if !k.Admit && !k.Wait {
		return Turned, k.Rule, "", Refuse(k.Why)
	}
	if k.ID == "" || k.Device == "" {
		return "", "", "", Refuse(Invalid)
	}
	if d.Invitation.ID == "" && k.Role != Host {
		return Turned, "built-in", "", Refuse(NotInvited)
	}
	if d.Meeting.Locked && k.Role != Host && !d.seated(k.Person.Key()) {
		return Turned, "built-in", "", Refuse(IsLocked)
	}
	seat := Seat{Admission: k.ID, Person: k.Person.Key(), Device: k.Device}
	elsewhere := false
	if d.Invitation.ID != "" {
		if len(d.Invitation.Seats) >= MaxSeats {
			return Turned, "built-in", "", Refuse(TooMany)
		}
		elsewhere = len(d.Invitation.Seats) > 0
		d.Invitation.Seats = append(slices.Clip(d.Invitation.Seats), seat)
		if d.Invitation.Bound == "" {
			d.Invitation.Bound = k.Person.Key()
		}
	} else {
		d.Meeting.Seats = append(slices.Clip(d.Meeting.Seats), seat)
	}
	if k.Role == Host && !d.Meeting.HostedBy(k.Person.Key()) {
		d.Meeting.Hosts = append(slices.Clip(d.Meeting.Hosts), k.Person.Key())
	}
	d.Admission = Admission{
		ID: k.ID, Invitation: d.Invitation.ID, Person: k.Person, Name: k.Name,
		Role: k.Role, State: Waiting, Device: k.Device, Agent: k.Agent,
		Elsewhere: elsewhere, Knocked: now, Consented: k.Consented, Rule: k.Rule,
	}
	// A link that was used before never admits by rule: the host decides (T03).
	if k.Admit && (!elsewhere || k.Role == Host) {
		d.Admission.State, d.Admission.Decided = Admitted, now
		return LetIn, k.Rule, "", nil
	}
	return Knocked, k.Rule, "", nil
}

// seated reports whether the person came through this invitation before, on
// another device: in a locked meeting they may wait, a newcomer may not.
func (d *Docs) seated(k Key) bool {
	return slices.ContainsFunc(d.Invitation.Seats, func(s Seat) bool { return s.Person == k })
}

// hard refuses what no policy may allow.
func (k Knock) hard(d *Docs, now time.Time) *Refusal {
	if no := d.open(now); no != nil {
		return no
	}
	key := k.Person.Key()
	switch {
	case slices.Contains(d.Meeting.Banned, key) && key != "":
		return Refuse(Removed)
	case !k.Person.Verified():
		return Refuse(Unverified)
	case k.Role == Host && k.Person.Evidence.Method != OIDC:
		return Refuse(NotHost) // a mailbox is not enough to command (T41)
	case k.Role != Host && d.Meeting.TooEarly(now):
		return Refuse(TooEarly)
	case k.Role != Host && k.Consented.IsZero():
		return Refuse(NoConsent)
	case d.Admission.ID != "" && (d.Admission.Person.Key() != key || d.Admission.Device != k.Device):
		return Refuse(NotYou)
	}
	return nil
}

// again is the way back of somebody who has an admission on this device.
func (k Knock) again(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	a := &d.Admission
	switch a.State {
	case Expelled:
		return Turned, "built-in", "", Refuse(Removed)
	case Refused:
		return Turned, a.Rule, "", Refuse(ByHost)
	case Admitted:
		return "", "", "", nil // a dropped network comes back unaided (T40)
	case Waiting:
		a.Name = k.Name
		return "", "", "", nil
	}
	// Left: by their own will, so a locked door is shut for them too.
	if d.Meeting.Locked && k.Role != Host {
		return Turned, "built-in", "", Refuse(IsLocked)
	}
	if k.ID == "" {
		return "", "", "", Refuse(Invalid)
	}
	// What was cut stays cut: who comes back gets a new admission.
	d.reseat(a.ID, k.ID)
	*a = Admission{
		ID: k.ID, Invitation: a.Invitation, Person: k.Person, Name: k.Name, Role: k.Role, State: Admitted,
		Device: k.Device, Agent: k.Agent, Elsewhere: a.Elsewhere, Knocked: now, Decided: now,
		Rule: "built-in: back", Consented: k.Consented,
	}
	return LetIn, a.Rule, "", nil
}

// reseat puts a new admission in the place of an old one.
func (d *Docs) reseat(from, to string) {
	swap := func(seats []Seat) []Seat {
		seats = slices.Clone(seats)
		for i := range seats {
			if seats[i].Admission == from {
				seats[i].Admission = to
			}
		}
		return seats
	}
	d.Invitation.Seats, d.Meeting.Seats = swap(d.Invitation.Seats), swap(d.Meeting.Seats)
}

// Answer is a host's decision on a waiting person. A host may also let in
// somebody they refused before.
type Answer struct {
	By    Key
	Admit bool
}

func (e Answer) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := byHost(d, e.By); no != nil {
		return "", "", "", no
	}
	if no := d.open(now); no != nil && e.Admit {
		return "", "", "", no
	}
	a := &d.Admission
	if a.State != Waiting && (a.State != Refused || !e.Admit) {
		if (a.State == Admitted) == e.Admit && a.State != Expelled {
			return "", "", "", nil // already so: two hosts clicked
		}
		return "", "", "", Refuse(Stale)
	}
	a.Decided, a.DecidedBy, a.Rule = now, e.By, "host"
	if e.Admit {
		a.State = Admitted
		return LetIn, a.Rule, e.By, nil
	}
	a.State = Refused
	return Turned, a.Rule, e.By, nil
}

// Leave is somebody going by their own will.
type Leave struct{}

func (Leave) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	a := &d.Admission
	if a.State != Waiting && a.State != Admitted {
		return "", "", "", nil
	}
	a.State, a.Decided, a.Pass, a.Ticket = Left, now, nil, Ticket{}
	return Gone, "", "", nil
}

// Expel puts a person out for good: admission, link and identity.
type Expel struct{ By Key }

func (e Expel) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := byHost(d, e.By); no != nil {
		return "", "", "", no
	}
	a := &d.Admission
	key := a.Person.Key()
	switch {
	case a.ID == "":
		return "", "", "", Refuse(NotFound)
	case key == d.Meeting.Owner.Key || key == e.By:
		return "", "", "", Refuse(Stale) // the owner stays; nobody expels themselves
	case a.State == Expelled:
		return "", "", "", nil
	}
	a.State, a.Decided, a.DecidedBy, a.Rule = Expelled, now, e.By, "host"
	a.Pass, a.Ticket = nil, Ticket{}
	if !slices.Contains(d.Meeting.Banned, key) {
		d.Meeting.Banned = append(slices.Clip(d.Meeting.Banned), key)
	}
	d.Meeting.Hosts = slices.DeleteFunc(slices.Clone(d.Meeting.Hosts), func(k Key) bool { return k == key })
	if d.Invitation.ID != "" {
		d.Invitation.Revoked = true
		d.Invitation.Code = Code{Sent: d.Invitation.Code.Sent}
	}
	return PutOut, "host", e.By, nil
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

// Step asks for a ticket into the room.
type Step struct {
	Device string
	MAC    []byte // of the ticket
}

func (e Step) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := d.enter(now); no != nil {
		return "", "", "", no
	}
	if d.Admission.Device != e.Device || len(e.MAC) == 0 {
		return "", "", "", Refuse(NotYou)
	}
	d.Admission.Ticket = Ticket{MAC: e.MAC, Expires: now.Add(TicketLife)}
	return "", "", "", nil
}

// Redeem spends a ticket for a pass. A host's first entry opens the meeting.
type Redeem struct {
	MAC  []byte // of the ticket shown
	Pass []byte // MAC of the pass to give
}

func (e Redeem) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := d.enter(now); no != nil {
		return "", "", "", no
	}
	a := &d.Admission
	if len(a.Ticket.MAC) == 0 || !hmac.Equal(a.Ticket.MAC, e.MAC) || now.After(a.Ticket.Expires) || len(e.Pass) == 0 {
		return "", "", "", Refuse(TicketSpent)
	}
	a.Ticket, a.Pass = Ticket{}, e.Pass
	if a.Entered.IsZero() {
		a.Entered = now
	}
	if a.Role == Host && d.Meeting.Phase == Planned {
		d.Meeting.Phase, d.Meeting.Changed = Open, now
	}
	return Entered, a.Rule, "", nil
}

// enter refuses whoever may not be in the room right now.
func (d *Docs) enter(now time.Time) *Refusal {
	a := &d.Admission
	if a.ID == "" {
		return Refuse(NotFound)
	}
	switch a.State {
	case Admitted:
	case Expelled:
		return Refuse(Removed)
	case Refused:
		return Refuse(ByHost)
	default:
		return Refuse(Stale)
	}
	if no := d.open(now); no != nil {
		return no
	}
	if slices.Contains(d.Meeting.Banned, a.Person.Key()) {
		return Refuse(Removed)
	}
	if d.Meeting.Phase != Open && a.Role != Host && !d.Meeting.Settings.JoinBeforeHost {
		return Refuse(HostAway)
	}
	return nil
}

// MayEnter reports nil when the admission may be in the room right now, else
// why not. It is what the proxy asks of every known guest.
func (d *Docs) MayEnter(now time.Time) *Refusal { return d.enter(now) }
