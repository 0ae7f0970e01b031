package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
)

// says sends a request over the signalling, and waits until the server has it.
func (s *socket) says(t *testing.T, r *livekit.SignalRequest) {
	t.Helper()
	b, err := proto.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.conn.Write(t.Context(), websocket.MessageBinary, b); err != nil {
		t.Fatal(err)
	}
	if !s.ping(t) {
		t.Fatal("the signalling has ended")
	}
}

// A host takes somebody's sound from the room; nobody else can, and who was muted
// speaks again when they like.
func TestHostMutes(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	desk := h.opens(m)
	defer desk.leave()
	g := s.visit()
	a := g.knock(m, "Jane Doe")
	mute := func(v *visitor) answer { return v.post(m.path("/mute"), url.Values{"admission": {a}}) }
	h.want(mute(h), http.StatusConflict, "muting who waits")
	h.admits(m, a)
	g.enters(a)
	ws := g.joins()
	defer ws.leave()
	ws.says(t, &livekit.SignalRequest{Message: &livekit.SignalRequest_AddTrack{AddTrack: &livekit.AddTrackRequest{Cid: "voice", Type: livekit.TrackType_AUDIO}}})
	room := m.snapshot().Meeting.Room
	if !s.fake.Heard(room, a) {
		t.Fatal("the guest is not heard")
	}

	var row string
	eventually(t, "the console shows them inside", func() bool {
		_, row, _ = strings.Cut(h.get(m.path("")).body, `<li data-key="i-`+a+`">`)
		return strings.Contains(row, m.path("/mute"))
	})
	if !strings.Contains(row, "Only they can switch their microphone on again") {
		t.Errorf("the console does not say who ends it\n%s", head(row))
	}
	x := s.host(surgeon())
	x.want(mute(x), http.StatusNotFound, "muting in another's meeting")
	g.want(mute(g), http.StatusUnauthorized, "a guest who mutes")
	if !s.fake.Heard(room, a) {
		t.Fatal("muted by who may not")
	}
	h.want(mute(h), http.StatusSeeOther, "muting")
	if s.fake.Heard(room, a) || !ws.ping(t) {
		t.Error("the guest is heard, or cut, after being muted")
	}
	if !strings.Contains(read(h.get(m.path(""))), "You muted Jane Doe") {
		t.Error("the log does not tell of it")
	}
	ws.says(t, &livekit.SignalRequest{Message: &livekit.SignalRequest_Mute{Mute: &livekit.MuteTrackRequest{Sid: "TR_voice"}}})
	if !s.fake.Heard(room, a) {
		t.Error("who was muted cannot speak again")
	}
}
