package gateway

import (
	"net/http"
	"strconv"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/web"
)

// guest answers the admission of the path if this browser made it.
func (s *Server) guest(r *http.Request) (*session, meeting.ID, string, error) {
	ses, err := s.session(r.Context(), r)
	if err != nil {
		return nil, "", "", err
	}
	a := r.PathValue("admission")
	id, ok := ses.Admissions[a]
	if !ok {
		return nil, "", "", meeting.Refuse(meeting.NotFound)
	}
	return ses, id, a, nil
}

// waiting is the guest's own page: where they stand, and what follows.
func (s *Server) waiting(w http.ResponseWriter, r *http.Request) error {
	ses, id, admission, err := s.guest(r)
	if err != nil {
		return err
	}
	snap, err := s.c.Lobby.Snapshot(r.Context(), id)
	if err != nil {
		return err
	}
	a, ok := snap.Admission(admission)
	if !ok {
		return meeting.Refuse(meeting.NotFound)
	}
	st := s.standing(snap, &a, time.Now())
	switch st.State {
	case "waiting", "admitted":
	case "left", "lapsed":
		done := web.Done{Frame: s.frame(w, r), Kind: web.HasLeft, Title: snap.Meeting.Title}
		if st.State == "lapsed" {
			done.Kind = web.Lapsed
		}
		if v := snap.Invitations[a.Invitation]; v.ID != "" && !v.Revoked {
			done.Rejoin = "/i/" + s.c.Lobby.Link(id, &v) + "/name"
		} else if ses.Person != nil && snap.Meeting.HostedBy(ses.Person.Key()) {
			done.Rejoin = "/m/" + string(id)
		}
		return s.page(w, r, done)
	default:
		kind := map[string]web.Kind{"expelled": web.WasExpelled, "refused": web.WasRefused, "over": web.WasEnded}[st.State]
		done := web.Done{Frame: s.frame(w, r), Kind: kind, Title: snap.Meeting.Title, HostName: snap.Meeting.Owner.Name}
		done.Why, done.Message = a.Talk.Why, a.Talk.Farewell
		return s.page(w, r, done)
	}
	if r.URL.Query().Has("busy") {
		w.Header().Set("Retry-After", "5")
		s.write(w, r, http.StatusServiceUnavailable, web.Refused{Frame: s.frame(w, r), Reason: meeting.Busy, Back: "/a/" + admission})
		return nil
	}
	p := web.Waiting{
		Frame: s.frame(w, r), Admission: admission, HostName: snap.Meeting.Owner.Name, Title: snap.Meeting.Title,
		Times: times(&snap.Meeting), Name: a.Name, HostInside: st.Host, Position: st.Position,
		Waited: time.Since(a.Knocked), State: meeting.Waiting,
	}
	if st.State == "admitted" {
		p.State = meeting.Admitted
	}
	words(&p, &a, &st)
	return s.page(w, r, p)
}

// standing is what a waiting guest is told, and nothing of anybody else.
type standing struct {
	State    string
	Host     bool
	Position int
	// Asked says that the page asks whether they are still there, Rev changes
	// with what the host says.
	Asked bool
	Rev   string
}

// standing of an admission. Admitted means: may go in now. Someone let in
// before the host has come goes on waiting, unless the meeting allows it.
func (s *Server) standing(snap *lobby.Snapshot, a *meeting.Admission, now time.Time) standing {
	st := standing{Host: s.hostInside(snap)}
	switch {
	case a.State == meeting.Expelled:
		st.State = "expelled"
	case snap.Meeting.Over(now):
		st.State = "over"
	case a.State == meeting.Refused:
		st.State = "refused"
	case a.State == meeting.Left && a.Rule == meeting.RuleLapsed, a.Lapsing(now):
		st.State = "lapsed" // by the clock, also before the lobby has noted it
	case a.State == meeting.Left:
		st.State = "left"
	case a.State == meeting.Admitted && (snap.Meeting.Phase == meeting.Open || a.Role == meeting.Host || snap.Meeting.Settings.JoinBeforeHost):
		st.State = "admitted"
	case a.State == meeting.Waiting || a.State == meeting.Admitted:
		st.State, st.Position, st.Asked = "waiting", position(snap, a.ID), a.Asked(now)
		st.Rev = rev(a, st.Asked)
	default:
		st.State = "gone"
	}
	return st
}

