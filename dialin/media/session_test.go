package media_test

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/dialin/media"
)

var (
	device   = netip.MustParseAddrPort("192.0.2.10:4000")
	stranger = netip.MustParseAddrPort("198.51.100.66:4000")
	ulaw     = media.Format{Codec: media.PCMU, EventType: 101}
)

// datagram is one packet and its other end.
type datagram struct {
	b    []byte
	peer netip.AddrPort
}

// pipe is a port without a network: to is what arrives, from what was sent.
type pipe struct {
	to     chan datagram
	closed chan struct{}
	once   sync.Once

	mu   sync.Mutex
	from []datagram // guarded by mu
}

func newPipe() *pipe { return &pipe{to: make(chan datagram, 100), closed: make(chan struct{})} }

func (p *pipe) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case d := <-p.to:
		return copy(b, d.b), d.peer, nil
	case <-p.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	}
}

func (p *pipe) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from = append(p.from, datagram{bytes.Clone(b), to})
	return len(b), nil
}

func (p *pipe) LocalAddr() net.Addr { return &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }
func (p *pipe) Close() error        { p.once.Do(func() { close(p.closed) }); return nil }

func (p *pipe) sent() []datagram {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.from
}

// said is the sound of every packet sent from number n on.
func (p *pipe) said(n int, c media.Codec) []int16 {
	var pcm []int16
	for _, d := range p.sent()[n:] {
		pcm = c.Linear(pcm, d.b[12:])
	}
	return pcm
}

// rtp is one packet.
func rtp(pt byte, seq uint16, ts, ssrc uint32, payload []byte) []byte {
	b := []byte{0x80, pt}
	b = binary.BigEndian.AppendUint16(b, seq)
	b = binary.BigEndian.AppendUint32(b, ts)
	b = binary.BigEndian.AppendUint32(b, ssrc)
	return append(b, payload...)
}

// phone sends packets of one source.
type phone struct {
	p    *pipe
	addr netip.AddrPort
	ssrc uint32
	seq  uint16
	ts   uint32
}

func (f *phone) speak(pcm media.Sound) {
	for ; len(pcm) >= 160; pcm = pcm[160:] {
		codes := make([]byte, 160)
		media.ULaw(codes, pcm[:160])
		f.p.to <- datagram{rtp(0, f.seq, f.ts, f.ssrc, codes), f.addr}
		f.seq, f.ts = f.seq+1, f.ts+160
		time.Sleep(20 * time.Millisecond)
	}
}

func (f *phone) event(pt, key byte) {
	for n := range uint16(6) {
		f.p.to <- datagram{rtp(pt, f.seq, f.ts, f.ssrc, at{0, key, n > 2, min(n+1, 4) * 160}.payload()), f.addr}
		f.seq++
		time.Sleep(20 * time.Millisecond)
	}
	f.ts += 960
}

// room remembers what was said in it and answers with a tone.
type room struct {
	mu   sync.Mutex
	said media.Sound // guarded by mu, like all
	tone media.Sound
	at   int
}

func (r *room) Say(pcm []int16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.said = append(r.said, pcm...)
}

func (r *room) Hear(pcm []int16) {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(pcm)
	for i := range pcm {
		if len(r.tone) > 0 {
			pcm[i] = r.tone[r.at%len(r.tone)]
			r.at++
		}
	}
}

func (r *room) heard() media.Sound {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said
}

// call runs f with a session on a pipe, in a bubble of its own time.
func call(t *testing.T, fm media.Format, k *media.Keys, f func(t *testing.T, s *media.Session, p *pipe, dev *phone)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p := newPipe()
		s, err := media.NewPort(p).Start(device, fm, k)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		f(t, s, p, &phone{p: p, addr: device, ssrc: 7, seq: 65500})
	})
}

func digits(s *media.Session) string {
	synctest.Wait()
	got := ""
	for {
		select {
		case r := <-s.Digits():
			got += string(r)
		default:
			return got
		}
	}
}

