package sfu_test

import (
	"strings"
	"testing"
	"time"

	"vestibule/conference/livekit"
	"vestibule/deploy/demo/sfu"
	"vestibule/dialin/room"
)

// A caller who is alone hears the room again within seconds of each break of
// the door's signalling, however soon after joining it comes, and though the
// conference server names a STUN server that does not answer.
func TestCallerHearsAfterABreak(t *testing.T) {
	s, err := sfu.StartAt(t.Context(), sfu.Place{IP: "127.0.0.1", NIC: "lo", ICE: `stun_servers: ["127.0.0.1:9"]`})
	if err != nil {
		t.Fatal(err)
	}
	defer stop(t, s)
	b, err := livekit.New(livekit.Config{URL: s.URL, Key: s.Key, Secret: s.Secret})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := room.New(room.Config{Passes: b}); err != nil { // silences the client's library
		t.Fatal(err)
	}
	if err := b.Open(t.Context(), "hears"); err != nil {
		t.Fatal(err)
	}
	browser := (&house{s: s, b: b}).browser(t, "hears", "anna")
	browser.play(t, "../../../dialin/room/testdata/tone-celt.opus")
	for n := range 4 {
		wire := newWire(t, strings.TrimPrefix(s.URL, "http://"))
		rooms, err := room.New(room.Config{Passes: through{b, "http://" + wire.Addr().String()}})
		if err != nil {
			t.Fatal(err)
		}
		leg := (&house{s: s, b: b, rooms: rooms}).join(t, "hears", "phone")
		caller := dialled(t)
		caller.session.Bridge(leg)
		time.Sleep(time.Duration(n) * 250 * time.Millisecond) // when it breaks
		had := wire.count()
		wire.cut()
		until(t, "the door comes back", func() bool { return wire.count() > had })
		caller.forget()
		begun := time.Now()
		until(t, "the caller hears 1 kHz after the break", func() bool { return purity(caller.last(4000), 1000) > 15 })
		if d := time.Since(begun); d > 5*time.Second { // some 0.3 s, of which 0.25 are what is listened to
			t.Errorf("in round %d the caller hears nothing for %v", n, d)
		}
		leg.Close()
	}
}

// forget drops what was heard.
func (e *ear) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pcm = nil
}
