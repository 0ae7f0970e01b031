package gateway

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/web"
)

func times(m *meeting.Meeting) web.Times {
	return web.Times{Starts: m.Starts, Ends: m.Ends, Zone: m.Zone}
}

// look reads a link's view; nil refusal means the door is open for it.
func (s *Server) look(r *http.Request) (lobby.View, *meeting.Refusal, error) {
	v, err := s.c.Lobby.Look(r.Context(), r.PathValue("link"))
	var no *meeting.Refusal
	if errors.As(err, &no) && v.Meeting.ID != "" {
		return v, no, nil
	}
	return v, nil, err
}

// invitation shows where a link leads. It changes nothing, whoever looks.
func (s *Server) invitation(w http.ResponseWriter, r *http.Request) error {
	v, no, err := s.look(r)
	if err != nil {
		return err
	}
	ses, err := s.session(r.Context(), r)
	if err != nil {
		return err
	}
	link := r.PathValue("link")
	p := web.Invitation{
		Frame: s.frame(w, r), Link: link, HostName: v.Meeting.Owner.Name, Title: v.Meeting.Title,
		Times: times(&v.Meeting), Standing: web.Ready, KeptDays: s.c.KeptDays, Providers: s.waysOf(v.Invitation.Match.Provider),
	}
	p.Members = v.Invitation.Members
	if v.Invitation.Role != meeting.Host {
		p.Mailbox, p.Phone = s.boxes(&v.Invitation)
	}
	if a := s.mine(ses, &v); a != "" {
		p.Standing, p.Admission = web.Here, a
	} else if v.Invitation.Bound != "" {
		p.Standing = web.Elsewhere
	}
	switch {
	case no == nil:
	case p.Standing == web.Here:
		// Their own page says how it ended; this one would still invite.
		http.Redirect(w, r, "/a/"+p.Admission, http.StatusSeeOther)
		return nil
	case no.Reason == meeting.TooEarly:
		p.Standing, p.Opens = web.NotYet, v.Meeting.Starts.Add(-v.Meeting.Settings.Early)
		p.Wait = time.Until(p.Opens)
	default:
		s.write(w, r, status(no.Reason), web.Refused{Frame: s.frame(w, r), Reason: no.Reason, Times: times(&v.Meeting)})
		return nil
	}
	return s.page(w, r, p)
}

// waysOf are the providers at which an invitation can be met: the one that must
// vouch for its claim, else all.
func (s *Server) waysOf(provider string) []web.Way {
	return slices.DeleteFunc(s.ways(), func(w web.Way) bool { return provider != "" && w.ID != provider })
}

// boxes are where a code could go, masked; empty: nowhere.
func (s *Server) boxes(v *meeting.Invitation) (mailbox, phone string) {
	if s.c.Lobby.Sends(meeting.Mailbox) {
		mailbox = meeting.MaskAddress(v.CodeTo(meeting.Mailbox))
	}
	if s.c.Lobby.Sends(meeting.Telephone) {
		phone = meeting.MaskPhone(v.CodeTo(meeting.Telephone))
	}
	return mailbox, phone
}

// mine answers the admission that this browser made through the invitation.
func (s *Server) mine(ses *session, v *lobby.View) string {
	for _, seat := range v.Invitation.Seats {
		if ses.Admissions[seat.Admission] == v.Meeting.ID {
			return seat.Admission
		}
	}
	return ""
}

func (s *Server) codePage(w http.ResponseWriter, r *http.Request) error {
	return s.code(w, r, http.StatusOK, web.CodeFresh, 0)
}

func (s *Server) code(w http.ResponseWriter, r *http.Request, code int, trouble web.CodeTrouble, left int) error {
	v, no, err := s.look(r)
	if err != nil {
		return err
	}
	if no != nil {
		return no
	}
	now := time.Now()
	p := web.Code{
		Frame: s.frame(w, r), Link: r.PathValue("link"), SMS: v.Invitation.Code.By() == meeting.Telephone,
		Trouble: trouble, Left: left, ResendsLeft: v.Invitation.CodesLeft(now),
	}
	works := v.Invitation.Code.Works(now)
	switch trouble {
	case web.CodeUnsent:
		p.Open = works > 1 // nobody has the newest
	case web.CodeTooMany:
		p.Open = works > 0
	case web.CodePartial:
		if p.Left = v.Invitation.Code.TriesLeft(); p.Left == 0 {
			p.Trouble = web.CodeSpent
		}
	}
	p.Mailbox, p.Phone = s.boxes(&v.Invitation)
	p.Path = "/i/" + p.Link + "/code"
	if n := len(v.Invitation.Code.Sent); n > 0 {
		p.ResendIn = max(0, meeting.CodeResend-now.Sub(v.Invitation.Code.Sent[n-1]))
	}
	s.write(w, r, code, p)
	return nil
}