func TestPromptIsSentInTime(t *testing.T) {
	for _, ptime := range []time.Duration{20 * time.Millisecond, 30 * time.Millisecond, 40 * time.Millisecond} {
		f := media.Format{Codec: media.PCMA, PayloadType: 8, Ptime: ptime}
		call(t, f, nil, func(t *testing.T, s *media.Session, p *pipe, _ *phone) {
			begun := time.Now()
			<-s.Play(media.Tone(1000, 600*time.Millisecond, -10), media.Tone(500, 600*time.Millisecond, -10))
			if took := time.Since(begun); took < 1200*time.Millisecond-2*ptime || took > 1200*time.Millisecond+2*ptime {
				t.Errorf("ptime %v: 1.2 s of prompt took %v", ptime, took)
			}
			pcm := p.said(0, media.PCMA)
			if a, b := purity(pcm[800:4000], 1000), purity(pcm[5600:8800], 500); a < 30 || b < 30 {
				t.Errorf("ptime %v: the tones stand %.0f and %.0f dB above the rest", ptime, a, b)
			}
			sent := p.sent()
			for i, d := range sent[1:] {
				was := sent[i].b
				if d.peer != device || d.b[1] != 8 || len(d.b) != 12+int(ptime/time.Millisecond)*8 {
					t.Fatalf("ptime %v: packet %d is %d bytes of type %d to %v", ptime, i, len(d.b), d.b[1], d.peer)
				}
				if binary.BigEndian.Uint16(d.b[2:]) != binary.BigEndian.Uint16(was[2:])+1 ||
					binary.BigEndian.Uint32(d.b[4:]) != binary.BigEndian.Uint32(was[4:])+uint32(len(d.b)-12) ||
					!bytes.Equal(d.b[8:12], was[8:12]) {
					t.Fatalf("ptime %v: packet %d does not follow the one before", ptime, i)
				}
			}
		})
	}
}

func TestDigitsByAnyWay(t *testing.T) {
	call(t, media.Format{Codec: media.PCMU, EventType: 127}, nil, func(t *testing.T, s *media.Session, p *pipe, dev *phone) {
		dev.speak(typed("12", 80*time.Millisecond, 80*time.Millisecond, -12, -12))
		dev.speak(media.Silence(400 * time.Millisecond))
		if got := digits(s); got != "12" {
			t.Errorf("in band: %q, want 12", got)
		}
		s.Press('3')
		s.Press('x')
		dev.speak(typed("45", 80*time.Millisecond, 80*time.Millisecond, -12, -12))
		dev.speak(media.Silence(400 * time.Millisecond))
		if got := digits(s); got != "3" {
			t.Errorf("SIP INFO, then in band: %q, want 3", got)
		}
		time.Sleep(time.Second)
		dev.event(127, 9)
		dev.event(101, 8) // a type nobody agreed on
		dev.event(127, 11)
		s.Press('7')
		if got := digits(s); got != "9#" {
			t.Errorf("events, then SIP INFO: %q, want 9#", got)
		}
		for range 100 {
			dev.event(127, 1)
		}
		if got := digits(s); len(got) != 32 {
			t.Errorf("%d digits waited, want 32", len(got))
		}
	})
}

// One key in two ways at once is one digit.
func TestDigitInTwoWaysIsOne(t *testing.T) {
	call(t, ulaw, nil, func(t *testing.T, s *media.Session, p *pipe, dev *phone) {
		s.Press('5')
		dev.event(101, 5)
		time.Sleep(time.Second)
		dev.event(101, 5)
		if got := digits(s); got != "55" {
			t.Errorf("%q, want 55", got)
		}
	})
}

