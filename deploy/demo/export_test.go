package demo

import (
	"context"
	"net/http"
)

// Surroundings and Ready are what a test's own door is given and gives.
type (
	Surroundings = surroundings
	Ready        = ready
)

// SetDoor puts a test's door in place of the real one.
func (d *Demo) SetDoor(door, room func(Surroundings) http.Handler, describe func(Surroundings) Ready) {
	d.door = func(_ context.Context, s surroundings) (*built, error) {
		return &built{
			door: door(s), room: room(s),
			run:     func(ctx context.Context) error { <-ctx.Done(); return nil },
			meeting: func(context.Context) (ready, error) { return describe(s), nil },
		}, nil
	}
}

// Invite adds an invitation.
func (r *Ready) Invite(name, by, email, link string) {
	r.Invitations = append(r.Invitations, invitation{name, by, email, link})
}

// Paths the door registers at the provider.
const (
	AfterSignIn  = afterSignIn
	AfterSignOut = afterSignOut
	ToldSignOut  = toldSignOut
)
