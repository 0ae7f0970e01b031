package api

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
)

// invitationView is an invitation as programs read it.
type invitationView struct {
	ID string `json:"id"`
	// Kind is "personal", "members" (the link for members) or "shared_code"
	// (the dial-in code that many share).
	Kind    string     `json:"kind"`
	Name    string     `json:"name"`
	Email   string     `json:"email,omitempty"`
	Phone   string     `json:"phone,omitempty"`
	Match   *matchView `json:"match,omitempty"`
	Role    string     `json:"role"`
	Revoked bool       `json:"revoked"`
	// Used is whether somebody came with the link.
	Used    bool      `json:"used"`
	Created time.Time `json:"created"`
	Mail    mailView  `json:"mail"`
	// Link is personal; it is shown to who may invite, for handing over.
	Link string `json:"link,omitempty"`

	order int
}

type matchView struct {
	Claim    string `json:"claim"`
	Value    string `json:"value"`
	Provider string `json:"provider,omitempty"`
}

type mailView struct {
	State string     `json:"state"`
	At    *time.Time `json:"at,omitempty"`
	Fault string     `json:"fault,omitempty"`
}

func (s *Server) invitation(m *meeting.Meeting, v *meeting.Invitation, c *caller) invitationView {
	x := invitationView{
		ID: v.ID, Kind: kind(v), Name: v.Name, Email: s.c.Lobby.Email(v.Email), Phone: s.c.Lobby.Phone(v.Phone), Role: roleWord(v.Role), Revoked: m.Withdrawn(v), Used: len(v.Seats) > 0 || v.Bound != "",
		Created: second(v.Created), order: v.Order,
		Mail: mailView{State: [...]string{"none", "queued", "sent", "failed", "deferred", "bounced"}[min(v.Mail.State, meeting.MailBounced)], Fault: v.Mail.Fault},
	}
	if v.Match.Claim != "" {
		x.Match = &matchView{v.Match.Claim, v.Match.Value, v.Match.Provider}
	}
	if !v.Mail.At.IsZero() {
		at := second(v.Mail.At)
		x.Mail.At = &at
	}
	if !x.Revoked && !v.Shared && c.may("invitations:write") {
		x.Link = s.c.Door + "/i/" + s.c.Lobby.Link(m.ID, v)
	}
	return x
}

func kind(v *meeting.Invitation) string {
	switch {
	case v.Members:
		return "members"
	case v.Shared:
		return "shared_code"
	default:
		return "personal"
	}
}

func roleWord(r meeting.Role) string {
	if r == meeting.Host {
		return "host"
	}
	return "guest"
}

// invitees reads the list of a body. Everybody is on it once.
func (s *Server) invitees(o *object) []lobby.Invitee {
	var list []lobby.Invitee
	seen := map[string]bool{}
	o.each("invitations", lobby.MaxInvitees, func(in *object) {
		v := lobby.Invitee{Email: strings.TrimSpace(field(in, "email", ""))}
		if v.Email != "" && !meeting.Address(v.Email) {
			in.bad("email", "address")
		}
		if n := field(in, "phone", ""); n != "" {
			if v.Phone = meeting.Phone(n); v.Phone == "" {
				in.bad("phone", "phone")
			}
		}
		name, _, _ := strings.Cut(v.Email, "@")
		v.Name = in.text("name", lobby.CleanText(name, lobby.MaxName), lobby.MaxName)
		if v.Name == "" && !in.told("name") {
			in.bad("name", "missing")
		}
		if in.word("role", "guest", "guest", "host") == "host" {
			v.Role = meeting.Host
		}
		if in.has("match") {
			v.Match = s.match(in.inside("match"))
		}
		// A host is somebody whom a provider can name.
		if v.Role == meeting.Host && (v.Email == "" && v.Match.Claim == "" || v.Match.Claim == meeting.DomainClaim) {
			in.bad("email", "missing")
		}
		for _, k := range [][2]string{{"email", meeting.FoldAddress(v.Email)}, {"phone", v.Phone}} {
			if k[1] != "" && seen[k[1]] {
				in.bad(k[0], "twice")
			}
			seen[k[1]] = true
		}
		list = append(list, v)
	})
	return list
}

