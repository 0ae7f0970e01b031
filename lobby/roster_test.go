package lobby_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// floor is two nodes and the people who come and go, as somebody who sees every
// connection knows them.
type floor struct {
	t     *testing.T
	keep  *store.Memory
	srv   *server
	box   *box
	nodes [2]*fallible
	id    meeting.ID
	host  meeting.Person
	crowd []*comer
	steps int
	// closed ends what watches connections, with the test.
	closed chan struct{}
}

// fallible is a node that can fall without a farewell.
type fallible struct {
	*lobby.Lobby
	fall func()
	// shown is the meeting as a console at this node was last told.
	shown atomic.Pointer[lobby.Snapshot]
}

// comer is one invitee with what connects them.
type comer struct {
	admission, device string
	expelled          bool
	mu                sync.Mutex
	open              []*line // guarded by mu
}

// line is one connection: it ends when its seat does, as the door's do.
type line struct {
	node    *fallible
	release func()
}

func (c *comer) live() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}

// end takes a connection away, once.
func (c *comer) end(l *line, release bool) {
	c.mu.Lock()
	i := slices.Index(c.open, l)
	if i >= 0 {
		c.open = slices.Delete(c.open, i, i+1)
	}
	c.mu.Unlock()
	if i >= 0 && release {
		l.release()
	}
}

func (f *floor) node() *fallible {
	l, err := lobby.New(lobby.Config{
		Documents: f.keep, Shelf: f.keep, Backend: f.srv, Mailer: f.box,
		Secret: []byte(strings.Repeat("k", 32)), Door: "https://door.example",
		Early: 15 * time.Minute, Grace: time.Hour,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = l.Run(ctx) }()
	n := &fallible{Lobby: l, fall: sync.OnceFunc(func() { cancel(); <-ended })}
	f.t.Cleanup(n.fall)
	synctest.Wait() // it watches now
	return n
}

// newFloor opens two nodes and a meeting of n, all of them admitted.
func newFloor(t *testing.T, n int) *floor {
	f := &floor{t: t, keep: store.NewMemory(), srv: &server{open: map[string]bool{}}, box: &box{}, host: doctor(), closed: make(chan struct{})}
	t.Cleanup(func() { close(f.closed) })
	f.nodes = [2]*fallible{f.node(), f.node()}
	s := &site{Lobby: f.nodes[0].Lobby, store: f.keep, server: f.srv, box: f.box, host: f.host}
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("guest%d", i))
	}
	id, links := s.meet(t, names...)
	f.id = id
	s.opened(t, id)
	for _, name := range names {
		a, device := s.admitted(t, id, links[name])
		f.crowd = append(f.crowd, &comer{admission: a, device: device})
	}
	for _, n := range f.nodes {
		if err := f.console(n); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// console opens one at a node.
func (f *floor) console(n *fallible) error {
	stop, err := n.Subscribe(f.t.Context(), f.id, n.shown.Store)
	if err == nil {
		f.t.Cleanup(stop)
	}
	return err
}

// join connects somebody at a node, with a pass of its own.
func (f *floor) join(c *comer, n *fallible, lines int) error {
	ticket, err := n.Enter(f.t.Context(), f.id, c.admission, c.device)
	if c.expelled != (err != nil) {
		return fmt.Errorf("entering of one expelled=%v: %w", c.expelled, err)
	}
	if c.expelled {
		return nil
	}
	pass, err := n.Redeem(f.t.Context(), ticket)
	if err != nil {
		return err
	}
	seat, _, err := n.Live(f.t.Context(), pass)
	if err != nil {
		return err
	}
	for range lines {
		l := &line{node: n, release: seat.Hold()}
		c.mu.Lock()
		c.open = append(c.open, l)
		c.mu.Unlock()
		go func() {
			select {
			case <-seat.Over():
				c.end(l, true)
			case <-f.closed:
			}
		}()
	}
	return nil
}

// step does one thing, and lets what follows from it happen.
func (f *floor) step(what, who, node int) error {
	f.steps++
	c, n := f.crowd[who%len(f.crowd)], f.nodes[node%2]
	var err error
	switch {
	case what < 45:
		err = f.join(c, n, 1+what%2)
	case what < 85:
		c.mu.Lock()
		open := slices.Clone(c.open)
		c.mu.Unlock()
		if len(open) > 0 {
			c.end(open[what%len(open)], true)
		}
	case what < 90:
		_, err = n.Expel(f.t.Context(), f.id, f.host.Key(), c.admission, "")
		c.expelled = true
	case what < 92:
		n.fall()
		for _, c := range f.crowd {
			c.mu.Lock()
			open := slices.Clone(c.open)
			c.mu.Unlock()
			for _, l := range open {
				if l.node == n {
					c.end(l, false) // the node has no time to count them
				}
			}
		}
		f.nodes[node%2] = f.node()
		err = f.console(f.nodes[node%2])
		time.Sleep(10 * time.Second) // the bound for ghosts
	default:
		time.Sleep(time.Duration(what) * 10 * time.Millisecond)
	}
	synctest.Wait()
	return err
}

// agrees compares what each node shows with the connections there are.
func (f *floor) agrees() error {
	for i, n := range f.nodes {
		for j, c := range f.crowd {
			if c.expelled && c.live() > 0 {
				return fmt.Errorf("step %d: the expelled %d holds %d connections", f.steps, j, c.live())
			}
			s := n.shown.Load()
			a, _ := s.Admission(c.admission)
			if got, want := n.Present(s, &a), c.live() > 0; got != want {
				return fmt.Errorf("step %d: node %d shows %d present = %v, with %d connections", f.steps, i, j, got, c.live())
			}
		}
	}
	return nil
}

// TestT39RosterIsTheConnections has people come, go, be put out and lose their
// node, ten thousand times: what either node shows is always exactly who has a
// connection.
func TestT39RosterIsTheConnections(t *testing.T) {
	steps, long := 0, 100
	if raced {
		long = 10 // `make unit` runs it whole
	}
	rapid.Check(t, func(r *rapid.T) {
		type move struct{ What, Who, Node int }
		plan := rapid.SliceOfN(rapid.Custom(func(r *rapid.T) move {
			return move{rapid.IntRange(0, 99).Draw(r, "what"), rapid.IntRange(0, 5).Draw(r, "who"), rapid.IntRange(0, 1).Draw(r, "node")}
		}), long, long).Draw(r, "plan")
		var fault error
		synctest.Test(t, func(t *testing.T) {
			f := newFloor(t, 6)
			for _, m := range plan {
				if fault = f.step(m.What, m.Who, m.Node); fault == nil {
					fault = f.agrees()
				}
				if fault != nil {
					return
				}
			}
			steps += f.steps
		})
		if fault != nil {
			r.Fatal(fault)
		}
	})
	t.Logf("%d steps", steps)
}
