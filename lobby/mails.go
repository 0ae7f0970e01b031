package lobby

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"vestibule/mail"
	"vestibule/meeting"
)

// remails is how often an hour one invitation can be mailed again (T11).
const remails = 5

// Remail sends an invitation's mail again.
func (l *Lobby) Remail(ctx context.Context, id meeting.ID, host meeting.Key, invitation string) error {
	send, err := l.mailing(ctx, id, time.Now())
	if err != nil {
		return err
	}
	defer send()
	counted := false
	out, err := l.change(ctx, id, "", func(t *tx) (outcome, error) {
		d, err := t.docs(invitation, "")
		if err != nil {
			return outcome{}, err
		}
		switch {
		case !d.Meeting.HostedBy(host):
			return outcome{No: meeting.Refuse(meeting.NotHost)}, nil
		case d.Invitation.Email == "" || d.Invitation.Revoked || l.c.Mailer == nil:
			return outcome{No: meeting.Refuse(meeting.NotFound)}, nil
		}
		if !counted {
			ok, err := l.mayMail(ctx, id, invitation)
			if err != nil {
				return outcome{}, err
			}
			if !ok {
				return outcome{No: meeting.Refuse(meeting.TooMany)}, nil
			}
			counted = true
		}
		_, no, err := t.apply(d, meeting.MailAsk{}, time.Now())
		return outcome{No: no}, err
	})
	return answered(out, err)
}

// lettersPerMailbox is how many invitation mails one mailbox is sent in an hour
// over all meetings (T11).
const lettersPerMailbox = 30

var errLetters = errors.New("too many mails to one mailbox")

// write mails a letter to the invitee of d as things now stand: the invitation,
// the end of it, or a reminder.
func (l *Lobby) write(ctx context.Context, d *meeting.Docs, letter meeting.Letter) error {
	m, v := &d.Meeting, &d.Invitation
	box := hex.EncodeToString(l.mac("mailbox", []byte(meeting.FoldMailbox(v.Email))))
	ok, err := l.c.Shelf.Count(ctx, "letters", box, lettersPerMailbox, time.Hour)
	if err != nil {
		return fmt.Errorf("counting mails: %w", err)
	}
	if !ok {
		return errLetters
	}
	write := l.c.Mailer.Invitation
	switch {
	case m.Phase == meeting.Cancelled || v.Revoked:
		write = l.c.Mailer.Cancel
	case letter == meeting.ReminderLetter:
		write = l.c.Mailer.Reminder
	}
	return write(ctx, mail.Invite{
		ID: l.letterID(m.ID, v, letter), Token: l.token(m.ID, v, letter), To: v.Email, Name: v.Name, HostName: m.Owner.Name, Title: m.Title, Starts: m.Starts, Ends: m.Ends,
		Zone: m.Zone, Lang: or(v.Lang, m.Lang), Link: l.c.Door + "/i/" + l.Link(m.ID, v), Contact: l.c.Contact,
		Dial: mail.Dial(l.Dial(m, v)), UID: v.ID + "@" + string(m.ID), Sequence: m.Calls(v),
		LinkInCalendar: l.c.LinkInCalendar, Withdrawn: v.Revoked && m.Phase != meeting.Cancelled,
	})
}

// letterID names a mail, the same at every try: a mail program that was given
// it twice, because an answer was lost, shows it once.
func (l *Lobby) letterID(id meeting.ID, v *meeting.Invitation, letter meeting.Letter) string {
	return hex.EncodeToString(l.stamp("letter", id, v, letter)[:16])
}

// stamp fingerprints a mail: asked for anew, it is another one.
func (l *Lobby) stamp(kind string, id meeting.ID, v *meeting.Invitation, letter meeting.Letter) []byte {
	asked := v.Letter(letter).Asked.UTC().Format(time.RFC3339Nano)
	return l.mac(kind, []byte(id), []byte(v.ID), []byte{byte(letter)}, []byte(asked))
}

// fate says what a try came to: the state, and a word for it without an
// address.
func fate(err error) (meeting.MailState, string) {
	var f *mail.Fault
	switch {
	case err == nil:
		return meeting.Mailed, ""
	case errors.As(err, &f) && f.Kind == mail.Bounced:
		return meeting.MailBounced, f.Class()
	case errors.As(err, &f):
		return meeting.MailDeferred, f.Kind.String()
	case errors.Is(err, errLetters):
		return meeting.MailDeferred, "too_many"
	default:
		return meeting.MailDeferred, "failed"
	}
}
