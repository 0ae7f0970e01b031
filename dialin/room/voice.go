package room

import (
	"math"
	"math/rand/v2"
	"sync/atomic"

	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/rtp"

	"vestibule/dialin/media"
)

// voice sends the caller's sound to the room, 20 ms a packet, with how loud
// it is: the room shows by that who speaks.
type voice struct {
	track *atomic.Pointer[lksdk.LocalTrack]
	kept  []int16 // less than a packet
	codes [packet]byte
	seq   uint16
	ts    uint32
	fresh bool
}

// packet is how many samples a packet to the room has.
const packet = media.Rate / 50

func newVoice(t *atomic.Pointer[lksdk.LocalTrack]) voice {
	return voice{track: t, kept: make([]int16, 0, 2*packet), seq: uint16(rand.Uint32()), ts: rand.Uint32(), fresh: true} //nolint:gosec // encrypted by DTLS-SRTP; only the start has to vary
}

func (v *voice) say(pcm []int16) {
	for len(pcm) > 0 {
		n := min(packet-len(v.kept), len(pcm))
		v.kept = append(v.kept, pcm[:n]...)
		if pcm = pcm[n:]; len(v.kept) == packet {
			v.send()
		}
	}
}

func (v *voice) send() {
	media.ULaw(v.codes[:], v.kept)
	level := loudness(v.kept)
	v.kept = v.kept[:0]
	p := rtp.Packet{
		Header:  rtp.Header{Version: 2, Marker: v.fresh, SequenceNumber: v.seq, Timestamp: v.ts},
		Payload: v.codes[:],
	}
	// A track that is not bound now, as while reconnecting, takes nothing.
	_ = v.track.Load().WriteRTP(&p, &lksdk.SampleWriteOptions{AudioLevel: &level})
	v.seq++
	v.ts += packet
	v.fresh = false
}

// pause lets n samples pass unsaid.
func (v *voice) pause(n int) {
	v.ts += uint32(n + len(v.kept))
	v.kept, v.fresh = v.kept[:0], true
}

// loudness is RFC 6464's: 0 is the loudest, 127 silence.
func loudness(pcm []int16) uint8 {
	var sum float64
	for _, s := range pcm {
		sum += float64(s) * float64(s)
	}
	db := -10 * math.Log10(sum/float64(len(pcm))/(32768*32768)+1e-13)
	return uint8(min(max(db, 0), 127))
}
