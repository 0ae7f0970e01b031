package media

import "math"

// Decimator takes sound at a multiple of Rate down to Rate. What a telephone
// cannot carry is filtered out first, at 60 dB, so that none of it folds back
// into the voice; below 3.4 kHz it changes nothing.
type Decimator struct {
	factor int
	taps   []float32
	// line holds the last len(taps)-1 samples of before, then the new ones.
	line []float32
	// phase is how many of the new samples come before the next output.
	phase int
}

const (
	passHertz = 3400
	stopHertz = 4600 // folds to 3400
	stopDB    = 60
)

// NewDecimator returns a decimator from factor*Rate to Rate.
func NewDecimator(factor int) *Decimator {
	// Kaiser's formulas: length and shape of the window for an attenuation.
	from := float64(factor) * Rate
	width := 2 * math.Pi * (stopHertz - passHertz) / from
	n := int(math.Ceil((stopDB-8)/(2.285*width))) | 1
	beta := 0.1102 * (stopDB - 8.7)
	taps := make([]float32, n)
	var sum float64
	for i := range taps {
		x := float64(i - n/2)
		h := sinc((passHertz + stopHertz) / from * x)
		r := 2 * x / float64(n-1)
		h *= bessel0(beta*math.Sqrt(max(1-r*r, 0))) / bessel0(beta)
		taps[i] = float32(h)
		sum += h
	}
	for i := range taps {
		taps[i] /= float32(sum)
	}
	return &Decimator{factor: factor, taps: taps, line: make([]float32, n-1)}
}

func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return math.Sin(math.Pi*x) / (math.Pi * x)
}

// bessel0 is the modified Bessel function of the first kind and order 0.
func bessel0(x float64) float64 {
	sum, term := 1.0, 1.0
	for k := 1.0; term > 1e-12*sum; k++ {
		term *= x * x / (4 * k * k)
		sum += term
	}
	return sum
}

// Append appends to dst what in becomes. Only each factor-th output of the
// filter is computed, which is what polyphase comes down to.
func (d *Decimator) Append(dst []int16, in []float32) []int16 {
	d.line = append(d.line, in...)
	n := len(d.taps)
	at := d.phase
	for ; at+n <= len(d.line); at += d.factor {
		dst = append(dst, clip(32768*dot(d.taps, d.line[at:at+n])))
	}
	kept := copy(d.line, d.line[len(d.line)-n+1:])
	d.phase = at - (len(d.line) - kept)
	d.line = d.line[:kept]
	return dst
}

// dot is the product of two vectors of one length, four sums at a time so
// that none waits for the one before.
func dot(a, b []float32) float32 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float32
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for ; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return s0 + s1 + s2 + s3
}

func clip(v float32) int16 {
	switch {
	case v >= 32767:
		return 32767
	case v <= -32768:
		return -32768
	}
	return int16(v)
}
