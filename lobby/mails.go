package lobby

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"time"

	"vestibule/mail"
	"vestibule/meeting"
)

// letter is an invitation mail to be sent.
type letter struct {
	meeting    meeting.ID
	invitation string
}

// mailAll queues the invitation mails of a new meeting.
func (l *Lobby) mailAll(ctx context.Context, id meeting.ID) { l.enqueue(ctx, letter{meeting: id}) }

// posts is how many meetings' mails are sent at the same time. A meeting's mails
// all pass one of them, so that no letter is sent twice (T07).
const posts = 4

func (l *Lobby) enqueue(ctx context.Context, x letter) {
	h := fnv.New32a()
	_, _ = h.Write([]byte(x.meeting))
	select {
	case l.mails[h.Sum32()%posts] <- x:
	default: // the host sees "on its way" and can send it again
		l.log.ErrorContext(ctx, "mail queue full", slog.String("meeting", string(x.meeting)))
	}
}

// remails is how often an hour one invitation can be mailed again (T11).
const remails = 5

// Remail sends an invitation's mail again.
func (l *Lobby) Remail(ctx context.Context, id meeting.ID, host meeting.Key, invitation string) error {
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
			ok, err := l.c.Shelf.Count(ctx, "invitations", string(id)+":"+invitation, remails, time.Hour)
			if err != nil {
				return outcome{}, fmt.Errorf("counting mails of meeting %s: %w", id, err)
			}
			if !ok {
				return outcome{No: meeting.Refuse(meeting.TooMany)}, nil
			}
			counted = true
		}
		_, no, err := t.apply(d, meeting.MailTold{State: meeting.Mailing}, time.Now())
		return outcome{No: no}, err
	})
	if err := answered(out, err); err != nil {
		return err
	}
	l.enqueue(ctx, letter{id, invitation})
	return nil
}

// post sends queued mails until ctx ends.
func (l *Lobby) post(ctx context.Context, letters <-chan letter) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case x := <-letters:
			if err := l.send(ctx, x); err != nil && ctx.Err() == nil {
				l.log.ErrorContext(ctx, "invitations not mailed", slog.String("meeting", string(x.meeting)), slog.Any("error", err))
			}
		}
	}
}

// send mails one invitation, or all of a meeting that are still to be mailed.
func (l *Lobby) send(ctx context.Context, x letter) error {
	if l.c.Mailer == nil {
		return nil
	}
	s, err := l.load(ctx, x.meeting)
	if err != nil {
		return err
	}
	for id := range s.Invitations {
		v := s.Invitations[id]
		if v.Mail.State != meeting.Mailing || v.Email == "" || x.invitation != "" && x.invitation != id {
			continue
		}
		told := meeting.MailTold{State: meeting.Mailed}
		if err := l.write(ctx, &s.Meeting, &v); err != nil {
			told = meeting.MailTold{State: meeting.MailFailed, Fault: faultWord(err)}
			l.log.WarnContext(ctx, "invitation not mailed", slog.String("meeting", string(x.meeting)), slog.String("invitation", v.ID), slog.Any("error", err))
		}
		if err := l.told(ctx, x.meeting, &v, told); err != nil {
			return err
		}
	}
	return nil
}

// lettersPerMailbox is how many invitation mails one mailbox is sent in an hour
// over all meetings (T11).
const lettersPerMailbox = 30

var errLetters = errors.New("too many mails to one mailbox")

// write mails one invitation as it now stands, or that the meeting is off.
func (l *Lobby) write(ctx context.Context, m *meeting.Meeting, v *meeting.Invitation) error {
	box := hex.EncodeToString(l.mac("mailbox", []byte(meeting.FoldAddress(v.Email))))
	ok, err := l.c.Shelf.Count(ctx, "letters", box, lettersPerMailbox, time.Hour)
	if err != nil {
		return fmt.Errorf("counting mails: %w", err)
	}
	if !ok {
		return errLetters
	}
	write := l.c.Mailer.Invitation
	if m.Phase == meeting.Cancelled {
		write = l.c.Mailer.Cancel
	}
	return write(ctx, mail.Invite{
		To: v.Email, Name: v.Name, HostName: m.Owner.Name, Title: m.Title, Starts: m.Starts, Ends: m.Ends,
		Zone: m.Zone, Lang: or(v.Lang, m.Lang), Link: l.c.Door + "/i/" + l.Link(m.ID, v), Contact: l.c.Contact,
		Dial: mail.Dial(l.Dial(m, v)), UID: v.ID + "@" + string(m.ID), Sequence: m.Sequence - v.Since + int(v.Generation),
	})
}

// told records what became of the mail that v asked for. A mail asked for
// meanwhile, because the meeting changed, is still to be sent.
func (l *Lobby) told(ctx context.Context, id meeting.ID, v *meeting.Invitation, e meeting.MailTold) error {
	_, err := l.change(ctx, id, "", func(t *tx) (outcome, error) {
		d, err := t.docs(v.ID, "")
		if err != nil || d.Invitation.ID == "" || !d.Invitation.Mail.At.Equal(v.Mail.At) {
			return outcome{}, err
		}
		_, no, err := t.apply(d, e, time.Now())
		return outcome{No: no}, err
	})
	return err
}

// faultWord names what went wrong with a mail, without an address.
func faultWord(err error) string {
	var f *mail.Fault
	switch {
	case errors.As(err, &f):
		return f.Kind.String()
	case errors.Is(err, errLetters):
		return "too_many"
	default:
		return "failed"
	}
}

// Owned lists a host's meetings that end after from, soonest first.
func (l *Lobby) Owned(ctx context.Context, owner meeting.Key, from time.Time, limit int) ([]*Snapshot, error) {
	ids, err := l.c.Shelf.Owned(ctx, l.shelf(owner), from, limit)
	if err != nil {
		return nil, err
	}
	var list []*Snapshot
	for _, id := range ids {
		s, err := l.load(ctx, id)
		var no *meeting.Refusal
		if errors.As(err, &no) {
			continue // forgotten since, or never finished
		}
		if err != nil {
			return nil, err
		}
		if s.Meeting.HostedBy(owner) {
			list = append(list, s)
		}
	}
	return list, nil
}
