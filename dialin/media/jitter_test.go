package media_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vestibule/dialin/media"
)

// line is a simulated network: packets of 20 ms leave in time and arrive
// when delay says, or never.
type line struct {
	packets int
	delay   func(n int) time.Duration // negative: lost
	drift   float64                   // the sender's clock, 1 is right
}

// play returns what a buffer makes of it, tick by tick, and how many packets
// were too late.
func (l line) play(pcm media.Sound) (b *media.Buffer, out []int16, late int) {
	type arrival struct {
		when time.Duration
		n    int
	}
	if l.drift == 0 {
		l.drift = 1
	}
	var all []arrival
	for n := range l.packets {
		if d := l.delay(n); d >= 0 {
			all = append(all, arrival{time.Duration(float64(n)*20e6*l.drift) + d, n})
		}
	}
	slices.SortStableFunc(all, func(a, b arrival) int { return int(a.when - b.when) })
	b = new(media.Buffer)
	for tick := 7 * time.Millisecond; len(all) > 0; tick += 20 * time.Millisecond {
		for len(all) > 0 && all[0].when <= tick {
			n := all[0].n
			if !b.Put(uint32(160*n)-800, pcm[160*n%len(pcm):][:160]) { // wraps on the way
				late++
			}
			all = all[1:]
		}
		frame := make([]int16, 160)
		b.Take(frame)
		out = append(out, frame...)
	}
	return b, out, late
}

// a tone with a whole number of periods in a second, so that it loops.
func endless() media.Sound { return media.Tone(400, 1010*time.Millisecond, -10)[40:8040] }

func TestJitterAdapts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	ms := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	for _, c := range []struct {
		name     string
		l        line
		lo, hi   int     // delay at the end, ms
		lateMost float64 // part of the packets
		pure     float64 // of the last second, dB
	}{
		{"a quiet line", line{packets: 1000, delay: func(int) time.Duration { return ms(30) }}, 40, 60, 0, 30},
		{"60 ms of jitter", line{packets: 3000, delay: func(int) time.Duration { return ms(r.IntN(60)) }}, 60, 110, 0.01, 30},
		{"150 ms of jitter", line{packets: 3000, delay: func(int) time.Duration { return ms(r.IntN(150)) }}, 140, 200, 0.02, 25},
		{"jitter that ends", line{packets: 6000, delay: func(n int) time.Duration {
			if n < 1000 {
				return ms(r.IntN(150))
			}
			return ms(10)
		}}, 40, 70, 0.01, 30},
		{"a machine that slept", line{packets: 500, delay: func(n int) time.Duration {
			if n < 100 {
				return ms(500) // and all the rest comes half a second early
			}
			return ms(200)
		}}, 40, 200, 0.01, 30},
		{"a path that gets longer", line{packets: 3000, delay: func(n int) time.Duration { return ms(20 + 100*(n/1500)) }}, 30, 90, 0.01, 30},
		{"a slow clock", line{packets: 9000, drift: 1.0005, delay: func(int) time.Duration { return ms(30) }}, 30, 90, 0.01, 20},
		{"a fast clock", line{packets: 9000, drift: 0.9995, delay: func(int) time.Duration { return ms(30) }}, 40, 90, 0.01, 20},
		{"3 % lost", line{packets: 3000, delay: func(int) time.Duration {
			if r.IntN(100) < 3 {
				return -1
			}
			return ms(30)
		}}, 40, 60, 0, 15},
	} {
		b, out, late := c.l.play(endless())
		if d := int(b.Delay().Milliseconds()); d < c.lo || d > c.hi {
			t.Errorf("%s: holds back %d ms, want %d to %d", c.name, d, c.lo, c.hi)
		}
		if part := float64(late) / float64(c.l.packets); part > c.lateMost {
			t.Errorf("%s: %.2f %% came too late", c.name, 100*part)
		}
		if p := steady(out[len(out)-8000:]); p < c.pure {
			t.Errorf("%s: the tone stands %.1f dB above the rest, want %v", c.name, p, c.pure)
		}
	}
}

// steady is purity of a 400 Hz tone, 50 ms by 50 ms at the median: a jump of
// the phase counts once, not for all that follows.
func steady(pcm []int16) float64 {
	var all []float64
	for ; len(pcm) >= 400; pcm = pcm[400:] {
		all = append(all, purity(pcm[:400], 400))
	}
	slices.Sort(all)
	return all[len(all)/2]
}

func TestJitterPutsInOrder(t *testing.T) {
	swap := func(n int) time.Duration { return time.Duration(25*(1-n%2)) * time.Millisecond }
	_, out, late := line{packets: 500, delay: swap}.play(endless())
	if late > 2 {
		t.Errorf("%d packets came too late", late)
	}
	if p := purity(out[4000:12000], 400); p < 30 {
		t.Errorf("the tone stands %.1f dB above the rest, want 30", p)
	}
}

// A lost packet is bridged without a click, a long loss dies away.
func TestConcealBridgesALoss(t *testing.T) {
	lost := func(n int) time.Duration {
		if n == 50 || n > 100 && n < 125 {
			return -1
		}
		return 0
	}
	_, out, _ := line{packets: 200, delay: lost}.play(endless())
	step, at := 0, 0
	for i := 800; i < 60*160; i++ {
		if d := int(math.Abs(float64(out[i]) - float64(out[i-1]))); d > step {
			step, at = d, i
		}
	}
	if most := 1.3 * 10362 * 2 * math.Pi * 400 / media.Rate; float64(step) > most {
		t.Errorf("a step of %d at sample %d, a tone has %d at most", step, at, int(most))
	}
	hole := out[115*160 : 120*160]
	if l := media.Sound(hole).Level(); l > -80 {
		t.Errorf("300 ms into a loss the level is %.0f dB, want silence", l)
	}
	bridged := out[52*160 : 54*160]
	if l := media.Sound(bridged).Level(); l < -13 {
		t.Errorf("a single loss leaves a hole of %.0f dB, the tone has -10", l)
	}
}

// A device may set its clock anew; one packet with a wild timestamp is no
// such thing.
func TestJitterBelievesTwoNotOne(t *testing.T) {
	b := new(media.Buffer)
	loud, out := endless()[:160], make([]int16, 160)
	for n := range uint32(10) {
		b.Put(160*n, loud)
		b.Take(out)
	}
	if b.Put(5000000, loud) {
		t.Error("one packet from far away was taken")
	}
	b.Take(out)
	if b.Put(1600, loud); media.Sound(out).Level() < -20 {
		t.Error("one packet from far away silenced the caller")
	}
	b.Put(9000000, loud)
	if !b.Put(9000160, loud) {
		t.Error("two packets of a new clock were not taken")
	}
}

func FuzzJitter(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 160, 0, 0, 160, 0, 160, 0, 0, 9, 200, 20})
	f.Fuzz(func(t *testing.T, b []byte) {
		j := new(media.Buffer)
		pcm, out := make([]int16, 960), make([]int16, 160)
		ts := uint32(0)
		for ; len(b) >= 5; b = b[5:] {
			ts += uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
			j.Put(ts, pcm[:b[4]])
			j.Take(out)
			if d := j.Delay().Milliseconds(); d < 0 || d > 1200 {
				t.Fatalf("holds back %d ms", d)
			}
		}
	})
}

func BenchmarkJitter(b *testing.B) {
	j := new(media.Buffer)
	pcm, out := endless()[:160], make([]int16, 160)
	b.ReportAllocs()
	ts := uint32(0)
	for b.Loop() {
		j.Put(ts, pcm)
		j.Take(out)
		ts += 160
	}
}
