package meeting

import "time"

// Lock shuts or opens the door to newcomers. Those admitted can come back.
type Lock struct {
	By Key
	On bool
}

func (e Lock) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := byHost(d, e.By); no != nil {
		return "", "", "", no
	}
	if d.Meeting.Locked == e.On {
		return "", "", "", nil
	}
	d.Meeting.Locked, d.Meeting.Changed = e.On, now
	if e.On {
		return WasLocked, "host", e.By, nil
	}
	return WasUnlocked, "host", e.By, nil
}

// End closes a meeting for everybody; Cancel calls it off before it began.
type End struct {
	By     Key
	Cancel bool
}

func (e End) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := byHost(d, e.By); no != nil {
		return "", "", "", no
	}
	if d.Meeting.Phase == Ended || d.Meeting.Phase == Cancelled {
		return "", "", "", nil
	}
	d.Meeting.Changed = now
	if e.Cancel {
		d.Meeting.Phase = Cancelled
		d.Meeting.Sequence++ // of the mail that takes it out of calendars
		return WasCancelled, "host", e.By, nil
	}
	d.Meeting.Phase = Ended
	return WasEnded, "host", e.By, nil
}

// Revoke withdraws a link; with Reissue a new one takes its place. A new link
// has its own seats and budget: whoever spent those of the old one does not
// hold it, and must not keep the invitee out (T12).
type Revoke struct {
	By      Key
	Reissue bool
}

func (e Revoke) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if no := byHost(d, e.By); no != nil {
		return "", "", "", no
	}
	if d.Invitation.ID == "" {
		return "", "", "", Refuse(NotFound)
	}
	if e.Reissue {
		v := &d.Invitation
		crossed := !v.Told && v.reached()
		v.Generation++
		v.Used, v.Tried = time.Time{}, Tried{}
		v.Revoked, v.Bound, v.Seats, v.Code, v.Mail, v.Reminder = false, "", nil, Code{}, Mail{Crossed: crossed}, Mail{}
		return LinkReissued, "host", e.By, nil
	}
	if d.Invitation.Revoked {
		return "", "", "", nil
	}
	v := &d.Invitation
	reached := v.reached()
	v.Revoked, v.Code, v.Mail, v.Reminder = true, Code{Sent: v.Code.Sent}, Mail{}, Mail{}
	if reached {
		// The entry in their calendar goes too.
		v.Withdrawn++
		v.Mail = Mail{State: Mailing, At: now, Asked: now, Next: now}
	}
	return LinkRevoked, "host", e.By, nil
}
