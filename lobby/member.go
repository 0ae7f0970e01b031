package lobby

import (
	"encoding/hex"
	"time"

	"vestibule/meeting"
)

// MemberLink answers the link by which members of the institution come without
// an invitation of their own; false where none works now.
func (s *Snapshot) MemberLink() (meeting.Invitation, bool) {
	for id := range s.Invitations {
		if v := s.Invitations[id]; v.Members {
			return v, !s.Meeting.Withdrawn(&v)
		}
	}
	return meeting.Invitation{}, false
}

// welcome stages the link for members of a meeting that wants one and has none
// yet. It is an invitation like any other, so that it is derived, withdrawn,
// replaced and kept as they are; there is one, because its id is derived too.
func (t *tx) welcome(m *meeting.Meeting, by meeting.Key, name string, now time.Time) error {
	if m.Settings.Members == meeting.ByName {
		return nil
	}
	v := meeting.Invitation{
		ID: hex.EncodeToString(t.l.mac("members", []byte(m.ID))[:invitationLen]), Members: true, Order: MaxInvitees,
		Lang: m.Lang, Created: now, By: name,
	}
	doc := invitationName(v.ID)
	if err := t.load(doc); err != nil || t.read[doc].Value != nil {
		return err
	}
	if err := t.put(doc, true, &v); err != nil {
		return err
	}
	return t.log(&meeting.Entry{At: now, What: meeting.Invited, Meeting: m.ID, Invitation: v.ID, By: by})
}
