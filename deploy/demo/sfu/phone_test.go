package sfu_test

import (
	"context"
	"encoding/binary"
	"math"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-logr/logr"
	lk "github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	pionmedia "github.com/pion/webrtc/v4/pkg/media"

	"vestibule/conference"
	"vestibule/conference/livekit"
	"vestibule/deploy/demo/sfu"
	"vestibule/dialin/media"
	"vestibule/dialin/room"
)

// TestPhone takes a telephone, with real packets, into a real room.
func TestPhone(t *testing.T) {
	s := start(t, sfu.Config{})
	defer stop(t, s)
	b, err := livekit.New(livekit.Config{URL: s.URL, Key: s.Key, Secret: s.Secret})
	if err != nil {
		t.Fatal(err)
	}
	rooms, err := room.New(room.Config{Passes: b})
	if err != nil {
		t.Fatal(err)
	}
	house := &house{s: s, b: b, rooms: rooms}
	t.Run("telephone and browser hear each other", house.talk)
	t.Run("callers share what the room says", house.party)
	t.Run("mute, by the host and by oneself", house.mute)
	t.Run("who comes and goes is told", house.told)
	t.Run("comes back after a break", house.reconnects)
	t.Run("removed, and the room ended", house.removed)
	t.Run("leaves at once", house.leaves)
	t.Run("gives up", house.givesUp)
}

type house struct {
	s     *sfu.Server
	b     *livekit.Backend
	rooms *room.Rooms
}

func grants(room, admission string) conference.Grants {
	return conference.Grants{Admission: admission, Room: room, Name: "Salle 1", Microphone: true}
}

