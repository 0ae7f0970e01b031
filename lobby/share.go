package lobby

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"vestibule/meeting"
)

// MayShare reports whether a host may open a shared code for a meeting: where
// the site lets them and the meeting has a number to dial.
func (l *Lobby) MayShare(m *meeting.Meeting) bool {
	return l.c.SharedCodes && len(l.c.Dial) > 0 && m.Number != 0
}

// Shared answers the shared code of a meeting; false where there is none now.
func (s *Snapshot) Shared() (meeting.Invitation, bool) {
	for id := range s.Invitations {
		if v := s.Invitations[id]; v.Shared {
			return v, !v.Revoked
		}
	}
	return meeting.Invitation{}, false
}

// Share opens a code that many may dial, or puts a new one in the place of the
// one there is. Revoke withdraws it.
func (l *Lobby) Share(ctx context.Context, id meeting.ID, host meeting.Key, attempt string) error {
	out, err := l.change(ctx, id, tag("share", attempt), func(t *tx) (outcome, error) {
		d, err := t.docs("", "")
		if err != nil {
			return outcome{}, err
		}
		switch {
		case !d.Meeting.HostedBy(host):
			return outcome{No: meeting.Refuse(meeting.NotHost)}, nil
		case !l.MayShare(&d.Meeting):
			return outcome{No: meeting.Refuse(meeting.NotFound)}, nil
		case d.Meeting.Over(time.Now()):
			return outcome{No: meeting.Refuse(meeting.Over)}, nil
		}
		return t.share(d, host, time.Now())
	})
	return answered(out, err)
}

// share stages the shared code. It is an invitation like any other, so that it
// is derived, withdrawn, counted and kept as they are.
func (t *tx) share(d meeting.Docs, host meeting.Key, now time.Time) (outcome, error) {
	s, err := t.l.load(t.ctx, t.id)
	if err != nil {
		return outcome{}, err
	}
	if v, _ := s.Shared(); v.ID != "" {
		if d, err = t.docs(v.ID, ""); err != nil {
			return outcome{}, err
		}
		_, no, err := t.apply(d, meeting.Revoke{By: host, Reissue: true}, now)
		return outcome{No: no}, err
	}
	// One of a meeting: of two hosts who open it at once, one reads it first.
	v := meeting.Invitation{ID: sharedID(t.l, t.id), Shared: true, Order: MaxInvitees, Lang: d.Meeting.Lang, Created: now}
	t.c.Reads[invitationName(v.ID)] = 0
	if err := t.put(invitationName(v.ID), true, &v); err != nil {
		return outcome{}, err
	}
	return outcome{}, t.log(&meeting.Entry{At: now, What: meeting.Invited, Meeting: t.id, Invitation: v.ID, By: host})
}

// sharedID names the shared invitation of a meeting: always the same, so that
// there are never two.
func sharedID(l *Lobby, id meeting.ID) string {
	return hex.EncodeToString(l.mac("shared", []byte(id))[:invitationLen])
}

// strange is a caller of whom nothing is proved: each call is a person and a
// device of its own, known by what the device says of itself.
func (l *Lobby) strange(id meeting.ID, c Caller) Arrival {
	c.Line.Claims, c.Line.Agent = CleanText(c.Line.Claims, MaxName), CleanText(c.Line.Agent, MaxName)
	return Arrival{
		Person: meeting.Person{Issuer: meeting.SharedIssuer, Subject: c.Call},
		Device: hex.EncodeToString(l.mac("dial-shared", []byte(id), []byte(c.Call))[:16]),
		Name:   or(c.Line.Claims, c.Line.Kind), Agent: c.Line.Agent, Consent: true, Line: c.Line, Call: c.Call,
	}
}

// Bounds of the calls by one shared code in an hour, and of those that one source
// may make of them. Each call is a person of its own, whom the meeting remembers
// until it is forgotten: without a bound, one telephone that redials all day makes
// it too large to be read. A new code begins anew.
const (
	sharedCalls       = 240
	sharedCallsSource = 120
	sharedWindow      = time.Hour
)

// sharedCall counts a call by a shared code, or refuses it.
func (l *Lobby) sharedCall(ctx context.Context, id meeting.ID, v *meeting.Invitation, from string) error {
	gen := binary.BigEndian.AppendUint32(nil, v.Generation)
	code := hex.EncodeToString(l.mac("shared-calls", []byte(id), gen)[:16])
	for _, b := range []struct {
		key   string
		limit int
	}{{code + from, sharedCallsSource}, {code, sharedCalls}} {
		left, err := l.c.Shelf.Count(ctx, "shared-call", b.key, b.limit, sharedWindow)
		if err != nil {
			return fmt.Errorf("counting calls by a shared code: %w", err)
		}
		if !left {
			return meeting.Refuse(meeting.TooMany)
		}
	}
	return nil
}

// clear gives back the seats of those who have gone, once all of a link or code
// for many are taken.
func (t *tx) clear(d meeting.Docs) (meeting.Docs, error) {
	if !d.Invitation.Full() {
		return d, nil
	}
	names := make([]string, 0, len(d.Invitation.Seats))
	for _, s := range d.Invitation.Seats {
		names = append(names, admissionName(s.Admission))
	}
	if err := t.load(names...); err != nil {
		return d, err
	}
	var kept []meeting.Seat
	for _, s := range d.Invitation.Seats {
		of, err := t.docs("", s.Admission)
		if err != nil {
			return d, err
		}
		if slices.Contains([]meeting.State{meeting.Waiting, meeting.Admitted}, of.Admission.State) {
			kept = append(kept, s)
		}
	}
	d.Invitation.Seats = kept
	return d, nil
}
