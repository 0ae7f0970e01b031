package api

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
)

// admissionView is somebody at the door, with the evidence: what is proved,
// apart from what is only said.
type admissionView struct {
	ID         string `json:"id"`
	Invitation string `json:"invitation,omitempty"`
	State      string `json:"state"`
	Role       string `json:"role"`
	// DisplayName is typed and proves nothing.
	DisplayName string       `json:"display_name"`
	Browser     string       `json:"browser,omitempty"`
	Invited     *invitedView `json:"invited,omitempty"`
	Person      personView   `json:"person"`
	Warnings    []string     `json:"warnings"`
	Present     bool         `json:"present"`
	Knocked     time.Time    `json:"knocked"`
	Decided     *time.Time   `json:"decided,omitempty"`
	Rule        string       `json:"rule,omitempty"`
	// Cuts are what an expulsion ended, in the answer to it alone.
	Cuts []cutView `json:"cuts,omitempty"`
}

type invitedView struct {
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
}

type personView struct {
	Method        string              `json:"method"`
	Issuer        string              `json:"issuer"`
	Subject       string              `json:"subject"`
	Name          string              `json:"name,omitempty"`
	Email         string              `json:"email,omitempty"`
	EmailVerified bool                `json:"email_verified"`
	Provider      string              `json:"provider,omitempty"`
	Organisation  string              `json:"organisation,omitempty"`
	Member        bool                `json:"member"`
	ACR           string              `json:"acr,omitempty"`
	AMR           []string            `json:"amr,omitempty"`
	ProvedAt      *time.Time          `json:"proved_at,omitempty"`
	Claims        map[string][]string `json:"claims,omitempty"`
}

type cutView struct {
	Channel      string `json:"channel"`
	Milliseconds int64  `json:"milliseconds"`
	Confirmed    bool   `json:"confirmed"`
}

func stateWords() []string {
	return []string{"outside", "waiting", "admitted", "refused", "left", "expelled"}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = second(t)
	return &t
}

func (s *Server) admission(snap *lobby.Snapshot, a *meeting.Admission) admissionView {
	x := admissionView{
		ID: a.ID, Invitation: a.Invitation, State: stateWords()[min(int(a.State), len(stateWords())-1)], Role: roleWord(a.Role),
		DisplayName: a.Name, Browser: a.Agent, Person: person(&a.Person), Warnings: warnings(snap, a),
		Present: s.c.Lobby.Present(a), Knocked: second(a.Knocked), Decided: moment(a.Decided), Rule: a.Rule,
	}
	if v, ok := snap.Invitations[a.Invitation]; ok {
		x.Invited = &invitedView{v.Name, v.Email}
	}
	return x
}

func person(p *meeting.Person) personView {
	e := &p.Evidence
	return personView{
		Method: [...]string{"unproved", "dial_code", "mailbox", "oidc"}[min(e.Method, meeting.OIDC)],
		Issuer: p.Issuer, Subject: p.Subject, Name: p.Name, Email: p.Email, EmailVerified: e.EmailVerified,
		Provider: e.Provider, Organisation: e.Organisation, Member: e.Member, ACR: e.ACR, AMR: e.AMR,
		ProvedAt: moment(e.At), Claims: e.Claims,
	}
}

// warnings are what a host would be warned of.
func warnings(snap *lobby.Snapshot, a *meeting.Admission) []string {
	list := []string{}
	warn := func(is bool, word string) {
		if is {
			list = append(list, word)
		}
	}
	v, p := snap.Invitations[a.Invitation], &a.Person
	warn(!p.Verified(), "nothing_proved")
	warn(a.Elsewhere || len(v.Seats) > 1, "link_used_elsewhere")
	warn(lobby.Resembles(a.Name, snap.Meeting.Owner.Name) && p.Key() != snap.Meeting.Owner.Key, "name_like_host")
	warn(lobby.MixedScripts(a.Name), "name_mixes_scripts")
	warn(v.Email != "" && p.Email != "" && meeting.FoldAddress(p.Email) != meeting.FoldAddress(v.Email), "address_differs")
	return list
}

// listAdmissions answers who waits, or who else is at the door or inside.
func (s *Server) listAdmissions(w http.ResponseWriter, r *http.Request, c *caller) error {
	state := or(r.URL.Query().Get("state"), "waiting")
	if state != "any" && !slices.Contains(stateWords(), state) {
		return refuse(http.StatusUnprocessableEntity, "invalid", fault{Name: "state", Code: "unknown"})
	}
	snap, err := s.snapshot(r, c)
	if err != nil {
		return err
	}
	var list []admissionView
	for i := range snap.Admissions {
		if v := s.admission(snap, &snap.Admissions[i]); state == "any" || v.State == state {
			list = append(list, v)
		}
	}
	// The snapshot is in the order of knocking, to the nanosecond; the
	// cursor must not be coarser.
	p, err := cut(s, r, c, list, func(v *admissionView) string {
		a, _ := snap.Admission(v.ID)
		return fmt.Sprintf("%020d %s", a.Knocked.UnixNano(), v.ID)
	})
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, p)
}

func (s *Server) readAdmission(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.oneAdmission(w, r, c, nil)
}

func (s *Server) oneAdmission(w http.ResponseWriter, r *http.Request, c *caller, cuts []lobby.Cut) error {
	v, err := id(r, "admission", 32)
	if err != nil {
		return err
	}
	snap, err := s.snapshot(r, c)
	if err != nil {
		return err
	}
	a, ok := snap.Admission(v)
	if !ok {
		return meeting.Refuse(meeting.NotFound)
	}
	x := s.admission(snap, &a)
	for _, k := range cuts {
		x.Cuts = append(x.Cuts, cutView{k.What, k.Took.Milliseconds(), k.Err == nil})
	}
	return answer(w, http.StatusOK, x)
}

// decision reads what every decision needs: whose meeting, whom, which attempt.
func (s *Server) decision(r *http.Request, c *caller) (m meeting.ID, admission, attempt string, err error) {
	if admission, err = id(r, "admission", 32); err != nil {
		return "", "", "", err
	}
	h, err := s.hosted(r, c)
	if err != nil {
		return "", "", "", err
	}
	if err := bare(r); err != nil {
		return "", "", "", err
	}
	attempt, err = s.attempt(r, c, nil)
	return h.ID, admission, attempt, err
}

func (s *Server) admit(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.answer(w, r, c, true)
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.answer(w, r, c, false)
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, c *caller, admit bool) error {
	m, admission, attempt, err := s.decision(r, c)
	if err != nil {
		return err
	}
	if err := s.c.Lobby.Answer(r.Context(), m, c.host(), admission, admit, attempt); err != nil {
		return err
	}
	return s.oneAdmission(w, r, c, nil)
}

func (s *Server) expel(w http.ResponseWriter, r *http.Request, c *caller) error {
	m, admission, attempt, err := s.decision(r, c)
	if err != nil {
		return err
	}
	cuts, err := s.c.Lobby.Expel(r.Context(), m, c.host(), admission, attempt)
	if err != nil {
		return err
	}
	return s.oneAdmission(w, r, c, cuts)
}
