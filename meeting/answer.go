package meeting

import (
	"slices"
	"time"
)

// Answer is a host's decision on a waiting person. A host may also let in
// somebody they refused before.
type Answer struct {
	By    Key
	Admit bool
	// Name is the display name that the host saw; empty asks nothing. Another
	// one by now is not what they said yes to.
	Name string
	// Why and Farewell are what a refusal tells the guest; Farewell is cleaned.
	Why      Why
	Farewell string
}

func (e Answer) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := byHost(d, e.By); no != nil {
		return "", "", "", no
	}
	if no := d.open(now); no != nil && e.Admit {
		return "", "", "", no
	}
	a := &d.Admission
	switch {
	case a.ID == "":
		return "", "", "", Refuse(NotFound)
	case e.Admit && slices.Contains(d.Meeting.Banned, a.Person.Key()):
		return "", "", "", Refuse(Removed) // expelled on another device
	case !e.Why.Known():
		return "", "", "", &Refusal{Reason: Invalid, Field: "reason"}
	}
	if a.State != Waiting && (a.State != Refused || !e.Admit) {
		if (a.State == Admitted) == e.Admit && a.State != Expelled {
			return "", "", "", nil // already so: two hosts clicked
		}
		return "", "", "", Refuse(Stale)
	}
	if e.Admit && e.Name != "" && e.Name != a.Name {
		return "", "", "", Refuse(NameChanged)
	}
	a.Decided, a.DecidedBy, a.Rule = now, e.By, "host"
	if e.Admit {
		a.State, a.Talk.Why, a.Talk.Farewell = Admitted, NoWhy, "" // of a refusal that is taken back
		return LetIn, a.Rule, e.By, nil
	}
	a.State, a.Talk.Why, a.Talk.Farewell = Refused, e.Why, e.Farewell
	return Turned, a.Rule, e.By, nil
}

// Reconsider is a host who takes a refusal back and lets the person wait again.
type Reconsider struct{ By Key }

func (e Reconsider) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := byHost(d, e.By); no != nil {
		return "", "", "", no
	}
	if no := d.open(now); no != nil {
		return "", "", "", no
	}
	a := &d.Admission
	switch {
	case a.ID == "":
		return "", "", "", Refuse(NotFound)
	case slices.Contains(d.Meeting.Banned, a.Person.Key()):
		return "", "", "", Refuse(Removed)
	case a.State == Waiting:
		return "", "", "", nil // two hosts clicked
	case a.State != Refused:
		return "", "", "", Refuse(Stale)
	}
	a.State, a.Decided, a.DecidedBy, a.Rule = Waiting, time.Time{}, "", "host"
	a.Talk.Why, a.Talk.Farewell, a.Stayed = NoWhy, "", now
	return WasReconsidered, "host", e.By, nil
}

// Leave is somebody going by their own will. Decided stays as it was: it tells
// on their return whether they had been let in or were still waiting.
type Leave struct{}

func (Leave) apply(d *Docs, _ time.Time) (What, string, Key, *Refusal) {
	a := &d.Admission
	if a.State != Waiting && a.State != Admitted {
		return "", "", "", nil
	}
	a.State, a.Pass, a.Ticket = Left, nil, Ticket{}
	return Gone, "", "", nil
}
