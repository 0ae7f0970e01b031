package gateway

import (
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/web"
)

// card is the evidence of one who waits: what is proved, apart from what is
// only said. near is the host's own network.
func (s *Server) card(snap *lobby.Snapshot, a *meeting.Admission, near meeting.Net, now time.Time) web.Card {
	v := snap.Invitations[a.Invitation]
	if v.Shared {
		v.Name = a.Name // as the device calls itself
	}
	if v.Members {
		v.Name = a.Person.Name // as their provider does
		if v.Name == "" {
			v.Name = a.Name
		}
	}
	c := web.Card{
		Admission: a.ID, Invited: v.Name, Name: a.Name, CoHost: a.Role == meeting.Host, Member: v.Members, Sure: snap.Sure(a),
		Proof: s.proof(&a.Person), Waited: now.Sub(a.Knocked), Agent: a.Agent, Zone: snap.Meeting.Zone,
		Line: web.Line{Kind: a.Line.Kind, Claims: a.Line.Claims, Address: a.Line.Address},
		Talk: web.CardTalk{Held: !a.Talk.Held.IsZero(), Message: a.Talk.Message, Question: a.Talk.Question, Reply: a.Talk.Reply},
		Link: web.Trace{
			By: v.By, Mailbox: s.c.Lobby.Email(v.Email), Used: v.Used, Codes: v.Tried.Codes, Knocks: v.Tried.Knocks, Last: v.Tried.Last,
		},
		Net: web.Network{Kind: a.Net.Kind, Known: near.Mark != "", Yours: a.Net.Same(near)},
	}
	if a.Named.ByGuest() {
		c.Was = a.Named.Was
	}
	for _, w := range snap.Warnings(a) {
		c.Warnings = append(c.Warnings, web.Warning(w))
	}
	for _, o := range snap.Uses(a) {
		state, _ := s.standsAs(snap, &o)
		c.Others = append(c.Others, web.Use{
			Name: o.Name, Proof: s.proof(&o.Person), Agent: o.Agent, At: o.Knocked, SameNet: o.Net.Same(a.Net), State: state,
		})
	}
	return c
}

// proof puts a person into words for a host, with the address as the site lets
// hosts see it.
func (s *Server) proof(p *meeting.Person) web.Proof {
	proof := web.ProofOf(*p)
	proof.Mailbox = s.c.Lobby.Email(p.Email)
	if s.c.Lobby.Phone(p.Phone) == "" {
		proof.Phone = ""
	}
	return proof
}

// standsAs is the word for where an admission stands, and how much it says of
// an invitee who has several. Inside is who is connected (T39).
func (s *Server) standsAs(snap *lobby.Snapshot, a *meeting.Admission) (web.InviteeState, int) {
	switch a.State {
	case meeting.Expelled:
		return web.PutOut, 9
	case meeting.Admitted:
		if !s.c.Lobby.Present(snap, a) {
			return web.IsAdmitted, 6
		}
		return web.IsInside, 7
	case meeting.Waiting:
		return web.IsWaiting, 5
	case meeting.Left:
		return web.HasGone, 3
	case meeting.Refused:
		return web.TurnedAway, 2
	default:
		return web.Opened, 0
	}
}
