package meeting

import (
	"crypto/hmac"
	"time"
)

// The budget of one-time codes. Six digits, five tries and ten codes a day
// leave a guesser 50 tries a day against one invitation: P = 5.0e-5.
const (
	CodeLife    = 10 * time.Minute
	CodeTries   = 5
	CodesPerDay = 10
	CodeResend  = 30 * time.Second
)

// SendCode puts a fresh code on an invitation. The same Attempt again changes
// nothing: a form sent twice must not make the mailed code void (T07).
type SendCode struct {
	MAC     []byte
	Attempt string
}

func (e SendCode) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := d.open(now); no != nil {
		return "", "", "", no
	}
	v := &d.Invitation
	switch {
	case v.ID == "" || v.Email == "" || len(e.MAC) == 0:
		return "", "", "", Refuse(NotFound)
	case d.Meeting.TooEarly(now):
		return "", "", "", Refuse(TooEarly)
	}
	if e.Attempt != "" && e.Attempt == v.Code.Attempt {
		return "", "", "", nil
	}
	sent := recent(v.Code.Sent, now)
	if len(sent) >= CodesPerDay || len(sent) > 0 && now.Sub(sent[len(sent)-1]) < CodeResend {
		return "", "", "", &Refusal{Reason: TooMany, Left: max(0, CodesPerDay-len(sent))}
	}
	v.Code = Code{MAC: e.MAC, Expires: now.Add(CodeLife), Sent: append(sent, now), Attempt: e.Attempt}
	return CodeIssued, "", "", nil
}

// recent returns a copy of the times within the last 24 hours.
func recent(ts []time.Time, now time.Time) []time.Time {
	var r []time.Time
	for _, t := range ts {
		if now.Sub(t) < 24*time.Hour {
			r = append(r, t)
		}
	}
	return r
}

// CodesLeft returns how many more codes may be sent today.
func (v *Invitation) CodesLeft(now time.Time) int {
	return max(0, CodesPerDay-len(recent(v.Code.Sent, now)))
}

// TryCode checks a typed code. A used, an expired and a foreign code get the
// same answer and cost a try alike (T08).
type TryCode struct{ MAC []byte }

func (e TryCode) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := d.open(now); no != nil {
		return "", "", "", no
	}
	c := &d.Invitation.Code
	if d.Invitation.ID == "" {
		return "", "", "", Refuse(NotFound)
	}
	if c.Tries >= CodeTries {
		return "", "", "", Refuse(CodeSpent)
	}
	good := hmac.Equal(c.MAC, e.MAC) && len(c.MAC) > 0 && !now.After(c.Expires)
	if !good {
		c.Tries++
		d.Invitation.Tried.Codes++
		d.Invitation.Tried.Last = now
		if c.Tries >= CodeTries {
			c.MAC = nil
			return CodeRefused, "", "", Refuse(CodeSpent)
		}
		return CodeRefused, "", "", &Refusal{Reason: WrongCode, Left: CodeTries - c.Tries}
	}
	c.MAC, c.Expires = nil, time.Time{}
	return CodeProved, "", "", nil
}
