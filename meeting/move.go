package meeting

import (
	"slices"
	"time"
)

// MayMove reports whether p, on a device that the admission does not know, is
// the person who was let in, and may take it over: a locked door keeps newcomers
// out and not those inside whose telephone died. Only a sign-in says that they
// are the same; a mailbox can be read by others (T40).
func (d *Docs) MayMove(p *Person) bool {
	a := &d.Admission
	return d.Meeting.Locked && a.State == Admitted && a.Line.Kind == "" && a.Person.Key() == p.Key() &&
		a.Person.Evidence.Method == OIDC && p.Evidence.Method == OIDC
}

// move takes an admission to another device. The one before has no pass and no
// way to a ticket any more: one device at a time (T43).
func (k Knock) move(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	a := &d.Admission
	from := a.Device
	a.Device, a.Agent, a.Net, a.Consented = k.Device, k.Agent, k.Net, k.Consented
	a.Person, a.Pass, a.Ticket, a.Moved = k.Person, nil, Ticket{}, now // the evidence is of this sign-in
	swap := func(seats []Seat) []Seat {
		seats = slices.Clone(seats)
		for i := range seats {
			if seats[i].Admission == a.ID && seats[i].Device == from {
				seats[i].Device = k.Device
			}
		}
		return seats
	}
	d.Invitation.Seats, d.Meeting.Seats = swap(d.Invitation.Seats), swap(d.Meeting.Seats)
	return Moved, "", "", nil
}
