package media_test

import (
	"math"
	"testing"

	"vestibule/dialin/media"
)

// What a telephone carries comes through as it was; what it cannot carry does
// not fold back into it.
func TestDecimatorKeepsTheVoiceAndNothingElse(t *testing.T) {
	for _, factor := range []int{2, 6} {
		for _, c := range []struct {
			hertz  float64
			passes bool
		}{{100, true}, {1000, true}, {3300, true}, {4700, false}, {5500, false}, {7000, false}} {
			d := media.NewDecimator(factor)
			var got []int16
			in := make([]float32, 960)
			for k := range 50 {
				for i := range in {
					in[i] = float32(0.5 * math.Sin(2*math.Pi*c.hertz*float64(k*len(in)+i)/float64(factor*media.Rate)))
				}
				got = d.Append(got, in[:len(in)-k%7]) // whatever the pieces
				for i := range in[:k%7] {
					in[i] = in[len(in)-k%7+i]
				}
				got = d.Append(got, in[:k%7])
			}
			got = got[len(got)/2:]
			heard := 20 * math.Log10(rms(got)*math.Sqrt2/32767)
			if c.passes && math.Abs(heard+6) > 0.3 {
				t.Errorf("factor %d: %v Hz comes out at %.2f dB, want -6", factor, c.hertz, heard)
			}
			if !c.passes && heard > -60 {
				t.Errorf("factor %d: %v Hz comes out at %.1f dB, want nothing", factor, c.hertz, heard)
			}
		}
	}
}

func rms(pcm []int16) float64 {
	var sum float64
	for _, v := range pcm {
		sum += float64(v) * float64(v)
	}
	return math.Sqrt(sum / float64(len(pcm)))
}

func BenchmarkDecimate48To8(b *testing.B) {
	d := media.NewDecimator(6)
	in := make([]float32, 960)
	out := make([]int16, 0, 320)
	b.ReportAllocs()
	for b.Loop() {
		out = d.Append(out[:0], in)
	}
}
