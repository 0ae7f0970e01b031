package lobby

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"vestibule/meeting"
)

// A mail to be sent is kept as a state of its invitation's document, committed
// with the change it tells of. Beside it the shelf has a list of the meetings
// that have a mail due, and when. A node leases what is due; each single mail
// it claims in the document first, so that however many nodes look, one sends.
// A node that dies loses its lease, and another goes on.

// mailQueue is the list of the meetings with mails due.
const mailQueue = "mail"

// posts is how many meetings' mails one node sends at the same time.
const posts = 4

// pace is how the queue is worked; tests hurry it.
type pace struct {
	look  time.Duration // between two looks for what is due
	lease time.Duration // of a meeting
	// claim is longer than a try of one mail can take.
	claim time.Duration
	// hold is how long before a change its mails are looked for, should this
	// node die between the change and the call to send them.
	hold time.Duration
}

func steady() pace {
	return pace{look: 5 * time.Second, lease: time.Minute, claim: 90 * time.Second, hold: time.Minute}
}

// queued bounds how long a meeting stands in the queue: mails end with it.
const queued = MaxAhead + MaxLength + 24*time.Hour

// mailing has a meeting's mails looked for after a change that is about to be
// made: without that the change could be kept, and its mails forgotten. What it
// answers has them sent now. Call it also when the change was refused, since the
// note has put off what was due.
func (l *Lobby) mailing(ctx context.Context, id meeting.ID, now time.Time) (send func(), err error) {
	if l.c.Mailer == nil {
		return func() {}, nil
	}
	if err := l.c.Shelf.Index(ctx, mailQueue, id, now.Add(l.pace.hold), now.Add(queued)); err != nil {
		return nil, fmt.Errorf("queueing mails of meeting %s: %w", id, err)
	}
	return func() { l.post(context.WithoutCancel(ctx), id) }, nil
}

func (l *Lobby) post(ctx context.Context, id meeting.ID) {
	now := time.Now()
	if err := l.c.Shelf.Index(ctx, mailQueue, id, now, now.Add(queued)); err != nil {
		// The note that came before the change has them sent a little later.
		l.log.WarnContext(ctx, "mails are late", slog.String("meeting", string(id)), slog.Any("error", err))
		return
	}
	l.poke()
}

// watchMails has somebody look now and then for what is due: what is tried
// again, reminders, and what another node left.
func (l *Lobby) watchMails(ctx context.Context) error {
	tick := time.NewTicker(l.pace.look)
	defer tick.Stop()
	for {
		l.poke()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (l *Lobby) poke() {
	select {
	case l.posting <- struct{}{}:
	default: // all hands know already
	}
}

// deliver sends mails that are due, until ctx ends.
func (l *Lobby) deliver(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.posting:
		}
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = l.deliverOne(ctx); err != nil && ctx.Err() == nil {
				l.log.WarnContext(ctx, "mails wait", slog.Any("error", err))
				more = false
			}
		}
	}
}

// deliverOne sends what is due of one meeting. More says that another may be
// due too.
func (l *Lobby) deliverOne(ctx context.Context) (more bool, err error) {
	now := time.Now()
	until := now.Add(l.pace.lease)
	ids, err := l.c.Shelf.Lease(ctx, mailQueue, now, until, 1)
	if err != nil || len(ids) == 0 {
		return false, err
	}
	l.poke() // another hand for the next
	next, err := l.deliverAll(ctx, ids[0])
	if ctx.Err() != nil {
		// Shut in the middle: another node, or the next start, goes on at once.
		next, err = time.Now(), nil
	}
	if err != nil {
		return true, err // after the lease
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fresh)
	defer cancel()
	return true, l.c.Shelf.Release(ctx, mailQueue, ids[0], until, next)
}

// deliverAll tries every mail of a meeting that is due, and answers when the
// next one is; zero: none.
func (l *Lobby) deliverAll(ctx context.Context, id meeting.ID) (next time.Time, err error) {
	s, err := l.load(ctx, id)
	var no *meeting.Refusal
	if errors.As(err, &no) {
		return time.Time{}, nil // forgotten, or never made
	}
	if err != nil {
		return time.Time{}, err
	}
	list := make([]meeting.Invitation, 0, len(s.Invitations))
	for _, v := range s.Invitations {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b meeting.Invitation) int { return cmp.Or(a.Order-b.Order, cmp.Compare(a.ID, b.ID)) })
	for i := range list {
		for _, letter := range []meeting.Letter{meeting.InvitationLetter, meeting.ReminderLetter} {
			if ctx.Err() != nil {
				return time.Time{}, nil
			}
			due := s.Meeting.Due(&list[i], letter, time.Now())
			if !due.IsZero() && !due.After(time.Now()) {
				d, err := l.try(ctx, s, list[i].ID, letter)
				if err != nil {
					return time.Time{}, err
				}
				list[i] = d.Invitation
				due = d.Meeting.Due(&d.Invitation, letter, time.Now())
			}
			if !due.IsZero() && (next.IsZero() || due.Before(next)) {
				next = due
			}
		}
	}
	return next, nil
}

