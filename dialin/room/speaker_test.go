package room_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"vestibule/dialin/media"
	"vestibule/dialin/room"
)

const opusMime = "audio/opus"

// packets reads a file of testdata.
func packets(tb testing.TB, name string) [][]byte {
	tb.Helper()
	b, err := os.ReadFile("testdata/" + name + ".opus")
	if err != nil {
		tb.Fatal(err)
	}
	var all [][]byte
	for len(b) >= 2 {
		n := 2 + int(binary.BigEndian.Uint16(b))
		all = append(all, b[2:n])
		b = b[n:]
	}
	return all
}

func speaker(tb testing.TB, mime string) *room.Speaker {
	tb.Helper()
	s, err := room.NewSpeaker(mime)
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

// purity is how far the tone of hertz stands above all the rest, in dB.
func purity(pcm []int16, hertz float64) float64 {
	var re, im, all float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hertz * float64(i) / media.Rate)
		re, im, all = re+float64(v)*cos, im+float64(v)*sin, all+float64(v)*float64(v)
	}
	tone := 2 * (re*re + im*im) / float64(len(pcm))
	return 10 * math.Log10(tone/math.Max(all-tone, 1))
}

// Each of Opus's three ways comes out as the tone that went in, and what a
// telephone cannot carry does not come out as something else.
func TestOpusIsHeard(t *testing.T) {
	for _, name := range []string{"tone-silk", "tone-celt", "tone-hybrid", "hiss-6k"} {
		s := speaker(t, opusMime)
		var out media.Sound
		frame := make([]int16, 160)
		for _, p := range packets(t, name) {
			s.Say(p, 960)
			s.Take(frame)
			out = append(out, frame...)
		}
		out = out[1600:]
		if name == "hiss-6k" {
			if l := out.Level(); l > -65 {
				t.Errorf("%s: comes out at %.0f dB, want silence", name, l)
			}
			continue
		}
		if p, l := purity(out[:4000], 1000), out.Level(); p < 18 || l < -22 {
			t.Errorf("%s: the tone stands %.1f dB above the rest, at %.0f dB", name, p, l)
		}
	}
}

func TestTelephonesHearEachOther(t *testing.T) {
	s := speaker(t, "audio/PCMU")
	tone := media.Tone(500, time.Second, -10)
	var out []int16
	frame, codes := make([]int16, 160), make([]byte, 160)
	for at := 0; at+160 <= len(tone); at += 160 {
		media.ULaw(codes, tone[at:at+160])
		s.Say(codes, 160)
		s.Take(frame)
		out = append(out, frame...)
	}
	if p := purity(out[1600:5600], 500); p < 30 {
		t.Errorf("the tone stands %.1f dB above the rest", p)
	}
	if _, err := room.NewSpeaker("audio/red"); err == nil {
		t.Error("a codec nobody knows was taken")
	}
}

// Everybody is heard at once, and only those who speak cost anything.
func TestHearMixesAll(t *testing.T) {
	a, b, silent := speaker(t, opusMime), speaker(t, "audio/PCMU"), speaker(t, opusMime)
	party := room.NewParty(a, b, silent)
	leg := party.Join("caller")
	tone := media.Tone(440, 2*time.Second, -20)
	var out []int16
	frame, codes := make([]int16, 160), make([]byte, 160)
	for i, p := range packets(t, "tone-celt") {
		a.Say(p, 960)
		media.ULaw(codes, tone[160*i:][:160])
		b.Say(codes, 160)
		party.Pass(20 * time.Millisecond)
		leg.Hear(frame)
		out = append(out, frame...)
	}
	out = out[1600:5600]
	if x, y := purity(out, 1000), purity(out, 440); x < -10 || y < -10 || x > 25 || y > 25 {
		t.Errorf("tones at %.0f and %.0f dB beside the rest, want both", x, y)
	}
}

// Beyond twenty, only who speaks is decoded.
func TestManyVoices(t *testing.T) {
	all := make([]*room.Speaker, 22)
	for i := range all {
		all[i] = speaker(t, opusMime)
	}
	all[21].As("last")
	party := room.NewParty(all...)
	party.Speaks("last", time.Now().UnixMilli())
	for n, want := range map[int]bool{0: true, 19: true, 20: false, 21: true} {
		if got := party.Wanted(n); got != want {
			t.Errorf("voice %d is decoded: %v, want %v", n, got, want)
		}
	}
	if few := room.NewParty(all[:20]...); !few.Wanted(19) {
		t.Error("the twentieth of twenty is not decoded")
	}
}

func TestLastSignalIsNotLost(t *testing.T) {
	got := room.Last(200, media.Joined, media.Removed)
	if len(got) != 64 || got[63] != media.Removed {
		t.Errorf("%d signals, the last %v", len(got), got[len(got)-1])
	}
	if got := room.Last(1, media.Joined, media.NoSignal); len(got) != 1 {
		t.Errorf("after Close, %d signals", len(got))
	}
}

func TestLoudness(t *testing.T) {
	for want, s := range map[uint8]media.Sound{13: media.Tone(1000, time.Second, -10), 33: media.Tone(1000, time.Second, -30), 127: media.Silence(time.Second)} {
		if got := room.Loudness(s); got < want-1 || got > want+1 {
			t.Errorf("loudness %d, want %d", got, want)
		}
	}
}

// FuzzSpeaker: whoever is in the room can send anything; the door outlives it
// and hears the next good packet.
func FuzzSpeaker(f *testing.F) {
	for _, name := range []string{"tone-silk", "tone-celt", "tone-hybrid", "speech-stereo"} {
		for _, p := range packets(f, name)[:8] {
			f.Add(p, p)
		}
	}
	f.Add([]byte{0xFF, 0xFF, 0xFF}, []byte{3})
	good := packets(f, "tone-celt")
	f.Fuzz(func(t *testing.T, a, b []byte) {
		s := speaker(t, opusMime)
		frame := make([]int16, 160)
		s.Raw(a)
		for _, p := range [][]byte{a, b, a} {
			s.Say(p, 960)
			s.Take(frame)
		}
		var out media.Sound
		for _, p := range good[:30] {
			s.Say(p, 960)
			s.Take(frame)
			out = append(out, frame...)
		}
		if l := out[3200:].Level(); l < -40 {
			t.Errorf("after bad packets, good ones are heard at %.0f dB", l)
		}
	})
}

// One frame of every caller of a room where so many others speak: decoded once,
// mixed for each.
func BenchmarkHear(b *testing.B) {
	speech := packets(b, "speech-stereo")
	for _, callers := range []int{1, 10, 50} {
		for _, n := range []int{0, 1, 5, 20} {
			b.Run(fmt.Sprintf("callers=%d/speakers=%d", callers, n), func(b *testing.B) {
				all := make([]*room.Speaker, n)
				for i := range all {
					all[i] = speaker(b, opusMime)
				}
				party := room.NewParty(all...)
				legs := make([]*room.Leg, callers)
				for i := range legs {
					legs[i] = party.Join(fmt.Sprint("caller", i))
				}
				frame, voice := make([]int16, 160), media.Tone(300, 20*time.Millisecond, -20)
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					for k, s := range all {
						s.Say(speech[(i+17*k)%len(speech)], 960)
					}
					party.Pass(20 * time.Millisecond)
					for _, leg := range legs {
						leg.Speak(voice)
						leg.Hear(frame)
					}
					i++
				}
				each := float64(b.Elapsed().Nanoseconds()) / float64(b.N*callers)
				b.ReportMetric(each, "ns/caller")
				b.ReportMetric(20e6/each, "calls/core")
			})
		}
	}
}
