package lobby

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"vestibule/meeting"
	"vestibule/policy"
	"vestibule/store"
	"vestibule/web/locale"
)

// Arrival is somebody at the door of one meeting.
type Arrival struct {
	Person meeting.Person
	// Device is the fingerprint of the browser's device cookie.
	Device string
	// Name is what the others shall see; cleaned here, the invitation's name
	// when empty.
	Name  string
	Agent string // kind of browser, in words
	// Net is the network they come from, as far as it is kept.
	Net meeting.Net
	// Consent is whether the notice was agreed to.
	Consent bool
	// Line and Call are a caller's.
	Line meeting.Line
	Call string
}

// View is what somebody who holds a link may know before they prove anything.
type View struct {
	Meeting    meeting.Meeting
	Invitation meeting.Invitation
}

// Look answers what a link leads to and changes nothing: mail scanners look
// (T01). A refusal still comes with the view where the link is genuine, so that
// the page can name the host.
func (l *Lobby) Look(ctx context.Context, link string) (View, error) {
	return l.look(ctx, link, time.Now())
}

func (l *Lobby) look(ctx context.Context, link string, now time.Time) (View, error) {
	id, inv, gen, no := l.read(link)
	if no != nil {
		return View{}, no
	}
	t := &tx{ctx: ctx, l: l, id: id, read: map[string]store.Doc{}}
	t.c.Reads = map[string]uint64{}
	d, err := t.docs(inv, "")
	if err != nil {
		return View{}, err
	}
	if no := current(&d, gen); no != nil {
		return View{}, no
	}
	v := View{Meeting: d.Meeting, Invitation: d.Invitation}
	switch {
	case d.Meeting.Phase == meeting.Cancelled:
		return v, meeting.Refuse(meeting.CalledOff)
	case d.Meeting.Over(now):
		return v, meeting.Refuse(meeting.Over)
	case d.Meeting.Withdrawn(&d.Invitation):
		return v, meeting.Refuse(meeting.Revoked)
	case d.Meeting.TooEarly(now) && d.Invitation.Role != meeting.Host:
		return v, meeting.Refuse(meeting.TooEarly)
	}
	return v, nil
}

// Knock brings a proved person to the waiting room, or further where the policy
// says so, or back where they were before. It answers the admission's meeting
// and id.
func (l *Lobby) Knock(ctx context.Context, link string, a Arrival, attempt string) (meeting.ID, string, error) {
	return l.knock(ctx, link, a, attempt, time.Now())
}

func (l *Lobby) knock(ctx context.Context, link string, a Arrival, attempt string, now time.Time) (meeting.ID, string, error) {
	id, inv, gen, no := l.read(link)
	if no != nil {
		return "", "", no
	}
	v := visit{id: meeting.NewAdmissionID()}
	var d meeting.Docs
	out, err := l.change(ctx, id, tag("knock", attempt), func(t *tx) (outcome, error) {
		var err error
		d, err = t.docs(inv, "")
		if err != nil {
			return outcome{}, err
		}
		if no := current(&d, gen); no != nil {
			return outcome{No: no}, nil
		}
		if !d.Invitation.Welcomes(&a.Person) {
			// Nothing is noted: the host hears nothing of strangers.
			return outcome{No: meeting.Refuse(meeting.NotInvited)}, nil
		}
		if d, err = t.clear(d); err != nil {
			return outcome{}, err
		}
		d, err = t.seat(d, d.Invitation.Seats, a)
		if err != nil {
			return outcome{}, err
		}
		return t.arrive(d, a, &v, now)
	})
	if err == nil && !out.again {
		err = l.count(ctx, &v)
	}
	if err := answered(out, err); err != nil {
		return "", "", err
	}
	if role(&d, &a.Person) == meeting.Host {
		// A co-host finds the meeting among their own from now on.
		if err := l.c.Shelf.Index(ctx, l.shelf(a.Person.Key()), id, d.Meeting.Ends, d.Meeting.Expires); err != nil {
			return "", "", fmt.Errorf("indexing meeting %s: %w", id, err)
		}
	}
	return id, out.Admission, nil
}

// HostKnock brings a host to their own meeting, without a link.
func (l *Lobby) HostKnock(ctx context.Context, id meeting.ID, a Arrival, attempt string) (string, error) {
	v := visit{id: meeting.NewAdmissionID()}
	a.Consent = true
	out, err := l.change(ctx, id, tag("host", attempt), func(t *tx) (outcome, error) {
		d, err := t.docs("", "")
		if err != nil {
			return outcome{}, err
		}
		if !d.Meeting.HostedBy(a.Person.Key()) {
			return outcome{No: meeting.Refuse(meeting.NotHost)}, nil
		}
		if a.Name == "" && a.Person.Name == "" {
			// As they were called when they came by their link.
			s, err := l.load(ctx, id)
			if err != nil {
				return outcome{}, err
			}
			a.Name = s.HostName(a.Person.Key())
		}
		d, err = t.seat(d, d.Meeting.Seats, a)
		if err != nil {
			return outcome{}, err
		}
		return t.arrive(d, a, &v, time.Now())
	})
	return out.Admission, answered(out, err)
}

