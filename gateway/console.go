package gateway

import (
	"net/http"
	"slices"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/web"
)

// console is where a host sees who knocks and decides.
func (s *Server) console(w http.ResponseWriter, r *http.Request) error {
	ses, snap, err := s.hosted(r)
	if err != nil {
		return err
	}
	return s.page(w, r, s.consoleOf(snap, ses.Person, s.hostFrame(w, r, ses.Person)))
}

func (s *Server) consoleEvents(w http.ResponseWriter, r *http.Request) error {
	ses, snap, err := s.hosted(r)
	if err != nil {
		return err
	}
	me := ses.Person
	frame := s.hostFrame(w, r, me)
	still := func() bool {
		// Signed out here or at the provider, on any node. While the store is
		// away nobody who reads is lost.
		now, err := s.session(r.Context(), r)
		return err != nil || now.Person != nil && now.Person.Key() == me.Key()
	}
	return s.hub.serve(w, r, snap.Meeting.ID, telling{who: hostPrefix + string(me.Key()), still: still, say: func(snap *lobby.Snapshot) ([]byte, bool) {
		if !snap.Meeting.HostedBy(me.Key()) {
			return nil, true // no host any more
		}
		frame.Attempt = random()
		b, err := s.c.Pages.Fragment(frame.Lang, s.consoleOf(snap, me, frame).Live())
		if err != nil {
			return nil, true
		}
		return event("console", b), false
	}})
}

// event frames data of several lines for an event stream (HTML §9.2.6).
func event(name string, data []byte) []byte {
	b := append([]byte("event: "), name...)
	b = append(b, '\n')
	for line := range slicesLines(data) {
		b = append(b, "data: "...)
		b = append(b, line...)
		b = append(b, '\n')
	}
	return append(b, '\n')
}

// consoleOf makes the page of a meeting for one host.
func (s *Server) consoleOf(snap *lobby.Snapshot, me *meeting.Person, f web.Frame) web.Console {
	m := &snap.Meeting
	now := time.Now()
	c := web.Console{
		Frame: f, Meeting: string(m.ID), Title: m.Title, Times: times(m), Phase: m.Phase, Locked: m.Locked,
		MayEnter: !m.Over(now), Invitees: s.invitees(snap, true), Log: s.entries(snap, me),
	}
	if m.Over(now) && m.Phase != meeting.Cancelled {
		c.Phase = meeting.Ended
	}
	for i := range snap.Admissions {
		a := &snap.Admissions[i]
		if slices.Contains(m.Banned, a.Person.Key()) {
			continue // put out on another device: cut and refused here too
		}
		switch a.State {
		case meeting.Waiting:
			c.Waiting = append(c.Waiting, s.card(snap, a, now))
		case meeting.Admitted:
			present := s.c.Lobby.Present(a)
			if a.Role == meeting.Host && !present {
				continue // a host who is not in the room needs no row
			}
			v := snap.Invitations[a.Invitation]
			c.Inside = append(c.Inside, web.Participant{
				Admission: a.ID, Name: a.Name, Invited: v.Name, Role: a.Role, You: a.Person.Key() == me.Key(),
				Away: !present, Proof: web.ProofOf(a.Person),
			})
		}
	}
	return c
}

// card is the evidence of one who waits: what is proved, apart from what is
// only said.
func (s *Server) card(snap *lobby.Snapshot, a *meeting.Admission, now time.Time) web.Card {
	v := snap.Invitations[a.Invitation]
	c := web.Card{
		Admission: a.ID, Invited: v.Name, Name: a.Name, CoHost: a.Role == meeting.Host,
		Proof: web.ProofOf(a.Person), Waited: now.Sub(a.Knocked), Agent: a.Agent,
		Line: web.Line{Kind: a.Line.Kind, Claims: a.Line.Claims, Address: a.Line.Address},
	}
	warn := func(is bool, w web.Warning) {
		if is {
			c.Warnings = append(c.Warnings, w)
		}
	}
	p := &a.Person
	warn(!p.Verified(), web.NothingProved)
	warn(len(v.Seats) > 1, web.LinkElsewhere)
	warn(p.Name != "" && v.Name != "" && differs(p.Name, v.Name), web.NameDiffers)
	warn(lobby.Resembles(a.Name, snap.Meeting.Owner.Name) && p.Key() != snap.Meeting.Owner.Key, web.LooksLikeYou)
	warn(v.Email != "" && p.Email != "" && meeting.FoldAddress(p.Email) != meeting.FoldAddress(v.Email), web.AddressDiffers)
	warn(a.Line.Kind != "" && !a.Line.Encrypted, web.NotEncrypted)
	return c
}

