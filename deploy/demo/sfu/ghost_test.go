package sfu_test

import (
	"slices"
	"testing"
	"time"

	"vestibule/deploy/demo/sfu"
	"vestibule/store"
)

// TestT39NoGhostBehindTheRelay has somebody close the web socket and nothing
// else. LiveKit lets them stay for as long as media flows; the host reads that
// they are gone, and soon they are.
func TestT39NoGhostBehindTheRelay(t *testing.T) {
	s := start(t, sfu.Config{})
	defer stop(t, s)
	b := recorded(t, s)
	at := openNodes(t, s, b, store.NewMemory())[0]
	g := gather(t, at, 4)
	stays, ghosts := g.admits(at, 0), []*guest{g.admits(at, 1), g.admits(at, 2), g.admits(at, 3)}
	enter(t, append(slices.Clone(ghosts), stays))
	hearEachOther(t, []*guest{stays}, ghosts)

	closed := time.Now()
	for _, p := range ghosts {
		_ = p.ws.CloseNow()
		p.hangUp()
	}
	const within = 25 * time.Second // 15, the sweep, and a busy machine
	for _, p := range ghosts {
		for at.Turn.Live(p.admission) > 0 {
			if time.Since(closed) > within {
				t.Fatalf("the relay over %s works %v after the web socket ended", p.kind, within)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	ended := time.Now()
	t.Logf("relays ended %v after the web sockets", ended.Sub(closed).Round(time.Millisecond))
	time.Sleep(stillness) // what was under way
	for _, p := range ghosts {
		if d := p.media.since(ended); d > stillness {
			t.Errorf("by %s something came %v after the relay's end", p.kind, d)
		}
		if d := stays.of(p.number).last.Sub(ended); d > stillness {
			t.Errorf("by %s somebody was heard %v after the relay's end", p.kind, d)
		}
		for what, err := range allocates(t, at, p) {
			if err == nil {
				t.Errorf("without a web socket the relay over %s gave another way", what)
			}
		}
	}
	// They are not put out.
	for _, p := range ghosts {
		c, code := p.dial(t.Context(), true, "door")
		if c == nil {
			t.Fatalf("coming back: the door answers %d", code)
		}
		defer c.CloseNow()
		for what, err := range allocates(t, at, p) {
			if err != nil {
				t.Errorf("back inside, the relay over %s: %v", what, err)
			}
		}
	}
}