// join opens the room and takes a caller in.
func (h *house) join(t *testing.T, name, admission string) media.Leg {
	t.Helper()
	if err := h.b.Open(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	leg, err := h.rooms.Join(t.Context(), grants(name, admission))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(leg.Close)
	t.Logf("joined in %v", time.Since(begun))
	return leg
}

// talk: the caller's 440 Hz reach the browser, the browser's 1 kHz the caller.
func (h *house) talk(t *testing.T) {
	leg := h.join(t, "talk", "phone")
	browser := h.browser(t, "talk", "anna")
	browser.play(t, "../../../dialin/room/testdata/tone-celt.opus")
	caller := dialled(t)
	caller.session.Bridge(leg)
	until(t, "the browser hears 440 Hz", func() bool { return purity(browser.last(4000), 440) > 15 })
	until(t, "the caller hears 1 kHz", func() bool { return purity(caller.last(4000), 1000) > 15 })
	if p := purity(caller.last(4000), 440); p > -10 {
		t.Errorf("the caller hears themselves at %.0f dB", p)
	}
	if got := browser.name(); got != "Salle 1" {
		t.Errorf("the browser sees %q", got)
	}
	until(t, "the room sees that the caller speaks", func() bool { return browser.sees("phone") })
	// From the first packet that is loud to the first that is heard. The
	// conference server and 20 ms of packet each way are in it; a browser's
	// own buffer is not.
	for range 5 {
		t.Logf("telephone to room %v, room to telephone %v", delay(t, &caller.hush, &browser.ear), delay(t, &browser.hush, &caller.ear))
	}
	if st := caller.session.Stats(); st.Foreign > 0 || st.Unsent > 0 {
		t.Errorf("%+v", st)
	}
}

func (h *house) mute(t *testing.T) {
	leg := h.join(t, "mute", "phone")
	browser := h.browser(t, "mute", "anna")
	caller := dialled(t)
	caller.session.Bridge(leg)
	until(t, "the browser hears the caller", func() bool { return purity(browser.last(4000), 440) > 15 })
	leg.Mute(true)
	signalled(t, leg, media.Muted)
	until(t, "the browser hears nothing", browser.silent)
	leg.Mute(false)
	signalled(t, leg, media.Unmuted)
	until(t, "the browser hears the caller again", func() bool { return !browser.silent() })

	if err := h.b.Mute(t.Context(), "mute", "phone"); err != nil {
		t.Fatal(err)
	}
	signalled(t, leg, media.Muted)
	until(t, "the browser hears nothing after the host's mute", browser.silent)
	leg.Mute(false)
	signalled(t, leg, media.Unmuted)
	until(t, "the browser hears the caller once more", func() bool { return !browser.silent() })
}

func (h *house) told(t *testing.T) {
	leg := h.join(t, "told", "phone")
	h.browser(t, "told", "anna")
	// The server gathers for three seconds what is told of the silent.
	signalled(t, leg, media.Joined)
	if err := h.b.Remove(t.Context(), "told", "anna"); err != nil {
		t.Fatal(err)
	}
	signalled(t, leg, media.Left)
}

// reconnects: the signalling breaks, the caller is heard on, and nobody is
// told to have come or gone.
func (h *house) reconnects(t *testing.T) {
	wire := newWire(t, strings.TrimPrefix(h.s.URL, "http://"))
	rooms, err := room.New(room.Config{Passes: through{h.b, "http://" + wire.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	by := &house{s: h.s, b: h.b, rooms: rooms}
	leg := by.join(t, "again", "phone")
	browser := h.browser(t, "again", "anna")
	signalled(t, leg, media.Joined)
	caller := dialled(t)
	caller.session.Bridge(leg)
	until(t, "the browser hears the caller", func() bool { return purity(browser.last(4000), 440) > 15 })
	for n := range 3 {
		had := wire.count()
		wire.cut()
		// A break while the conference client settles after the one before is
		// noticed late by it.
		untilIn(t, 40*time.Second, "the door comes back", func() bool { return wire.count() > had })
		leg.Mute(true)
		signalled(t, leg, media.Muted)
		until(t, "the browser hears nothing", browser.silent)
		leg.Mute(false)
		signalled(t, leg, media.Unmuted)
		until(t, "the browser hears the caller again", func() bool { return !browser.silent() })
		if t.Failed() {
			t.Fatalf("in round %d", n)
		}
	}
	if err := h.b.Remove(t.Context(), "again", "phone"); err != nil {
		t.Fatal(err)
	}
	signalled(t, leg, media.Removed)
}

func (h *house) removed(t *testing.T) {
	leg := h.join(t, "removed", "phone")
	if err := h.b.Remove(t.Context(), "removed", "phone"); err != nil {
		t.Fatal(err)
	}
	signalled(t, leg, media.Removed)
	if _, open := <-leg.Signals(); open {
		t.Error("something is told after the removal")
	}
	leg = h.join(t, "removed", "phone2")
	if err := h.b.Close(t.Context(), "removed"); err != nil {
		t.Fatal(err)
	}
	signalled(t, leg, media.Over)
}

func (h *house) leaves(t *testing.T) {
	leg := h.join(t, "leaves", "phone")
	h.browser(t, "leaves", "anna")
	begun := time.Now()
	leg.Close()
	// 20 ms on a machine with nothing else to do.
	if d := time.Since(begun); d > 500*time.Millisecond {
		t.Errorf("Close took %v", d)
	}
	for {
		inside, err := h.b.Participants(t.Context(), "leaves")
		if err != nil {
			t.Fatal(err)
		}
		if len(inside) == 1 {
			break
		}
		if time.Since(begun) > 5*time.Second {
			t.Fatalf("%v are inside", inside)
		}
	}
	t.Logf("out after %v", time.Since(begun))
	if d := time.Since(begun); d > 500*time.Millisecond {
		t.Errorf("the server saw the caller leave after %v", d)
	}
	leg.Close()
	if _, open := <-leg.Signals(); open {
		t.Error("something is told after Close")
	}
	// Whoever hangs up and calls again is not taken for the one who left.
	for range 10 {
		leg := h.join(t, "leaves", "phone")
		leg.Close()
	}
	leg = h.join(t, "leaves", "phone")
	select {
	case s := <-leg.Signals():
		t.Errorf("signal %d after joining again", s)
	case <-time.After(300 * time.Millisecond):
	}
}

func (h *house) givesUp(t *testing.T) {
	if _, err := h.rooms.Join(t.Context(), grants("no such room", "phone")); err == nil {
		t.Error("joined a room that nobody opened")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	begun := time.Now()
	if _, err := h.rooms.Join(ctx, grants("talk", "late")); err == nil || time.Since(begun) > time.Second {
		t.Errorf("joined after %v with a context that has ended: %v", time.Since(begun), err)
	}
}

// delay lets somebody fall silent and speak again, and returns how long it is
// until the other one hears that.
func delay(t *testing.T, hush *atomic.Bool, other *ear) time.Duration {
	t.Helper()
	hush.Store(true)
	time.Sleep(500 * time.Millisecond) // until all that was said has been heard
	other.mu.Lock()
	other.loud = make(chan struct{})
	loud := other.loud
	other.mu.Unlock()
	hush.Store(false)
	begun := time.Now()
	select {
	case <-loud:
	case <-time.After(5 * time.Second):
		t.Fatal("in vain: the tone is not heard again")
	}
	return time.Since(begun).Round(time.Millisecond)
}

// caller is a telephone: a socket that sends 440 Hz and keeps what it hears.
type caller struct {
	ear
	hush    atomic.Bool
	session *media.Session
}

// ear keeps what was heard.
type ear struct {
	mu   sync.Mutex
	pcm  []int16       // guarded by mu, like all
	loud chan struct{} // closed when something is heard; nil when nobody asks
}

func (e *ear) heard(codes []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := len(e.pcm)
	e.pcm = media.PCMU.Linear(e.pcm, codes)
	if e.loud != nil && media.Sound(e.pcm[at:]).Level() > -40 {
		close(e.loud)
		e.loud = nil
	}
}

// last is the newest n samples, or less.
func (e *ear) last(n int) []int16 {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]int16{}, e.pcm[max(len(e.pcm)-n, 0):]...)
}

func dialled(t *testing.T) *caller {
	t.Helper()
	local := netip.MustParseAddr("127.0.0.1")
	ports, err := media.New(media.Config{Addr: local})
	if err != nil {
		t.Fatal(err)
	}
	p, err := ports.Listen()
	if err != nil {
		t.Fatal(err)
	}
	line, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Start(line.LocalAddr().(*net.UDPAddr).AddrPort(), media.Format{Codec: media.PCMU, EventType: 101}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := &caller{session: s}
	var work sync.WaitGroup
	work.Go(func() {
		b := make([]byte, 1500)
		for {
			n, _, err := line.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			c.heard(b[12:n])
		}
	})
	done := make(chan struct{})
	work.Go(func() { speak(line, p.Addr(), &c.hush, done) })
	t.Cleanup(func() {
		close(done)
		s.Close()
		_ = line.Close()
		work.Wait()
	})
	return c
}

// speak sends 440 Hz, or silence, until done.
func speak(line *net.UDPConn, to netip.AddrPort, hush *atomic.Bool, done <-chan struct{}) {
	tone := media.Tone(440, 1010*time.Millisecond, -10)[40:8040]
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	b := append([]byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}, make([]byte, 160)...)
	for n := uint32(0); ; n++ {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		binary.BigEndian.PutUint16(b[2:], uint16(n))
		binary.BigEndian.PutUint32(b[4:], n*160)
		media.ULaw(b[12:], tone[n%50*160:][:160])
		if hush.Load() {
			media.ULaw(b[12:], make([]int16, 160))
		}
		_, _ = line.WriteToUDPAddrPort(b, to)
	}
}

// browser is another participant, as LiveKit's own client is.
type browser struct {
	ear
	hush atomic.Bool
	room *lksdk.Room

	mu       sync.Mutex
	seen     string          // the caller's name; guarded by mu, like all below
	speaking map[string]bool // whom the room showed to speak
}

func (h *house) browser(t *testing.T, name, identity string) *browser {
	t.Helper()
	b := &browser{speaking: map[string]bool{}}
	cb := lksdk.NewRoomCallback()
	cb.OnTrackSubscribed = func(track *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, p *lksdk.RemoteParticipant) {
		b.mu.Lock()
		b.seen = p.Name()
		b.mu.Unlock()
		go func() {
			for {
				p, _, err := track.ReadRTP()
				if err != nil {
					return
				}
				b.heard(p.Payload)
			}
		}()
	}
	cb.OnActiveSpeakersChanged = func(all []lksdk.Participant) {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, p := range all {
			b.speaking[p.Identity()] = true
		}
	}
	b.room = lksdk.NewRoom(cb)
	b.room.SetLogger(quiet())
	url, token, err := h.b.Leg(grants(name, identity))
	if err != nil {
		t.Fatal(err)
	}
	if err := b.room.JoinWithContextAndToken(t.Context(), url, token, lksdk.WithDisableRegionDiscovery(), lksdk.WithLogger(quiet())); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.room.Disconnect)
	return b
}

func quiet() logger.Logger { return logger.LogRLogger(logr.Discard()) }

func (b *browser) name() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.seen
}

func (b *browser) sees(identity string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.speaking[identity]
}

// silent reports whether nothing arrives any more.
func (b *browser) silent() bool {
	count := func() int {
		b.ear.mu.Lock()
		defer b.ear.mu.Unlock()
		return len(b.pcm)
	}
	before := count()
	time.Sleep(100 * time.Millisecond) // five packets' time
	return count() == before || media.Sound(b.last(400)).Level() < -60
}

// play publishes a file of Opus packets, again and again.
func (b *browser) play(t *testing.T, file string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	track, err := lksdk.NewLocalTrack(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{Source: lk.TrackSource_MICROPHONE}); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	done := make(chan struct{})
	work.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for at := data; ; {
			select {
			case <-done:
				return
			case <-tick.C:
			}
			if len(at) < 2 {
				at = data
			}
			n := 2 + int(binary.BigEndian.Uint16(at))
			said := at[2:n]
			if b.hush.Load() {
				said = []byte{0xF8, 0xFF, 0xFE} // 20 ms of silence
			}
			_ = track.WriteSample(pionmedia.Sample{Data: said, Duration: 20 * time.Millisecond}, nil)
			at = at[n:]
		}
	})
	t.Cleanup(func() { close(done); work.Wait() })
}

