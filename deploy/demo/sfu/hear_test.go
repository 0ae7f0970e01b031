package sfu_test

import (
	"strings"
	"testing"
	"time"

	lk "github.com/livekit/protocol/livekit"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"vestibule/conference/livekit"
	"vestibule/deploy/demo/sfu"
	"vestibule/dialin/media"
	"vestibule/dialin/room"
)

// halls is a conference server that names a STUN server which does not answer,
// with a room of the name.
func halls(t *testing.T, name string) *house {
	t.Helper()
	s, err := sfu.StartAt(t.Context(), sfu.Place{IP: "127.0.0.1", NIC: "lo", ICE: `stun_servers: ["127.0.0.1:9"]`})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, s) })
	b, err := livekit.New(livekit.Config{URL: s.URL, Key: s.Key, Secret: s.Secret})
	if err != nil {
		t.Fatal(err)
	}
	rooms, err := room.New(room.Config{Passes: b}) // which also silences the client's library
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Open(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	return &house{s: s, b: b, rooms: rooms}
}

// by is the same, reached by a wire.
func (h *house) by(t *testing.T) (*house, *wire) {
	t.Helper()
	wire := newWire(t, strings.TrimPrefix(h.s.URL, "http://"))
	rooms, err := room.New(room.Config{Passes: through{h.b, "http://" + wire.Addr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	return &house{s: h.s, b: h.b, rooms: rooms}, wire
}

const celt = "../../../dialin/room/testdata/tone-celt.opus"

// A caller who is alone hears the room again within seconds of each break of
// the door's signalling, however soon after joining it comes, and though the
// conference server names a STUN server that does not answer.
func TestCallerHearsAfterABreak(t *testing.T) {
	h := halls(t, "hears")
	h.browser(t, "hears", "anna").play(t, celt)
	for n := range 4 {
		door, wire := h.by(t)
		leg := door.join(t, "hears", "phone")
		caller := dialled(t)
		caller.session.Bridge(leg)
		time.Sleep(time.Duration(n) * 250 * time.Millisecond) // when it breaks
		had := wire.count()
		wire.cut()
		until(t, "the door comes back", func() bool { return wire.count() > had })
		caller.forget()
		begun := time.Now()
		until(t, "the caller hears 1 kHz after the break", func() bool { return purity(caller.last(4000), 1000) > 15 })
		if d := time.Since(begun); d > 5*time.Second { // some 0.3 s, of which 0.25 are what is listened to
			t.Errorf("in round %d the caller hears nothing for %v", n, d)
		}
		leg.Close()
	}
}

// A caller who is alone and is sent nothing more after a break, because what the
// conference server said of its new addresses got lost, is taken into the room
// once more; the line stands all the while.
func TestDeafCallerIsTakenInOnceMore(t *testing.T) {
	h := halls(t, "deaf")
	browser := h.browser(t, "deaf", "anna")
	browser.play(t, celt)
	door, wire := h.by(t)
	leg := door.join(t, "deaf", "phone")
	caller := dialled(t)
	caller.session.Bridge(leg)
	until(t, "the caller hears 1 kHz", func() bool { return purity(caller.last(4000), 1000) > 15 })
	had := wire.count()
	wire.next(0, 1)
	wire.cut()
	until(t, "the door comes back", func() bool { return wire.count() > had })
	until(t, "the caller is deaf", func() bool { return media.Sound(caller.last(800)).Level() < -60 })
	begun := time.Now()
	until(t, "the caller hears 1 kHz again", func() bool { return purity(caller.last(4000), 1000) > 15 })
	if d := time.Since(begun); d > 9*time.Second { // the client itself takes 15
		t.Errorf("the caller hears nothing for %v", d)
	}
	browser.forget()
	until(t, "the browser hears the caller", func() bool { return purity(browser.last(4000), 440) > 15 })
	for more := true; more; {
		select {
		case s := <-leg.Signals():
			if s == media.NoSignal || s >= media.Removed {
				t.Fatalf("signal %d: the call is over", s)
			}
		default:
			more = false
		}
	}
}

// Who was muted when the door had to join anew is muted still and may speak
// again with *6, whether they did it themselves or the host does afterwards.
func TestMuteOutlastsJoiningAnew(t *testing.T) {
	h := halls(t, "mute")
	browser := h.browser(t, "mute", "anna")
	door, wire := h.by(t)
	leg := door.join(t, "mute", "phone")
	caller := dialled(t)
	caller.session.Bridge(leg)
	until(t, "the browser hears the caller", func() bool { return purity(browser.last(4000), 440) > 15 })
	leg.Mute(true)
	said(t, leg, media.Muted)
	was := h.inside(t, "mute", "phone")
	wire.next(2, 0) // so that the client gives its old place up
	wire.cut()
	until(t, "the caller is back, and muted", func() bool {
		p := h.inside(t, "mute", "phone")
		return p != nil && p.Sid != was.Sid && len(p.Tracks) == 1 && p.Tracks[0].Muted
	})
	if !browser.silent() {
		t.Error("the browser hears who is muted")
	}
	leg.Mute(false)
	said(t, leg, media.Unmuted)
	until(t, "the browser hears the caller again", func() bool { return !browser.silent() })
	p := h.inside(t, "mute", "phone")
	if p.Tracks[0].Muted {
		t.Error("the room shows who speaks as muted")
	}
	api := lksdk.NewRoomServiceClient(h.s.URL, h.s.Key, h.s.Secret)
	if _, err := api.MutePublishedTrack(t.Context(), &lk.MuteRoomTrackRequest{Room: "mute", Identity: "phone", TrackSid: p.Tracks[0].Sid, Muted: true}); err != nil {
		t.Fatal(err)
	}
	said(t, leg, media.Muted)
	until(t, "the browser hears nothing after the host's mute", browser.silent)
	leg.Mute(false)
	said(t, leg, media.Unmuted)
	until(t, "the browser hears the caller once more", func() bool { return !browser.silent() })
}

// inside is a participant as the conference server has them; nil: not there.
func (h *house) inside(t *testing.T, room, identity string) *lk.ParticipantInfo {
	t.Helper()
	all, err := lksdk.NewRoomServiceClient(h.s.URL, h.s.Key, h.s.Secret).ListParticipants(t.Context(), &lk.ListParticipantsRequest{Room: room})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all.Participants {
		if p.Identity == identity {
			return p
		}
	}
	return nil
}

// said waits for a signal among those of who comes and goes.
func said(t *testing.T, leg media.Leg, want media.Signal) {
	t.Helper()
	end := time.After(10 * time.Second)
	for {
		select {
		case got := <-leg.Signals():
			switch got {
			case want:
				return
			case media.Joined, media.Left:
			default:
				t.Fatalf("signal %d, want %d", got, want)
			}
		case <-end:
			t.Fatalf("no signal %d", want)
		}
	}
}

// A caller who dials again before the door has seen the first line die takes
// their own place, and the end of the first call leaves them in it.
func TestNextCallKeepsThePlace(t *testing.T) {
	h := halls(t, "again")
	browser := h.browser(t, "again", "anna")
	for name, end := range map[string]func(media.Leg){
		"put out by the second": func(first media.Leg) { said(t, first, media.Removed) },
		"told by the door":      func(first media.Leg) { first.(interface{ Yield() }).Yield() },
	} {
		first := h.join(t, "again", "phone")
		second := h.join(t, "again", "phone")
		caller := dialled(t)
		caller.session.Bridge(second)
		end(first)
		first.Close()
		until(t, "the browser hears the second call", func() bool { return purity(browser.last(4000), 440) > 15 })
		for until := time.Now().Add(time.Second); time.Now().Before(until); time.Sleep(50 * time.Millisecond) {
			if h.inside(t, "again", "phone") == nil {
				t.Fatalf("%s: the first call's end puts the second out", name)
			}
		}
		second.Close()
	}
}

// forget drops what was heard.
func (e *ear) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.pcm = nil
}
