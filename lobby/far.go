package lobby

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"vestibule/meeting"
)

// farPause lies between two looks at what other nodes say of whom they hold.
const farPause = 50 * time.Millisecond

// errUnheard is a cut that other nodes cannot have been told of.
var errUnheard = errors.New("other nodes were not told")

// lookFar finds out whether other nodes hold connections of somebody who is
// about to be put out. This node can only cut its own; the others cut theirs
// when they read the store, and say so in the roster. The answer waits for that
// and is what the host is told of it: nothing, where nobody else held any.
func (l *Lobby) lookFar(ctx context.Context, wg *sync.WaitGroup, u *unconfirmed) (wait func(confirmed bool) []Cut) {
	start := time.Now()
	held := make(chan bool, 1)
	if s := l.known(u.meeting); s != nil {
		held <- s.elsewhere[u.admission]
	} else {
		wg.Go(func() { // nobody looks at this meeting here: it must be asked before they cut
			far, err := l.heldFar(ctx, u.meeting, u.admission)
			held <- far || err != nil
		})
	}
	return func(confirmed bool) []Cut {
		if !<-held {
			return nil
		}
		c := Cut{What: "nodes", Err: errUnheard}
		if confirmed {
			c.Err = l.waitFar(ctx, u.meeting, u.admission)
		}
		c.Took = time.Since(start)
		return []Cut{c}
	}
}

// waitFar returns once no other node holds an admission any more, or says that
// this is in doubt: a node that is cut off from the store learns of nothing,
// and its last word stands for a while.
func (l *Lobby) waitFar(ctx context.Context, id meeting.ID, admission string) error {
	ctx, cancel := context.WithTimeout(ctx, cutTime)
	defer cancel()
	for {
		far, err := l.heldFar(ctx, id, admission)
		if err == nil && !far {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for other nodes: %w", ctx.Err())
		case <-time.After(farPause):
		}
	}
}

// heldFar asks the roster for what other nodes hold of an admission.
func (l *Lobby) heldFar(ctx context.Context, id meeting.ID, admission string) (bool, error) {
	l.mu.Lock()
	w := l.followed[id]
	l.mu.Unlock()
	var far map[string]bool
	var err error
	if w != nil {
		far, err = l.exchange(ctx, w)
	} else {
		far, err = l.rolled(ctx, id, "")
	}
	return far[admission], err
}
