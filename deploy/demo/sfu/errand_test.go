//go:build linux

package sfu_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	lk "github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"
	"github.com/pion/webrtc/v4"
	pionmedia "github.com/pion/webrtc/v4/pkg/media"

	"vestibule/deploy/demo/sfu"
	"vestibule/turn"
)

// errandVariable has a process do an errand in place of the tests.
const errandVariable = "VESTIBULE_ERRAND"

// What those in the town have agreed on.
const (
	town      = "town" // the room
	doorPort  = "8080"
	relayPort = "3478"
)

// errand is what a person on a machine of the town does.
type errand struct {
	Do      string // one of the cases of do
	Streets streets
	To      string // the address it is about
	Token   string // that joins the room
	ICE     string // what the conference server tells to ask
}

// report is what came of it.
type report struct {
	Fault                          string
	Key, Secret, Signalling, Media string // of the conference server
	Packets                        int    // of sound that arrived
	Open                           bool
}

func TestMain(m *testing.M) {
	if os.Getenv(farVariable) != "" {
		lksdk.SetLogger(quiet())
		if err := runFar(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	text := os.Getenv(errandVariable)
	if text == "" {
		os.Exit(m.Run())
	}
	lksdk.SetLogger(quiet())
	var e errand
	err := json.Unmarshal([]byte(text), &e)
	var r report
	if err == nil {
		r, err = e.do(context.Background())
	}
	if err != nil {
		r.Fault = e.Do + ": " + err.Error()
	}
	_ = json.NewEncoder(os.Stdout).Encode(r)
	_, _ = io.Copy(io.Discard, os.Stdin) // what was begun goes on until then
}

func (e errand) do(ctx context.Context) (report, error) {
	switch e.Do {
	case "serve":
		return e.serve(ctx)
	case "relay":
		return report{}, e.relay(ctx)
	case "speak":
		return report{}, e.speak(ctx, lksdk.WithICETransportPolicy(webrtc.ICETransportPolicyRelay))
	case "speak directly":
		return report{}, e.speak(ctx, lksdk.WithDisableTURN())
	case "listen":
		return e.listen(ctx, lksdk.WithICETransportPolicy(webrtc.ICETransportPolicyRelay))
	case "listen directly":
		return e.listen(ctx, lksdk.WithDisableTURN())
	case "knock":
		c, err := net.DialTimeout("tcp", e.To, time.Second)
		if err == nil {
			err = c.Close()
		}
		return report{Open: err == nil}, nil
	}
	return report{}, errors.New("nobody knows how")
}

// serve is the conference server, with one room.
func (e errand) serve(ctx context.Context) (report, error) {
	s, err := sfu.StartAt(ctx, sfu.Place{IP: e.Streets.Conference, NIC: "eth0", ICE: e.ICE})
	if err != nil {
		return report{}, err
	}
	if _, err := lksdk.NewRoomServiceClient(s.URL, s.Key, s.Secret).CreateRoom(ctx, &lk.CreateRoomRequest{Name: town}); err != nil {
		return report{}, err
	}
	u, err := url.Parse(s.URL)
	return report{Key: s.Key, Secret: s.Secret, Signalling: u.Port(), Media: strconv.Itoa(s.Port)}, err
}

// relayConfig is the relay of the door.
func relayConfig(s streets) turn.Config {
	conference := netip.MustParseAddr(s.Conference)
	return turn.Config{
		Secret: []byte("0123456789abcdef0123456789abcdef"), Realm: "visio.test",
		PublicIPs: []netip.Addr{netip.MustParseAddr(s.Outside)},
		Peers:     turn.PeerPolicy{Prefixes: []netip.Prefix{netip.PrefixFrom(conference, conference.BitLen())}, MinPort: 30_000, MaxPort: 32_767},
		Quota:     10, // every participant of the test has the same
	}
}

// relay is the door, as far as traffic goes.
func (e errand) relay(ctx context.Context) error {
	s, err := turn.New(relayConfig(e.Streets))
	if err != nil {
		return err
	}
	if err := s.Listen(ctx, turn.Addresses{UDP: []string{net.JoinHostPort(e.Streets.Outside, relayPort)}}); err != nil {
		return err
	}
	go func() { _ = s.Serve(ctx) }()
	ln, err := net.Listen("tcp", net.JoinHostPort(e.Streets.Outside, doorPort))
	if err != nil {
		return err
	}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: e.To})
	go func() { _ = http.Serve(ln, proxy) }()
	return nil
}

// speak publishes sound for as long as it is let.
func (e errand) speak(ctx context.Context, how lksdk.ConnectOption) error {
	room, err := e.join(ctx, lksdk.NewRoomCallback(), how)
	if err != nil {
		return err
	}
	track, err := lksdk.NewLocalTrack(webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeOpus, ClockRate: 48000, Channels: 2})
	if err != nil {
		return err
	}
	if _, err := room.LocalParticipant.PublishTrack(track, &lksdk.TrackPublicationOptions{Source: lk.TrackSource_MICROPHONE}); err != nil {
		return err
	}
	go func() {
		for range time.Tick(20 * time.Millisecond) {
			_ = track.WriteSample(pionmedia.Sample{Data: []byte{0xF8, 0xFF, 0xFE}, Duration: 20 * time.Millisecond}, nil)
		}
	}()
	return nil
}

// listen counts what arrives: until there is a second of sound, or so long
// that none will come.
func (e errand) listen(ctx context.Context, how lksdk.ConnectOption) (report, error) {
	const enough = 50
	var packets atomic.Int64
	done := make(chan struct{})
	cb := lksdk.NewRoomCallback()
	cb.OnTrackSubscribed = func(track *webrtc.TrackRemote, _ *lksdk.RemoteTrackPublication, _ *lksdk.RemoteParticipant) {
		for {
			if _, _, err := track.ReadRTP(); err != nil {
				return
			}
			if packets.Add(1) == enough {
				close(done)
			}
		}
	}
	room, err := e.join(ctx, cb, how)
	if err == nil {
		defer room.Disconnect()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
		}
	}
	// Not to get in is what some are for.
	return report{Packets: int(packets.Load())}, nil
}

func (e errand) join(ctx context.Context, cb *lksdk.RoomCallback, how lksdk.ConnectOption) (*lksdk.Room, error) {
	room := lksdk.NewRoom(cb)
	room.SetLogger(quiet())
	return room, room.JoinWithContextAndToken(ctx, "http://"+e.To, e.Token,
		how, lksdk.WithConnectTimeout(8*time.Second), lksdk.WithDisableRegionDiscovery(), lksdk.WithLogger(quiet()))
}