// A second source with the right SSRC, sequence and timestamp relays nothing,
// from another host or another port, before and after the device speaks.
func TestT54SecondSourceIsNotRelayed(t *testing.T) {
	call(t, ulaw, nil, func(t *testing.T, s *media.Session, p *pipe, dev *phone) {
		r := &room{}
		s.Bridge(r)
		evil := media.Tone(1000, time.Second, -6)
		(&phone{p: p, addr: stranger, ssrc: 7, seq: 65500}).speak(evil)
		if n := s.Stats().Received; n != 0 {
			t.Errorf("%d packets of a stranger were taken before the device spoke", n)
		}
		dev.speak(media.Tone(400, 200*time.Millisecond, -20))
		var all sync.WaitGroup
		for _, from := range []netip.AddrPort{stranger, netip.AddrPortFrom(device.Addr(), 4001)} {
			e := &phone{p: p, addr: from, ssrc: 7, seq: dev.seq, ts: dev.ts}
			all.Go(func() { e.speak(evil); e.event(101, 9) })
		}
		// The right port, spoofed, without knowing the SSRC.
		spoofed := &phone{p: p, addr: device, ssrc: 8, seq: dev.seq, ts: dev.ts}
		all.Go(func() { spoofed.speak(evil) })
		dev.speak(media.Tone(400, 2*time.Second, -20))
		all.Wait()
		if got := digits(s); got != "" {
			t.Errorf("%d digits of a stranger were heard", len(got))
		}
		st := s.Stats()
		if st.Received != 110 || st.Foreign != 200+12 {
			t.Errorf("took %d and refused %d packets, want 110 and 212", st.Received, st.Foreign)
		}
		if l := power(r.heard(), 1000); l > -60 {
			t.Errorf("the stranger's tone is in the room at %.0f dB", l)
		}
		for _, d := range p.sent() {
			if d.peer != device {
				t.Fatalf("media went to %v", d.peer)
			}
		}
	})
}

// Somebody at the device's address may be faster than the device, with packets
// sent in advance. The very port that was signalled takes the lock back in the
// first seconds, once and for good; another never does.
func TestT54SignalledPortRegainsTheLock(t *testing.T) {
	for _, late := range []time.Duration{0, 4 * time.Second} {
		call(t, ulaw, nil, func(t *testing.T, s *media.Session, p *pipe, dev *phone) {
			faster := &phone{p: p, addr: netip.AddrPortFrom(device.Addr(), 4002), ssrc: 99}
			other := &phone{p: p, addr: netip.AddrPortFrom(device.Addr(), 4004), ssrc: 98}
			faster.speak(media.Silence(100 * time.Millisecond))
			other.speak(media.Silence(100 * time.Millisecond))
			if got := s.Stats().Received; got != 5 {
				t.Fatalf("took %d packets, want the faster one's 5", got)
			}
			for end := time.Now().Add(late); time.Now().Before(end); {
				faster.speak(media.Silence(100 * time.Millisecond))
			}
			before := s.Stats().Received
			dev.speak(media.Silence(200 * time.Millisecond))
			faster.speak(media.Silence(200 * time.Millisecond))
			sent := p.sent()
			got, to := s.Stats().Received-before, sent[len(sent)-1].peer
			want := device
			if late > 0 {
				want = faster.addr
			}
			if got != 10 || to != want {
				t.Errorf("%v later: took %d packets and answers %v, want 10 and %v", late, got, to, want)
			}
		})
	}
}

