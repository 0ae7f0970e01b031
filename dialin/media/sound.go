package media

import (
	"math"
	"time"
)

// Sound is 16-bit, mono, Rate samples a second. It is not changed once made.
type Sound []int16

// Length is how long the sound plays.
func (s Sound) Length() time.Duration { return time.Duration(len(s)) * time.Second / Rate }

// Level is the sound's root mean square in dB below the loudest sine; silence
// is -100.
func (s Sound) Level() float64 {
	var sum float64
	for _, v := range s {
		sum += float64(v) * float64(v)
	}
	if sum == 0 {
		return -100
	}
	return max(10*math.Log10(2*sum/float64(len(s))/(32767*32767)), -100)
}

// ramp is how long a tone rises and falls, so that it does not click.
const ramp = 5 * time.Millisecond

// Tone is a sine of hertz at a level in dB below the loudest (-20 is gentle).
func Tone(hertz float64, d time.Duration, level float64) Sound {
	n, edge := int(d*Rate/time.Second), int(ramp*Rate/time.Second)
	s := make(Sound, n)
	a := 32767 * math.Pow(10, min(level, 0)/20)
	for i := range s {
		g := min(1, float64(i)/float64(edge), float64(n-1-i)/float64(edge))
		s[i] = int16(math.Round(a * g * math.Sin(2*math.Pi*hertz*float64(i)/Rate)))
	}
	return s
}

// Silence says nothing for a while.
func Silence(d time.Duration) Sound { return make(Sound, int(d*Rate/time.Second)) }

// Chain is several sounds in a row.
func Chain(sounds ...Sound) Sound {
	var all Sound
	for _, s := range sounds {
		all = append(all, s...)
	}
	return all
}

// HoldTone is to be looped while somebody waits: two soft notes every five
// seconds, which say that the line is open and leave room to think.
func HoldTone() Sound {
	return Chain(
		Tone(523.25, 220*time.Millisecond, -24), Silence(40*time.Millisecond),
		Tone(659.25, 320*time.Millisecond, -24), Silence(4420*time.Millisecond),
	)
}

// JoinTone tells of somebody who came in: two notes up.
func JoinTone() Sound {
	return Chain(Tone(587.33, 90*time.Millisecond, -22), Tone(880, 130*time.Millisecond, -22))
}

// LeaveTone tells of somebody who went: two notes down.
func LeaveTone() Sound {
	return Chain(Tone(880, 90*time.Millisecond, -22), Tone(587.33, 130*time.Millisecond, -22))
}
