package sfu_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	lk "github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	pionmedia "github.com/pion/webrtc/v4/pkg/media"

	"vestibule/conference/livekit"
	"vestibule/deploy/demo/sfu"
)

// far is everything of a benchmark that is not the door: the conference
// server, the people in it, and the telephones. It is a process of its own, so
// that the CPU counted is the door's, and does what is said on its standard
// input, line by line.
type far struct {
	s      *sfu.Server
	b      *livekit.Backend
	rooms  int
	first  *guestVoice
	phones []*farPhone
}

// farVariable is set in its environment.
const farVariable = "VESTIBULE_BENCH_FAR"

// runFar is the process.
func runFar() error {
	ctx := context.Background()
	s, err := sfu.Start(ctx, sfu.Config{})
	if err != nil {
		return err
	}
	b, err := livekit.New(livekit.Config{URL: s.URL, Key: s.Key, Secret: s.Secret})
	if err != nil {
		return err
	}
	f := &far{s: s, b: b}
	fmt.Println(s.URL, s.Key, s.Secret)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var what, arg string
		_, _ = fmt.Sscan(in.Text(), &what, &arg) // an argument may be missing
		answer, err := f.do(ctx, what, arg)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		fmt.Println(answer)
	}
	return nil
}

func (f *far) do(ctx context.Context, what, arg string) (any, error) {
	switch what {
	case "room":
		return "open", f.open(ctx, arg)
	case "phone":
		return f.dial(arg)
	case "listen":
		for _, p := range f.phones {
			p.late.Store(0)
			p.all.Store(0)
		}
		return "ok", nil
	case "late":
		var late, all int64
		for _, p := range f.phones {
			late, all = late+p.late.Load(), all+p.all.Load()
		}
		return fmt.Sprint(late, " ", all), nil
	case "delay":
		in, out := f.delays()
		return fmt.Sprint(in.Microseconds(), " ", out.Microseconds()), nil
	}
	return nil, errors.New("not understood")
}

// guestVoice is the one who speaks in a room.
type guestVoice struct {
	ear
	hush atomic.Bool
}

// open makes a room where one person talks; in the first, a tone, and they
// listen.
func (f *far) open(ctx context.Context, name string) error {
	if err := f.b.Open(ctx, name); err != nil {
		return err
	}
	first := f.rooms == 0
	f.rooms++
	g := &guestVoice{}
	cb := lksdk.NewRoomCallback()
	cb.OnTrackSubscribed = func(t *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
		go func() {
			for {
				p, _, err := t.ReadRTP()
				if err != nil {
					return
				}
				g.heard(p.Payload)
			}
		}()
	}
	room := lksdk.NewRoom(cb)
	room.SetLogger(quiet())
	url, token, err := f.b.Leg(grants(name, "anna"))
	if err != nil {
		return err
	}
	if err := room.JoinWithContextAndToken(ctx, url, token, lksdk.WithAutoSubscribe(first), lksdk.WithDisableRegionDiscovery(), lksdk.WithLogger(quiet())); err != nil {
		return err
	}
	track, err := lksdk.NewLocalTrack(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2})
	if err != nil {
		return err
	}
	if _, err := room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{Source: lk.TrackSource_MICROPHONE}); err != nil {
		return err
	}
	file := "speech-stereo"
	if first {
		f.first, file = g, "tone-celt"
	}
	data, err := os.ReadFile("../../../dialin/room/testdata/" + file + ".opus")
	if err != nil {
		return err
	}
	go g.talk(track, data)
	return nil
}

func (g *guestVoice) talk(track *lksdk.LocalTrack, data []byte) {
	at := data
	for range time.Tick(20 * time.Millisecond) {
		if len(at) < 2 {
			at = data
		}
		n := 2 + int(binary.BigEndian.Uint16(at))
		said := at[2:n]
		if g.hush.Load() {
			said = []byte{0xF8, 0xFF, 0xFE} // 20 ms of silence
		}
		at = at[n:]
		_ = track.WriteSample(pionmedia.Sample{Data: said, Duration: 20 * time.Millisecond}, nil)
	}
}

// farPhone speaks to the door and counts what comes from it 40 ms or more
// after its turn, which is 20 ms after the packet before.
type farPhone struct {
	ear
	hush      atomic.Bool
	late, all atomic.Int64
}

func (f *far) dial(door string) (int, error) {
	to, err := netip.ParseAddrPort(door)
	if err != nil {
		return 0, err
	}
	line, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(to.Addr(), 0)))
	if err != nil {
		return 0, err
	}
	p := &farPhone{}
	first := len(f.phones) == 0
	p.hush.Store(!first && f.rooms == 1) // in the first room only the first is heard
	f.phones = append(f.phones, p)
	go speak(line, to, &p.hush, nil)
	go p.listen(line, first)
	return line.LocalAddr().(*net.UDPAddr).Port, nil //nolint:forcetypeassert // it is one
}

func (p *farPhone) listen(line *net.UDPConn, ear bool) {
	b := make([]byte, 1500)
	before := time.Now()
	for {
		n, _, err := line.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		now := time.Now()
		p.all.Add(1)
		if now.Sub(before) >= 60*time.Millisecond {
			p.late.Add(1)
		}
		before = now
		if ear && n > 12 {
			p.heard(b[12:n])
		}
	}
}

// delays are from the first loud packet of the first telephone to the room's
// hearing it, and back.
func (f *far) delays() (in, out time.Duration) {
	p := f.phones[0]
	return tone(&p.hush, &f.first.ear), tone(&f.first.hush, &p.ear)
}

// tone lets somebody fall silent and speak again, and returns how long it is
// until the other one hears that; 0 for never.
func tone(hush *atomic.Bool, other *ear) time.Duration {
	hush.Store(true)
	time.Sleep(500 * time.Millisecond) // until all that was said has been heard
	loud := make(chan struct{})
	other.mu.Lock()
	other.loud, other.pcm = loud, nil
	other.mu.Unlock()
	hush.Store(false)
	begun := time.Now()
	select {
	case <-loud:
		return time.Since(begun)
	case <-time.After(3 * time.Second):
		return 0
	}
}

// farSide is the process, as the benchmark sees it.
type farSide struct {
	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
}

// ask says a line and reads the answer.
func (f *farSide) ask(a ...any) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := fmt.Fprintln(f.in, a...); err != nil {
		return "", err
	}
	return f.out.ReadString('\n')
}
