package lobby

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
	"unicode/utf8"

	"vestibule/meeting"
)

// Hold asks one who waits for a little more patience, with words or without.
func (l *Lobby) Hold(ctx context.Context, id meeting.ID, host meeting.Key, admission, message, attempt string) error {
	text, no := spoken(message, "message")
	if no != nil {
		return no
	}
	return l.on(ctx, id, admission, tag("hold", attempt), meeting.Hold{By: host, Message: text})
}

// Ask puts one question to one who waits.
func (l *Lobby) Ask(ctx context.Context, id meeting.ID, host meeting.Key, admission, question, attempt string) error {
	text, no := spoken(question, "question")
	if no != nil {
		return no
	}
	return l.on(ctx, id, admission, tag("ask", attempt), meeting.Ask{By: host, Question: text})
}

// Reply is the guest's answer to the question with the number.
func (l *Lobby) Reply(ctx context.Context, id meeting.ID, admission string, asks int, text, attempt string) error {
	text, no := spoken(text, "reply")
	if no != nil {
		return no
	}
	return l.on(ctx, id, admission, tag("reply", attempt), meeting.Reply{Asks: asks, Text: text})
}

// Stay notes that one who waits is still there.
func (l *Lobby) Stay(ctx context.Context, id meeting.ID, admission string) error {
	return l.on(ctx, id, admission, "", meeting.Stay{})
}

// spoken cleans what host or guest wrote to the other. Too long is told, not
// cut: half a sentence can say the opposite.
func spoken(s, field string) (string, *meeting.Refusal) {
	s = CleanText(s, meeting.MaxWords+1)
	if utf8.RuneCountInString(s) > meeting.MaxWords {
		return "", &meeting.Refusal{Reason: meeting.Invalid, Field: field}
	}
	return s, nil
}

// Renamer tells a conference server another name of somebody inside. A person
// or room that is not there MUST be no error.
type Renamer interface {
	Rename(ctx context.Context, room, admission, name string) error
}

// Rename gives somebody who waits or is inside another display name. The store
// has it first, so that the next token does; where the conference server does
// not hear of it, those inside see the old name until the guest reconnects.
func (l *Lobby) Rename(ctx context.Context, id meeting.ID, host meeting.Key, admission, name, attempt string) error {
	name = CleanText(name, MaxName+1)
	if utf8.RuneCountInString(name) > MaxName {
		return &meeting.Refusal{Reason: meeting.Invalid, Field: "name"}
	}
	if err := l.on(ctx, id, admission, tag("rename", attempt), meeting.Rename{By: host, Name: name}); err != nil {
		return err
	}
	if l.c.Renamer == nil {
		return nil
	}
	// Asked of the store again: of two hosts, the last one's word is shown.
	s, err := l.load(ctx, id)
	if err != nil {
		return err
	}
	a, _ := s.Admission(admission)
	if a.State != meeting.Admitted || a.Entered.IsZero() {
		return nil
	}
	if err := l.c.Renamer.Rename(ctx, s.Meeting.Room, admission, a.Name); err != nil {
		l.log.WarnContext(ctx, "conference server not told of a name", slog.String("admission", admission), slog.Any("error", err))
	}
	return nil
}

// Muter takes somebody's sound from the room at a conference server. A person
// or room that is not there MUST be no error.
type Muter interface {
	Mute(ctx context.Context, room, admission string) error
}

// Mutes reports whether a host can mute who is inside.
func (l *Lobby) Mutes() bool { return l.c.Muter != nil }

// Mute takes the sound of somebody inside from the room; they alone bring it
// back. Where the conference server does not do it, that is an error: the host
// must not believe that nobody hears them.
func (l *Lobby) Mute(ctx context.Context, id meeting.ID, host meeting.Key, admission, attempt string) error {
	if l.c.Muter == nil {
		return meeting.Refuse(meeting.NotFound)
	}
	if err := l.on(ctx, id, admission, tag("mute", attempt), meeting.Mute{By: host}); err != nil {
		return err
	}
	m, err := l.Header(ctx, id)
	if err != nil {
		return err
	}
	if err := l.c.Muter.Mute(ctx, m.Room, admission); err != nil {
		return fmt.Errorf("muting in the room: %w", err)
	}
	return nil
}

// lapse ends the knocks of a meeting whose guests do not say that they are
// still there. Every node that follows the meeting tries; one does it.
func (l *Lobby) lapse(ctx context.Context, w *live, now time.Time) {
	s := w.snap.Load()
	if s == nil {
		return
	}
	for i := range s.Admissions {
		a := &s.Admissions[i]
		if !a.Lapsing(now) {
			continue
		}
		err := l.onAt(ctx, s.Meeting.ID, a.ID, "", meeting.Lapse{}, now)
		if no := (*meeting.Refusal)(nil); err != nil && !errors.As(err, &no) {
			return // the store is away: nobody loses their place for that
		}
	}
}