// position in the queue, the first being 1; 0 is not told: a host who asked
// somebody to hold on lets others in first.
func position(snap *lobby.Snapshot, admission string) int {
	n := 0
	for i := range snap.Admissions {
		a := &snap.Admissions[i]
		held := a.State == meeting.Waiting && !a.Talk.Held.IsZero()
		if a.State == meeting.Waiting && !held {
			n++
		}
		switch {
		case a.ID == admission && held:
			return 0
		case a.ID == admission:
			return max(n, 1)
		}
	}
	return 0
}

// hostInside reports whether a host is in the room, by connections that live.
func (s *Server) hostInside(snap *lobby.Snapshot) bool {
	for i := range snap.Admissions {
		a := &snap.Admissions[i]
		if a.Role == meeting.Host && a.State == meeting.Admitted && s.c.Lobby.Present(snap, a) {
			return true
		}
	}
	return false
}

// event is the standing as the page's script reads it.
func (st standing) event() []byte {
	b := make([]byte, 0, 96)
	b = append(b, "event: state\ndata: {\"state\":\""...)
	b = append(b, st.State...)
	b = append(b, "\",\"host\":"...)
	b = strconv.AppendBool(b, st.Host)
	b = append(b, ",\"position\":"...)
	b = strconv.AppendInt(b, int64(st.Position), 10)
	if st.Rev != "" {
		b = append(append(append(b, `,"rev":"`...), st.Rev...), '"')
	}
	return append(b, "}\n\n"...)
}

func (s *Server) waitingEvents(w http.ResponseWriter, r *http.Request) error {
	_, id, admission, err := s.guest(r)
	if err != nil {
		return err
	}
	return s.hub.serve(w, r, id, telling{who: "guest:" + admission, timed: true, say: func(snap *lobby.Snapshot) ([]byte, bool) {
		a, ok := snap.Admission(admission)
		switch {
		case snap.Meeting.ID == "":
			return standing{State: "gone"}.event(), true // forgotten
		case !ok:
			return nil, false // knocked a moment ago: this state is older
		}
		st := s.standing(snap, &a, time.Now())
		// Who may neither wait nor go in is told so, and nothing after it.
		return st.event(), st.State != "waiting" && st.State != "admitted"
	}})
}

func (s *Server) leave(w http.ResponseWriter, r *http.Request) error {
	_, id, admission, err := s.guest(r)
	if err != nil {
		return err
	}
	if err := s.c.Lobby.Leave(r.Context(), id, admission); err != nil {
		return err
	}
	http.Redirect(w, r, "/a/"+admission, http.StatusSeeOther)
	return nil
}

// enter takes an admitted guest from the door to the room.
func (s *Server) enter(w http.ResponseWriter, r *http.Request) error {
	_, id, admission, err := s.guest(r)
	if err != nil {
		return err
	}
	return s.step(w, r, id, admission)
}

// step writes the page that carries the ticket to the room origin, by POST, so
// that no address a browser keeps ever holds it (T23).
func (s *Server) step(w http.ResponseWriter, r *http.Request, id meeting.ID, admission string) error {
	ticket, err := s.c.Lobby.Enter(r.Context(), id, admission, s.device(w, r))
	if err != nil {
		return err
	}
	// The room checks that the ticket comes from the door: let the browser
	// say the origin, and nothing more.
	w.Header().Set("Referrer-Policy", "strict-origin")
	return s.page(w, r, web.Entering{Frame: s.frame(w, r), Action: s.c.Room + "/-/enter", Ticket: ticket})
}
