package room

import (
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/opus"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"vestibule/dialin/media"
)

// speaker is one voice on its way to the party.
type speaker struct {
	identity string
	by       *leg                // who is sent it
	track    *webrtc.TrackRemote // nil: a caller of the party, or a test
	// spoke is when the room last said that they speak, in Unix milliseconds.
	spoke atomic.Int64
	// got is set by every packet, and asked by the party.
	got atomic.Bool

	// Only its own goroutine decodes.
	codec  media.Codec // NoCodec: Opus
	opus   opus.Decoder
	sound  []float32
	pcm    []int16
	header rtp.Header
	last   uint32 // RTP clock of the last packet
	at     int64  // the same, without wrapping
	seq    uint16
	begun  bool

	mu  sync.Mutex
	buf media.Buffer // guarded by mu
}

const (
	// opusClock is RFC 7587's, whatever is inside.
	opusClock = 48000
	// longest is the most samples that an Opus packet can hold: 120 ms.
	longest = media.Rate * 120 / 1000
	// voices is how many others are decoded at a time; who is beyond them is,
	// while the room says that they speak.
	voices = 20
	lately = 3 * time.Second
)

func newSpeaker(mime string) (*speaker, error) {
	s := &speaker{sound: make([]float32, longest), pcm: make([]int16, 0, longest)}
	switch {
	case strings.EqualFold(mime, webrtc.MimeTypeOpus):
		// At the telephone's rate: the decoder leaves out what is above it
		// before it makes samples, which is cheaper than a filter behind and
		// as clean.
		return s, s.renew()
	case strings.EqualFold(mime, webrtc.MimeTypePCMU): // another telephone
		s.codec = media.PCMU
	case strings.EqualFold(mime, webrtc.MimeTypePCMA):
		s.codec = media.PCMA
	default:
		return nil, errors.New("room: a voice of no known codec")
	}
	return s, nil
}

func (s *speaker) renew() (err error) {
	s.opus, err = opus.NewDecoderWithOutput(media.Rate, 1)
	return err
}

// receive begins to listen to a track that the room sends.
func (l *leg) receive(t *webrtc.TrackRemote, identity string) {
	s, err := newSpeaker(t.Codec().MimeType)
	if err != nil {
		return // nothing that a telephone could play
	}
	s.track, s.identity, s.by = t, identity, l
	if !l.party.take(s) {
		return
	}
	l.begin(func() {
		s.run(func() bool { return l.party.wanted(s) })
		l.party.forget(t)
	})
}

// active notes whom the room says to speak.
func (l *leg) active(now []lksdk.Participant) {
	identities := make([]string, len(now))
	for i, p := range now {
		identities[i] = p.Identity()
	}
	l.party.active(identities, time.Now().UnixMilli())
}

// stop ends run.
func (s *speaker) stop() {
	if s.track != nil {
		_ = s.track.SetReadDeadline(time.Unix(1, 0))
	}
}

// run reads the track until it ends or stop is called.
func (s *speaker) run(wanted func() bool) {
	b := make([]byte, 1500)
	for {
		n, _, err := s.track.Read(b)
		if err != nil {
			return
		}
		s.got.Store(true)
		if wanted() {
			s.packet(b[:n])
		} else {
			s.begun = false // their numbers go on meanwhile, and wrap
		}
	}
}

// packet decodes one RTP packet into the buffer.
func (s *speaker) packet(b []byte) {
	n, err := s.header.Unmarshal(b)
	if err != nil {
		return
	}
	b = b[n:]
	if s.header.Padding && len(b) > 0 {
		b = b[:max(len(b)-int(b[len(b)-1]), 0)]
	}
	if len(b) == 0 {
		return // padding alone probes the line
	}
	// A decoder has a memory: what comes after its turn would only harm it.
	if s.begun && int16(s.header.SequenceNumber-s.seq) <= 0 {
		return
	}
	if !s.begun {
		s.begun, s.last = true, s.header.Timestamp
	}
	s.seq = s.header.SequenceNumber
	s.at += int64(int32(s.header.Timestamp - s.last))
	s.last = s.header.Timestamp
	ts := uint32(s.at)
	if s.codec == media.NoCodec {
		ts = uint32(s.at / (opusClock / media.Rate))
	}
	pcm := s.decode(b)
	if len(pcm) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Put(ts, pcm)
}

// decode returns the sound of a payload. Whoever is in the room can make one,
// so a decoder that falls over it is replaced, and the call goes on.
func (s *speaker) decode(b []byte) (pcm []int16) {
	if s.codec != media.NoCodec {
		if len(b) > longest {
			return nil
		}
		s.pcm = s.codec.Linear(s.pcm[:0], b)
		return s.pcm
	}
	defer func() {
		if recover() != nil {
			pcm = nil
			_ = s.renew()
		}
	}()
	n, err := s.opus.DecodeToFloat32(b, s.sound)
	if err != nil {
		return nil
	}
	s.pcm = s.pcm[:n]
	for i, v := range s.sound[:n] {
		s.pcm[i] = sample(v)
	}
	return s.pcm
}

func sample(v float32) int16 {
	if v != v {
		return 0 // not a number
	}
	return int16(min(max(math.Round(float64(v)*32768), -32768), 32767))
}

// take fills out with the voice's next samples.
func (s *speaker) take(out []int16) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Take(out)
}

// say puts in a caller's own voice, pause lets time pass without it.
func (s *speaker) say(pcm []int16) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf.Put(uint32(s.at), pcm)
	s.at += int64(len(pcm))
}

func (s *speaker) pause(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at += int64(n)
}