// match reads the claim that is asked. One that nobody could ever meet is told
// now, and not to the guest.
func (s *Server) match(m *object) meeting.Match {
	m.need("claim", "value")
	asked := meeting.Match{Claim: m.text("claim", "", 60), Value: m.text("value", "", 254), Provider: m.text("provider", "", 32)}
	m.rest()
	if asked.Claim == "" || asked.Value == "" {
		return asked // is told
	}
	asked, wrong := s.c.Lobby.Require(asked)
	switch {
	case wrong == "provider" && !m.has("provider"):
		m.bad(wrong, "missing")
	case wrong != "":
		m.bad(wrong, "unknown")
	}
	return asked
}

// snapshot answers everything of the meeting of the path.
func (s *Server) snapshot(r *http.Request, c *caller) (*lobby.Snapshot, error) {
	v, err := id(r, "meeting", 32)
	if err != nil {
		return nil, err
	}
	if _, err := s.c.Lobby.Hosts(r.Context(), meeting.ID(v), c.host()); err != nil {
		return nil, err
	}
	return s.c.Lobby.Snapshot(r.Context(), meeting.ID(v))
}

func (s *Server) listInvitations(w http.ResponseWriter, r *http.Request, c *caller) error {
	snap, err := s.snapshot(r, c)
	if err != nil {
		return err
	}
	list := make([]invitationView, 0, len(snap.Invitations))
	for _, v := range snap.Invitations {
		list = append(list, s.invitation(&snap.Meeting, &v, c))
	}
	slices.SortFunc(list, func(a, b invitationView) int { return cmp.Or(a.order-b.order, cmp.Compare(a.ID, b.ID)) })
	p, err := cut(s, r, c, list, func(v *invitationView) string { return fmt.Sprintf("%08d %s", v.order, v.ID) })
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, p)
}

func (s *Server) invite(w http.ResponseWriter, r *http.Request, c *caller) error {
	m, err := s.hosted(r, c)
	if err != nil {
		return err
	}
	o, raw, err := read(r)
	if err != nil {
		return err
	}
	o.need("invitations")
	list := s.invitees(o)
	if len(list) == 0 && !o.told("invitations") {
		o.bad("invitations", "empty")
	}
	if err := o.done(); err != nil {
		return err
	}
	attempt, err := s.attempt(r, c, raw)
	if err != nil {
		return err
	}
	ids, err := s.c.Lobby.Invite(r.Context(), m.ID, c.host(), list, attempt)
	if err != nil {
		return err
	}
	snap, err := s.snapshot(r, c)
	if err != nil {
		return err
	}
	made := struct {
		Items []invitationView `json:"items"`
	}{Items: []invitationView{}}
	for _, k := range ids {
		v := snap.Invitations[k]
		made.Items = append(made.Items, s.invitation(&snap.Meeting, &v, c))
	}
	return answer(w, http.StatusCreated, made)
}

func (s *Server) readInvitation(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.oneInvitation(w, r, c)
}

// oneInvitation answers the invitation of the path as it now is.
func (s *Server) oneInvitation(w http.ResponseWriter, r *http.Request, c *caller) error {
	snap, err := s.snapshot(r, c)
	if err != nil {
		return err
	}
	v, ok := snap.Invitations[r.PathValue("invitation")]
	if !ok {
		return meeting.Refuse(meeting.NotFound)
	}
	return answer(w, http.StatusOK, s.invitation(&snap.Meeting, &v, c))
}

func (s *Server) revoke(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.relink(w, r, c, s.c.Lobby.Revoke)
}

func (s *Server) reissue(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.relink(w, r, c, s.c.Lobby.Reissue)
}

// relink withdraws a link, or replaces it and mails the new one.
func (s *Server) relink(w http.ResponseWriter, r *http.Request, c *caller, act func(ctx context.Context, m meeting.ID, host meeting.Key, invitation, attempt string) error) error {
	v, err := id(r, "invitation", 16)
	if err != nil {
		return err
	}
	m, err := s.hosted(r, c)
	if err != nil {
		return err
	}
	if err := bare(r); err != nil {
		return err
	}
	attempt, err := s.attempt(r, c, nil)
	if err != nil {
		return err
	}
	if err := act(r.Context(), m.ID, c.host(), v, attempt); err != nil {
		return err
	}
	return s.oneInvitation(w, r, c)
}
