package gateway

import (
	"net/http"
	"strings"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/web"
)

// host answers who is signed in, or asks to sign in.
func (s *Server) host(r *http.Request) (*session, error) {
	ses, err := s.session(r.Context(), r)
	if err != nil {
		return nil, err
	}
	if ses.Person == nil {
		return nil, meeting.Refuse(meeting.SignIn)
	}
	return ses, nil
}

// hostFrame is frame for the pages of somebody who signed in.
func (s *Server) hostFrame(w http.ResponseWriter, r *http.Request, p *meeting.Person) web.Frame {
	f := s.frame(w, r)
	f.SignedIn = p.Name
	if f.SignedIn == "" {
		f.SignedIn = p.Email
	}
	return f
}

// shown bounds how many meetings one page lists.
const shown = 100

func (s *Server) meetings(w http.ResponseWriter, r *http.Request) error {
	ses, err := s.host(r)
	if err != nil {
		return err
	}
	if !lobby.MayCreate(ses.Person) {
		return meeting.Refuse(meeting.NotHost)
	}
	now, after := time.Now(), r.URL.Query().Get("after")
	if !minted(after, 32) {
		after = ""
	}
	list, more, err := s.c.Lobby.Owned(r.Context(), ses.Person.Key(), now.Add(-24*time.Hour), meeting.ID(after), shown)
	if err != nil {
		return err
	}
	page := web.Meetings{Frame: s.hostFrame(w, r, ses.Person), Further: after != ""}
	if more {
		page.After = string(list[len(list)-1].Meeting.ID)
	}
	for _, snap := range list {
		m := &snap.Meeting
		row := web.Row{Meeting: string(m.ID), Title: m.Title, Times: times(m), Phase: m.Phase}
		if m.Over(now) && m.Phase != meeting.Cancelled {
			row.Phase = meeting.Ended
		}
		for i := range snap.Admissions {
			if snap.Admissions[i].State == meeting.Waiting {
				row.Waiting++
			}
		}
		row.Invitees = s.invitees(snap, false)
		switch {
		case row.Over():
			page.Earlier = append(page.Earlier, row)
		case sameDay(m.Starts, now, m.Zone) || m.Starts.Before(now):
			page.Today = append(page.Today, row)
		default:
			page.Later = append(page.Later, row)
		}
	}
	return s.page(w, r, page)
}

func sameDay(a, b time.Time, zone string) bool {
	loc, err := time.LoadLocation(zone)
	if err != nil {
		loc = time.UTC
	}
	ay, am, ad := a.In(loc).Date()
	by, bm, bd := b.In(loc).Date()
	return ay == by && am == bm && ad == bd
}

func (s *Server) newMeeting(w http.ResponseWriter, r *http.Request) error {
	ses, err := s.host(r)
	if err != nil {
		return err
	}
	if !lobby.MayCreate(ses.Person) {
		return meeting.Refuse(meeting.NotHost)
	}
	lang := s.c.Pages.Lang(r)
	loc, err := time.LoadLocation(s.zone())
	if err != nil {
		loc = time.UTC
	}
	next := time.Now().In(loc).Truncate(15 * time.Minute).Add(15 * time.Minute)
	form := web.Form{
		Date: next.Format(time.DateOnly), Start: next.Format("15:04"), Duration: 30, Zone: s.zone(), Lang: lang,
	}
	usual := s.c.Lobby.Defaults()
	writeOptions(&form, &usual)
	return s.page(w, r, s.meetingForm(w, r, ses.Person, form))
}

// meetingForm is the page with the form of a meeting.
func (s *Server) meetingForm(w http.ResponseWriter, r *http.Request, p *meeting.Person, form web.Form) web.NewMeeting {
	f := s.hostFrame(w, r, p)
	if r.Method == http.MethodPost {
		f.Path = "/meetings/new"
	}
	usual := s.c.Lobby.Defaults()
	return web.NewMeeting{
		Frame: f, Form: form, Zones: zones(), MayWelcome: s.c.OIDC != nil, Telephones: s.c.Lobby.Dials(),
		Early: int(usual.Early.Minutes()), Remind: writeReminders(usual.Remind),
	}
}

func (s *Server) zone() string {
	if s.c.Zone != "" {
		return s.c.Zone
	}
	return "Europe/Paris"
}

func zones() []string {
	return []string{
		"Europe/Paris", "Europe/Brussels", "Europe/Zurich", "Europe/London", "America/Montreal", "America/Guadeloupe",
		"America/Cayenne", "Indian/Reunion", "Indian/Mayotte", "Pacific/Noumea", "Pacific/Tahiti", "Africa/Dakar", "UTC",
	}
}

func (s *Server) createMeeting(w http.ResponseWriter, r *http.Request) error {
	ses, err := s.host(r)
	if err != nil {
		return err
	}
	listed, no := addRoster(r)
	form, draft, faults := readForm(r.PostForm, s.c.Lobby.Defaults(), time.Now())
	faults = append(faults, s.readPeople(&form, &draft, map[string]bool{})...)
	if strings.TrimSpace(form.Invitees) == "" && form.Members == meeting.ByName {
		faults = append(faults, web.FieldFault{Field: "invitees", What: web.Missing})
	}
	if no {
		faults = append(faults, web.FieldFault{Field: "list", What: web.Unreadable})
	}
	if listed || len(faults) > 0 {
		// What a file holds is looked at before anybody is written to.
		page := s.meetingForm(w, r, ses.Person, form)
		page.Faults = faults
		s.write(w, r, formStatus(faults), page)
		return nil
	}
	id, err := s.c.Lobby.Create(r.Context(), *ses.Person, draft, s.attempt(w, r))
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/m/"+string(id)+"/created", http.StatusSeeOther)
	return nil
}

// formStatus is the status of a form that is shown again.
func formStatus(faults []web.FieldFault) int {
	if len(faults) > 0 {
		return http.StatusUnprocessableEntity
	}
	return http.StatusOK
}

// created shows the links of a meeting once it is made.
func (s *Server) created(w http.ResponseWriter, r *http.Request) error {
	ses, snap, err := s.hosted(r)
	if err != nil {
		return err
	}
	return s.page(w, r, web.Created{
		Frame: s.hostFrame(w, r, ses.Person), Meeting: string(snap.Meeting.ID), Title: snap.Meeting.Title,
		Times: times(&snap.Meeting), Invitees: s.invitees(snap, true),
		Members: s.members(snap),
	})
}

// hosted answers the meeting of the path for one of its hosts. A stranger is
// told the same whether it exists or not (T10).
func (s *Server) hosted(r *http.Request) (*session, *lobby.Snapshot, error) {
	ses, err := s.host(r)
	if err != nil {
		return nil, nil, err
	}
	id := r.PathValue("meeting")
	if !minted(id, 32) {
		return nil, nil, meeting.Refuse(meeting.NotFound)
	}
	if _, err := s.c.Lobby.Hosts(r.Context(), meeting.ID(id), ses.Person.Key()); err != nil {
		return nil, nil, err
	}
	snap, err := s.c.Lobby.Follow(r.Context(), meeting.ID(id))
	if err != nil {
		return nil, nil, err
	}
	return ses, snap, nil
}
