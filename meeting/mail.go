package meeting

import "time"

// Mail is one mail to an invitee and what became of it. What it says is not
// kept: it is written from the documents at the time it is sent, so that
// neither address nor link is stored twice.
type Mail struct {
	State MailState `json:"state"`
	// At is when the state began.
	At time.Time `json:"at,omitzero"`
	// Asked is when the mail was asked for, and names it: asked for anew, it
	// is another mail.
	Asked time.Time `json:"asked,omitzero"`
	// Tries counts the times the mail server was tried, Next is when it is
	// tried (again). While a try is under way, Next is when it counts as lost.
	Tries int       `json:"tries,omitempty"`
	Next  time.Time `json:"next,omitzero"`
	// Fault says why in a word an operator can use, without addresses.
	Fault string `json:"fault,omitempty"`
	// First is set on an invitation before which none was taken: should it
	// come back, the invitee was told nothing.
	First bool `json:"first,omitempty"`
	// Crossed is set on an invitation asked for while a try of the one before
	// was under way, or had come to nothing yet: that one may arrive too.
	Crossed bool `json:"crossed,omitempty"`
}

// MailState is what is known of a mail.
type MailState uint8

// The states of a mail.
const (
	NotMailed    MailState = iota // handed over by other means, or no address
	Mailing                       // asked for, not tried to the end yet
	Mailed                        // the mail server took it; with a Fault it is not there yet
	MailFailed                    // given up
	MailDeferred                  // not taken yet; it is tried again
	MailBounced                   // refused for good: the address, or the mail
)

// Pending reports whether the mail is still to be sent.
func (m *Mail) Pending() bool { return m.State == Mailing || m.State == MailDeferred }

// Letter says which of an invitee's mails is meant.
type Letter uint8

// The letters.
const (
	InvitationLetter Letter = iota // the invitation, its changes, its end
	ReminderLetter                 // that the meeting is near
)

func (v *Invitation) letter(l Letter) *Mail {
	if l == ReminderLetter {
		return &v.Reminder
	}
	return &v.Mail
}

// Letter returns what became of a letter.
func (v *Invitation) Letter(l Letter) Mail { return *v.letter(l) }

// Calls returns how often the invitee's calendar entry changed (RFC 5545
// §3.8.7.4): with the meeting, with each new link, with each withdrawal.
func (m *Meeting) Calls(v *Invitation) int {
	return m.Sequence - v.Since + int(v.Generation) + v.Withdrawn
}

// reached reports whether an invitation mail may have reached the invitee.
func (v *Invitation) reached() bool {
	return v.Told || v.Mail.Crossed || v.Mail.Tries > 0 && v.Mail.State != MailBounced
}

// pauses are the waits before each new try of a mail; the last one repeats.
// RFC 5321 §4.5.4.1 wants half an hour at least from a relay; the server we
// submit to is ours and asks for less when it is only busy.
func pause(tries int) time.Duration {
	pauses := [...]time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour}
	return pauses[min(max(tries-1, 0), len(pauses)-1)]
}

// MailLife is how long after it was asked for a mail is tried again.
const MailLife = 24 * time.Hour

// quiet is how long after an invitation mail nobody is reminded.
const quiet = time.Hour

// again answers when a mail that was not taken is tried next; zero: it is given
// up, because it is too late for it.
func (d *Docs) again(l Letter, now time.Time) time.Time {
	m := d.Invitation.letter(l)
	last := m.Asked.Add(MailLife)
	switch {
	case l == ReminderLetter && d.Meeting.Starts.Before(last):
		last = d.Meeting.Starts
	case d.Meeting.Phase != Cancelled && !d.Invitation.Revoked && d.Meeting.Ends.Before(last):
		last = d.Meeting.Ends
	}
	next := now.Add(pause(m.Tries))
	if next.After(last) || d.Meeting.Phase == Ended {
		return time.Time{}
	}
	return next
}

// Due answers when the letter is to be tried, or begun; zero: not as things
// stand.
func (m *Meeting) Due(v *Invitation, l Letter, now time.Time) time.Time {
	j := v.letter(l)
	switch {
	case l == ReminderLetter && (m.Phase > Open || v.Revoked || !now.Before(m.Starts)):
		return time.Time{} // of what, or too late; the end of it is told by the other letter
	case j.Pending():
		return j.Next
	case l == ReminderLetter:
		return m.remindAt(v, now)
	}
	return time.Time{}
}

// remindAt answers the earliest reminder that was not begun: of whoever has
// their invitation, and not just now.
func (m *Meeting) remindAt(v *Invitation, now time.Time) time.Time {
	if v.Mail.State != Mailed {
		return time.Time{}
	}
	var next time.Time
	for _, before := range m.Settings.Remind {
		at := m.Starts.Add(-before)
		if before <= 0 || !at.After(v.Reminder.Asked) || at.Before(v.Mail.At.Add(quiet)) {
			continue
		}
		if next.IsZero() || at.Before(next) {
			next = at
		}
	}
	return next
}

// MailAsk asks for a letter.
type MailAsk struct{ Letter Letter }

func (e MailAsk) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	v := &d.Invitation
	if e.Letter == InvitationLetter && !v.reached() {
		if d.Meeting.Phase == Cancelled {
			v.Mail = Mail{}
			return "", "", "", nil
		}
		// Nothing changed for who was never told.
		v.Since = d.Meeting.Sequence
	}
	crossed := e.Letter == InvitationLetter && !v.Told && v.reached()
	*v.letter(e.Letter) = Mail{State: Mailing, At: now, Asked: now, Next: now, Crossed: crossed}
	return "", "", "", nil
}

// MailTry claims the next try of a letter until the given time, so that of two
// nodes one sends it.
type MailTry struct {
	Letter Letter
	Until  time.Time
}

func (e MailTry) apply(d *Docs, _ time.Time) (What, string, Key, *Refusal) {
	m := d.Invitation.letter(e.Letter)
	m.Tries, m.Next = m.Tries+1, e.Until
	return "", "", "", nil
}

// MailTold records what became of a try, or later of the mail: it came back, or
// is delayed on its way. State is Mailed, MailBounced, or MailDeferred: then it
// is tried again, while there is time. NotMailed means that the letter is not
// needed any more.
type MailTold struct {
	Letter Letter
	Asked  time.Time
	State  MailState
	Fault  string
}

func (e MailTold) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	m := d.Invitation.letter(e.Letter)
	switch {
	case !m.Asked.Equal(e.Asked): // asked for anew meanwhile
		if e.Letter == InvitationLetter && e.State == Mailed {
			d.Invitation.Told = true // and must be told what becomes of the meeting
		}
		return "", "", "", nil
	case m.State == MailBounced:
		return "", "", "", nil // known; or it came back before it was noted as taken
	case e.State == Mailed && m.State == Mailed && (e.Fault == "" || e.Fault == m.Fault):
		return "", "", "", nil
	}
	next := time.Time{}
	if e.State == MailDeferred {
		if next = d.again(e.Letter, now); next.IsZero() {
			e.State = MailFailed
		}
	}
	m.State, m.At, m.Fault, m.Next = e.State, now, e.Fault, next
	m.Crossed = m.Crossed && e.State != MailBounced
	if e.State == NotMailed {
		return "", "", "", nil
	}
	if e.Letter == ReminderLetter {
		return Reminded, e.Fault, "", nil
	}
	switch {
	case e.State == Mailed && !d.Invitation.Told:
		m.First, d.Invitation.Told = true, true
	case e.State == MailBounced && m.First:
		d.Invitation.Told = false
	}
	return MailSent, e.Fault, "", nil
}
