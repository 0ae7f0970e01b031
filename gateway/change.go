package gateway

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/web"
)

// formOf is a meeting as its form shows it, with nobody on it.
func formOf(m *meeting.Meeting) web.Form {
	loc, err := time.LoadLocation(m.Zone)
	if err != nil {
		loc = time.UTC
	}
	at := m.Starts.In(loc)
	f := web.Form{
		Title: m.Title, Date: at.Format(time.DateOnly), Start: at.Format("15:04"), Zone: m.Zone, Lang: m.Lang,
		Duration: int(m.Ends.Sub(m.Starts).Minutes()),
	}
	writeOptions(&f, &m.Settings)
	return f
}

// version names what can be altered of a meeting, so that of two hosts with the
// form before them neither undoes unseen what the other did.
func version(m *meeting.Meeting) string {
	b, _ := json.Marshal([]any{m.Title, m.Starts, m.Ends, m.Zone, m.Lang, m.Settings}) // always written
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:12])
}

// changePage is the form of a meeting that is there.
func (s *Server) changePage(w http.ResponseWriter, r *http.Request) error {
	ses, snap, err := s.hosted(r)
	if err != nil {
		return err
	}
	if err := alterable(&snap.Meeting); err != nil {
		return err
	}
	return s.page(w, r, s.changeForm(w, r, ses.Person, &snap.Meeting, formOf(&snap.Meeting)))
}

// alterable refuses what nobody can come to any more.
func alterable(m *meeting.Meeting) error {
	switch {
	case m.Phase == meeting.Cancelled:
		return meeting.Refuse(meeting.CalledOff)
	case m.Over(time.Now()):
		return meeting.Refuse(meeting.Over)
	}
	return nil
}

func (s *Server) changeForm(w http.ResponseWriter, r *http.Request, p *meeting.Person, m *meeting.Meeting, form web.Form) web.NewMeeting {
	page := s.meetingForm(w, r, p, form)
	page.Meeting, page.Version = string(m.ID), version(m)
	page.Path = "/m/" + page.Meeting + "/change"
	return page
}

// changeMeeting alters a meeting, tells its invitees where that concerns them,
// and invites who is added.
func (s *Server) changeMeeting(w http.ResponseWriter, r *http.Request) error {
	ses, snap, err := s.hosted(r)
	if err != nil {
		return err
	}
	m := &snap.Meeting
	if err := alterable(m); err != nil {
		return err
	}
	listed, no := addRoster(r)
	form, draft, faults := readForm(r.PostForm, m.Settings, time.Now())
	faults = append(faults, s.readPeople(&form, &draft, invited(snap))...)
	if no {
		faults = append(faults, web.FieldFault{Field: "list", What: web.Unreadable})
	}
	if was := formOf(m); was.Date == form.Date && was.Start == form.Start && was.Duration == form.Duration && was.Zone == form.Zone {
		// The form knows no seconds: what was not touched is not rounded.
		draft.Starts, draft.Ends = m.Starts, m.Ends
	}
	if listed || len(faults) > 0 {
		page := s.changeForm(w, r, ses.Person, m, form)
		page.Faults, page.Version = faults, r.PostForm.Get("version")
		s.write(w, r, formStatus(faults), page)
		return nil
	}
	people := draft.Invitees
	seen := func(m *meeting.Meeting) bool { return version(m) == r.PostForm.Get("version") }
	attempt := s.formAttempt(w, r)
	err = s.c.Lobby.Alter(r.Context(), m.ID, ses.Person.Key(), draft, seen, attempt)
	var refused *meeting.Refusal
	if errors.As(err, &refused) && refused.Reason == meeting.Stale {
		now, err := s.c.Lobby.Header(r.Context(), m.ID)
		if err != nil {
			return err
		}
		page := s.changeForm(w, r, ses.Person, &now, form)
		page.Stale = true
		s.write(w, r, http.StatusConflict, page)
		return nil
	}
	if err != nil {
		return err
	}
	if len(people) > 0 {
		if _, err := s.c.Lobby.Invite(r.Context(), m.ID, ses.Person.Key(), people, attempt); err != nil {
			return err
		}
	}
	http.Redirect(w, r, "/m/"+string(m.ID), http.StatusSeeOther)
	return nil
}

// formAttempt is attempt for a form that may be gone back to and sent with
// something else in it: that is another attempt.
func (s *Server) formAttempt(w http.ResponseWriter, r *http.Request) string {
	a := s.attempt(w, r)
	if a == "" {
		return ""
	}
	return s.mac("form", a+"\n"+r.PostForm.Encode())[:32]
}

// invited are the keys of who is invited to a meeting and may still come.
func invited(snap *lobby.Snapshot) map[string]bool {
	seen := map[string]bool{}
	for _, v := range snap.Invitations {
		if !v.Revoked && !v.Shared && !v.Members {
			seen[personKey(v.Email, v.Phone, lobby.WriteMatch(v.Match), v.Name)] = true
		}
	}
	return seen
}

// copyPage is the form of a new meeting like one that is or was: the same people,
// on the same weekday and at the same hour, the next that is still to come.
func (s *Server) copyPage(w http.ResponseWriter, r *http.Request) error {
	ses, snap, err := s.hosted(r)
	if err != nil {
		return err
	}
	if !lobby.MayCreate(ses.Person) {
		return meeting.Refuse(meeting.NotHost)
	}
	m := snap.Meeting
	if loc, err := time.LoadLocation(m.Zone); err == nil {
		m.Starts = m.Starts.In(loc) // so that an hour stays one when clocks change
	}
	length := m.Ends.Sub(m.Starts)
	for m.Starts = m.Starts.AddDate(0, 0, 7); m.Starts.Before(time.Now()); {
		m.Starts = m.Starts.AddDate(0, 0, 7)
	}
	m.Ends = m.Starts.Add(length)
	form := formOf(&m)
	var left int
	form.Invitees, form.CoHosts, left = s.people(snap)
	page := s.meetingForm(w, r, ses.Person, form)
	page.Left = left
	return s.page(w, r, page)
}

// people are the invitees as lines, and how many cannot be written so: who is
// known by a claim that no line can say, or by an address that the site does not show to hosts.
func (s *Server) people(snap *lobby.Snapshot) (guests, hosts string, left int) {
	var list []meeting.Invitation
	for _, v := range snap.Invitations {
		if !v.Revoked && !v.Shared && !v.Members {
			list = append(list, v)
		}
	}
	slices.SortFunc(list, func(a, b meeting.Invitation) int { return cmp.Compare(a.Order, b.Order) })
	var lines [2]strings.Builder
	for i := range list {
		v := &list[i]
		claim := lobby.WriteMatch(v.Match)
		if claim == "" && v.Match.Claim != "" || s.c.Lobby.Email(v.Email) != v.Email || s.c.Lobby.Phone(v.Phone) != v.Phone {
			left++
			continue
		}
		line := v.Name
		if v.Email != "" {
			line += " <" + v.Email + ">"
		}
		if v.Phone != "" {
			line += " " + v.Phone
		}
		if claim != "" {
			line += " " + claim
		}
		lines[min(v.Role, meeting.Host)].WriteString(line + "\n")
	}
	return lines[meeting.Guest].String(), lines[meeting.Host].String(), left
}
