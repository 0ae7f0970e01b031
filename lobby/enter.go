package lobby

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"time"

	"vestibule/meeting"
)

// A ticket and a pass are meeting, admission and a secret of 16 bytes each.
const secretLen = 16

const carriedLen = meetingLen + 16 + secretLen

// Enter gives an admitted person, on the device they were admitted on, the
// single-use ticket from the door to the room.
func (l *Lobby) Enter(ctx context.Context, id meeting.ID, admission, device string) (ticket string, err error) {
	ticket, mac := l.mint("ticket", id, admission)
	var m meeting.Meeting
	// An attempt of its own: where the store's reply is lost, it is asked again
	// and this very ticket stands (T07).
	out, err := l.change(ctx, id, rand.Text(), func(t *tx) (outcome, error) {
		d, err := t.admission(admission)
		if err != nil {
			return outcome{}, err
		}
		m = d.Meeting
		_, no, err := t.apply(d, meeting.Step{Device: device, MAC: mac}, time.Now())
		return outcome{No: no}, err
	})
	if err := answered(out, err); err != nil {
		return "", err
	}
	// Not before: who is not admitted must not make the conference server
	// stir (T34).
	if err := l.open(ctx, &m); err != nil {
		return "", err
	}
	return ticket, nil
}

// Redeem spends a ticket and answers the pass that the room cookie carries. A
// pass replaces the one before it: one active device per admission (T43).
func (l *Lobby) Redeem(ctx context.Context, ticket string) (pass string, err error) {
	id, admission, ok := carried(ticket)
	if !ok {
		return "", meeting.Refuse(meeting.TicketSpent)
	}
	pass, mac := l.mint("pass", id, admission)
	spent := l.mac("ticket", []byte(ticket))
	opened := false
	out, err := l.change(ctx, id, rand.Text(), func(t *tx) (outcome, error) {
		d, err := t.admission(admission)
		if err != nil {
			return outcome{}, err
		}
		_, no, err := t.apply(d, meeting.Redeem{MAC: spent, Pass: mac}, time.Now())
		if no != nil || err != nil || opened {
			return outcome{No: no}, err
		}
		// Only for a good ticket, and before it is spent: a conference server
		// that is down costs nobody their ticket.
		if err := l.open(ctx, &d.Meeting); err != nil {
			return outcome{}, err
		}
		opened = true
		return outcome{}, nil
	})
	if err := answered(out, err); err != nil {
		return "", err
	}
	return pass, nil
}

// open makes sure that the room is there. A conference server that is away is
// told to people as such, before they leave the door's own pages.
func (l *Lobby) open(ctx context.Context, m *meeting.Meeting) error {
	if err := l.c.Backend.Open(ctx, m.Room); err != nil {
		l.log.ErrorContext(ctx, "room not opened", slog.String("meeting", string(m.ID)), slog.Any("error", err))
		return meeting.Refuse(meeting.Busy)
	}
	return nil
}

// mint returns a fresh secret bound to an admission, and its fingerprint.
func (l *Lobby) mint(kind string, id meeting.ID, admission string) (secret string, mac []byte) {
	b := make([]byte, 0, carriedLen)
	b = appendHex(b, string(id), meetingLen)
	b = appendHex(b, admission, 16)
	b = b[:carriedLen]
	_, _ = rand.Read(b[carriedLen-secretLen:]) // never fails since Go 1.24
	secret = base64.RawURLEncoding.EncodeToString(b)
	return secret, l.mac(kind, []byte(secret))
}

// carried reads the ids out of a ticket or pass; they prove nothing yet.
func carried(s string) (id meeting.ID, admission string, ok bool) {
	b, ok := unpack(s, carriedLen)
	if !ok {
		return "", "", false
	}
	return meeting.ID(hex.EncodeToString(b[:meetingLen])), hex.EncodeToString(b[meetingLen : meetingLen+16]), true
}

// Double tells the hosts that another device came with the pass of somebody
// inside, and whether it took the first one's place (T43).
func (l *Lobby) Double(ctx context.Context, id meeting.ID, admission string, took bool) error {
	return l.on(ctx, id, admission, "", meeting.Double{Took: took})
}