// seat loads the admission that this person on this device already has.
func (t *tx) seat(d meeting.Docs, seats []meeting.Seat, a Arrival) (meeting.Docs, error) {
	key := a.Person.Key()
	i := slices.IndexFunc(seats, func(s meeting.Seat) bool { return s.Person == key && s.Device == a.Device })
	if i < 0 {
		return t.moves(d, seats, a)
	}
	return t.docs(d.Invitation.ID, seats[i].Admission)
}

// moves loads the admission that this person, on another device, may take over:
// one of whose own device nothing is connected any more.
func (t *tx) moves(d meeting.Docs, seats []meeting.Seat, a Arrival) (meeting.Docs, error) {
	key := a.Person.Key()
	for _, s := range seats {
		if !d.Meeting.Locked || s.Person != key || a.Call != "" || role(&d, &a.Person) == meeting.Host {
			continue // as anybody who comes by an open door, or needs no way back
		}
		was, err := t.docs(d.Invitation.ID, s.Admission)
		if err != nil {
			return d, err
		}
		if !was.MayMove(&a.Person) {
			continue
		}
		snap, err := t.l.Snapshot(t.ctx, t.id)
		if err != nil {
			return d, err
		}
		if !t.l.Present(snap, &was.Admission) { // nobody is thrown out by a sign-in that others may have
			return was, nil
		}
	}
	return d, nil
}

// knocks is how many knocks that change anything one person may make within
// an hour by one invitation, and knockRest how long they are kept waiting then.
const (
	knocks    = 30
	knockRest = 10 * time.Minute
)

// visit is one knock, over all tries to write it.
type visit struct {
	id  string // of the admission to make
	who string // whose knock was written; empty: nothing to count
}

// arrive asks the policy and applies the knock.
func (t *tx) arrive(d meeting.Docs, a Arrival, v *visit, now time.Time) (outcome, error) {
	if t.l.outlawed(t.id, d.Admission.ID, a.Person.Key()) {
		return outcome{No: meeting.Refuse(meeting.Removed)}, nil // the store may not know yet
	}
	f := Facts(&d, &a.Person, now)
	ruling := t.l.c.Rules.Decide(f)
	k := meeting.Knock{
		ID: v.id, Person: a.Person, Name: t.l.called(&d, &a), Role: role(&d, &a.Person), Device: a.Device, Agent: a.Agent, Net: a.Net, Line: a.Line, Call: a.Call,
		Admit: ruling.Verdict == policy.Admit, Wait: ruling.Verdict == policy.Wait, Rule: ruling.Rule, Why: ruling.Reason,
	}
	if a.Consent {
		k.Consented = now
	}
	v.who = "" // an earlier try was not written
	staged := len(t.c.Writes) + len(t.c.Events)
	next, no, err := t.apply(d, k, now)
	if err != nil || len(t.c.Writes)+len(t.c.Events) == staged {
		return outcome{No: no, Admission: next.Admission.ID}, err // a reload, or what was told of a moment ago
	}
	v.who = t.knocker(&d, &k)
	if v.who == "" {
		return outcome{No: no, Admission: next.Admission.ID}, nil
	}
	shut, err := t.l.c.Shelf.Get(t.ctx, "knock-shut", v.who)
	if err != nil {
		return outcome{}, fmt.Errorf("reading knocks at meeting %s: %w", t.id, err)
	}
	if shut != nil {
		v.who = ""
		t.drop()
		return outcome{No: meeting.Refuse(meeting.TooMany)}, nil
	}
	return outcome{No: no, Admission: next.Admission.ID}, nil
}

// knocker is whose knock counts: somebody who leaves and knocks without end, or
// is refused without end, would fill what hosts read. A host is never kept out
// (T42), nor who was let in and comes back; and who spent the budget of a link
// does not keep out whoever has the next (T12).
func (t *tx) knocker(d *meeting.Docs, k *meeting.Knock) string {
	if k.Role == meeting.Host || d.Admission.State == meeting.Admitted {
		return ""
	}
	gen := binary.BigEndian.AppendUint32(nil, d.Invitation.Generation)
	return hex.EncodeToString(t.l.mac("knocker", []byte(t.id), []byte(d.Invitation.ID), gen, []byte(k.Person.Key()))[:16])
}

