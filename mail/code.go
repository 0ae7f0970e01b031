package mail

import (
	"context"
	"errors"
	"strings"
	"time"

	"vestibule/meeting"
)

// Code is what somebody who asked for a one-time code is written.
type Code struct {
	To       string
	Lang     string // "fr" or "en"
	Code     string
	HostName string // who invites
	Title    string // of the meeting; may be empty
	Door     string // origin of the page that asks for the code
	Minutes  int    // how long the code lives
}

// Code sends a one-time code. It stands first in the subject, where a phone
// shows it without the mail being opened, and there is no link to click: who
// did not ask for it has nothing to do.
func (s *Sender) Code(ctx context.Context, c Code) error {
	if c.Code == "" || strings.Trim(c.Code, "0123456789") != "" {
		return errors.New("writing code: want digits")
	}
	if !meeting.Address(c.To) {
		return s.tell(ctx, &Fault{Kind: Bounced, Detail: "the address cannot be used"})
	}
	c.HostName, c.Title, c.Door, c.Lang = clean(c.HostName), clean(c.Title), clean(c.Door), lang(c.Lang)
	t, err := s.texts.write(c.Lang, "code", c)
	if err != nil {
		return err
	}
	return s.send(ctx, s.message("", c.To, "", t, time.Now()))
}
