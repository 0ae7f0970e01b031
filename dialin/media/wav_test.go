package media_test

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"vestibule/dialin/media"
)

// recording is a PCM file at rate.
func recording(rate int, channels, depth uint16, pcm []int16) []byte {
	le := binary.LittleEndian
	b := append([]byte("RIFF\x00\x00\x00\x00WAVE"), "LIST\x03\x00\x00\x00abc\x00fmt \x10\x00\x00\x00\x01\x00"...)
	b = le.AppendUint16(b, channels)
	b = le.AppendUint32(b, uint32(rate))
	b = le.AppendUint32(b, uint32(2*rate))
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, depth)
	b = append(b, "data\xFF\xFF\xFF\xFF"...) // as a program writes to a pipe
	for _, v := range pcm {
		b = le.AppendUint16(b, uint16(v))
	}
	return b
}

func TestReadWAV(t *testing.T) {
	tone := media.Tone(1000, time.Second, -10)
	wide := make(media.Sound, 2*media.Rate)
	for i := range wide {
		wide[i] = int16(10362 * math.Sin(2*math.Pi*1000*float64(i)/(2*media.Rate)))
	}
	for name, b := range map[string][]byte{
		"µ-law": media.AppendWAV(nil, tone), "8 kHz": recording(8000, 1, 16, tone), "16 kHz": recording(16000, 1, 16, wide),
	} {
		s, err := media.ReadWAV(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := s.Length(); d < 990*time.Millisecond || d > 1010*time.Millisecond {
			t.Errorf("%s: plays for %v, want 1s", name, d)
		}
		if p := purity(s[800:7200], 1000); p < 35 {
			t.Errorf("%s: the tone stands %.1f dB above the rest, want 35", name, p)
		}
		if l := s.Level(); math.Abs(l+10) > 0.3 {
			t.Errorf("%s: level %.1f dB, want -10", name, l)
		}
	}
}

func TestReadWAVRefuses(t *testing.T) {
	for name, b := range map[string][]byte{
		"nothing": nil, "text": []byte("RIFF, said the guitar"), "stereo": recording(8000, 2, 16, nil), "44.1 kHz": recording(44100, 1, 16, nil),
		"24 bits": recording(8000, 1, 24, nil), "no data": recording(8000, 1, 16, nil)[:50], "an hour": recording(8000, 1, 16, make([]int16, 2<<20)),
	} {
		if s, err := media.ReadWAV(b); err == nil {
			t.Errorf("%s: read as %v of sound", name, s.Length())
		}
	}
}

func FuzzReadWAV(f *testing.F) {
	f.Add(media.AppendWAV(nil, media.Tone(500, 10*time.Millisecond, -10)))
	f.Add(recording(16000, 1, 16, []int16{1, 2, 3}))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := media.ReadWAV(b)
		if err == nil && len(s) > len(b)+200 {
			t.Errorf("%d bytes became %d samples", len(b), len(s))
		}
	})
}
