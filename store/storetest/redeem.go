package storetest

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"vestibule/meeting"
	"vestibule/store"
)

// link is the model of a link that can be used once. Its state is who used
// it, and whoever comes later learns by whom.
func link() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return "" },
		Step: func(state, input, output any) (bool, any) {
			if state == "" {
				return output == input, input
			}
			return output == state, state
		},
		DescribeOperation: func(input, output any) string {
			return fmt.Sprintf("%v redeems: used by %v", input, output)
		},
	}
}

// redeem is T06: a thousand at once, through two doors, and one gets in. The
// history must be one that a single link could have had.
func redeem(t *testing.T, open func(*testing.T) Store) {
	const callers = 1000
	doors, m := []Store{open(t), open(t)}, meeting.NewID()
	put(t, doors[0], m, "invitation", "")
	began := time.Now()
	done := make([]porcupine.Operation, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			who := strconv.Itoa(i)
			call := time.Since(began).Nanoseconds()
			by, err := use(t, doors[i%2], m, who)
			if err != nil {
				t.Errorf("%s: %v", who, err)
			}
			done[i] = porcupine.Operation{
				ClientId: i, Input: who, Call: call,
				Output: by, Return: time.Since(began).Nanoseconds(),
			}
		})
	}
	all.Wait()
	winners := 0
	for _, o := range done {
		if o.Output == o.Input {
			winners++
		}
	}
	if winners != 1 {
		t.Errorf("%d of %d redeemed, want 1", winners, callers)
	}
	if got := porcupine.CheckOperationsTimeout(link(), done, 30*time.Second); got != porcupine.Ok {
		t.Errorf("porcupine says %v, want %v", got, porcupine.Ok)
	}
	if got := history(t, doors[1], m, "", 1000); len(got) != 1 {
		t.Errorf("%d redemptions in the stream, want 1", len(got))
	}
}

// use redeems as a lobby does: read, decide, commit, and again on conflict.
func use(t *testing.T, s Store, m meeting.ID, who string) (by string, err error) {
	for {
		docs, err := s.Read(t.Context(), m, "invitation")
		if err != nil {
			return "", err
		}
		d := docs["invitation"]
		if len(d.Value) > 0 {
			return string(d.Value), nil
		}
		answer, _, err := s.Commit(t.Context(), m, store.Commit{
			Attempt: "redeem:" + who,
			Reads:   map[string]uint64{"invitation": d.Version},
			Writes:  []store.Write{{Name: "invitation", Value: []byte(who)}},
			Events:  [][]byte{[]byte("redeemed by " + who)},
			Answer:  []byte(who),
			Durable: true,
		})
		if !errors.Is(err, store.ErrConflict) {
			return string(answer), err
		}
	}
}
