package lobby

import (
	"context"
	"errors"
	"time"

	"vestibule/meeting"
)

// Answer lets a waiting person in or refuses them, in the name of a host.
func (l *Lobby) Answer(ctx context.Context, id meeting.ID, host meeting.Key, admission string, admit bool, attempt string) error {
	return l.on(ctx, id, admission, tag("answer", attempt), meeting.Answer{By: host, Admit: admit})
}

// AdmitSure lets in everybody who waits and of whom sure holds: the front asks
// for those whose card it showed without a warning. It answers how many.
func (l *Lobby) AdmitSure(ctx context.Context, id meeting.ID, host meeting.Key, sure func(*Snapshot, *meeting.Admission) bool, attempt string) (int, error) {
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
		if a.State != meeting.Waiting || !a.Person.Verified() || !sure(s, a) {
			continue
		}
		err := l.Answer(ctx, id, host, a.ID, true, tag(a.ID, attempt))
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

// Leave takes somebody out by their own will and ends their channels.
func (l *Lobby) Leave(ctx context.Context, id meeting.ID, admission string) error {
	if err := l.on(ctx, id, admission, "", meeting.Leave{}); err != nil {
		return err
	}
	l.cut(ctx, id, admission, meeting.Stale)
	return nil
}

// Lock shuts or opens the door to newcomers.
func (l *Lobby) Lock(ctx context.Context, id meeting.ID, host meeting.Key, on bool) error {
	return l.on(ctx, id, "", "", meeting.Lock{By: host, On: on})
}

// Revoke withdraws an invitation's link, or with reissue replaces it.
func (l *Lobby) Revoke(ctx context.Context, id meeting.ID, host meeting.Key, invitation string, reissue bool, attempt string) error {
	out, err := l.change(ctx, id, tag("revoke", attempt), func(t *tx) (outcome, error) {
		d, err := t.docs(invitation, "")
		if err != nil {
			return outcome{}, err
		}
		_, no, err := t.apply(d, meeting.Revoke{By: host, Reissue: reissue}, time.Now())
		return outcome{No: no}, err
	})
	return answered(out, err)
}

// on applies an event to one admission, with its invitation.
func (l *Lobby) on(ctx context.Context, id meeting.ID, admission, attempt string, e meeting.Event) error {
	out, err := l.change(ctx, id, attempt, func(t *tx) (outcome, error) {
		d, err := t.admission(admission)
		if err != nil {
			return outcome{}, err
		}
		_, no, err := t.apply(d, e, time.Now())
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
