package meeting

import (
	"slices"
	"time"
)

// DialIssuer is the issuer of a person of whom only a personal dial-in code
// was proved; the subject is the invitation.
const DialIssuer = "dial:"

// SharedIssuer is the issuer of a caller of whom nothing was proved: they typed
// a code that many share. The subject is the call.
const SharedIssuer = "shared:"

// Line is what is known of a caller's device. Only Address and Encrypted are
// seen by the door itself; the rest is the device's own word.
type Line struct {
	Kind string `json:"kind"` // "SIP" or "H.323"
	// Claims is the name the device gives itself, cleaned.
	Claims string `json:"claims,omitempty"`
	Agent  string `json:"agent,omitempty"` // "Cisco Room Kit", cleaned
	// Address is where it calls from. Kept with the admission, and
	// with its incident where there is one.
	Address   string `json:"address,omitempty"`
	Encrypted bool   `json:"encrypted,omitempty"` // signalling and sound
}

// The budget of dial-in codes: 20 misses an hour, whoever makes them. From then
// on a code is looked at 30 s after the last miss at the earliest, and only for a
// source that has missed less than three times within the hour, as somebody may
// who mistypes; so however many addresses guess, no more than 20+120 codes are
// looked at in an hour. One address has 480 tries a day at eight digits: with 20
// invitees P = 1e-4 a day. 960 addresses a day and more have 3360: P = 7e-4 for a
// meeting that is open all day. The host is told in the first hour (T52).
const (
	DialMisses = 20
	DialWindow = time.Hour
	DialQuiet  = 30 * time.Second
	// dialOwn is how often a source may have missed and still be looked at then.
	dialOwn = 3
	// DialPaired is how often a room that is paired with the door may miss
	// within the hour, whatever others do.
	DialPaired = 3
	// maxMissed bounds what is remembered of an hour: 140, and the misses of
	// paired rooms.
	maxMissed = 200
)

// Miss is one wrong dial-in code. Kept for DialWindow.
type Miss struct {
	At   time.Time `json:"at"`
	From string    `json:"from"` // HMAC of the source
}

// DialTry is a dial-in code typed for a meeting. Good is whether it is the code
// of the invitation among the documents. Paired is whether the source has proved
// a secret of its own. Once the meeting's budget is spent, a try is left now and
// then to whoever has not been guessing: a guesser must not keep another guest
// out (T12).
type DialTry struct {
	Good, Paired bool
	From         string
}

func (e DialTry) apply(d *Docs, now time.Time) (What, string, Key, *Refusal) {
	if d.Meeting.ID == "" {
		return "", "", "", Refuse(NotFound)
	}
	missed, own := d.Meeting.misses(e.From, now)
	if len(missed) >= DialMisses {
		quiet := now.Sub(missed[len(missed)-1].At) >= DialQuiet
		if !(own < dialOwn && quiet) && !(e.Paired && own < DialPaired) {
			return "", "", "", Refuse(TooMany) // not looked at
		}
	}
	if e.Good && d.Invitation.ID != "" && !d.Invitation.Revoked {
		return "", "", "", nil
	}
	missed = append(missed, Miss{At: now, From: e.From})
	d.Meeting.Missed = missed[max(0, len(missed)-maxMissed):]
	if len(missed) == DialMisses {
		return DialSlowed, "built-in", "", Refuse(WrongCode)
	}
	// Nobody is named by a wrong code: the invitation that was read stays out
	// of the trail, and one entry an hour is enough.
	return "", "", "", Refuse(WrongCode)
}

// misses returns the wrong codes that still count, and how many a source has.
func (m *Meeting) misses(from string, now time.Time) (all []Miss, own int) {
	all = slices.DeleteFunc(slices.Clone(m.Missed), func(x Miss) bool { return now.Sub(x.At) >= DialWindow })
	for i := range all {
		if all[i].From == from {
			own++
		}
	}
	return all, own
}

// redial is the way back of a caller who was let in before. While the meeting
// is locked it works once: a code that others overheard is no key to a locked
// room.
func (k Knock) redial(d *Docs) (What, string, Key, *Refusal) {
	a := &d.Admission
	if d.Meeting.Locked && a.Role != Host {
		if a.Redialled {
			return Turned, "built-in", "", Refuse(IsLocked)
		}
		a.Redialled = true
	}
	a.Call, a.Line = k.Call, k.Line
	return "", "", "", nil
}