// sendCode sends a code. One that cannot leave is told, not hidden: the guest
// would wait for it.
func (s *Server) sendCode(w http.ResponseWriter, r *http.Request) error {
	link := r.PathValue("link")
	by := meeting.Mailbox
	if r.PostForm.Get("by") == "sms" {
		by = meeting.Telephone
	}
	err := s.c.Lobby.SendCode(r.Context(), link, by, s.attempt(w, r))
	var no *meeting.Refusal
	switch {
	case lobby.IsUnsent(err):
		return s.code(w, r, http.StatusServiceUnavailable, web.CodeUnsent, 0)
	case errors.As(err, &no) && no.Reason == meeting.TooMany && no.Left > 0:
		// Asked again within seconds: the code is on its way.
	case errors.As(err, &no) && no.Reason == meeting.TooMany:
		return s.code(w, r, http.StatusTooManyRequests, web.CodeTooMany, 0)
	case err != nil:
		return err
	}
	http.Redirect(w, r, "/i/"+link+"/code", http.StatusSeeOther)
	return nil
}

func (s *Server) verify(w http.ResponseWriter, r *http.Request) error {
	link := r.PathValue("link")
	person, err := s.c.Lobby.CheckCode(r.Context(), link, r.PostForm.Get("code"), s.attempt(w, r))
	var no *meeting.Refusal
	if errors.As(err, &no) {
		switch no.Reason {
		case meeting.Invalid:
			return s.code(w, r, http.StatusUnprocessableEntity, web.CodePartial, 0)
		case meeting.WrongCode:
			return s.code(w, r, http.StatusUnprocessableEntity, web.CodeWrong, no.Left)
		case meeting.CodeSpent:
			return s.code(w, r, http.StatusUnprocessableEntity, web.CodeSpent, 0)
		}
	}
	if err != nil {
		return err
	}
	ses, err := s.session(r.Context(), r)
	if err != nil {
		return err
	}
	v, _, err := s.look(r)
	if err != nil {
		return err
	}
	if err := s.rise(w, r, ses, s.attempt(w, r), func(ses *session) { ses.prove(v.Invitation.ID, person) }); err != nil {
		return err
	}
	http.Redirect(w, r, "/i/"+link+"/name", http.StatusSeeOther)
	return nil
}

// prover answers who was proved for the link in this browser.
func (s *Server) prover(r *http.Request) (ses *session, v lobby.View, p meeting.Person, err error) {
	v, no, err := s.look(r)
	if err != nil {
		return nil, v, p, err
	}
	if no != nil {
		return nil, v, p, no
	}
	ses, err = s.session(r.Context(), r)
	if err != nil {
		return nil, v, p, err
	}
	p, ok := ses.Proofs[v.Invitation.ID]
	if !ok {
		return ses, v, p, meeting.Refuse(meeting.Unverified)
	}
	return ses, v, p, nil
}

func (s *Server) namePage(w http.ResponseWriter, r *http.Request) error {
	_, v, p, err := s.prover(r)
	if err != nil {
		return s.back(w, r, err)
	}
	return s.page(w, r, s.namePageOf(w, r, &v, &p))
}

// back sends who has proved nothing yet to the invitation's first page.
func (s *Server) back(w http.ResponseWriter, r *http.Request, err error) error {
	var no *meeting.Refusal
	if errors.As(err, &no) && no.Reason == meeting.Unverified {
		http.Redirect(w, r, "/i/"+r.PathValue("link"), http.StatusSeeOther)
		return nil
	}
	return err
}

func (s *Server) namePageOf(w http.ResponseWriter, r *http.Request, v *lobby.View, p *meeting.Person) web.Name {
	suggested, fixed := s.c.Lobby.Suggest(&v.Meeting, &v.Invitation, p)
	short := ""
	if !fixed && strings.ContainsAny(suggested, " ") {
		short = lobby.Initials(suggested) // of one word they would hide nothing
	}
	return web.Name{
		Frame: s.frame(w, r), Link: r.PathValue("link"), HostName: v.Meeting.Owner.Name, Proof: web.ProofOf(*p),
		Suggested: suggested, Fixed: fixed, Initials: short, KeptDays: s.c.KeptDays,
	}
}

// knock brings the person to the waiting room.
func (s *Server) knock(w http.ResponseWriter, r *http.Request) error {
	ses, v, p, err := s.prover(r)
	if err != nil {
		return s.back(w, r, err)
	}
	name := lobby.CleanText(r.PostForm.Get("name"), lobby.MaxName)
	consent := r.PostForm.Get("consent") != ""
	if _, fixed := s.c.Lobby.Suggest(&v.Meeting, &v.Invitation, &p); name == "" && !fixed || !consent {
		page := s.namePageOf(w, r, &v, &p)
		if !page.Fixed {
			page.Suggested, page.NameFault = name, name == ""
		}
		page.ConsentFault = !consent
		page.Path = "/i/" + page.Link + "/name"
		s.write(w, r, http.StatusUnprocessableEntity, page)
		return nil
	}
	id, admission, err := s.c.Lobby.Knock(r.Context(), r.PathValue("link"), lobby.Arrival{
		Person: p, Device: s.device(w, r), Name: name, Agent: agent(r.UserAgent()), Net: s.network(r, v.Meeting.ID), Consent: true,
	}, s.attempt(w, r))
	if err != nil {
		return err
	}
	if err := s.enrol(r.Context(), ses, admission, id); err != nil {
		return err
	}
	to := "/a/" + admission
	if v.Invitation.Role == meeting.Host && ses.Person != nil && ses.Person.Key() == p.Key() {
		to = "/m/" + string(id) // a co-host has others to let in first
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}
