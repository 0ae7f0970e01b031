package gateway_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/conference/livekit"
	"vestibule/gateway"
	"vestibule/turn"
)

// clocked is a relay that notes until when it lets an admission be.
type clocked struct {
	mu    sync.Mutex
	until time.Time
	all   int
}

const relayLife = 10 * time.Minute

// Issue implements gateway.Relay.
func (c *clocked) Issue(_ string, now time.Time) turn.Credentials {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until, c.all = now.Add(relayLife), c.all+1
	return turn.Credentials{Expires: c.until}
}

func (c *clocked) read() (until time.Time, all int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.until, c.all
}

// unasked is a conference server that need not be there.
type unasked struct{ *livekit.Backend }

func (unasked) Open(context.Context, string) error { return nil }

// TestT48RenewedWhileInside: for two hours nobody's relay comes near its end
// while their signalling lives, and once that has ended nobody keeps it alive.
func TestT48RenewedWhileInside(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		backend, err := livekit.New(livekit.Config{URL: "http://127.0.0.1:1", Key: "key", Secret: "0123456789abcdef0123456789abcdef"})
		if err != nil {
			t.Fatal(err)
		}
		h := newBenchHouseWith(t, 1, unasked{backend})
		relay := &clocked{}
		stop, err := gateway.Attend(t.Context(), h.Gateway, h.pass, relay, func() { t.Error("the signalling is ended") })
		if err != nil {
			t.Fatal(err)
		}
		for range 60 * 2 {
			time.Sleep(time.Minute)
			if until, _ := relay.read(); time.Until(until) < relayLife/2 {
				t.Fatalf("the relay has %v left, want half of %v at least", time.Until(until), relayLife)
			}
		}
		stop()
		_, before := relay.read()
		time.Sleep(time.Hour)
		if _, after := relay.read(); after != before {
			t.Errorf("renewed %d times after the signalling ended", after-before)
		}
	})
}
