package sfu

import "context"

// Place is where a test's server stands instead of the loopback.
type Place = place

// StartAt is Start in another place, without a log.
func StartAt(ctx context.Context, at Place) (*Server, error) {
	listener()
	return start(ctx, at)
}
