package lobby

import (
	"context"
	"fmt"
	"strings"
	"time"

	"vestibule/meeting"
)

// Invite adds invitees to a meeting, mails them, and answers their
// invitations' ids in the given order.
func (l *Lobby) Invite(ctx context.Context, id meeting.ID, host meeting.Key, list []Invitee, attempt string) ([]string, error) {
	return l.invite(ctx, id, host, list, attempt, time.Now())
}

func (l *Lobby) invite(ctx context.Context, id meeting.ID, host meeting.Key, list []Invitee, attempt string, now time.Time) ([]string, error) {
	d := Draft{Invitees: list}
	d.clean()
	for i := range list {
		if !list[i].good() {
			return nil, &meeting.Refusal{Reason: meeting.Invalid, Field: fmt.Sprintf("invitees.%d", i+1)}
		}
	}
	if n := l.require(list); n > 0 {
		return nil, &meeting.Refusal{Reason: meeting.Invalid, Field: fmt.Sprintf("invitees.%d", n)}
	}
	send, err := l.mailing(ctx, id, now)
	if err != nil {
		return nil, err
	}
	defer send()
	out, err := l.change(ctx, id, tag("invite", attempt), func(t *tx) (outcome, error) {
		d, err := t.docs("", "")
		if err != nil {
			return outcome{}, err
		}
		switch {
		case d.Meeting.ID == "":
			return outcome{No: meeting.Refuse(meeting.NotFound)}, nil
		case !d.Meeting.HostedBy(host):
			return outcome{No: meeting.Refuse(meeting.NotHost)}, nil
		case d.Meeting.Phase == meeting.Cancelled:
			return outcome{No: meeting.Refuse(meeting.CalledOff)}, nil
		case d.Meeting.Over(now):
			return outcome{No: meeting.Refuse(meeting.Over)}, nil
		}
		return t.invite(&d.Meeting, host, list, now)
	})
	if err := answered(out, err); err != nil {
		return nil, err
	}
	return strings.Fields(out.Value), nil
}

// invite stages the invitations behind those that are there.
func (t *tx) invite(m *meeting.Meeting, host meeting.Key, list []Invitee, now time.Time) (outcome, error) {
	s, err := t.l.load(t.ctx, t.id)
	if err != nil {
		return outcome{}, err
	}
	if len(s.Invitations)+len(list) > MaxInvitees {
		return outcome{No: &meeting.Refusal{Reason: meeting.Invalid, Field: "invitees"}}, nil
	}
	order, codes := 0, map[string]bool{}
	for _, v := range s.Invitations {
		order = max(order, v.Order+1)
		codes[t.l.DialCode(m.ID, &v)] = true
	}
	var ids []string
	for i, v := range list {
		inv := meeting.Invitation{
			ID: meeting.NewInvitationID(), Name: v.Name, Email: v.Email, Phone: v.Phone, Match: v.Match, Role: v.Role,
			Order: order + i, Lang: m.Lang, Created: now, Since: m.Sequence, By: s.HostName(host),
		}
		// No two invitees of a meeting have one dial-in code.
		code := t.l.DialCode(m.ID, &inv)
		for ; code != "" && codes[code]; code = t.l.DialCode(m.ID, &inv) {
			inv.ID = meeting.NewInvitationID()
		}
		codes[code] = true
		if inv.Email != "" && t.l.c.Mailer != nil {
			inv.Mail = meeting.Mail{State: meeting.Mailing, At: now, Asked: now, Next: now}
		}
		t.c.Reads[invitationName(inv.ID)] = 0
		if err := t.put(invitationName(inv.ID), true, &inv); err != nil {
			return outcome{}, err
		}
		if err := t.log(&meeting.Entry{At: now, What: meeting.Invited, Meeting: t.id, Invitation: inv.ID, By: host, Name: inv.Name}); err != nil {
			return outcome{}, err
		}
		ids = append(ids, inv.ID)
	}
	return outcome{Value: strings.Join(ids, " ")}, nil
}
