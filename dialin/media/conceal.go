package media

// conceal keeps the voice going where a packet is missing: it repeats the last
// period of the pitch, as G.711 appendix I does, and lets it die away within
// 60 ms. What comes after is silence, not a machine's hum.
type conceal struct {
	past [512]int16 // the last samples that were played, as a ring
	at   uint32

	// wave is the period repeated, made how many samples came of it.
	wave   [maxPitch]int16
	period int
	made   int
	// lost is set while samples are missing; back then counts down those over
	// which the real voice returns.
	lost bool
	back int
	// quiet says that nothing is missing: the device says nothing on purpose.
	quiet bool
}

const (
	minPitch = 40  // 200 Hz
	maxPitch = 120 // 66 Hz
	match    = 160 // samples compared in search of the pitch
	holds    = Rate / 100
	dies     = Rate * 6 / 100
	blend    = Rate / 200
)

// good returns the sample to play where v has come.
func (c *conceal) good(v int16) int16 {
	if c.lost {
		c.lost, c.quiet, c.back = false, false, blend
	}
	if c.back > 0 {
		v = int16((int(v)*(blend-c.back) + int(c.next())*c.back) / blend)
		c.back--
	}
	return c.keep(v)
}

// missing returns the sample to play where none has come.
func (c *conceal) missing() int16 {
	if !c.lost && c.back == 0 {
		c.begin()
	}
	c.lost = true
	return c.keep(c.next())
}

// dead reports whether nothing is left to be made of the wave.
func (c *conceal) dead() bool { return c.lost && (c.made >= dies || c.quiet) }

func (c *conceal) keep(v int16) int16 {
	c.past[c.at%512] = v
	c.at++
	return v
}

// next is the next sample of the repeated wave.
func (c *conceal) next() int16 {
	n := c.made
	c.made++
	if n >= dies || c.quiet {
		return 0
	}
	v := int(c.wave[n%c.period])
	if n > holds {
		v = v * (dies - n) / (dies - holds)
	}
	return int16(v)
}

// begin finds the period: the lag at which the last 20 ms are most like what
// was before them.
func (c *conceal) begin() {
	best, score := minPitch, float32(0)
	var now [match]float32
	for i := range now {
		now[i] = float32(c.past[(c.at-match+uint32(i))%512])
	}
	for lag := minPitch; lag <= maxPitch; lag++ {
		var cross, energy float32
		for i := 0; i < match; i += 2 {
			p := float32(c.past[(c.at-match+uint32(i)-uint32(lag))%512])
			cross += now[i] * p
			energy += p * p
		}
		if cross > 0 && energy > 0 && cross*cross/energy > score {
			best, score = lag, cross*cross/energy
		}
	}
	c.period, c.made = best, 0
	for i := range best {
		c.wave[i] = c.past[(c.at-uint32(best-i))%512]
	}
}
