package lobby

import (
	"context"
	"fmt"
	"time"

	"vestibule/meeting"
)

// Reissue puts a new link in the place of an invitation's, alive or withdrawn, and
// mails it. Where no mail leaves, or too many left already, it is the host's to
// hand over.
func (l *Lobby) Reissue(ctx context.Context, id meeting.ID, host meeting.Key, invitation, attempt string) error {
	return l.relink(ctx, id, invitation, tag("reissue", attempt), meeting.Revoke{By: host, Reissue: true})
}

// relink applies an event that makes a link anew, and mails the link.
func (l *Lobby) relink(ctx context.Context, id meeting.ID, invitation, attempt string, e meeting.Event) error {
	now := time.Now()
	send, err := l.mailing(ctx, id, now)
	if err != nil {
		return err
	}
	defer send()
	counted, mails := false, false
	out, err := l.change(ctx, id, attempt, func(t *tx) (outcome, error) {
		d, err := t.docs(invitation, "")
		if err != nil {
			return outcome{}, err
		}
		was := d.Invitation.Generation
		d, no, err := t.apply(d, e, now)
		if v := &d.Invitation; no != nil || err != nil || v.Generation == was || v.Email == "" || l.c.Mailer == nil {
			return outcome{No: no}, err
		}
		if !counted {
			if mails, err = l.mayMail(ctx, id, invitation); err != nil {
				return outcome{}, err
			}
			counted = true
		}
		if mails {
			_, no, err = t.apply(d, meeting.MailAsk{}, now)
		}
		return outcome{No: no}, err
	})
	return answered(out, err)
}

// mayMail counts a mail that a host asks for against those of the invitation.
func (l *Lobby) mayMail(ctx context.Context, id meeting.ID, invitation string) (bool, error) {
	ok, err := l.c.Shelf.Count(ctx, "invitations", string(id)+":"+invitation, remails, time.Hour)
	if err != nil {
		return false, fmt.Errorf("counting mails of meeting %s: %w", id, err)
	}
	return ok, nil
}
