package media_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vestibule/dialin/media"
)

// FuzzPacket feeds a session whatever the network may bring, as one datagram
// of the right host after another.
func FuzzPacket(f *testing.F) {
	f.Add(rtp(0, 1, 160, 7, make([]byte, 160)))
	f.Add(rtp(101, 1, 160, 7, []byte{5, 138, 1, 64}))
	f.Add(append([]byte{0xBF, 0}, make([]byte, 200)...))
	f.Add([]byte{0x90, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 7, 0xBE, 0xDE, 0, 1, 0x10, 1, 0, 0, 1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		h := media.NewHalf(device, ulaw)
		for n := range min(len(b), 20) {
			h.Packet(b, device)
			h.Packet(b[n:], device)
			h.Tick()
		}
		if got := h.Delay(); got < 0 || got > 1200 {
			t.Errorf("holds back %d ms", got)
		}
	})
}

// One packet in, one packet out, with a room: what a bridged call costs beside
// its room. It allocates nothing.
func BenchmarkCall(b *testing.B) {
	for name, k := range map[string]*media.Keys{
		"clear": nil, "srtp": {Profile: media.AES80, Local: make([]byte, 30), Remote: make([]byte, 30)},
	} {
		b.Run(name, func(b *testing.B) {
			h := media.NewCall(device, ulaw, k)
			packet := rtp(0, 0, 0, 7, make([]byte, 160))
			b.ReportAllocs()
			for b.Loop() {
				h.Round(packet, device)
			}
			b.ReportMetric(20e6/(float64(b.Elapsed().Nanoseconds())/float64(b.N)), "calls/core")
		})
	}
}

func TestCallAllocatesNothing(t *testing.T) {
	for _, k := range []*media.Keys{nil, {Profile: media.AES80, Local: make([]byte, 30), Remote: make([]byte, 30)}} {
		h := media.NewCall(device, ulaw, k)
		packet := rtp(0, 0, 0, 7, endlessCodes())
		for range 50 {
			h.Round(packet, device)
		}
		most := 0.0
		if k != nil {
			most = 2 // pion's replay detector; the race detector adds one
		}
		if n := testing.AllocsPerRun(200, func() { h.Round(packet, device) }); n > most {
			t.Errorf("a packet each way allocates %v times (encrypted: %v)", n, k != nil)
		}
	}
}

func endlessCodes() []byte {
	b := make([]byte, 160)
	media.ULaw(b, endless()[:160])
	return b
}

func TestLimiter(t *testing.T) {
	for _, speakers := range []int{1, 2, 5, 20} {
		var m media.Limiter
		voices := make([]media.Sound, speakers)
		for i := range voices {
			voices[i] = media.Tone(300+50*float64(i), 2*time.Second, -6)
		}
		var out media.Sound
		for at := 0; at < len(voices[0]); at += 160 {
			sum := make([]int32, 160)
			for _, v := range voices {
				for i, s := range v[at : at+160] {
					sum[i] += int32(s)
				}
			}
			frame := make([]int16, 160)
			m.Limit(frame, sum)
			out = append(out, frame...)
		}
		peak := int16(0)
		for _, v := range out {
			peak = max(peak, v, -v)
		}
		if peak > 30000 {
			t.Errorf("%d speakers: a peak of %d, want 30000 at most", speakers, peak)
		}
		for i := range voices {
			if p := power(out[8000:], 300+50*float64(i)); p < -8-20*float64(speakers)/10 {
				t.Errorf("%d speakers: number %d is heard at %.1f dB", speakers, i, p)
			}
		}
	}
	var m media.Limiter
	frame := []int16{1, 2, 3}
	m.Limit(frame, make([]int32, 3))
	if frame[0] != 0 || frame[2] != 0 {
		t.Error("nobody spoke and something is heard")
	}
}

// What is lost on the way is counted, and what comes twice or late is not.
func TestStatsCountLoss(t *testing.T) {
	call(t, ulaw, nil, func(t *testing.T, s *media.Session, p *pipe, dev *phone) {
		for _, n := range []uint16{65530, 65531, 65533, 65532, 65535, 1, 1} {
			p.to <- datagram{rtp(0, n, uint32(n-65530)*160, 7, make([]byte, 160)), device}
			time.Sleep(20 * time.Millisecond)
		}
		synctest.Wait()
		if st := s.Stats(); st.Received != 7 || st.Lost != 2 {
			t.Errorf("received %d, lost %d; want 7 and 2", st.Received, st.Lost)
		}
	})
}
