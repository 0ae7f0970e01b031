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
	c := s.consoleOf(snap, ses.Person, s.hostFrame(w, r, ses.Person), s.network(r, snap.Meeting.ID))
	c.Calm = r.URL.Query().Has("calm")
	return s.page(w, r, c)
}

func (s *Server) consoleEvents(w http.ResponseWriter, r *http.Request) error {
	ses, snap, err := s.hosted(r)
	if err != nil {
		return err
	}
	me := ses.Person
	frame, near := s.hostFrame(w, r, me), s.network(r, snap.Meeting.ID)
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
		b, err := s.c.Pages.Fragment(frame.Lang, s.consoleOf(snap, me, frame, near).Live())
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
func (s *Server) consoleOf(snap *lobby.Snapshot, me *meeting.Person, f web.Frame, near meeting.Net) web.Console {
	m := &snap.Meeting
	now := time.Now()
	c := web.Console{
		Frame: f, Meeting: string(m.ID), Title: m.Title, Times: times(m), Phase: m.Phase, Locked: m.Locked,
		MayEnter: !m.Over(now), Invitees: s.invitees(snap, true), Log: s.entries(snap, me),
		Shared: s.shared(snap, now), Members: s.members(snap),
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
			c.Waiting = append(c.Waiting, s.card(snap, a, near, now))
		case meeting.Refused:
			c.Refused = append(c.Refused, web.Turned{
				Admission: a.ID, Name: a.Name, At: a.Decided, Phone: a.Line.Kind != "", Proof: s.proof(&a.Person),
			})
		case meeting.Admitted:
			present := s.c.Lobby.Present(snap, a)
			if a.Role == meeting.Host && !present {
				continue // a host who is not in the room needs no row
			}
			v := snap.Invitations[a.Invitation]
			if v.Members {
				v.Name = a.Name // the proof is shown, and no invitation
			}
			c.Inside = append(c.Inside, web.Participant{
				Admission: a.ID, Name: a.Name, Invited: v.Name, Role: a.Role, You: a.Person.Key() == me.Key(),
				Away: !present, Doubled: !a.Doubled.IsZero(), Proof: s.proof(&a.Person),
				Mutable: present && s.c.Lobby.Mutes() && a.Person.Key() != me.Key(),
			})
		}
	}
	// Who was asked to hold on gives way to those who were not.
	slices.SortStableFunc(c.Waiting, func(a, b web.Card) int {
		switch {
		case a.Talk.Held == b.Talk.Held:
			return 0
		case b.Talk.Held:
			return -1
		}
		return 1
	})
	return c
}

// shared is the code that many may dial, where the site lets hosts open one.
func (s *Server) shared(snap *lobby.Snapshot, now time.Time) web.Shared {
	if !s.c.Lobby.MayShare(&snap.Meeting) || snap.Meeting.Over(now) {
		return web.Shared{}
	}
	v, open := snap.Shared()
	if !open {
		return web.Shared{May: true}
	}
	return web.Shared{May: true, Invitation: v.ID, Dial: web.Dial(s.c.Lobby.Dial(&snap.Meeting, &v))}
}

// members is the link for members, where the host chose to have one.
func (s *Server) members(snap *lobby.Snapshot) web.MemberLink {
	v, works := snap.MemberLink()
	if v.ID == "" {
		return web.MemberLink{}
	}
	welcome := snap.Meeting.Settings.Members
	l := web.MemberLink{On: welcome != meeting.ByName, Admits: welcome == meeting.Enters, Invitation: v.ID}
	if works {
		l.Link = s.c.Door + "/i/" + s.c.Lobby.Link(snap.Meeting.ID, &v)
	}
	return l
}