// try claims one mail, sends it, and answers the documents after it.
func (l *Lobby) try(ctx context.Context, s *Snapshot, invitation string, letter meeting.Letter) (meeting.Docs, error) {
	id := s.Meeting.ID
	d, mine, err := l.claim(ctx, s, invitation, letter)
	if err != nil || !mine {
		return d, err
	}
	stop := ctx.Done()
	// What was begun is brought to its end, also while the door shuts: a mail
	// that was taken, and not noted as such, would be sent again.
	ctx = context.WithoutCancel(ctx)
	told := meeting.MailTold{Letter: letter, Asked: d.Invitation.Letter(letter).Asked, State: meeting.MailDeferred, Fault: "late"}
	if !d.Meeting.Over(time.Now()) || d.Meeting.Phase == meeting.Cancelled || d.Invitation.Revoked {
		err := l.write(ctx, &d, letter)
		if told.State, told.Fault = fate(err); err != nil {
			l.log.WarnContext(ctx, "invitation not mailed", slog.String("meeting", string(id)), slog.String("invitation", invitation), slog.Any("error", err))
		}
	}
	return l.told(ctx, id, invitation, told, stop)
}

// told records what became of a mail. As long as this node has the claim, and
// is not shut, it tries again when the store is away.
func (l *Lobby) told(ctx context.Context, id meeting.ID, invitation string, e meeting.MailTold, stop <-chan struct{}) (d meeting.Docs, err error) {
	ctx, cancel := context.WithTimeout(ctx, l.pace.claim/2)
	defer cancel()
	for {
		out, err := l.change(ctx, id, "", func(t *tx) (outcome, error) {
			if d, err = t.docs(invitation, ""); err != nil || d.Invitation.ID == "" {
				return outcome{}, err
			}
			d, _, err = t.apply(d, e, time.Now())
			return outcome{}, err
		})
		if err = answered(out, err); err == nil {
			return d, nil
		}
		select {
		case <-time.After(l.pace.look):
		case <-stop:
			return d, err
		case <-ctx.Done():
			return d, err
		}
	}
}

// claim takes one try of a mail for this node, if it is still due.
func (l *Lobby) claim(ctx context.Context, s *Snapshot, invitation string, letter meeting.Letter) (d meeting.Docs, mine bool, err error) {
	out, err := l.change(ctx, s.Meeting.ID, "", func(t *tx) (outcome, error) {
		mine = false
		if d, err = t.docs(invitation, ""); err != nil || d.Invitation.ID == "" {
			return outcome{}, err
		}
		now := time.Now()
		due := d.Meeting.Due(&d.Invitation, letter, now)
		if due.IsZero() || due.After(now) {
			return outcome{}, nil // another node was quicker, or a host changed it
		}
		if job := d.Invitation.Letter(letter); !job.Pending() {
			if d, _, err = t.apply(d, meeting.MailAsk{Letter: letter}, now); err != nil {
				return outcome{}, err
			}
			if s.came(&d.Invitation) {
				d, _, err = t.apply(d, meeting.MailTold{Letter: letter, Asked: now}, now)
				return outcome{}, err
			}
		}
		mine = true
		d, _, err = t.apply(d, meeting.MailTry{Letter: letter, Until: now.Add(l.pace.claim)}, now)
		return outcome{}, err
	})
	err = answered(out, err)
	return d, mine && err == nil, err
}

// came reports whether the invitee is at the door or inside: whoever came needs
// no reminder.
func (s *Snapshot) came(v *meeting.Invitation) bool {
	return slices.ContainsFunc(v.Seats, func(seat meeting.Seat) bool {
		a, ok := s.Admission(seat.Admission)
		return ok && (a.State == meeting.Waiting || a.State == meeting.Admitted)
	})
}
