package sfu_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"vestibule/conference"
	"vestibule/dialin/media"
	"vestibule/dialin/room"
)

// aside reaches the conference server by a wire of its own for one caller.
type aside struct {
	through
	who string
}

func (a aside) Leg(g conference.Grants) (string, string, error) {
	if g.Admission == a.who {
		return a.through.Leg(g)
	}
	return a.Backend.Leg(g)
}

// party: four telephones hear the room and each other. The one that the room's
// voices are sent to loses its line to the server, the next one is put out and
// is deaf at once; the others hear on.
func (h *house) party(t *testing.T) {
	wire := newWire(t, strings.TrimPrefix(h.s.URL, "http://"))
	rooms, err := room.New(room.Config{Passes: aside{through{h.b, "http://" + wire.Addr().String()}, "phone0"}})
	if err != nil {
		t.Fatal(err)
	}
	by := &house{s: h.s, b: h.b, rooms: rooms}
	if err := h.b.Open(t.Context(), "party"); err != nil {
		t.Fatal(err)
	}
	browser := h.browser(t, "party", "anna")
	browser.play(t, "../../../dialin/room/testdata/tone-celt.opus")
	callers := make([]*caller, 4)
	for i := range callers {
		leg := by.join(t, "party", "phone"+strconv.Itoa(i))
		callers[i] = dialled(t)
		callers[i].hush.Store(i > 0)
		callers[i].session.Bridge(leg)
	}
	for i, c := range callers {
		until(t, "caller "+strconv.Itoa(i)+" hears 1 kHz", func() bool { return purity(c.last(4000), 1000) > -10 })
		if i > 0 {
			until(t, "and caller 0", func() bool { return purity(c.last(4000), 440) > -10 })
		} else if p := purity(c.last(4000), 440); p > -10 {
			t.Errorf("caller 0 hears themselves at %.0f dB", p)
		}
	}
	stays := callers[3]
	missed := func(after string) {
		until(t, after+", who stays hears on", func() bool { return purity(stays.last(2400), 1000) > -10 })
		t.Logf("of the last second they missed %v", quietest(stays.last(media.Rate)))
	}
	callers[0].hush.Store(true)
	had := wire.count()
	wire.cut()
	until(t, "the door comes back", func() bool { return wire.count() > had })
	time.Sleep(time.Second) // what is missed would be missed by now
	missed("the first is torn")
	for _, out := range []int{1, 2, 0} {
		begun := time.Now()
		if err := h.b.Remove(t.Context(), "party", "phone"+strconv.Itoa(out)); err != nil {
			t.Fatal(err)
		}
		until(t, "who is put out hears nothing", func() bool { return media.Sound(callers[out].last(320)).Level() < -60 })
		time.Sleep(time.Until(begun.Add(time.Second)))
		missed("one is put out")
		if l := media.Sound(callers[out].last(4000)).Level(); l > -60 {
			t.Errorf("caller %d hears again, at %.0f dB", out, l)
		}
	}
}

// quietest is how long sound was missing.
func quietest(pcm []int16) (d time.Duration) {
	for ; len(pcm) >= 80; pcm = pcm[80:] {
		if media.Sound(pcm[:80]).Level() < -40 {
			d += 10 * time.Millisecond
		}
	}
	return d
}
