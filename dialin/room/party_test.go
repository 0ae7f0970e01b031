package room_test

import (
	"math"
	"strconv"
	"sync"
	"testing"
	"time"

	"vestibule/dialin/media"
	"vestibule/dialin/room"
)

// tone is 20 ms of an endless one.
func tone(hertz float64, n int) []int16 {
	out := make([]int16, 160)
	for i := range out {
		out[i] = int16(4000 * math.Sin(2*math.Pi*hertz*float64(160*n+i)/media.Rate))
	}
	return out
}

// ulaw is the same as a telephone at another node sends it.
func ulaw(hertz float64, n int) []byte {
	codes := make([]byte, 160)
	media.ULaw(codes, tone(hertz, n))
	return codes
}

// Three callers of one room, each with frames and a clock of their own, hear
// each other and the room once, and themselves not at all: neither from the
// party nor from the room's copy of their voice.
func TestEverybodyButOneself(t *testing.T) {
	far, echo := speaker(t, "audio/PCMU").As("far"), speaker(t, "audio/PCMU").As("b")
	party := room.NewParty(far, echo)
	names := []string{"a", "b", "c"}
	hertz := map[string]float64{"a": 500, "b": 700, "c": 1100, "far": 1500}
	legs, heard := map[string]*room.Leg{}, map[string][]int16{}
	for i, name := range names {
		legs[name] = party.Join(name)
		party.Pass(time.Duration(i) * 7 * time.Millisecond)
	}
	for n := range 100 {
		far.Say(ulaw(hertz["far"], n), 160)
		echo.Say(ulaw(hertz["b"], n), 160)
		for i, name := range names {
			legs[name].Speak(tone(hertz[name], n))
			party.Pass(time.Duration(5+i) * time.Millisecond)
			frame := make([]int16, 160)
			if name == "c" { // 40 ms a packet
				if frame = make([]int16, 320); n%2 == 0 {
					continue
				}
			}
			legs[name].Hear(frame)
			heard[name] = append(heard[name], frame...)
		}
		party.Pass(2 * time.Millisecond)
	}
	for name, pcm := range heard {
		pcm = pcm[3200 : 3200+8000]
		for other, hz := range hertz {
			level := power(pcm, hz)
			switch {
			case other == name && level > -60:
				t.Errorf("%s hears themselves at %.0f dB", name, level)
			case other != name && (level < -19.5 || level > -18):
				t.Errorf("%s hears %s at %.1f dB, want -18.3", name, other, level)
			}
		}
	}
}

// power is how high the tone of hertz stands, in dB below the loudest sample.
func power(pcm []int16, hertz float64) float64 {
	var re, im float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hertz * float64(i) / media.Rate)
		re, im = re+float64(v)*cos, im+float64(v)*sin
	}
	return 20 * math.Log10(2*math.Hypot(re, im)/float64(len(pcm))/32768+1e-6)
}

// Whoever the conference server has put out hears nothing from that moment and
// is heard by nobody, though the line still stands and others hear on.
func TestT37ExpelledCallerHearsNothing(t *testing.T) {
	far := speaker(t, "audio/PCMU").As("far")
	party := room.NewParty(far)
	out, stays := party.Join("out"), party.Join("stays")
	frame := make([]int16, 160)
	hear := func(l *room.Leg, from, to int) (all []int16) {
		for n := from; n < to; n++ {
			far.Say(ulaw(1500, n), 160)
			out.Speak(tone(500, n))
			party.Pass(20 * time.Millisecond)
			for _, x := range []*room.Leg{out, stays} {
				x.Hear(frame)
				if x == l {
					all = append(all, frame...)
				}
			}
		}
		return all
	}
	if got := power(hear(out, 0, 50)[3200:], 1500); got < -20 {
		t.Fatalf("before, the room is heard at %.0f dB", got)
	}
	out.Removed()
	if got := media.Sound(hear(out, 50, 60)).Level(); got > -90 {
		t.Errorf("put out and still hears %.0f dB", got)
	}
	after := hear(stays, 60, 110)
	if voice, room := power(after, 500), power(after, 1500); voice > -60 || room < -20 {
		t.Errorf("who stays hears the one who is out at %.0f dB and the room at %.0f dB", voice, room)
	}
	if got := hear(out, 110, 120); media.Sound(got).Level() > -90 {
		t.Error("hears again")
	}
}

