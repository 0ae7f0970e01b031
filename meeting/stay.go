package meeting

import "time"

const (
	// Patience is how long somebody waits before the page asks whether they
	// are still there.
	Patience = 30 * time.Minute
	// Unanswered is how long that question stands before the knock lapses.
	// WCAG 2.2.1 asks for 20 seconds; somebody who went for a coffee needs more.
	Unanswered = 10 * time.Minute
)

// Asked reports whether the page asks one who waits whether they are still
// there. A caller is not asked: their line is open.
func (a *Admission) Asked(now time.Time) bool {
	return a.State == Waiting && a.Line.Kind == "" && now.Sub(a.lastSeen()) >= Patience
}

// Lapsing reports whether that question went unanswered for too long.
func (a *Admission) Lapsing(now time.Time) bool {
	return a.Asked(now) && now.Sub(a.lastSeen()) >= Patience+Unanswered
}

// lastSeen is when the person last showed that they are there.
func (a *Admission) lastSeen() time.Time {
	if a.Stayed.After(a.Knocked) {
		return a.Stayed
	}
	return a.Knocked
}

// Stay is the guest's answer that they are still there.
type Stay struct{}

func (Stay) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	a := &d.Admission
	switch {
	case a.ID == "":
		return "", "", "", Refuse(NotFound)
	case !a.Asked(now): // let in meanwhile, or a second press
		return "", "", "", nil
	}
	a.Stayed = now
	return Stayed, "", "", nil
}

// RuleLapsed is the rule of an admission that lapsed.
const RuleLapsed = "lapsed"

// Lapse ends a knock whose guest does not answer. They lose their place and
// nothing else: their link brings them back to the waiting room.
type Lapse struct{}

func (Lapse) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	a := &d.Admission
	if !a.Lapsing(now) {
		return "", "", "", nil
	}
	a.State, a.Rule, a.Pass, a.Ticket = Left, RuleLapsed, nil, Ticket{}
	return Lapsed, RuleLapsed, "", nil
}