// invitees lists who was invited and what became of it.
func (s *Server) invitees(snap *lobby.Snapshot, links bool) []web.Invitee {
	var list []web.Invitee
	for id := range snap.Invitations {
		v := snap.Invitations[id]
		if v.Shared || v.Members {
			continue // nobody was invited by it
		}
		i := web.Invitee{
			Invitation: v.ID, Name: v.Name, Mailbox: s.c.Lobby.Email(v.Email), Phone: s.c.Lobby.Phone(v.Phone), Mails: v.Email != "", CoHost: v.Role == meeting.Host, State: s.inviteeState(snap, &v), Dead: v.Revoked,
			Incident: incidentOf(snap, &v),
		}
		i.InPart = i.Mailbox != v.Email || i.Phone != v.Phone
		if m := mailShown(&v); m.Fault != "" && mailState(m.State) == i.State {
			i.Why, i.Zone = m.Fault, snap.Meeting.Zone
			if m.State == meeting.MailDeferred {
				i.Again = m.Next
			}
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
		if st, r := s.standsAs(snap, &a); r > rank {
			best, rank = st, r
		}
	}
	switch {
	case rank >= 0:
		return best
	case v.Revoked:
		return web.Withdrawn
	}
	return mailState(mailShown(v).State)
}

// mailShown is the mail the host is told of: the invitation, or a reminder that
// was refused where that had been taken.
func mailShown(v *meeting.Invitation) *meeting.Mail {
	if v.Reminder.State == meeting.MailBounced && v.Mail.State == meeting.Mailed {
		return &v.Reminder
	}
	return &v.Mail
}

func mailState(s meeting.MailState) web.InviteeState {
	switch s {
	case meeting.Mailing:
		return web.Mailing
	case meeting.Mailed:
		return web.Mailed
	case meeting.MailFailed:
		return web.MailFailed
	case meeting.MailDeferred:
		return web.MailDeferred
	case meeting.MailBounced:
		return web.MailBounced
	default:
		return web.NotMailed
	}
}

// entries are what happened a moment ago, newest first.
func (s *Server) entries(snap *lobby.Snapshot, me *meeting.Person) []web.Entry {
	deeds := map[meeting.What]web.Deed{
		meeting.Knocked: web.Knocked, meeting.LetIn: web.DidAdmit, meeting.Turned: web.DidRefuse, meeting.PutOut: web.DidExpel,
		meeting.WasLocked: web.DidLock, meeting.WasUnlocked: web.DidUnlock, meeting.WasEnded: web.DidEnd,
		meeting.Entered: web.DidEnter, meeting.Gone: web.DidLeave, meeting.LinkRevoked: web.DidRevoke, meeting.LinkReissued: web.DidReissue,
		meeting.DialSlowed: web.Guessed, meeting.WasHeld: web.DidHold, meeting.WasAsked: web.DidAsk, meeting.Replied: web.DidReply,
		meeting.Renamed: web.DidRename, meeting.Lapsed: web.DidLapse,
		meeting.Doubled: web.Doubled, meeting.Replaced: web.Replaced, meeting.Moved: web.Moved,
		meeting.WasMuted:        web.DidMute,
		meeting.WasReconsidered: web.DidReconsider,
	}
	var list []web.Entry
	for i := len(snap.Recent) - 1; i >= 0 && len(list) < 12; i-- {
		e := snap.Recent[i] // a copy: the snapshot is everybody's
		deed, ok := deeds[e.What]
		// What a rule did was not done by a host; it shows when they enter.
		if !ok || e.By == "" && (e.What == meeting.LetIn || e.What == meeting.Turned && e.Admission == "") {
			continue
		}
		if e.What == meeting.Renamed && e.By == "" {
			deed = web.ChangedName
		}
		if e.What == meeting.LinkRevoked || e.What == meeting.LinkReissued {
			v := snap.Invitations[e.Invitation]
			if v.Shared || v.Members {
				continue // nobody's, and in sight above
			}
			e.Name = v.Name
		}
		entry := web.Entry{At: e.At, Deed: deed, Name: e.Name, Was: e.Was, Incident: e.Incident}
		if e.By != "" && e.By != me.Key() {
			entry.By = snap.HostName(e.By)
		}
		if e.What == meeting.PutOut {
			entry.Cuts = s.cuts.reported(snap.Recent, e.Admission)
		}
		list = append(list, entry)
	}
	return list
}