// The room's voices go to one who is inside and within reach, and to another
// as soon as that one is not.
func TestTheEarIsInReach(t *testing.T) {
	party := room.NewParty()
	a, b, c := party.Join("a"), party.Join("b"), party.Join("c")
	want := func(after, who string) {
		t.Helper()
		if got := party.Ear(); got != who {
			t.Errorf("%s: the ear is %q, want %q", after, got, who)
		}
	}
	want("nobody is inside", "")
	b.Ready()
	want("b is inside", "b")
	a.Ready()
	want("a is inside too", "b")
	b.Torn(true)
	want("b is out of reach", "a")
	b.Torn(false)
	want("b is back", "a")
	a.Removed()
	want("a is put out", "b")
	a.Torn(false) // the client's last words
	want("a is still out", "b")
	b.Torn(true)
	want("nobody is within reach", "b")
	c.Ready()
	want("c is inside", "c")
	c.Torn(true)
	want("both have been torn", "c")
	c.Removed()
	b.Removed()
	want("all are gone", "")
}

// A caller whose clock stood still catches up and does not drag the others
// back; a party that nobody listened to goes on with what is said now.
func TestPartyKeepsTime(t *testing.T) {
	far := speaker(t, "audio/PCMU").As("far")
	party := room.NewParty(far)
	a, b := party.Join("a"), party.Join("b")
	var before, after []int16
	frame := make([]int16, 160)
	for n := range 400 {
		far.Say(ulaw(1500, n), 160)
		party.Pass(20 * time.Millisecond)
		if n < 100 || n >= 200 {
			a.Hear(frame)
			after = append(after, frame...)
		}
		if n < 150 || n >= 250 { // from 200 to 250 only a listens, from 150 nobody
			b.Hear(frame)
			before = append(before, frame...)
		}
	}
	for name, pcm := range map[string][]int16{"a": after, "b": before} {
		if got := power(pcm[len(pcm)-16000:], 1500); got < -20 {
			t.Errorf("%s hears the room at %.0f dB at the end", name, got)
		}
	}
}

// Callers come, are torn and put out while others listen and the room speaks.
func TestPartyHoldsAgainstRaces(t *testing.T) {
	far := speaker(t, "audio/PCMU").As("far")
	party := room.NewParty(far)
	var work sync.WaitGroup
	for i := range 8 {
		work.Go(func() {
			frame := make([]int16, 160)
			for n := range 100 {
				l := party.Join(strconv.Itoa(i))
				l.Ready()
				l.Speak(tone(500, n))
				l.Hear(frame)
				l.Torn(n%3 == 0)
				party.Speaks("far", int64(n))
				l.Removed()
				l.Hear(frame)
				l.Torn(false)
			}
		})
	}
	for n := range 200 {
		far.Say(ulaw(1500, n), 160)
	}
	work.Wait()
	if who := party.Ear(); who != "" {
		t.Errorf("all are gone and %q is the ear", who)
	}
}

// Of twenty who speak at once each is heard, as loud as alone; and so of any
// number below that.
func TestTwentySpeakersAreHeard(t *testing.T) {
	const loud = 1500 // twenty together stay below what is limited
	for many := 1; many <= 20; many++ {
		var all []*room.Speaker
		for i := range many {
			all = append(all, speaker(t, "audio/PCMU").As(strconv.Itoa(i)))
		}
		party := room.NewParty(all...)
		a := party.Join("a")
		var heard []int16
		codes, frame := make([]byte, 160), make([]int16, 160)
		for n := range 75 {
			for i, s := range all {
				pcm := tone(hertzOf(i), n)
				for k := range pcm {
					pcm[k] = int16(int(pcm[k]) * loud / 4000)
				}
				media.ULaw(codes, pcm)
				if !party.Wanted(i) {
					t.Fatalf("of %d speakers number %d is not decoded", many, i)
				}
				s.Say(codes, 160)
			}
			party.Pass(20 * time.Millisecond)
			a.Hear(frame)
			heard = append(heard, frame...)
		}
		heard = heard[len(heard)-8000:]
		want := 20 * math.Log10(loud/32768.0)
		for i := range many {
			if got := power(heard, hertzOf(i)); math.Abs(got-want) > 1 {
				t.Errorf("of %d speakers number %d is heard at %.1f dB, want %.1f", many, i, got, want)
			}
		}
		if got := power(heard, hertzOf(many)); got > want-25 {
			t.Errorf("of %d speakers one more is heard at %.1f dB", many, got)
		}
	}
}

// hertzOf is what the i-th speaker says.
func hertzOf(i int) float64 { return 400 + 130*float64(i) }

// Who is out of the room's reach hears the tone of who waits, and costs no more
// than who is in it: when the conference server is away, all of them wait.
func TestWaitingCostsNothing(t *testing.T) {
	party := room.NewParty()
	a := party.Join("a")
	a.Torn(true)
	party.Pass(time.Minute)
	frame, loudest := make([]int16, 160), int16(0)
	if n := testing.AllocsPerRun(250, func() {
		a.Hear(frame)
		for _, v := range frame {
			loudest = max(loudest, v)
		}
	}); n > 0 {
		t.Errorf("each frame of who waits takes %.1f allocations", n)
	}
	if loudest < 100 {
		t.Errorf("the tone of who waits is as loud as %d", loudest)
	}
}
