// Package storetest holds what every store of the door must do: the contract
// that store.Redis and store.Memory both pass, and a real redis-server to pass
// it on.
//
// It refuses to fake: where redis-server is missing, the test fails and names
// the package to install.
package storetest

import (
	"context"
	"testing"
	"time"

	"vestibule/meeting"
	"vestibule/store"
)

// Store is everything a store does. Packages that use one declare the few
// methods they need; this is for the contract only.
type Store interface {
	Read(ctx context.Context, m meeting.ID, names ...string) (map[string]store.Doc, error)
	All(ctx context.Context, m meeting.ID) (map[string]store.Doc, error)
	Commit(ctx context.Context, m meeting.ID, c store.Commit) (answer []byte, replayed bool, err error)
	Events(ctx context.Context, m meeting.ID, after string, limit int) ([]store.Event, error)
	Watch(ctx context.Context, wake func(meeting.ID)) error

	Put(ctx context.Context, kind, key string, data []byte, ttl time.Duration) error
	Get(ctx context.Context, kind, key string) ([]byte, error)
	Swap(ctx context.Context, kind, key string, old, data []byte, ttl time.Duration) (bool, error)
	Take(ctx context.Context, kind, key, attempt string) ([]byte, error)
	Delete(ctx context.Context, kind, key string) error
	Count(ctx context.Context, kind, key string, limit int, window time.Duration) (bool, error)

	Index(ctx context.Context, owner string, m meeting.ID, ends, expires time.Time) error
	Unindex(ctx context.Context, owner string, m meeting.ID) error
	Owned(ctx context.Context, owner string, from time.Time, limit int) ([]meeting.ID, error)

	Lease(ctx context.Context, owner string, now, until time.Time, limit int) ([]meeting.ID, error)
	Release(ctx context.Context, owner string, m meeting.ID, until, next time.Time) error
	Roster(ctx context.Context, m meeting.ID, node string, who []byte, life time.Duration) ([][]byte, error)

	Ready(ctx context.Context) error
	Close() error
}

// Run runs the contract. open is called many times and must always return a
// handle on the same data, as two doors have on one Redis; it closes the
// handle itself when its test ends.
func Run(t *testing.T, open func(t *testing.T) Store) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, func(*testing.T) Store){
		"versions grow":                            versions,
		"a commit is everything or nothing":        conflicts,
		"an attempt is answered the same":          attempts,
		"a meeting is forgotten in time":           expiry,
		"events keep their order":                  events,
		"a commit wakes others":                    watch,
		"what is kept is a copy":                   copies,
		"malformed names are faults":               malformed,
		"an ended context is unavailable":          ended,
		"values live as long as they were put":     values,
		"a value is taken once":                    take,
		"of two who read the same one writes":      swap,
		"T04 tries in parallel stay below limits":  count,
		"a person's meetings come by end":          index,
		"what is due is leased once":               lease,
		"T39 nodes say who is connected":           roster,
		"T06 one of a thousand redeems":            redeem,
		"a store in order is ready":                ready,
		"versions survive many documents at once":  large,
		"different documents do not disturb other": parallel,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open)
		})
	}
}

// eventually tries until it holds, and fails the test when it does not within
// five seconds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	end := time.After(5 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-end:
			t.Fatalf("%s: not within 5s", what)
		case <-tick.C:
		}
	}
}
