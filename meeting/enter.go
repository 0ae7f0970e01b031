package meeting

import (
	"crypto/hmac"
	"slices"
	"time"
)

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
