package meeting

import (
	"slices"
	"time"
)

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
	Net       Net
	Consented time.Time
	// Line and Call are set for a caller.
	Line Line
	Call string
	// Admit and Wait are the policy's verdict; both false refuses.
	Admit, Wait bool
	Rule        string
	// Why is the policy's reason when it refuses.
	Why Reason
}

func (k Knock) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	what, rule, by, no := k.in(d, now)
	if v := &d.Invitation; what == Turned && v.ID != "" {
		t := &v.Tried
		turned := Turn{By: k.Person.Key(), Why: no.Reason, At: now}
		if t.Turned.again(turned) {
			return "", "", "", no
		}
		t.Knocks++
		t.Last, t.Turned = now, turned
	}
	return what, rule, by, no
}

func (k Knock) in(d *Docs, now time.Time) (What, string, Key, *Refusal) {
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
	if d.Meeting.Locked && k.Role != Host {
		return Turned, "built-in", "", Refuse(IsLocked)
	}
	elsewhere, ok := d.take(Seat{Admission: k.ID, Person: k.Person.Key(), Device: k.Device}, now)
	if !ok {
		return Turned, "built-in", "", Refuse(TooMany)
	}
	return k.admission(d, elsewhere, k.Admit, now)
}

// admission puts a new admission among the documents: admitted where the
// policy says so, else waiting.
func (k Knock) admission(d *Docs, elsewhere, admit bool, now time.Time) (What, string, Key, *Refusal) {
	if k.Role == Host && !d.Meeting.HostedBy(k.Person.Key()) {
		d.Meeting.Hosts = append(slices.Clip(d.Meeting.Hosts), k.Person.Key())
	}
	d.Admission = Admission{
		ID: k.ID, Invitation: d.Invitation.ID, Person: k.Person, Name: k.Name,
		Role: k.Role, State: Waiting, Device: k.Device, Agent: k.Agent, Net: k.Net, Line: k.Line, Call: k.Call,
		Elsewhere: elsewhere, Knocked: now, Consented: k.Consented, Rule: k.Rule,
	}
	// A link that was used before never admits by rule: the host decides (T03).
	// Nor does a code that many share, whatever a rule says.
	if admit && k.Person.Verified() && (!elsewhere || k.Role == Host) {
		d.Admission.State, d.Admission.Decided = Admitted, now
		return LetIn, k.Rule, "", nil
	}
	return Knocked, k.Rule, "", nil
}

// take notes a new seat. A link has MaxSeats of them; without a link it is a
// host, who is never locked out (T42): the oldest of their own seats gives way.
func (d *Docs) take(s Seat, now time.Time) (elsewhere, ok bool) {
	v := &d.Invitation
	if v.ID == "" {
		d.Meeting.Seats = append(giveWay(d.Meeting.Seats, s.Person), s)
		return false, true
	}
	switch {
	case v.Shared && len(v.Seats) < MaxShared:
		v.Seats = append(slices.Clip(v.Seats), s)
		return false, true
	case v.Full() || v.Uses(s.Person) >= MaxSeats:
		return false, false
	}
	if v.Bound == "" && !v.Members {
		v.Bound = s.Person
	}
	if v.Used.IsZero() {
		v.Used = now
	}
	elsewhere = v.Uses(s.Person) > 0
	v.Seats = append(slices.Clip(v.Seats), s)
	return elsewhere, true
}

// giveWay returns a copy of the seats with room for one more of the person.
func giveWay(seats []Seat, k Key) []Seat {
	own := 0
	for i := range seats {
		if seats[i].Person == k {
			own++
		}
	}
	kept := make([]Seat, 0, len(seats)+1)
	for _, s := range seats {
		if s.Person == k && own >= MaxSeats {
			own--
			continue
		}
		kept = append(kept, s)
	}
	return kept
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
	case !k.Person.Verified() && (!d.Invitation.Shared || key == ""):
		return Refuse(Unverified)
	case !d.Invitation.Welcomes(&k.Person):
		return Refuse(NotInvited)
	case k.Role == Host && k.Person.Evidence.Method != OIDC:
		return Refuse(NotHost) // a mailbox is not enough to command (T41)
	case k.Role != Host && d.Meeting.TooEarly(now):
		return Refuse(TooEarly)
	case k.Role != Host && k.Consented.IsZero():
		return Refuse(NoConsent)
	case d.Admission.ID != "" && (d.Admission.Person.Key() != key || d.Admission.Device != k.Device && !d.MayMove(&k.Person)):
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
		if k.Call != "" {
			return k.redial(d)
		}
		switch {
		case a.Device == k.Device:
		case !k.Admit && !k.Wait:
			return Turned, k.Rule, "", Refuse(k.Why) // this sign-in is another than the one that was let in
		default:
			return k.move(d, now)
		}
		return "", "", "", nil // a dropped network comes back unaided (T40)
	case Waiting:
		a.Line, a.Call = k.Line, k.Call
		if a.Asked(now) {
			a.Stayed = now
		}
		what, no := a.rename(k.Name, now)
		return what, "", "", no
	case Left:
		return k.back(d, now)
	default:
		return "", "", "", Refuse(Stale)
	}
}

// back is the return of somebody who left by their own will: a locked door is
// shut for them too, and the policy is asked as of anybody.
func (k Knock) back(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	switch {
	case d.Meeting.Locked && k.Role != Host:
		return Turned, "built-in", "", Refuse(IsLocked)
	case !k.Admit && !k.Wait:
		return Turned, k.Rule, "", Refuse(k.Why)
	case k.ID == "":
		return "", "", "", Refuse(Invalid)
	}
	if d.Admission.undecided() {
		k.ID = d.Admission.ID // nothing was cut, and who comes and goes makes no heap of them
	}
	// What was cut stays cut: who comes back gets a new admission.
	d.reseat(d.Admission.ID, k.ID)
	elsewhere, was := d.Admission.Elsewhere, d.Admission.Back()
	named := d.Admission.Named
	if named.By != "" {
		k.Name = d.Admission.Name // the host's choice outlives the way out
	}
	what, rule, by, no := k.admission(d, elsewhere && !was, k.Admit, now)
	d.Admission.Elsewhere, d.Admission.Named = elsewhere, named
	return what, rule, by, no
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
