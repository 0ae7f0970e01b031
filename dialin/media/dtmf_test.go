package media_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"vestibule/dialin/media"
)

// key is the sound of one key, its two tones at their own levels in dB.
func key(r rune, d time.Duration, low, high float64) media.Sound {
	rows, cols := []float64{697, 770, 852, 941}, []float64{1209, 1336, 1477, 1633}
	for i, k := range "123A456B789C*0#D" {
		if k == r {
			return added(media.Tone(rows[i/4], d, low), media.Tone(cols[i%4], d, high))
		}
	}
	return media.Silence(d)
}

func added(a, b media.Sound) media.Sound {
	sum := make(media.Sound, len(a))
	for i := range a {
		sum[i] = a[i] + b[i]
	}
	return sum
}

func typed(s string, on, off time.Duration, low, high float64) media.Sound {
	all := media.Silence(off)
	for _, r := range s {
		all = media.Chain(all, key(r, on, low, high), media.Silence(off))
	}
	return all
}

func TestKeypadHearsEveryKey(t *testing.T) {
	const all = "0123456789*#ABCD"
	for _, c := range []struct {
		name      string
		on, off   time.Duration
		low, high float64
	}{
		{"plain", 100 * time.Millisecond, 100 * time.Millisecond, -12, -12},
		{"as short as Q.24 allows", 45 * time.Millisecond, 45 * time.Millisecond, -12, -12},
		{"faint", 80 * time.Millisecond, 60 * time.Millisecond, -30, -30},
		{"loud", 80 * time.Millisecond, 60 * time.Millisecond, -7, -7},
		{"twisted down", 80 * time.Millisecond, 60 * time.Millisecond, -12, -18},
		{"twisted up", 80 * time.Millisecond, 60 * time.Millisecond, -15, -12},
		{"held long", 2 * time.Second, 60 * time.Millisecond, -12, -12},
	} {
		if got := media.Keypad(typed(all+"1122", c.on, c.off, c.low, c.high)); got != all+"1122" {
			t.Errorf("%s: heard %q, want %q", c.name, got, all+"1122")
		}
	}
}

func TestKeypadHearsNoKeyInNoise(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	noise := make(media.Sound, 20*media.Rate)
	// Something like speech: a pitch that glides, its harmonics, and hiss.
	phase := 0.0
	for i := range noise {
		at := float64(i) / media.Rate
		phase += 2 * math.Pi * (140 + 60*math.Sin(2.1*at)) / media.Rate
		v := 0.0
		for k := 1.0; k < 20; k++ {
			v += math.Sin(k*phase) / k * (1 + math.Sin(7*at+k))
		}
		noise[i] = int16(3000*v*math.Abs(math.Sin(4*at)) + 300*r.NormFloat64())
	}
	for name, s := range map[string]media.Sound{
		"speech": noise, "one tone": media.Tone(770, 5*time.Second, -10), "hold tone": media.HoldTone(),
		"too short": typed("159", 20*time.Millisecond, 60*time.Millisecond, -12, -12),
		"silence":   media.Silence(time.Second),
	} {
		if got := media.Keypad(s); got != "" {
			t.Errorf("%s: heard %d keys, want none", name, len(got))
		}
	}
}

func BenchmarkKeypad(b *testing.B) {
	pcm := media.Tone(700, 20*time.Millisecond, -10)
	b.ReportAllocs()
	for b.Loop() {
		media.Keypad(pcm)
	}
}

// Digits as sound over a network that loses a packet of 20, in either law: what is
// lost is bridged, which makes no digit of none and none twice. One that lost nothing
// is heard.
func TestKeypadOverALossyLine(t *testing.T) {
	const all = "0123456789"
	for _, codec := range []media.Codec{media.PCMU, media.PCMA} {
		for _, on := range []time.Duration{70 * time.Millisecond, 100 * time.Millisecond, 400 * time.Millisecond} {
			off := 80 * time.Millisecond
			encode, decode := codec.Law()
			heard := 0
			for seed := range uint64(50) {
				r := rand.New(rand.NewPCG(seed, 5))
				lead := time.Duration(r.IntN(20)) * time.Millisecond // packets begin anywhere in a digit
				pcm := media.Chain(media.Silence(lead), typed(all, on, off, -12, -12), media.Silence(off))
				for i, v := range pcm {
					pcm[i] = decode(encode(v))
				}
				whole := []byte(all)
				_, out, _ := line{packets: len(pcm) / 160, delay: func(n int) time.Duration {
					if r.IntN(20) > 0 {
						return 0
					}
					at := time.Duration(n)*20*time.Millisecond - lead - off
					for i := range whole {
						begin := time.Duration(i) * (on + off)
						if at+20*time.Millisecond > begin && at < begin+on {
							whole[i] = ' '
						}
					}
					return -1
				}}.play(pcm)
				got := media.Keypad(out)
				rest := all
				for _, k := range got {
					_, after, ok := strings.Cut(rest, string(k))
					if !ok {
						t.Fatalf("%v of %v, seed %d: heard %q, of which not all was typed", codec, on, seed, got)
					}
					rest = after
				}
				for _, k := range strings.ReplaceAll(string(whole), " ", "") {
					if !strings.ContainsRune(got, k) {
						t.Errorf("%v of %v, seed %d: heard %q, without %c, of which nothing was lost", codec, on, seed, got, k)
					}
				}
				heard += len(got)
			}

			if heard < 490 {
				t.Errorf("%v of %v: %d digits of 500 heard with a packet of 20 lost", codec, on, heard)
			}
		}
	}
}
