package meeting

import (
	"slices"
	"time"
)

// Expel puts a person out for good: admission, link and identity.
type Expel struct {
	By Key
	// Incident is the reference under which the host reports it; empty where
	// they only remove.
	Incident string
}

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
		if a.Incident == "" {
			a.Incident = e.Incident // another host was quicker to remove
		}
		return "", "", "", nil
	}
	a.Incident = e.Incident
	a.State, a.Decided, a.DecidedBy, a.Rule = Expelled, now, e.By, "host"
	a.Pass, a.Ticket = nil, Ticket{}
	if !slices.Contains(d.Meeting.Banned, key) {
		d.Meeting.Banned = append(slices.Clip(d.Meeting.Banned), key)
	}
	d.Meeting.Hosts = slices.DeleteFunc(slices.Clone(d.Meeting.Hosts), func(k Key) bool { return k == key })
	switch {
	case d.Invitation.Shared:
		d.Invitation.Generation++ // the others are told the new code
	case d.Invitation.Members:
		// The ban is on who they are, and nobody comes by this link unproved.
	case d.Invitation.ID != "":
		d.Invitation.kill()
	}
	return PutOut, "host", e.By, nil
}

// kill withdraws a link without a word to whom it was sent.
func (v *Invitation) kill() {
	v.Revoked = true
	v.Code = Code{Sent: v.Code.Sent}
}

// Unlink withdraws a link by which somebody once came who was put out since, as
// a host who enters from their console: with it they would prove a mailbox, or
// dial in, and be somebody else.
type Unlink struct {
	By     Key
	Person Key // who was put out
}

func (e Unlink) apply(d *Docs, _ time.Time) (What, string, Key, *Refusal) {
	if no := byHost(d, e.By); no != nil {
		return "", "", "", no
	}
	v := &d.Invitation
	if v.Revoked || v.Shared || v.Members || !v.SeatOf(e.Person) || !slices.Contains(d.Meeting.Banned, e.Person) {
		return "", "", "", nil
	}
	v.kill()
	return LinkRevoked, "host", e.By, nil
}

// Severed tells what was cut of somebody who was put out and what was not, for
// every host's eye and for the trail.
type Severed struct {
	By   Key
	Cuts []Cut
}

func (e Severed) apply(d *Docs, _ time.Time) (What, string, Key, *Refusal) {
	if d.Admission.State != Expelled {
		return "", "", "", nil
	}
	return WasCut, "", e.By, nil
}
