package livekit

import (
	"time"

	"vestibule/conference"
)

// Leg returns where the phone door joins for somebody it answers for, and the
// token to do so: it lives as long as any pass, and the door itself is inside,
// so it goes to nobody else.
func (b *Backend) Leg(g conference.Grants) (url, token string, err error) {
	token, err = b.pass(g, time.Now())
	if err != nil {
		return "", "", err
	}
	return b.url.String(), token, nil
}