// differs reports whether a proved name is not the invited one. Initials of it
// are the same person.
func differs(proved, invited string) bool {
	if lobby.Resembles(proved, invited) {
		return false
	}
	return !lobby.Resembles(initials(proved), invited)
}

// invitees lists who was invited and what became of it.
func (s *Server) invitees(snap *lobby.Snapshot, links bool) []web.Invitee {
	var list []web.Invitee
	for id := range snap.Invitations {
		v := snap.Invitations[id]
		i := web.Invitee{
			Invitation: v.ID, Name: v.Name, Mailbox: v.Email, CoHost: v.Role == meeting.Host, State: s.inviteeState(snap, &v),
			Incident: incidentOf(snap, &v),
		}
		if links && !v.Revoked {
			i.Link = s.c.Door + "/i/" + s.c.Lobby.Link(snap.Meeting.ID, &v)
			i.Dial = web.Dial(s.c.Lobby.Dial(&snap.Meeting, &v))
		}
		list = append(list, i)
	}
	slices.SortFunc(list, func(a, b web.Invitee) int {
		x, y := snap.Invitations[a.Invitation], snap.Invitations[b.Invitation]
		if x.Order != y.Order {
			return x.Order - y.Order
		}
		return x.Created.Compare(y.Created)
	})
	return list
}

// incidentOf is the reference under which somebody who came by the invitation
// was reported.
func incidentOf(snap *lobby.Snapshot, v *meeting.Invitation) string {
	for _, seat := range v.Seats {
		if a, ok := snap.Admission(seat.Admission); ok && a.Incident != "" {
			return a.Incident
		}
	}
	return ""
}

func (s *Server) inviteeState(snap *lobby.Snapshot, v *meeting.Invitation) web.InviteeState {
	best, rank := web.NotMailed, -1
	for _, seat := range v.Seats {
		a, ok := snap.Admission(seat.Admission)
		if !ok {
			continue
		}
		st, r := web.Opened, 0
		switch a.State {
		case meeting.Expelled:
			st, r = web.PutOut, 9
		case meeting.Waiting:
			st, r = web.IsWaiting, 5
		case meeting.Admitted:
			st, r = web.IsInside, 6
		case meeting.Refused:
			st, r = web.TurnedAway, 2
		case meeting.Left:
			st, r = web.HasGone, 3
		}
		if r > rank {
			best, rank = st, r
		}
	}
	switch {
	case rank >= 0:
		return best
	case v.Revoked:
		return web.Withdrawn
	}
	switch v.Mail.State {
	case meeting.Mailing:
		return web.Mailing
	case meeting.Mailed:
		return web.Mailed
	case meeting.MailFailed:
		return web.MailFailed
	default:
		return web.NotMailed
	}
}

// entries are what happened a moment ago, newest first.
func (s *Server) entries(snap *lobby.Snapshot, me *meeting.Person) []web.Entry {
	deeds := map[meeting.What]web.Deed{
		meeting.Knocked: web.Knocked, meeting.LetIn: web.DidAdmit, meeting.Turned: web.DidRefuse, meeting.PutOut: web.DidExpel,
		meeting.WasLocked: web.DidLock, meeting.WasUnlocked: web.DidUnlock, meeting.WasEnded: web.DidEnd,
		meeting.Entered: web.DidEnter, meeting.Gone: web.DidLeave, meeting.LinkRevoked: web.DidRevoke,
		meeting.DialSlowed: web.Guessed,
	}
	var list []web.Entry
	for i := len(snap.Recent) - 1; i >= 0 && len(list) < 12; i-- {
		e := &snap.Recent[i]
		deed, ok := deeds[e.What]
		// What a rule did was not done by a host; it shows when they enter.
		if !ok || e.By == "" && (e.What == meeting.LetIn || e.What == meeting.Turned && e.Admission == "") {
			continue
		}
		entry := web.Entry{At: e.At, Deed: deed, Name: e.Name, Incident: e.Incident}
		if e.By != "" && e.By != me.Key() {
			entry.By = hostName(snap, e.By)
		}
		if e.What == meeting.PutOut {
			entry.Cuts = s.cuts.of(e.Admission)
		}
		list = append(list, entry)
	}
	return list
}

func hostName(snap *lobby.Snapshot, k meeting.Key) string {
	if snap.Meeting.Owner.Key == k {
		return snap.Meeting.Owner.Name
	}
	for i := range snap.Admissions {
		if snap.Admissions[i].Person.Key() == k {
			return snap.Admissions[i].Name
		}
	}
	return ""
}
