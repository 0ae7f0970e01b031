package media

import (
	"errors"
	"fmt"
	"time"
)

// Rate is how many samples a second the telephone has.
const Rate = 8000

// Codec is how sound is written on the wire. The zero value is none and is
// refused.
type Codec uint8

// The codecs of telephones, ITU-T G.711.
const (
	NoCodec Codec = iota
	PCMU          // µ-law, static payload type 0
	PCMA          // A-law, static payload type 8
)

// Format is what two ends agreed on.
type Format struct {
	// Codec is used both ways.
	Codec Codec
	// PayloadType marks the packets of the codec: 0 and 8, or what the device
	// chose between 96 and 127.
	PayloadType uint8
	// EventType marks telephone-event packets (RFC 4733), at whatever number
	// the device offered; 0 is none agreed.
	EventType uint8
	// Ptime is how much one of our packets holds: 20, 30 or 40 ms, or any
	// other multiple of 10 up to 60. Default 20ms.
	Ptime time.Duration
}

// maxType is the largest payload type that RTP can carry.
const maxType = 127

// check returns f with its defaults, or every fault of it.
func (f Format) check() (Format, error) {
	if f.Ptime == 0 {
		f.Ptime = 20 * time.Millisecond
	}
	var faults []error
	if f.Codec != PCMU && f.Codec != PCMA {
		faults = append(faults, errors.New("media: no codec"))
	}
	if f.PayloadType > maxType || f.EventType > maxType {
		faults = append(faults, errors.New("media: a payload type above 127"))
	}
	if f.EventType != 0 && f.EventType == f.PayloadType {
		faults = append(faults, errors.New("media: sound and events with one payload type"))
	}
	if f.Ptime < 10*time.Millisecond || f.Ptime > 60*time.Millisecond || f.Ptime%(10*time.Millisecond) != 0 {
		faults = append(faults, fmt.Errorf("media: packets of %v are not 10 to 60 ms in steps of 10", f.Ptime))
	}
	return f, errors.Join(faults...)
}

// samples is how many samples one packet of ours has.
func (f Format) samples() int { return int(f.Ptime * Rate / time.Second) }