// A device behind a NAT sends from a port of its own; it is answered there.
func TestAnswersWhereTheDeviceIs(t *testing.T) {
	call(t, ulaw, nil, func(t *testing.T, s *media.Session, p *pipe, dev *phone) {
		dev.addr = netip.AddrPortFrom(netip.MustParseAddr("::ffff:192.0.2.10"), 61000)
		dev.speak(media.Silence(100 * time.Millisecond))
		sent := p.sent()
		if got := sent[len(sent)-1].peer; got != netip.MustParseAddrPort("192.0.2.10:61000") {
			t.Errorf("media goes to %v", got)
		}
		if err := s.Update(device, ulaw, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if got := p.sent(); got[len(got)-1].peer.Port() != 61000 {
			t.Error("a re-INVITE that changes nothing loosened the lock")
		}
		other := netip.MustParseAddrPort("192.0.2.11:5000")
		if err := s.Update(other, ulaw, nil); err != nil {
			t.Fatal(err)
		}
		dev.speak(media.Silence(100 * time.Millisecond))
		if got := p.sent(); got[len(got)-1].peer != other {
			t.Errorf("after a re-INVITE media goes to %v", got[len(got)-1].peer)
		}
	})
}

// A device that goes on with another SSRC is believed once the old one is
// silent, and not before.
func TestSSRCChangesWhenTheOldIsSilent(t *testing.T) {
	call(t, ulaw, nil, func(t *testing.T, s *media.Session, p *pipe, dev *phone) {
		dev.speak(media.Silence(time.Second))
		other := &phone{p: p, addr: device, ssrc: 99, ts: 1 << 30}
		other.speak(media.Silence(200 * time.Millisecond))
		if got := s.Stats(); got.Received != 50 || got.Foreign != 10 {
			t.Errorf("took %d, refused %d; want 50 and 10", got.Received, got.Foreign)
		}
		time.Sleep(400 * time.Millisecond)
		other.speak(media.Silence(200 * time.Millisecond))
		if got := s.Stats(); got.Received < 58 {
			t.Errorf("took %d of the new source", got.Received-50)
		}
	})
}

func TestBridge(t *testing.T) {
	call(t, ulaw, nil, func(t *testing.T, s *media.Session, p *pipe, dev *phone) {
		r := &room{tone: media.Tone(800, 1010*time.Millisecond, -10)[40:8040]}
		s.Bridge(r)
		dev.speak(media.Tone(400, 2*time.Second, -10))
		if got := purity(r.heard()[4000:12000], 400); got < 25 {
			t.Errorf("the caller's tone stands %.0f dB above the rest in the room", got)
		}
		if got := steadyAt(p.said(20, media.PCMU), 800); got < 25 {
			t.Errorf("the room's tone stands %.0f dB above the rest at the caller", got)
		}
		// A prompt is heard over the room.
		n := len(p.sent())
		s.Play(media.Tone(600, time.Second, -10))
		time.Sleep(time.Second)
		over := p.said(n+2, media.PCMU)[:6400]
		if a, b := power(over, 600), power(over, 800); a < b+9 {
			t.Errorf("prompt at %.0f dB over a room of %.0f dB", a, b)
		}
		// On hold, nothing is sent, and the device's music is not heard.
		s.Hold(true)
		time.Sleep(20 * time.Millisecond)
		synctest.Wait()
		n, m := len(p.sent()), len(r.heard())
		dev.speak(media.Tone(1200, time.Second, -6))
		dev.speak(typed("99", 80*time.Millisecond, 80*time.Millisecond, -12, -12))
		if got := digits(s); got != "" {
			t.Errorf("on hold, %d digits were heard in the music", len(got))
		}
		if a, b := len(p.sent())-n, len(r.heard())-m; a != 0 || b != 0 {
			t.Errorf("on hold, %d packets were sent and %d samples heard", a, b)
		}
		s.Hold(false)
		time.Sleep(100 * time.Millisecond)
		if d := p.sent()[n].b; d[1]&0x80 == 0 {
			t.Error("the first packet after a pause has no marker")
		}
		s.Bridge(nil)
		m = len(r.heard())
		time.Sleep(time.Second)
		if len(r.heard()) != m {
			t.Error("a room that was left is still called")
		}
	})
}

func TestCloseEndsAll(t *testing.T) {
	call(t, ulaw, nil, func(t *testing.T, s *media.Session, p *pipe, dev *phone) {
		done := s.Play(media.Tone(400, 10*time.Second, -10))
		time.Sleep(time.Second)
		s.Close()
		n := len(p.sent())
		<-done
		<-s.Play(media.Tone(400, time.Second, -10))
		time.Sleep(time.Second)
		if len(p.sent()) != n {
			t.Error("media was sent after Close")
		}
		s.Close()
	})
}

func TestStartRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		to netip.AddrPort
		f  media.Format
		k  *media.Keys
	}{
		"no format":         {device, media.Format{}, nil},
		"no address":        {netip.AddrPort{}, ulaw, nil},
		"the wildcard":      {netip.MustParseAddrPort("0.0.0.0:4000"), ulaw, nil},
		"a group":           {netip.MustParseAddrPort("224.0.0.1:4000"), ulaw, nil},
		"port 0":            {netip.AddrPortFrom(device.Addr(), 0), ulaw, nil},
		"one type for both": {device, media.Format{Codec: media.PCMA, PayloadType: 8, EventType: 8}, nil},
		"odd ptime":         {device, media.Format{Codec: media.PCMU, Ptime: 25 * time.Millisecond}, nil},
		"short keys":        {device, ulaw, &media.Keys{Profile: media.AES80, Local: make([]byte, 30), Remote: make([]byte, 29)}},
		"no profile":        {device, ulaw, &media.Keys{}},
	} {
		if _, err := media.NewPort(newPipe()).Start(c.to, c.f, c.k); err == nil {
			t.Errorf("%s: started", name)
		}
	}
}

func steadyAt(pcm []int16, hertz float64) float64 { return purity(pcm[:len(pcm)/80*80], hertz) }
