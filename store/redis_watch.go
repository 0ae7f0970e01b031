package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/redis/go-redis/v9"

	"vestibule/meeting"
)

const (
	// silence is how long the wake-up line may be quiet before it is asked
	// whether it still lives.
	silence = 2 * time.Second
	// The pause before the line is laid again grows between these.
	shortPause = 50 * time.Millisecond
	longPause  = 2 * time.Second
)

// Watch calls wake for every meeting that changes, on whatever node, until ctx
// ends; then it returns nil. A broken line is laid again; wakes meanwhile are
// lost, so whoever must know looks from time to time as well. wake is never
// called twice at the same time and must not block.
func (s *Redis) Watch(ctx context.Context, wake func(meeting.ID)) error {
	pause := shortPause
	for {
		began := time.Now()
		err := s.listen(ctx, wake)
		if ctx.Err() != nil {
			return nil
		}
		s.log.WarnContext(ctx, "wake-up line broken",
			slog.String("error", unavailable("watching", err).Error()), slog.Duration("pause", pause))
		if time.Since(began) > longPause {
			pause = shortPause
		}
		select {
		case <-ctx.Done():
			return nil
		// Nodes do not come back all at once.
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // no secret
		}
		pause = min(2*pause, longPause)
	}
}

// listen holds one line until it breaks or ctx ends.
func (s *Redis) listen(ctx context.Context, wake func(meeting.ID)) error {
	line := s.client.Subscribe(ctx)
	defer line.Close() // nothing to save
	// Receive heeds a deadline, but not a cancellation.
	stop := context.AfterFunc(ctx, func() { _ = line.Close() })
	defer stop()
	if err := line.Subscribe(ctx, s.channel); err != nil {
		return fmt.Errorf("subscribing: %w", err)
	}
	asked := false
	for {
		got, err := line.ReceiveTimeout(ctx, silence)
		var quiet net.Error
		switch {
		case err == nil:
			asked = false
		case errors.As(err, &quiet) && quiet.Timeout() && !asked && ctx.Err() == nil:
			if err := line.Ping(ctx); err != nil {
				return fmt.Errorf("asking: %w", err)
			}
			asked = true
		default:
			return fmt.Errorf("listening: %w", err)
		}
		if m, ok := got.(*redis.Message); ok {
			wake(meeting.ID(m.Payload))
		}
	}
}
