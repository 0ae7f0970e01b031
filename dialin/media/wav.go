package media

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The codes of RIFF's "fmt " chunk that are read here.
const (
	wavPCM  = 1
	wavALaw = 6
	wavULaw = 7
)

// maxWAV bounds a recording: two minutes of the largest kind.
const maxWAV = 120 * 2 * Rate * 2

// errWAV is a file that is not a recording at all.
var errWAV = errors.New("media: no WAV file")

// ReadWAV reads a recording: one channel, 8,000 or 16,000 samples a second,
// as 16-bit PCM, A-law or µ-law.
func ReadWAV(b []byte) (Sound, error) {
	if len(b) < 12 || string(b[:4]) != "RIFF" || string(b[8:12]) != "WAVE" {
		return nil, errWAV
	}
	var format []byte
	for b = b[12:]; len(b) >= 8; {
		name, size := string(b[:4]), int64(binary.LittleEndian.Uint32(b[4:]))
		b = b[8:]
		body := b[:min(size, int64(len(b)))]
		switch name {
		case "fmt ":
			format = body
		case "data":
			// Programs that write to a pipe leave the size open; what is there
			// is what there is.
			return readSamples(format, body)
		}
		b = b[min(size+size&1, int64(len(b))):]
	}
	return nil, errWAV
}

func readSamples(format, data []byte) (Sound, error) {
	if len(format) < 16 {
		return nil, errWAV
	}
	kind, channels := binary.LittleEndian.Uint16(format), binary.LittleEndian.Uint16(format[2:])
	rate, depth := binary.LittleEndian.Uint32(format[4:]), binary.LittleEndian.Uint16(format[14:])
	switch {
	case channels != 1:
		return nil, fmt.Errorf("media: a recording of %d channels, want one", channels)
	case rate != Rate && rate != 2*Rate:
		return nil, fmt.Errorf("media: a recording at %d Hz, want 8000 or 16000", rate)
	case len(data) > maxWAV:
		return nil, fmt.Errorf("media: a recording of %d bytes, at most %d", len(data), maxWAV)
	}
	var s Sound
	switch {
	case kind == wavPCM && depth == 16:
		s = make(Sound, len(data)/2)
		for i := range s {
			s[i] = int16(binary.LittleEndian.Uint16(data[2*i:]))
		}
	case kind == wavALaw && depth == 8:
		s = PCMA.Linear(make(Sound, 0, len(data)), data)
	case kind == wavULaw && depth == 8:
		s = PCMU.Linear(make(Sound, 0, len(data)), data)
	default:
		return nil, fmt.Errorf("media: a recording of kind %d with %d bits, want PCM 16, A-law or µ-law", kind, depth)
	}
	if rate == 2*Rate {
		s = halved(s)
	}
	return s, nil
}

// halved takes a sound at twice the rate down to Rate.
func halved(s Sound) Sound {
	d := NewDecimator(2)
	f := make([]float32, len(s)+len(d.taps)/2) // the filter's own delay
	for i, v := range s {
		f[i] = float32(v) / 32768
	}
	out := d.Append(make(Sound, 0, len(f)/2+1), f)
	return out[len(d.taps)/4:]
}

// AppendWAV appends the sound as a µ-law file.
func AppendWAV(b []byte, s Sound) []byte {
	le := binary.LittleEndian
	pad := len(s) & 1
	b = append(b, "RIFF"...)
	b = le.AppendUint32(b, uint32(4+8+18+8+4+8+len(s)+pad))
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 18)
	b = le.AppendUint16(b, wavULaw)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint32(b, Rate)
	b = le.AppendUint32(b, Rate)
	b = le.AppendUint16(b, 1)
	b = le.AppendUint16(b, 8)
	b = le.AppendUint16(b, 0)
	b = append(b, "fact"...)
	b = le.AppendUint32(b, 4)
	b = le.AppendUint32(b, uint32(len(s)))
	b = append(b, "data"...)
	b = le.AppendUint32(b, uint32(len(s)))
	at := len(b)
	b = append(b, make([]byte, len(s)+pad)...)
	PCMU.encode(b[at:at+len(s)], s)
	return b
}
