package meeting

import (
	"crypto/hmac"
	"slices"
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

// OneTime is one code that was sent.
type OneTime struct {
	// By is how it was sent, Mailbox or Telephone: whoever types it proves that.
	By Method `json:"by"`
	// MAC is the HMAC of the code; empty once the code is dead.
	MAC     []byte    `json:"mac,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	// Tries counts the wrong answers since the code was sent.
	Tries int `json:"tries,omitempty"`
}

// works reports whether the code opens anything.
func (o *OneTime) works(now time.Time) bool {
	return len(o.MAC) > 0 && o.Tries < CodeTries && !now.After(o.Expires)
}

// By is how the newest code was sent, or how the person was proved.
func (c *Code) By() Method {
	if len(c.Open) == 0 {
		return Unproved
	}
	return c.Open[len(c.Open)-1].By
}

// SendCode puts a fresh code on an invitation. The same Attempt again changes
// nothing: a form sent twice is one mail (T07).
type SendCode struct {
	By      Method
	MAC     []byte
	Attempt string
}

func (e SendCode) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := d.open(now); no != nil {
		return "", "", "", no
	}
	v := &d.Invitation
	switch {
	case v.ID == "" || v.CodeTo(e.By) == "" || len(e.MAC) == 0:
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
	// The codes sent before go on working until they expire: mails arrive late
	// and out of order, and who asked twice types what came first. That costs
	// nothing, because a wrong answer is a try of each of them (see TryCode).
	var open []OneTime
	for _, o := range v.Code.Open {
		if o.works(now) {
			open = append(open, o)
		}
	}
	open = append(open, OneTime{By: e.By, MAC: e.MAC, Expires: now.Add(CodeLife)})
	v.Code = Code{Open: open, Sent: append(sent, now), Attempt: e.Attempt}
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

// CodeTo returns where a code is sent by the given way; empty: nowhere, as where
// the invitation asks a claim that no code can show.
func (v *Invitation) CodeTo(by Method) string {
	var to string
	var p Person
	switch by {
	case Mailbox:
		to, p = v.Email, MailboxPerson(v.Email, time.Time{})
	case Telephone:
		to, p = v.Phone, PhonePerson(v.Phone, time.Time{})
	}
	if !p.Meets(v.Match) {
		return ""
	}
	return to
}

// CodesLeft returns how many more codes may be sent today.
func (v *Invitation) CodesLeft(now time.Time) int {
	return max(0, CodesPerDay-len(recent(v.Code.Sent, now)))
}

// Works returns how many of the codes sent work now.
func (c *Code) Works(now time.Time) int {
	n := 0
	for i := range c.Open {
		if c.Open[i].works(now) {
			n++
		}
	}
	return n
}

// TriesLeft returns how many wrong answers the newest code bears.
func (c *Code) TriesLeft() int {
	if len(c.Open) == 0 {
		return CodeTries
	}
	return max(0, CodeTries-c.Open[len(c.Open)-1].Tries)
}

// TryCode checks a typed code against those sent for ONE invitation. A used, an
// expired and a foreign code get the same answer and cost a try alike (T08).
//
// Several codes may be open. Each is compared with at most CodeTries wrong
// answers, whenever they were given, so ten codes a day are fifty comparisons
// and the odds are those of one code at a time.
type TryCode struct {
	// MACs are what the typed code would be stored as, by the way it came.
	MACs map[Method][]byte
}

func (e TryCode) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := d.open(now); no != nil {
		return "", "", "", no
	}
	if d.Invitation.ID == "" || d.Invitation.Members {
		return "", "", "", Refuse(NotFound) // no code is sent for it: strangers leave no trace
	}
	open := slices.Clone(d.Invitation.Code.Open) // Apply changes no document
	if len(open) == 0 {
		open = []OneTime{{}} // what counts the tries of who asked for no code
	}
	newest := &open[len(open)-1] // has the fewest tries
	if newest.Tries >= CodeTries {
		return "", "", "", Refuse(CodeSpent)
	}
	i := slices.IndexFunc(open, func(o OneTime) bool { return o.works(now) && hmac.Equal(o.MAC, e.MACs[o.By]) })
	if i >= 0 {
		// One code proves once, and with it every other is dead.
		d.Invitation.Code.Open = []OneTime{{By: open[i].By, Tries: newest.Tries}}
		return CodeProved, "", "", nil
	}
	d.Invitation.Tried.Codes++
	d.Invitation.Tried.Last = now
	for i := range open {
		if open[i].Tries >= CodeTries {
			continue // dead before the newest was sent
		}
		if open[i].Tries++; open[i].Tries >= CodeTries {
			open[i].MAC = nil
		}
	}
	d.Invitation.Code.Open = open
	if newest.Tries >= CodeTries {
		return CodeRefused, "", "", Refuse(CodeSpent)
	}
	return CodeRefused, "", "", &Refusal{Reason: WrongCode, Left: CodeTries - newest.Tries}
}
