package livekit_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	lk "github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"vestibule/conference"
	"vestibule/conference/livekit"
)

// stream is the server's side of a connection: what it says, and what it was
// told.
type stream struct {
	io.Reader
	told   bytes.Buffer
	closed bool
}

func (s *stream) Write(p []byte) (int, error) { return s.told.Write(p) }
func (s *stream) Close() error                { s.closed = true; return nil }

func anna() conference.Grants {
	return conference.Grants{Admission: "a1", Room: "r1", Name: "Anna", Microphone: true, Camera: true}
}

func annasRelay() conference.Relay {
	return conference.Relay{URLs: []string{"turn:turn.example:3478", "turns:turn.example:443?transport=tcp"}, Username: "99:a1", Credential: "c"}
}

func backend(tb testing.TB) *livekit.Backend {
	tb.Helper()
	b, err := livekit.New(livekit.Config{URL: "http://127.0.0.1:7880", Key: "key", Secret: strings.Repeat("s", 32)})
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// frame is one web socket frame in a form that tests can write down.
type frame struct {
	head byte // FIN, RSV and opcode
	mask bool
	data []byte
}

func (f frame) bytes() []byte {
	var m byte
	if f.mask {
		m = 0x80
	}
	b := []byte{f.head}
	switch n := len(f.data); {
	case n < 126:
		b = append(b, m|byte(n))
	case n <= 0xFFFF:
		b = binary.BigEndian.AppendUint16(append(b, m|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, m|127), uint64(n))
	}
	if f.mask {
		key := []byte{0xA1, 0x5C, 0x00, 0x3F}
		b = append(b, key...)
		at := len(b)
		b = append(b, f.data...)
		for i := range f.data {
			b[at+i] ^= key[i%4]
		}
		return b
	}
	return append(b, f.data...)
}

func join(frames ...frame) []byte {
	var b []byte
	for _, f := range frames {
		b = append(b, f.bytes()...)
	}
	return b
}

// parse reads back whole frames and returns what is left over.
func parse(b []byte) (all []frame, rest []byte) {
	for len(b) >= 2 {
		f := frame{head: b[0], mask: b[1]&0x80 != 0}
		n, at := int(b[1]&0x7F), 2
		switch {
		case n == 126 && len(b) >= 4:
			n, at = int(binary.BigEndian.Uint16(b[2:])), 4
		case n == 127 && len(b) >= 10:
			n, at = int(binary.BigEndian.Uint64(b[2:])), 10
		}
		var key []byte
		if f.mask && len(b) >= at+4 {
			key = b[at : at+4]
			at += 4
		}
		if n < 0 || len(b) < at+n {
			return all, b
		}
		f.data = slices.Clone(b[at : at+n])
		for i := range f.data {
			if key != nil {
				f.data[i] ^= key[i%4]
			}
		}
		all, b = append(all, f), b[at+n:]
	}
	return all, b
}

func response(m *lk.SignalResponse) []byte { return must(proto.Marshal(m)) }
func request(m *lk.SignalRequest) []byte   { return must(proto.Marshal(m)) }

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func joinResponse() *lk.SignalResponse {
	return &lk.SignalResponse{Message: &lk.SignalResponse_Join{Join: &lk.JoinResponse{
		Room:                &lk.Room{Name: "r1"},
		Participant:         &lk.ParticipantInfo{Identity: "a1"},
		IceServers:          []*lk.ICEServer{{Urls: []string{"stun:elsewhere.example"}}, {Urls: []string{"turn:elsewhere.example"}, Username: "u", Credential: "p"}},
		AlternativeUrl:      "wss://elsewhere.example",
		ClientConfiguration: &lk.ClientConfiguration{ResumeConnection: lk.ClientConfigSetting_ENABLED},
		PingInterval:        5,
	}}}
}

func pong() []byte {
	return response(&lk.SignalResponse{Message: &lk.SignalResponse_Pong{Pong: 1700000000000}})
}

// offer is a response that passes as it is, of about n bytes.
func offer(n int) []byte {
	return response(&lk.SignalResponse{Message: &lk.SignalResponse_Offer{Offer: &lk.SessionDescription{Type: "offer", Sdp: strings.Repeat("v", n)}}})
}

const (
	bin, text, cont             = 0x82, 0x81, 0x80
	binPart, contPart           = 0x02, 0x00
	pingFrame, closing, deflate = 0x89, 0x88, 0xC2
)

// receive returns what the browser is sent of what the server says, read
// through buffers of size n (0: 32 KiB).
func receive(tb testing.TB, said []byte, n int) (got []frame, s *stream, err error) {
	tb.Helper()
	s = &stream{Reader: bytes.NewReader(said)}
	w := backend(tb).Wrap(s, anna(), annasRelay, nil)
	var out bytes.Buffer
	if n == 0 {
		n = 32 << 10
	} else {
		s.Reader = iotest.OneByteReader(s.Reader)
	}
	_, err = io.CopyBuffer(&out, struct{ io.Reader }{w}, make([]byte, n))
	got, rest := parse(out.Bytes())
	if len(rest) > 0 {
		tb.Errorf("the browser is left with %d bytes of a frame", len(rest))
	}
	return got, s, err
}

func TestReadRewrites(t *testing.T) {
	want := joinResponse()
	want.GetJoin().IceServers = []*lk.ICEServer{{Urls: annasRelay().URLs, Username: "99:a1", Credential: "c"}}
	want.GetJoin().AlternativeUrl = ""
	want.GetJoin().ClientConfiguration.ForceRelay = lk.ClientConfigSetting_ENABLED
	reconnect := &lk.SignalResponse{Message: &lk.SignalResponse_Reconnect{Reconnect: &lk.ReconnectResponse{
		IceServers: joinResponse().GetJoin().IceServers, LastMessageSeq: 7,
	}}}
	reconnected := &lk.SignalResponse{Message: &lk.SignalResponse_Reconnect{Reconnect: &lk.ReconnectResponse{
		IceServers: want.GetJoin().IceServers, LastMessageSeq: 7,
		ClientConfiguration: &lk.ClientConfiguration{ForceRelay: lk.ClientConfigSetting_ENABLED},
	}}}
	leave := &lk.SignalResponse{Message: &lk.SignalResponse_Leave{Leave: &lk.LeaveRequest{
		Reason: lk.DisconnectReason_PARTICIPANT_REMOVED, Regions: &lk.RegionSettings{Regions: []*lk.RegionInfo{{Url: "wss://elsewhere.example"}}},
	}}}
	left := &lk.SignalResponse{Message: &lk.SignalResponse_Leave{Leave: &lk.LeaveRequest{Reason: lk.DisconnectReason_PARTICIPANT_REMOVED}}}
	refresh := &lk.SignalResponse{Message: &lk.SignalResponse_RefreshToken{RefreshToken: "secret"}}

	// As protobuf reads them, the last of two fields of a oneof counts.
	hidden := slices.Concat(pong(), response(refresh))
	j := response(joinResponse())
	cases := map[string]struct {
		said []frame
		want []*lk.SignalResponse
	}{
		"join":            {[]frame{{head: bin, data: j}}, []*lk.SignalResponse{want}},
		"reconnect":       {[]frame{{head: bin, data: response(reconnect)}}, []*lk.SignalResponse{reconnected}},
		"leave":           {[]frame{{head: bin, data: response(leave)}}, []*lk.SignalResponse{left}},
		"refresh token":   {[]frame{{head: bin, data: response(refresh)}}, nil},
		"hidden token":    {[]frame{{head: bin, data: hidden}}, nil},
		"unknown":         {[]frame{{head: bin, data: []byte{0xA2, 0x06, 1, 'x'}}}, nil},
		"empty":           {[]frame{{head: bin}}, nil},
		"join in pieces":  {[]frame{{head: binPart, data: j[:1]}, {head: contPart, data: j[1:7]}, {head: contPart}, {head: cont, data: j[7:]}}, []*lk.SignalResponse{want}},
		"empty beginning": {[]frame{{head: binPart}, {head: cont, data: j}}, []*lk.SignalResponse{want}},
		"token in pieces": {[]frame{{head: binPart, data: response(refresh)[:3]}, {head: cont, data: response(refresh)[3:]}}, nil},
	}
	for name, c := range cases {
		for _, n := range []int{0, 1, 7} {
			// What passes before and after shows that the stream stays in step.
			said := slices.Concat([]frame{{head: bin, data: offer(5000)}}, c.said, []frame{{head: bin, data: pong()}})
			got, _, err := receive(t, join(said...), n)
			if err == nil || errors.Is(err, io.EOF) {
				t.Errorf("%s: the end of the server ends with %v, want an error that is not io.EOF", name, err)
			}
			var msgs []*lk.SignalResponse
			for _, f := range got {
				m := &lk.SignalResponse{}
				if err := proto.Unmarshal(f.data, m); err != nil || f.head != bin {
					t.Errorf("%s: the browser is sent frame %#x, %v", name, f.head, err)
				}
				msgs = append(msgs, m)
			}
			if len(msgs) < 2 || msgs[0].GetOffer() == nil || msgs[len(msgs)-1].GetPong() == 0 {
				t.Fatalf("%s: what surrounds it did not pass", name)
			}
			if diff := cmp.Diff(c.want, msgs[1:len(msgs)-1], protocmp.Transform(), cmpEmpty()); diff != "" {
				t.Errorf("%s, buffer %d (-want +got):\n%s", name, n, diff)
			}
		}
	}
}

func cmpEmpty() cmp.Option {
	return cmp.FilterValues(func(a, b []*lk.SignalResponse) bool { return len(a) == 0 && len(b) == 0 },
		cmp.Comparer(func(_, _ []*lk.SignalResponse) bool { return true }))
}

func TestReadPassesUntouched(t *testing.T) {
	said := []frame{
		{head: bin, data: pong()},
		{head: bin, data: offer(100)},
		{head: pingFrame, data: []byte("hello")},
		{head: bin, data: offer(60_000)},
		{head: 0x8A},
		{head: bin, data: offer(200_000)},
		{head: closing, data: []byte{0x03, 0xE8}},
	}
	for _, n := range []int{0, 1, 2, 3, 13, 4096} {
		got, _, _ := receive(t, join(said...), n)
		if diff := cmp.Diff(said, got, cmp.AllowUnexported(frame{}), cmp.Comparer(bytes.Equal)); diff != "" {
			t.Errorf("buffer %d (-want +got):\n%.2000s", n, diff)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	stranger := joinResponse()
	stranger.GetJoin().Participant.Identity = "a2"
	elsewhere := joinResponse()
	elsewhere.GetJoin().Room.Name = "r2"
	moved := &lk.SignalResponse{Message: &lk.SignalResponse_RoomMoved{RoomMoved: &lk.RoomMovedResponse{Token: "secret"}}}
	long := frame{head: bin, data: make([]byte, 4<<20+1)}.bytes()
	for name, c := range map[string]struct {
		said []byte
		code uint16
	}{
		"masked":               {join(frame{head: bin, mask: true, data: pong()}), 1002},
		"compressed":           {join(frame{head: deflate, data: pong()}), 1002},
		"text":                 {join(frame{head: text, data: []byte(`{"refreshToken":"secret"}`)}), 1003},
		"unknown opcode":       {[]byte{0x83, 0}, 1002},
		"unknown control":      {[]byte{0x8B, 0}, 1002},
		"long control":         {[]byte{0x89, 126, 0, 126}, 1002},
		"control in pieces":    {[]byte{0x09, 0}, 1002},
		"long form of 16 bits": {[]byte{0x82, 126, 0, 125}, 1002},
		"long form of 64 bits": {[]byte{0x82, 127, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF}, 1002},
		"negative length":      {[]byte{0x82, 127, 0x80, 0, 0, 0, 0, 1, 0, 0}, 1002},
		"too long":             {long, 1009},
		"too long in pieces":   {join(frame{head: binPart, data: make([]byte, 3<<20)}, frame{head: cont, data: make([]byte, 2<<20)}), 1009},
		"continues nothing":    {join(frame{head: cont, data: pong()}), 1002},
		"begins twice":         {join(frame{head: binPart, data: pong()}, frame{head: bin, data: pong()}), 1002},
		"garbage join":         {join(frame{head: bin, data: []byte{0x0A, 2, 0xFF, 0xFF}}), 1011},
		"T35 somebody else":    {join(frame{head: bin, data: response(stranger)}), 1011},
		"T35 another room":     {join(frame{head: bin, data: response(elsewhere)}), 1011},
		"moved":                {join(frame{head: bin, data: response(moved)}), 1008},
	} {
		got, s, err := receive(t, slices.Concat(join(frame{head: bin, data: pong()}), c.said, join(frame{head: bin, data: pong()})), 0)
		if err == nil || !s.closed {
			t.Errorf("%s: err %v, closed %v; want both", name, err, s.closed)
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the secret", name)
		}
		if len(got) != 2 || got[1].head != closing || len(got[1].data) != 2 || binary.BigEndian.Uint16(got[1].data) != c.code {
			t.Errorf("%s: the browser is sent %v, want one message and a close with %d", name, got, c.code)
		}
	}
}

func TestReadWithoutRelayEnds(t *testing.T) {
	for name, relay := range map[string]func() conference.Relay{
		"zero": func() conference.Relay { return conference.Relay{} }, "none": nil,
	} {
		s := &stream{Reader: bytes.NewReader(join(frame{head: bin, data: response(joinResponse())}))}
		got, err := io.ReadAll(backend(t).Wrap(s, anna(), relay, nil))
		if f, _ := parse(got); err == nil || len(f) != 1 || f[0].head != closing {
			t.Errorf("%s: Read = %x, %v; want a close frame", name, got, err)
		}
	}
}

func TestWrapRefusesExtensions(t *testing.T) {
	for _, h := range []string{"Sec-Websocket-Extensions", "Sec-Websocket-Protocol"} {
		s := &stream{Reader: bytes.NewReader(join(frame{head: bin, data: pong()}))}
		res := &http.Response{Header: http.Header{h: {"permessage-deflate"}, "Access-Control-Allow-Origin": {"*"}, "Upgrade": {"websocket"}}}
		w := backend(t).Wrap(s, anna(), annasRelay, res)
		if !s.closed {
			t.Errorf("%s: the server's side is still open", h)
		}
		if diff := cmp.Diff(http.Header{"Upgrade": {"websocket"}}, res.Header); diff != "" {
			t.Errorf("headers (-want +got):\n%s", diff)
		}
		if n, err := w.Write(frame{head: bin, mask: true, data: request(&lk.SignalRequest{Message: &lk.SignalRequest_Ping{}})}.bytes()); err != nil || n == 0 || s.told.Len() > 0 {
			t.Errorf("Write = %d, %v; the server was told %d bytes, want 0", n, err, s.told.Len())
		}
	}
}
