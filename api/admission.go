package api

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
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
	Talk        *talkView    `json:"talk,omitempty"`
	Network     string       `json:"network,omitempty"`
	Link        *linkView    `json:"link,omitempty"`
	Present     bool         `json:"present"`
	Knocked     time.Time    `json:"knocked"`
	Decided     *time.Time   `json:"decided,omitempty"`
	Rule        string       `json:"rule,omitempty"`
	// Cuts are what an expulsion ended, in the answer to it alone.
	Cuts []cutView `json:"cuts,omitempty"`
}

// standingView is what a key that may decide and not read is told of an
// admission: what its decision did, and nothing of the person.
type standingView struct {
	ID    string    `json:"id"`
	State string    `json:"state"`
	Cuts  []cutView `json:"cuts,omitempty"`
}

type invitedView struct {
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
	Phone string `json:"phone,omitempty"`
}

// talkView is what host and guest said to one another.
type talkView struct {
	Held     *time.Time `json:"held,omitempty"`
	Message  string     `json:"message,omitempty"`
	Question string     `json:"question,omitempty"`
	Reply    string     `json:"reply,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	Farewell string     `json:"farewell,omitempty"`
}

// linkView is what became of the invitation's link.
type linkView struct {
	InvitedBy     string     `json:"invited_by,omitempty"`
	FirstUsed     *time.Time `json:"first_used,omitempty"`
	WrongCodes    int        `json:"wrong_codes"`
	RefusedKnocks int        `json:"refused_knocks"`
	LastAttempt   *time.Time `json:"last_attempt,omitempty"`
	Others        []string   `json:"others"`
}

type personView struct {
	Method        string              `json:"method"`
	Issuer        string              `json:"issuer"`
	Subject       string              `json:"subject"`
	Name          string              `json:"name,omitempty"`
	Email         string              `json:"email,omitempty"`
	Phone         string              `json:"phone,omitempty"`
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
		DisplayName: a.Name, Browser: a.Agent, Person: s.person(&a.Person), Warnings: []string{},
		Present: s.c.Lobby.Present(snap, a), Knocked: second(a.Knocked), Decided: moment(a.Decided), Rule: a.Rule, Network: string(a.Net.Kind),
	}
	if t := &a.Talk; *t != (meeting.Talk{}) {
		x.Talk = &talkView{
			Held: moment(t.Held), Message: t.Message, Question: t.Question, Reply: t.Reply, Reason: string(t.Why), Farewell: t.Farewell,
		}
	}
	for _, w := range snap.Warnings(a) {
		x.Warnings = append(x.Warnings, string(w))
	}
	if v, ok := snap.Invitations[a.Invitation]; ok {
		x.Invited = &invitedView{v.Name, s.c.Lobby.Email(v.Email), s.c.Lobby.Phone(v.Phone)}
		x.Link = &linkView{
			InvitedBy: v.By, FirstUsed: moment(v.Used), WrongCodes: v.Tried.Codes, RefusedKnocks: v.Tried.Knocks,
			LastAttempt: moment(v.Tried.Last), Others: []string{},
		}
		for _, o := range snap.Uses(a) {
			x.Link.Others = append(x.Link.Others, o.ID)
		}
	}
	return x
}

// person is somebody as proved, with the address as the site lets hosts see it.
func (s *Server) person(p *meeting.Person) personView {
	e := &p.Evidence
	v := personView{
		Method: [...]string{"unproved", "dial_code", "mailbox", "telephone", "oidc"}[min(e.Method, meeting.OIDC)],
		Issuer: p.Issuer, Subject: p.Subject, Name: p.Name, Email: s.c.Lobby.Email(p.Email), Phone: s.c.Lobby.Phone(p.Phone), EmailVerified: e.EmailVerified,
		Provider: e.Provider, Organisation: e.Organisation, Member: e.Member, ACR: e.ACR, AMR: e.AMR,
		ProvedAt: moment(e.At), Claims: s.claims(e.Claims),
	}
	switch p.Issuer {
	case meeting.MailboxIssuer:
		v.Subject = v.Email
	case meeting.TelephoneIssuer:
		v.Subject = v.Phone
	}
	return v
}

// claims are those of a person. One that holds an address, such as Entra's
// preferred_username, must not show what the site hides.
func (s *Server) claims(all map[string][]string) map[string][]string {
	shown := maps.Clone(all)
	for name, values := range shown {
		list := make([]string, 0, len(values))
		for _, v := range values {
			if strings.Contains(v, "@") {
				v = s.c.Lobby.Email(v)
			}
			if v != "" {
				list = append(list, v)
			}
		}
		shown[name] = list
	}
	return shown
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
	if !c.may("waiting:read") {
		return answer(w, http.StatusOK, standingView{x.ID, x.State, x.Cuts})
	}
	return answer(w, http.StatusOK, x)
}
