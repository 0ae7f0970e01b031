package lobby

import (
	"context"
	"fmt"
	"time"

	"vestibule/meeting"
)

// alterations is how often an hour the invitees of one meeting can be told of
// a change (T11).
const alterations = 5

// Alter gives a meeting the draft's title, times, language and settings, and
// tells its invitees where that concerns them. The draft's invitees are not
// looked at. A meeting that does not fit is left as it is: whoever asks has
// seen an older one. Ask Draft.Faults for everything wrong with the draft.
func (l *Lobby) Alter(ctx context.Context, id meeting.ID, host meeting.Key, d Draft, fit func(*meeting.Meeting) bool, attempt string) error {
	return l.alter(ctx, id, host, d, fit, attempt, time.Now())
}

func (l *Lobby) alter(ctx context.Context, id meeting.ID, host meeting.Key, d Draft, fit func(*meeting.Meeting) bool, attempt string, now time.Time) error {
	d.Invitees = nil
	d.clean()
	if f := d.Faults(now); len(f) > 0 {
		return f[0]
	}
	e := meeting.Alter{
		By: host, Title: d.Title, Starts: d.Starts, Ends: d.Ends, Zone: d.Zone, Lang: d.Lang, Settings: d.Settings,
		Expires: d.Ends.Add(d.Settings.Grace + l.c.Keep), Attempt: attempt,
	}
	send, err := l.mailing(ctx, id, now)
	if err != nil {
		return err
	}
	defer send()
	var after meeting.Meeting
	counted, told := false, false
	out, err := l.change(ctx, id, tag("alter", attempt), func(t *tx) (outcome, error) {
		was, err := t.docs("", "")
		if err != nil {
			return outcome{}, err
		}
		next, no, err := t.apply(was, e, now)
		after, told = next.Meeting, next.Meeting.Sequence > was.Meeting.Sequence
		switch {
		case err != nil || no != nil || !t.changed:
			return outcome{No: no}, err
		case !fit(&was.Meeting):
			t.drop()
			return outcome{No: meeting.Refuse(meeting.Stale)}, nil
		case told && !counted:
			ok, err := l.c.Shelf.Count(ctx, "alterations", string(id), alterations, time.Hour)
			if err != nil {
				return outcome{}, fmt.Errorf("counting alterations of meeting %s: %w", id, err)
			}
			if !ok {
				t.drop()
				return outcome{No: meeting.Refuse(meeting.TooMany)}, nil
			}
			counted = true
		}
		t.c.Expires = after.Expires
		if err := t.welcome(&after, host, after.Owner.Name, now); err != nil {
			return outcome{}, err
		}
		if told {
			return outcome{}, t.remailAll(next, now)
		}
		return outcome{}, nil
	})
	if err := answered(out, err); err != nil {
		return err
	}
	return l.reindex(ctx, &after, now)
}

// reindex lets an altered meeting be found until its new end: by its hosts, and
// by telephone.
func (l *Lobby) reindex(ctx context.Context, m *meeting.Meeting, now time.Time) error {
	for _, k := range m.Hosts {
		if err := l.c.Shelf.Index(ctx, l.shelf(k), m.ID, m.Ends, m.Expires); err != nil {
			return fmt.Errorf("indexing meeting %s: %w", m.ID, err)
		}
	}
	n, ttl := l.Number(m), m.Expires.Sub(now)
	if n == "" || ttl <= 0 {
		return nil
	}
	if err := l.c.Shelf.Put(ctx, "dial", l.numberKey(n), []byte(m.ID), ttl); err != nil {
		return fmt.Errorf("noting a dial-in number: %w", err)
	}
	return nil
}

// drop takes back everything that was staged.
func (t *tx) drop() {
	t.c.Writes, t.c.Events, t.changed = nil, nil, false
}

// remailAll notes that every invitee with a live link and a mailbox that takes
// mail is to be written to again.
func (t *tx) remailAll(d meeting.Docs, now time.Time) error {
	if t.l.c.Mailer == nil {
		return nil
	}
	s, err := t.l.load(t.ctx, t.id)
	if err != nil {
		return err
	}
	var names []string
	for id := range s.Invitations {
		names = append(names, invitationName(id))
	}
	if err := t.load(names...); err != nil {
		return err
	}
	for id := range s.Invitations {
		d.Invitation = meeting.Invitation{}
		if err := decode(t, invitationName(id), &d.Invitation); err != nil {
			return err
		}
		if d.Invitation.Email == "" || d.Invitation.Revoked || d.Invitation.Mail.State == meeting.MailBounced {
			continue
		}
		if _, _, err := t.apply(d, meeting.MailAsk{}, now); err != nil {
			return err
		}
	}
	return nil
}
