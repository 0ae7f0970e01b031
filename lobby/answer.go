package lobby

import (
	"context"
	"errors"
	"slices"
	"time"

	"vestibule/meeting"
)

// Answer lets a waiting person in or refuses them, in the name of a host.
func (l *Lobby) Answer(ctx context.Context, id meeting.ID, host meeting.Key, admission string, a meeting.Answer, attempt string) error {
	text, no := spoken(a.Farewell, "message")
	if no != nil {
		return no
	}
	a.By, a.Name, a.Farewell = host, CleanText(a.Name, MaxName), text
	return l.on(ctx, id, admission, tag("answer", attempt), a)
}

// Reconsider lets somebody wait again whom a host refused.
func (l *Lobby) Reconsider(ctx context.Context, id meeting.ID, host meeting.Key, admission, attempt string) error {
	return l.on(ctx, id, admission, tag("reconsider", attempt), meeting.Reconsider{By: host})
}

// AdmitSure lets in those of the admissions that the host saw of whom Sure
// still holds. It answers how many.
func (l *Lobby) AdmitSure(ctx context.Context, id meeting.ID, host meeting.Key, seen []string, attempt string) (int, error) {
	s, err := l.Snapshot(ctx, id)
	if err != nil {
		return 0, err
	}
	if !s.Meeting.HostedBy(host) {
		return 0, meeting.Refuse(meeting.NotHost)
	}
	n := 0
	for i := range s.Admissions {
		a := &s.Admissions[i]
		if !slices.Contains(seen, a.ID) || !s.Sure(a) {
			continue
		}
		err := l.Answer(ctx, id, host, a.ID, meeting.Answer{Admit: true, Name: a.Name}, tag(a.ID, attempt))
		var no *meeting.Refusal
		switch {
		case errors.As(err, &no):
			continue // gone or answered meanwhile; the others are let in
		case err != nil:
			return n, err
		}
		n++
	}
	return n, nil
}

// Leave takes somebody out by their own will and ends their channels. Of who
// only waits, or is out already, nothing is cut: the conference server knows
// nothing of them (T34), and who is let in later needs the relay.
func (l *Lobby) Leave(ctx context.Context, id meeting.ID, admission string) error {
	inside := false
	out, err := l.change(ctx, id, "", func(t *tx) (outcome, error) {
		d, err := t.admission(admission)
		if err != nil {
			return outcome{}, err
		}
		inside = d.Admission.State == meeting.Admitted
		_, no, err := t.apply(d, meeting.Leave{}, time.Now())
		return outcome{No: no}, err
	})
	if err := answered(out, err); err != nil {
		return err
	}
	if inside {
		l.cut(ctx, loss{id, admission, meeting.Stale}, false)
	}
	return nil
}

// Lock shuts or opens the door to newcomers.
func (l *Lobby) Lock(ctx context.Context, id meeting.ID, host meeting.Key, on bool) error {
	return l.on(ctx, id, "", "", meeting.Lock{By: host, On: on})
}

// Revoke withdraws an invitation's link.
func (l *Lobby) Revoke(ctx context.Context, id meeting.ID, host meeting.Key, invitation, attempt string) error {
	now := time.Now()
	send, err := l.mailing(ctx, id, now)
	if err != nil {
		return err
	}
	defer send()
	out, err := l.change(ctx, id, tag("revoke", attempt), func(t *tx) (outcome, error) {
		d, err := t.docs(invitation, "")
		if err != nil {
			return outcome{}, err
		}
		_, no, err := t.apply(d, meeting.Revoke{By: host}, now)
		return outcome{No: no}, err
	})
	return answered(out, err)
}

// on applies an event to one admission, with its invitation.
func (l *Lobby) on(ctx context.Context, id meeting.ID, admission, attempt string, e meeting.Event) error {
	return l.onAt(ctx, id, admission, attempt, e, time.Now())
}

func (l *Lobby) onAt(ctx context.Context, id meeting.ID, admission, attempt string, e meeting.Event, now time.Time) error {
	out, err := l.change(ctx, id, attempt, func(t *tx) (outcome, error) {
		d, err := t.admission(admission)
		if err != nil {
			return outcome{}, err
		}
		_, no, err := t.apply(d, e, now)
		return outcome{No: no}, err
	})
	return answered(out, err)
}

// admission loads an admission together with the invitation it came by.
func (t *tx) admission(id string) (meeting.Docs, error) {
	d, err := t.docs("", id)
	if err != nil || d.Admission.Invitation == "" {
		return d, err
	}
	return t.docs(d.Admission.Invitation, id)
}
