package lobby

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"log/slog"
	"strings"
	"time"

	"vestibule/mail"
	"vestibule/meeting"
)

// A mail that cannot be delivered comes back hours later, to an address of its
// own with a token in it. The token holds meeting, invitation and a mark of the
// mail, sealed: mail servers on the way see it, and learn nothing from it, not
// even which mails are of one meeting. Nothing is kept for it.
//
// It is sealed as SIV does (RFC 5297): the fingerprint of what is inside is also
// what the pad is made from, so that there is no nonce to carry. An address has
// room for no more than these 35 bytes.
const (
	markLen = 3 // by chance one other mail in 16 million of the same invitee has it
	sumLen  = 8
	tokenIn = meetingLen + invitationLen + markLen
)

// token names a mail to mail servers. They may change the case of an address:
// it has small letters and digits alone.
func (l *Lobby) token(id meeting.ID, v *meeting.Invitation, letter meeting.Letter) string {
	b := make([]byte, 0, tokenIn)
	b = appendHex(b, string(id), meetingLen)
	b = appendHex(b, v.ID, invitationLen)
	b = append(b, l.stamp("returned", id, v, letter)[:markLen]...)
	sum := l.mac("token", b)[:sumLen]
	subtle.XORBytes(b, b, l.mac("token pad", sum))
	return strings.ToLower(base32.StdEncoding.EncodeToString(append(sum, b...)))
}

// untoken opens a token. A forged one is refused without asking the store.
func (l *Lobby) untoken(token string) (id meeting.ID, invitation string, mark []byte, ok bool) {
	if len(token) != base32.StdEncoding.EncodedLen(sumLen+tokenIn) {
		return "", "", nil, false
	}
	b, err := base32.StdEncoding.DecodeString(strings.ToUpper(token))
	if err != nil || len(b) != sumLen+tokenIn {
		return "", "", nil, false
	}
	sum, in := b[:sumLen], b[sumLen:]
	subtle.XORBytes(in, in, l.mac("token pad", sum))
	if !hmac.Equal(l.mac("token", in)[:sumLen], sum) {
		return "", "", nil, false
	}
	mark = in[meetingLen+invitationLen:]
	return meeting.ID(hex.EncodeToString(in[:meetingLen])), hex.EncodeToString(in[meetingLen : meetingLen+invitationLen]), mark, true
}

// Sent implements mail.Ledger.
func (l *Lobby) Sent(token string) bool {
	_, _, _, ok := l.untoken(token)
	return ok
}

// Returned implements mail.Ledger: it notes what became of a mail that a mail
// server had taken. Of an invitee's letters it concerns the one that is the last
// of its kind; what is older has been overtaken.
func (l *Lobby) Returned(ctx context.Context, token string, f *mail.Fault) error {
	id, invitation, mark, ok := l.untoken(token)
	if !ok {
		return nil
	}
	told := meeting.MailTold{State: meeting.MailBounced, Fault: f.Class()}
	if f.Kind != mail.Bounced {
		told.State, told.Fault = meeting.Mailed, "delayed" // it is theirs to try again, not ours
	}
	noted := false
	out, err := l.change(ctx, id, "", func(t *tx) (outcome, error) {
		noted = false
		d, err := t.docs(invitation, "")
		if err != nil || d.Meeting.ID == "" || d.Invitation.ID == "" {
			return outcome{}, err // forgotten
		}
		for _, letter := range []meeting.Letter{meeting.InvitationLetter, meeting.ReminderLetter} {
			if !bytes.Equal(l.stamp("returned", id, &d.Invitation, letter)[:markLen], mark) {
				continue
			}
			told.Letter, told.Asked = letter, d.Invitation.Letter(letter).Asked
			_, _, err = t.apply(d, told, time.Now())
			noted = t.changed
			break
		}
		return outcome{}, err
	})
	if err = answered(out, err); err == nil && noted {
		l.log.InfoContext(ctx, "invitation came back", slog.String("meeting", string(id)), slog.String("invitation", invitation), slog.String("fault", told.Fault))
	}
	return err
}
