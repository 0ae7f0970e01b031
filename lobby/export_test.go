package lobby

import (
	"context"
	"time"

	"vestibule/meeting"
)

// Followed answers how many meetings this node keeps an eye on.
func (l *Lobby) Followed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.followed)
}

// Sweep is what Run does every second.
func (l *Lobby) Sweep(ctx context.Context, now time.Time) { l.sweep(ctx, now) }

// Wake is what Run does when the store tells of a change.
func (l *Lobby) Wake(id meeting.ID) { l.wake(id) }

// Hurry works the mail queue faster. Call it before anything is mailed.
func (l *Lobby) Hurry(look, lease, claim, hold time.Duration) {
	l.pace = pace{look: look, lease: lease, claim: claim, hold: hold}
}

// SendCodeAt is SendCode at another time.
func (l *Lobby) SendCodeAt(ctx context.Context, link string, by meeting.Method, now time.Time) error {
	return l.sendCode(ctx, link, by, "", now)
}

// DialKnockAt is DialKnock at another time.
func (l *Lobby) DialKnockAt(ctx context.Context, number, code string, c Caller, now time.Time) (meeting.ID, string, error) {
	return l.dialKnock(ctx, number, code, c, now)
}

// Token is the token of a mail.
func (l *Lobby) Token(id meeting.ID, v *meeting.Invitation, letter meeting.Letter) string {
	return l.token(id, v, letter)
}
