package media_test

import (
	"math"
	"testing"
	"time"

	"vestibule/dialin/media"
)

// power is how much of pcm is a tone of hertz, in dB of a full sine of it.
func power(pcm []int16, hertz float64) float64 {
	var re, im float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hertz * float64(i) / media.Rate)
		re += float64(v) * cos
		im += float64(v) * sin
	}
	a := 2 * math.Hypot(re, im) / float64(len(pcm)) / 32767
	return 20 * math.Log10(a+1e-9)
}

// purity is how far the tone of hertz stands above all the rest, in dB.
func purity(pcm []int16, hertz float64) float64 {
	var all float64
	for _, v := range pcm {
		all += float64(v) * float64(v)
	}
	a := math.Pow(10, power(pcm, hertz)/20) * 32767
	tone := a * a / 2 * float64(len(pcm))
	return 10 * math.Log10(tone/math.Max(all-tone, 1))
}

// The corners of ITU-T G.711, tables 1 and 2.
func TestG711Corners(t *testing.T) {
	for _, c := range []struct {
		codec media.Codec
		code  byte
		want  int16
	}{
		{media.PCMU, 0xFF, 0},
		{media.PCMU, 0x7F, 0},
		{media.PCMU, 0x00, -32124},
		{media.PCMU, 0x80, 32124},
		{media.PCMU, 0xF0, 120},
		{media.PCMA, 0xD5, 8},
		{media.PCMA, 0x55, -8},
		{media.PCMA, 0xAA, 32256},
		{media.PCMA, 0x2A, -32256},
		{media.PCMA, 0xC5, 264},
	} {
		enc, dec := c.codec.Law()
		if got := dec(c.code); got != c.want {
			t.Errorf("codec %d: %#x is %d, want %d", c.codec, c.code, got, c.want)
		}
		if got := dec(enc(c.want)); got != c.want {
			t.Errorf("codec %d: %d comes back as %d", c.codec, c.want, got)
		}
	}
}

func TestG711EveryCodeAndEverySample(t *testing.T) {
	for _, codec := range []media.Codec{media.PCMU, media.PCMA} {
		enc, dec := codec.Law()
		for c := range 256 {
			if got := dec(enc(dec(byte(c)))); got != dec(byte(c)) {
				t.Errorf("codec %d: code %#x is not its own image", codec, c)
			}
		}
		before := dec(enc(math.MinInt16))
		for v := math.MinInt16; v <= math.MaxInt16; v++ {
			got := dec(enc(int16(v)))
			if got < before {
				t.Fatalf("codec %d: %d comes back as %d, less than %d did", codec, v, got, before)
			}
			if off := math.Abs(float64(got) - float64(v)); off > math.Max(16, math.Abs(float64(v))/16)+640*math.Max(0, math.Abs(float64(v))-32124)/640 {
				t.Fatalf("codec %d: %d comes back as %d", codec, v, got)
			}
			before = got
		}
		tone := media.Tone(1020, 1100*time.Millisecond, -10)[400:8400]
		for i, v := range tone {
			tone[i] = dec(enc(v))
		}
		if got := purity(tone, 1020); got < 36 {
			t.Errorf("codec %d: a tone stands %.1f dB above its noise, want 36", codec, got)
		}
	}
}
