package media

import "math"

// keypad is the digits by row and column, as ITU-T Q.23 lays them out.
const keypad = "123A456B789C*0#D"

const (
	// blockSize is how many samples one look at the line has: 12.75 ms, so
	// that the shortest digit of Q.24, 40 ms, fills two of them.
	blockSize = 102
	// quietest is the mean square below which nothing is a digit: -42 dBm0,
	// about what Q.24 lets a receiver ignore.
	quietest = 100 * 100
	// A digit is two tones and hardly anything else: this part of the energy
	// at least. Voices fail here.
	purity = 0.82
	// A column tone may be 8 dB weaker than its row tone, and 4 dB stronger;
	// the strongest of a group stands 8 dB above the others.
	twistDown, twistUp, apart = 6.3, 2.5, 6.3
)

// dtmf finds digits in sound, for devices that send them no other way.
type dtmf struct {
	coef   [8]float32 // of 697, 770, 852, 941 and 1209, 1336, 1477, 1633 Hz
	s1, s2 [8]float32
	energy float32
	filled int
	// hit is what the last block was, told what was last told and not
	// released yet.
	hit, told rune
	missed    int
}

func newDTMF() dtmf {
	var d dtmf
	for i, hz := range [...]float64{697, 770, 852, 941, 1209, 1336, 1477, 1633} {
		d.coef[i] = float32(2 * math.Cos(2*math.Pi*hz/Rate))
	}
	return d
}

// hear takes the next samples and calls press for each digit that begins.
func (d *dtmf) hear(pcm []int16, press func(rune)) {
	for len(pcm) > 0 {
		n := min(len(pcm), blockSize-d.filled)
		d.filter(pcm[:n])
		pcm = pcm[n:]
		if d.filled += n; d.filled == blockSize {
			if r := d.decide(d.judge()); r != 0 {
				press(r)
			}
			d.s1, d.s2, d.energy, d.filled = [8]float32{}, [8]float32{}, 0, 0
		}
	}
}

// filter runs Goertzel's recursion, tone by tone.
func (d *dtmf) filter(pcm []int16) {
	e := d.energy
	for _, v := range pcm {
		e += float32(v) * float32(v)
	}
	d.energy = e
	if e == 0 {
		return // as on most lines most of the time
	}
	for t := range d.coef {
		c, a, b := d.coef[t], d.s1[t], d.s2[t]
		for _, v := range pcm {
			a, b = c*a-b+float32(v), a
		}
		d.s1[t], d.s2[t] = a, b
	}
}

// judge says which digit fills the block, or 0.
func (d *dtmf) judge() rune {
	if d.energy < quietest*blockSize {
		return 0
	}
	var p [8]float32
	for t := range p {
		a, b := d.s1[t], d.s2[t]
		p[t] = a*a + b*b - d.coef[t]*a*b
	}
	row, col := strongest(p[:4]), strongest(p[4:])
	if row < 0 || col < 0 {
		return 0
	}
	r, c := p[row], p[4+col]
	if r > c*twistDown || c > r*twistUp || r+c < purity*blockSize/2*d.energy {
		return 0
	}
	return rune(keypad[4*row+col])
}

// strongest is the index of the one tone that stands out, or -1.
func strongest(p []float32) int {
	best := 0
	for i := range p {
		if p[i] > p[best] {
			best = i
		}
	}
	for i := range p {
		if i != best && p[i]*apart > p[best] {
			return -1
		}
	}
	return best
}

// decide tells a digit once two blocks in a row agree, and not again before
// two in a row were something else.
func (d *dtmf) decide(hit rune) rune {
	before := d.hit
	d.hit = hit
	if hit == d.told && hit != 0 {
		d.missed = 0
		return 0
	}
	if d.told != 0 {
		if d.missed++; d.missed >= 2 {
			d.told = 0
		}
	}
	if hit == 0 || hit != before {
		return 0
	}
	d.told, d.missed = hit, 0
	return hit
}
