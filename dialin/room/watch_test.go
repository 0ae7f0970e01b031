package room_test

import (
	"testing"
	"time"

	"vestibule/dialin/media"
	"vestibule/dialin/room"
)

// After a break the room's voices may not come back to the ear though somebody
// speaks: then another caller is the ear, and when nobody hears, the caller is
// taken into the room once more, but not for ever.
func TestDeafEarHandsOver(t *testing.T) {
	party := room.NewParty()
	a, b := party.Join("a"), party.Join("b")
	for _, l := range []*room.Leg{a, b} {
		l.Ready()
	}
	for _, l := range []*room.Leg{b, a, b} { // so that neither is beyond doubt
		l.Torn(true)
		l.Torn(false)
	}
	deaf := func(l *room.Leg) {
		for range 4 {
			l.Silent(true)
			party.Pass(time.Second)
		}
	}
	first := party.Ear()
	ear := map[string]*room.Leg{"a": a, "b": b}
	for range 3 {
		ear[first].Silent(true)
		party.Pass(time.Second)
	}
	ear[first].Silent(false) // everybody's microphone is off
	if got := party.Ear(); got != first || a.Renewed+b.Renewed > 0 {
		t.Errorf("the ear is %q before it is known to be deaf, %q was", got, first)
	}
	deaf(ear[first])
	second := party.Ear()
	if second == first {
		t.Fatalf("the ear is still %q, who hears nothing", first)
	}
	deaf(ear[second])
	if a.Renewed+b.Renewed != 1 || ear[second].Renewed != 1 {
		t.Errorf("a is taken in %d times more, b %d times; want only %q, once", a.Renewed, b.Renewed, second)
	}
	for range 40 {
		deaf(ear[party.Ear()])
	}
	if a.Renewed+b.Renewed > 4 || a.Renewed < 1 || b.Renewed < 1 {
		t.Errorf("a is taken in %d times more, b %d times; want each once or twice", a.Renewed, b.Renewed)
	}
}

// Who has heard voices for seconds after a break is beyond doubt again.
func TestEarIsFitAgain(t *testing.T) {
	far := speaker(t, "audio/PCMU").As("far")
	party := room.NewParty(far)
	a, b := party.Join("a"), party.Join("b")
	a.Ready()
	a.Torn(true)
	a.Torn(false)
	frame := make([]int16, 160)
	for range 8 {
		far.Came(a)
		party.Pass(time.Second)
		a.Hear(frame)
	}
	b.Ready()
	if got := party.Ear(); got != "a" {
		t.Errorf("the ear is %q, want a, who hears", got)
	}
	a.Torn(true)
	if got := party.Ear(); got != "b" {
		t.Errorf("the ear is %q, want b", got)
	}
}

// A caller whom the room cannot reach hears so after three seconds, and is told
// after a minute that it is lost.
func TestCallerIsNotLeftInSilence(t *testing.T) {
	party := room.NewParty()
	a := party.Join("a")
	a.Ready()
	hear := func(d time.Duration) float64 {
		var all []int16
		for range int(d / (20 * time.Millisecond)) {
			frame := make([]int16, 160)
			party.Pass(20 * time.Millisecond)
			a.Hear(frame)
			all = append(all, frame...)
		}
		return media.Sound(all).Level()
	}
	a.Torn(true)
	if got := hear(2 * time.Second); got > -80 {
		t.Errorf("a short break is heard at %.0f dB", got)
	}
	hear(2 * time.Second)
	if got := hear(5 * time.Second); got < -50 {
		t.Errorf("a long break is silent (%.0f dB)", got)
	}
	a.Torn(false)
	if got := hear(2 * time.Second); got > -80 {
		t.Errorf("after the break the tone goes on at %.0f dB", got)
	}
	a.Torn(true)
	hear(50 * time.Second)
	select {
	case s := <-a.Signals():
		t.Errorf("signal %d after 50 s", s)
	default:
	}
	hear(13 * time.Second)
	a.Settled()
	if s, open := <-a.Signals(); s != media.Lost || !open {
		t.Errorf("signal %d after a minute, want %d", s, media.Lost)
	}
}