// count counts a knock that was written, and keeps whoever made too many
// waiting. One that another was quicker than is not counted.
func (l *Lobby) count(ctx context.Context, v *visit) error {
	if v.who == "" {
		return nil
	}
	left, err := l.c.Shelf.Count(ctx, "knocks", v.who, knocks-1, time.Hour)
	if err == nil && !left {
		err = l.c.Shelf.Put(ctx, "knock-shut", v.who, []byte("shut"), knockRest)
	}
	if err != nil {
		return fmt.Errorf("counting knocks: %w", err)
	}
	return nil
}

// called is the name that the others shall see. Nobody but the owner is shown
// under the owner's.
func (l *Lobby) called(d *meeting.Docs, a *Arrival) string {
	// Of a stranger's device the host is shown what it says of itself.
	if only, fixed := l.Suggest(&d.Meeting, &d.Invitation, &a.Person); fixed && role(d, &a.Person) != meeting.Host && !d.Invitation.Shared {
		return only // whatever the browser sent
	}
	name := or(CleanText(a.Name, MaxName), or(d.Invitation.Name, CleanText(a.Person.Name, MaxName)))
	if name == "" && a.Person.Key() == d.Meeting.Owner.Key {
		name = d.Meeting.Owner.Name
	}
	return or(name, locale.Participant(d.Meeting.Lang))
}

// role is Host only for a person the header names, or for a co-host invitation
// met by a sign-in; nothing typed or sent by the browser matters (T41).
func role(d *meeting.Docs, p *meeting.Person) meeting.Role {
	if d.Meeting.HostedBy(p.Key()) {
		return meeting.Host
	}
	if d.Invitation.ID != "" && d.Invitation.Role == meeting.Host && p.Evidence.Method == meeting.OIDC && matches(&d.Invitation, p) {
		return meeting.Host
	}
	return meeting.Guest
}

// matches reports whether p is whom the invitation means: the claim where one
// is asked, else the address.
func matches(v *meeting.Invitation, p *meeting.Person) bool {
	if v.Match.Claim != "" {
		return p.Meets(v.Match)
	}
	return addressMatches(v, p)
}

// addressMatches reports whether the person proved the mailbox or the telephone
// that the invitation names.
func addressMatches(v *meeting.Invitation, p *meeting.Person) bool {
	if p.Evidence.Method == meeting.Telephone {
		return v.Phone != "" && p.Phone == v.Phone
	}
	return v.Email != "" && p.Evidence.EmailVerified && meeting.FoldAddress(p.Email) == meeting.FoldAddress(v.Email)
}

// Facts gathers what the policy decides on.
func Facts(d *meeting.Docs, p *meeting.Person, now time.Time) policy.Facts {
	e := &p.Evidence
	f := policy.Facts{Now: now}
	f.Meeting.Phase, f.Meeting.Locked = d.Meeting.Phase, d.Meeting.Locked
	f.Meeting.Starts, f.Meeting.Ends = d.Meeting.Starts, d.Meeting.Ends
	f.Meeting.Opens = d.Meeting.Starts.Add(-d.Meeting.Settings.Early)
	f.Meeting.Closes = d.Meeting.Ends.Add(d.Meeting.Settings.Grace)
	f.Meeting.HostInside = d.Meeting.Phase == meeting.Open
	f.Meeting.JoinBeforeHost = d.Meeting.Settings.JoinBeforeHost
	v := &d.Invitation
	f.Invitation.Present = v.ID != "" && !v.Members
	f.Invitation.Revoked, f.Invitation.Shared, f.Invitation.Members = d.Meeting.Withdrawn(v), v.Shared, v.Members
	f.Meeting.AdmitsMembers = d.Meeting.Settings.Members == meeting.Enters
	f.Invitation.Role = v.Role
	f.Invitation.MatchesClaim = v.Match.Claim == "" || p.Meets(v.Match)
	f.Invitation.AddressMatches = addressMatches(v, p)
	f.Invitation.UsedElsewhere = v.Uses(p.Key()) > 0 && d.Admission.ID == ""
	f.Person.Verified = p.Verified()
	f.Person.Method, f.Person.Issuer, f.Person.Member = e.Method, p.Issuer, e.Member
	f.Person.ACR, f.Person.AMR, f.Person.EmailVerified = e.ACR, e.AMR, e.EmailVerified
	if _, domain, ok := strings.Cut(meeting.FoldAddress(p.Email), "@"); ok {
		f.Person.EmailDomain = domain
	}
	f.Person.Organisation = e.Organisation
	f.Person.Role = role(d, p)
	f.Person.Banned = slices.Contains(d.Meeting.Banned, p.Key())
	f.Back = d.Admission.Back()
	return f
}