// until waits for a fact that real packets bring about.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	untilIn(t, 10*time.Second, what, is)
}

func untilIn(t *testing.T, patience time.Duration, what string, is func() bool) {
	t.Helper()
	begun := time.Now()
	for !is() {
		if time.Since(begun) > patience {
			t.Fatalf("in vain: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Logf("%s, after %v", what, time.Since(begun).Round(time.Millisecond))
}

// signalled waits for a signal and lets no other pass.
func signalled(t *testing.T, l media.Leg, want media.Signal) {
	t.Helper()
	begun := time.Now()
	defer func() { t.Logf("signal %d after %v", want, time.Since(begun).Round(time.Millisecond)) }()
	select {
	case got := <-l.Signals():
		if got != want {
			t.Errorf("signal %d, want %d", got, want)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("no signal, want %d", want)
	}
}

// purity is how far the tone of hertz stands above all the rest, in dB.
func purity(pcm []int16, hertz float64) float64 {
	if len(pcm) < 2000 {
		return -100
	}
	var re, im, all float64
	for i, v := range pcm {
		sin, cos := math.Sincos(2 * math.Pi * hertz * float64(i) / media.Rate)
		re, im, all = re+float64(v)*cos, im+float64(v)*sin, all+float64(v)*float64(v)
	}
	tone := 2 * (re*re + im*im) / float64(len(pcm))
	return 10 * math.Log10(tone/math.Max(all-tone, 1))
}
