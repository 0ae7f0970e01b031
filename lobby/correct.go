package lobby

import (
	"context"
	"strings"
	"time"

	"vestibule/meeting"
)

// Correct gives an invitee who is not inside the name, address and number they
// should have had. Their old link dies, and a new one is mailed. An address that
// was told of the meeting is told that it is withdrawn, as after Revoke; one that
// was not hears nothing. What a site shows a host only in part, an empty field
// leaves as it is.
func (l *Lobby) Correct(ctx context.Context, id meeting.ID, host meeting.Key, invitation string, to Invitee, attempt string) error {
	if _, err := l.Hosts(ctx, id, host); err != nil {
		return err // before anything else is read (T10)
	}
	s, err := l.Snapshot(ctx, id)
	if err != nil {
		return err
	}
	v := s.Invitations[invitation]
	switch {
	case v.ID == "" || v.Shared || v.Members:
		return meeting.Refuse(meeting.NotFound)
	case s.inside(&v):
		return meeting.Refuse(meeting.Stale)
	}
	if to, err = l.corrected(&v, to); err != nil {
		return err
	}
	attempt = tag("correct", attempt)
	if v.Misled(to.Email) {
		return l.replace(ctx, id, host, invitation, to, attempt)
	}
	return l.relink(ctx, id, invitation, attempt, meeting.Correct{By: host, Name: to.Name, Email: to.Email, Phone: to.Phone})
}

// inside reports whether somebody came in by the invitation.
func (s *Snapshot) inside(v *meeting.Invitation) bool {
	for _, seat := range v.Seats {
		if a, ok := s.Admission(seat.Admission); ok && a.State == meeting.Admitted {
			return true
		}
	}
	return false
}

// corrected is what a host wrote of an invitee, whole and clean.
func (l *Lobby) corrected(v *meeting.Invitation, to Invitee) (Invitee, error) {
	d := Draft{Invitees: []Invitee{to}}
	d.clean()
	to = d.Invitees[0]
	to.Match, to.Role = v.Match, v.Role
	if to.Email == "" && l.Email(v.Email) != v.Email {
		to.Email = v.Email
	}
	written := strings.TrimSpace(to.Phone)
	to.Phone = meeting.Phone(written)
	if written == "" && l.Phone(v.Phone) != v.Phone {
		to.Phone = v.Phone
	}
	if !to.good() || written != "" && to.Phone == "" {
		return to, &meeting.Refusal{Reason: meeting.Invalid, Field: "invitee"}
	}
	return to, nil
}

// replace withdraws an invitation whose address was written to, and invites
// anew: the calendar entry of the one is not that of the other.
func (l *Lobby) replace(ctx context.Context, id meeting.ID, host meeting.Key, invitation string, to Invitee, attempt string) error {
	now := time.Now()
	send, err := l.mailing(ctx, id, now)
	if err != nil {
		return err
	}
	defer send()
	out, err := l.change(ctx, id, attempt, func(t *tx) (outcome, error) {
		d, err := t.docs(invitation, "")
		if err != nil {
			return outcome{}, err
		}
		switch {
		case d.Meeting.Phase == meeting.Cancelled:
			return outcome{No: meeting.Refuse(meeting.CalledOff)}, nil
		case d.Meeting.Over(now):
			return outcome{No: meeting.Refuse(meeting.Over)}, nil
		}
		d, no, err := t.apply(d, meeting.Revoke{By: host}, now)
		if no != nil || err != nil {
			return outcome{No: no}, err
		}
		out, err := t.invite(&d.Meeting, host, []Invitee{to}, now)
		if out.No != nil {
			t.drop()
		}
		return out, err
	})
	return answered(out, err)
}
