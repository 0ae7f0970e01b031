package lobby

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"vestibule/auth"
	"vestibule/mail"
	"vestibule/meeting"
	"vestibule/sms"
)

// CodesPerMailbox is how many codes one mailbox or telephone is sent in an hour
// over all invitations, so that the door cannot be used to flood somebody (T11).
const CodesPerMailbox = 5

// SendCode sends a one-time code to the invitation's mailbox or telephone. It
// answers a refusal when the budget is spent and an error that IsUnsent when the
// code cannot leave.
func (l *Lobby) SendCode(ctx context.Context, link string, by meeting.Method, attempt string) error {
	if attempt == "" {
		return l.sendCode(ctx, link, by, attempt, time.Now())
	}
	// A double click is one request: the browser drops the first and waits for
	// the second, and only one may count against the mailbox.
	_, err, _ := l.sends.Do(link+attempt, func() (any, error) {
		return nil, l.sendCode(context.WithoutCancel(ctx), link, by, attempt, time.Now())
	})
	return err
}

func (l *Lobby) sendCode(ctx context.Context, link string, by meeting.Method, attempt string, now time.Time) error {
	id, inv, gen, no := l.read(link)
	if no != nil {
		return no
	}
	if !l.Sends(by) {
		return meeting.Refuse(meeting.NotFound)
	}
	var d meeting.Docs
	sent, counted := false, false
	code := l.codes().New()
	mine := hex.EncodeToString(l.mac("sent", []byte(code))[:8])
	out, err := l.change(ctx, id, tag("code", attempt), func(t *tx) (outcome, error) {
		var err error
		sent = false
		if d, err = t.docs(inv, ""); err != nil {
			return outcome{}, err
		}
		if no := current(&d, gen); no != nil {
			return outcome{No: no}, nil
		}
		e := meeting.SendCode{By: by, MAC: l.codes().MAC(string(id), inv, d.Invitation.CodeTo(by), code), Attempt: attempt}
		if _, entries, no := meeting.Apply(d, e, now); no != nil || len(entries) == 0 {
			return outcome{No: no}, nil
		}
		// Counted before anything is written: a code that is not sent must not
		// spend the invitation's own budget (T11).
		if !counted {
			if no, err := l.maySend(ctx, &d, by); no != nil || err != nil {
				return outcome{No: no}, err
			}
			counted = true
		}
		sent = true
		var no *meeting.Refusal
		d, no, err = t.apply(d, e, now)
		return outcome{No: no, Value: mine}, err
	})
	if err := answered(out, err); err != nil {
		return err
	}
	// A repeated attempt answers what the first one answered and sends nothing.
	if !sent || out.Value != mine {
		return nil
	}
	return l.hand(ctx, &d, by, code)
}

// Sends reports whether codes can leave by the given way.
func (l *Lobby) Sends(by meeting.Method) bool {
	return by == meeting.Mailbox && l.c.Mailer != nil || by == meeting.Telephone && l.c.Texter != nil
}

// hand gives a code to whoever carries it.
func (l *Lobby) hand(ctx context.Context, d *meeting.Docs, by meeting.Method, code string) error {
	v, minutes := &d.Invitation, int(meeting.CodeLife.Minutes())
	lang := or(v.Lang, d.Meeting.Lang)
	if by == meeting.Telephone {
		return l.c.Texter.Code(ctx, sms.Code{
			To: v.Phone, Lang: lang, Code: code, HostName: d.Meeting.Owner.Name, Door: l.c.Door, Minutes: minutes,
		})
	}
	return l.c.Mailer.Code(ctx, mail.Code{
		To: v.Email, Lang: lang, Code: code, HostName: d.Meeting.Owner.Name, Title: d.Meeting.Title, Door: l.c.Door, Minutes: minutes,
	})
}

// maySend counts a code against the budget of its mailbox or telephone. The
// first code of a link that the host has just issued anew always leaves: whoever
// spent the budget with the old link does not hold the new one (T12).
func (l *Lobby) maySend(ctx context.Context, d *meeting.Docs, by meeting.Method) (*meeting.Refusal, error) {
	v := &d.Invitation
	box := hex.EncodeToString(l.mac("mailbox", []byte(meeting.FoldMailbox(v.CodeTo(by)))))
	ok, err := l.c.Shelf.Count(ctx, "codes", box, CodesPerMailbox, time.Hour)
	switch {
	case err != nil:
		return nil, fmt.Errorf("counting codes: %w", err)
	case !ok && (v.Generation == 0 || len(v.Code.Sent) > 0):
		return meeting.Refuse(meeting.TooMany), nil
	}
	return nil, nil
}

func (l *Lobby) codes() auth.Codes { return auth.Codes{Key: l.mac("codes")} }

// current refuses a link that a newer one replaced.
func current(d *meeting.Docs, generation uint16) *meeting.Refusal {
	switch {
	case d.Meeting.ID == "" || d.Invitation.ID == "" || d.Invitation.Shared:
		return meeting.Refuse(meeting.NotFound)
	case uint16(d.Invitation.Generation) != generation:
		return meeting.Refuse(meeting.Revoked)
	}
	return nil
}

// CheckCode answers who is proved by the code typed for a link. Every wrong
// answer costs a try of that invitation, whoever gives it.
func (l *Lobby) CheckCode(ctx context.Context, link, typed, attempt string) (meeting.Person, error) {
	return l.checkCode(ctx, link, typed, attempt, time.Now())
}

func (l *Lobby) checkCode(ctx context.Context, link, typed, attempt string, now time.Time) (meeting.Person, error) {
	id, inv, gen, no := l.read(link)
	if no != nil {
		return meeting.Person{}, no
	}
	code := auth.Clean(typed)
	if code == "" {
		return meeting.Person{}, &meeting.Refusal{Reason: meeting.Invalid, Field: "code"}
	}
	if attempt != "" {
		// Another code typed into the same form is another attempt.
		attempt += ":" + hex.EncodeToString(l.mac("typed", []byte(inv), []byte(code))[:8])
	}
	var d meeting.Docs
	out, err := l.change(ctx, id, tag("try", attempt), func(t *tx) (outcome, error) {
		var err error
		if d, err = t.docs(inv, ""); err != nil {
			return outcome{}, err
		}
		if no := current(&d, gen); no != nil {
			return outcome{No: no}, nil
		}
		e := meeting.TryCode{MACs: map[meeting.Method][]byte{}}
		for _, by := range []meeting.Method{meeting.Mailbox, meeting.Telephone} {
			e.MACs[by] = l.codes().MAC(string(id), inv, d.Invitation.CodeTo(by), code)
		}
		var no *meeting.Refusal
		d, no, err = t.apply(d, e, now)
		return outcome{No: no, By: d.Invitation.Code.By()}, err
	})
	if err := answered(out, err); err != nil {
		return meeting.Person{}, err
	}
	if out.By == meeting.Telephone {
		return meeting.PhonePerson(d.Invitation.Phone, now), nil
	}
	return meeting.MailboxPerson(d.Invitation.Email, now), nil
}

// IsUnsent reports whether err says that a code could not leave.
func IsUnsent(err error) bool {
	var f *mail.Fault
	var g *sms.Fault
	return errors.As(err, &f) || errors.As(err, &g)
}
