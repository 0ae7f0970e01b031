package livekit_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	lk "github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"vestibule/conference"
	"vestibule/meeting"
)

// upgrade is a browser's request for the signalling.
func upgrade(target string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	r.Header.Set("Connection", "keep-alive, Upgrade")
	r.Header.Set("Upgrade", "websocket")
	r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
	r.Header.Set("Sec-WebSocket-Version", "13")
	return r
}

func TestPrepareKeepsWhatLiveKitNeeds(t *testing.T) {
	r := upgrade("https://room.example/rtc?access_token=door&protocol=16&auto_subscribe=1&sdk=js&version=2.23.0" +
		"&publish=x&attributes=e30&room=other&region=x&reconnect=1&sid=PA_1&os=" + strings.Repeat("x", 200) + "#f")
	for k, v := range map[string]string{
		"Authorization": "Bearer mine", "Cookie": "__Host-pass=secret", "X-Forwarded-For": "1.2.3.4", "X_Forwarded_For": "1.2.3.4",
		"X-Real-IP": "1.2.3.4", "CF-Connecting-IP": "1.2.3.4", "Forwarded": "for=1.2.3.4", "Origin": "https://evil.example",
		"Sec-WebSocket-Extensions": "permessage-deflate", "Sec-WebSocket-Protocol": "x", "User-Agent": "Browser/1", "Te": "trailers",
	} {
		r.Header.Set(k, v)
	}
	if err := backend(t).Prepare(r, anna()); err != nil {
		t.Fatal(err)
	}
	bearer := r.Header.Get("Authorization")
	if !strings.HasPrefix(bearer, "Bearer ey") {
		t.Errorf("Authorization = %.10s..., want our token", bearer)
	}
	r.Header.Del("Authorization")
	want := http.Header{
		"Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "User-Agent": {"Browser/1"},
		"Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}, "Sec-Websocket-Version": {"13"},
	}
	if diff := cmp.Diff(want, r.Header); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
	if got, want := r.URL.String(), "http://127.0.0.1:7880/rtc?auto_subscribe=1&protocol=16&reconnect=1&sdk=js&sid=PA_1&version=2.23.0"; got != want {
		t.Errorf("URL = %s, want %s", got, want)
	}
	if r.Host != "127.0.0.1:7880" {
		t.Errorf("Host = %s", r.Host)
	}
}

func TestPrepareRefuses(t *testing.T) {
	for name, change := range map[string]func(r *http.Request){
		"T30 h2c":              func(r *http.Request) { r.Header.Set("Upgrade", "h2c") },
		"T30 TLS":              func(r *http.Request) { r.Header.Set("Upgrade", "TLS/1.0") },
		"T30 connect-udp":      func(r *http.Request) { r.Header.Set("Upgrade", "connect-udp") },
		"T30 two upgrades":     func(r *http.Request) { r.Header.Add("Upgrade", "h2c") },
		"T30 list of upgrades": func(r *http.Request) { r.Header.Set("Upgrade", "websocket, h2c") },
		"T30 no connection":    func(r *http.Request) { r.Header.Del("Connection") },
		"T30 connect":          func(r *http.Request) { r.Method = http.MethodConnect },
		"post":                 func(r *http.Request) { r.Method = http.MethodPost },
		"body":                 func(r *http.Request) { r.ContentLength = 3 },
		"chunked body":         func(r *http.Request) { r.TransferEncoding = []string{"chunked"} },
		"bad query":            func(r *http.Request) { r.URL.RawQuery = "a=%zz" },
		"semicolons":           func(r *http.Request) { r.URL.RawQuery = "a=1;b=2" },
		"encoded path":         func(r *http.Request) { r.URL.RawPath = "/%72tc" },
		"other path":           func(r *http.Request) { r.URL.Path = "/agent" },
		"API":                  func(r *http.Request) { r.URL.Path = "/twirp/livekit.RoomService/DeleteRoom" },
		"validate":             func(r *http.Request) { r.URL.Path = "/rtc/validate" },
		"bad join request":     func(r *http.Request) { r.URL.RawQuery = "join_request=%21" },
	} {
		r := upgrade("https://room.example/rtc")
		change(r)
		err := backend(t).Prepare(r, anna())
		if no := (*meeting.Refusal)(nil); !errors.As(err, &no) {
			t.Errorf("%s: Prepare = %v, want a refusal", name, err)
		}
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s: refused, yet it carries a token", name)
		}
	}
}

func wrapped(tb testing.TB, j *lk.JoinRequest, z bool) string {
	tb.Helper()
	w := &lk.WrappedJoinRequest{JoinRequest: must(proto.Marshal(j))}
	if z {
		w.Compression, w.JoinRequest = lk.WrappedJoinRequest_GZIP, squeeze(w.JoinRequest)
	}
	return base64.URLEncoding.EncodeToString(must(proto.Marshal(w)))
}

func squeeze(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// unwrap reads a join request as LiveKit does.
func unwrap(tb testing.TB, s string) *lk.JoinRequest {
	tb.Helper()
	b, err := base64.URLEncoding.DecodeString(s)
	if err != nil {
		tb.Fatal(err)
	}
	var w lk.WrappedJoinRequest
	if err := proto.Unmarshal(b, &w); err != nil {
		tb.Fatal(err)
	}
	raw := w.JoinRequest
	if w.Compression == lk.WrappedJoinRequest_GZIP {
		z, err := gzip.NewReader(bytes.NewReader(raw))
		if err != nil {
			tb.Fatal(err)
		}
		if raw, err = io.ReadAll(z); err != nil {
			tb.Fatal(err)
		}
	}
	j := &lk.JoinRequest{}
	if err := proto.Unmarshal(raw, j); err != nil {
		tb.Fatal(err)
	}
	return j
}

func TestPrepareCleansTheJoinRequest(t *testing.T) {
	all := []*lk.AddTrackRequest{
		{Cid: "m", Source: lk.TrackSource_MICROPHONE},
		{Cid: "c", Source: lk.TrackSource_CAMERA},
		{Cid: "s", Source: lk.TrackSource_SCREEN_SHARE},
		{Cid: "u"},
	}
	asked := &lk.JoinRequest{
		ClientInfo:            &lk.ClientInfo{Protocol: 16, Os: "Linux"},
		ConnectionSettings:    &lk.ConnectionSettings{AutoSubscribe: true},
		Metadata:              "host",
		ParticipantAttributes: map[string]string{"role": "host"},
		AddTrackRequests:      all,
		PublisherOffer:        &lk.SessionDescription{Type: "offer", Sdp: "v=0"},
		Reconnect:             true,
		ParticipantSid:        "PA_1",
		SyncState:             &lk.SyncState{PublishDataTracks: []*lk.PublishDataTrackResponse{{}}},
	}
	withUnknown := proto.CloneOf(asked)
	withUnknown.ProtoReflect().SetUnknown([]byte{0xA2, 0x06, 1, 'x'})
	for name, c := range map[string]struct {
		grants conference.Grants
		tracks []string
	}{
		"guest":  {anna(), []string{"m", "c"}},
		"screen": {conference.Grants{Admission: "a1", Room: "r1", Screen: true}, []string{"s"}},
		"silent": {conference.Grants{Admission: "a1", Room: "r1"}, nil},
	} {
		for _, z := range []bool{false, true} {
			r := upgrade("https://room.example/rtc/v1?" + url.Values{"join_request": {wrapped(t, withUnknown, z), wrapped(t, &lk.JoinRequest{Metadata: "second"}, z)}}.Encode())
			if err := backend(t).Prepare(r, c.grants); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			q := r.URL.Query()
			if len(q["join_request"]) != 1 {
				t.Fatalf("%s: %d join requests, want 1", name, len(q["join_request"]))
			}
			want := proto.CloneOf(asked)
			want.Metadata, want.ParticipantAttributes = "", nil
			want.AddTrackRequests = slices.DeleteFunc(want.AddTrackRequests, func(a *lk.AddTrackRequest) bool { return !slices.Contains(c.tracks, a.Cid) })
			want.SyncState.PublishDataTracks = nil
			if diff := cmp.Diff(want, unwrap(t, q.Get("join_request")), protocmp.Transform()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", name, diff)
			}
		}
	}
}

func badJoins() map[string]string {
	// Metadata again and again, so that it can be read wherever it is cut off.
	bomb := &lk.WrappedJoinRequest{Compression: lk.WrappedJoinRequest_GZIP, JoinRequest: squeeze(bytes.Repeat([]byte("\x1a\x03aaa"), 1<<20))}
	cut := &lk.WrappedJoinRequest{Compression: lk.WrappedJoinRequest_GZIP, JoinRequest: squeeze([]byte("x"))[:5]}
	garbage := &lk.WrappedJoinRequest{JoinRequest: []byte{0x0A, 0xFF}}
	odd := &lk.WrappedJoinRequest{Compression: 7, JoinRequest: must(proto.Marshal(&lk.JoinRequest{}))}
	b64 := base64.URLEncoding.EncodeToString
	return map[string]string{
		"no base64":      "%%%",
		"no protobuf":    b64([]byte{0xFF, 0xFF}),
		"no gzip":        b64(must(proto.Marshal(&lk.WrappedJoinRequest{Compression: lk.WrappedJoinRequest_GZIP, JoinRequest: []byte("x")}))),
		"cut gzip":       b64(must(proto.Marshal(cut))),
		"gzip bomb":      b64(must(proto.Marshal(bomb))),
		"garbage":        b64(must(proto.Marshal(garbage))),
		"odd packing":    b64(must(proto.Marshal(odd))),
		"much too large": strings.Repeat("A", 300<<10),
	}
}

func TestPrepareRefusesBadJoinRequests(t *testing.T) {
	for name, j := range badJoins() {
		r := upgrade("https://room.example/rtc/v1?" + url.Values{"join_request": {j}}.Encode())
		err := backend(t).Prepare(r, anna())
		if no := (*meeting.Refusal)(nil); !errors.As(err, &no) || no.Reason != meeting.Invalid {
			t.Errorf("%s: Prepare = %v, want a refusal", name, err)
		}
	}
}

func FuzzPrepare(f *testing.F) {
	for _, j := range badJoins() {
		if len(j) < 10_000 {
			f.Add(j)
		}
	}
	f.Add(wrapped(f, &lk.JoinRequest{Metadata: "m", ParticipantAttributes: map[string]string{"role": "host"}}, true))
	f.Add(wrapped(f, &lk.JoinRequest{AddTrackRequests: []*lk.AddTrackRequest{{Source: lk.TrackSource_SCREEN_SHARE}}}, false))
	b := backend(f)
	f.Fuzz(func(t *testing.T, j string) {
		r := upgrade("https://room.example/rtc/v1?" + url.Values{"join_request": {j}}.Encode())
		if b.Prepare(r, anna()) != nil || j == "" {
			return
		}
		got := unwrap(t, r.URL.Query().Get("join_request"))
		if got.Metadata != "" || len(got.ParticipantAttributes) > 0 {
			t.Errorf("metadata or attributes passed: %v", got)
		}
		for _, a := range got.AddTrackRequests {
			if a.Source != lk.TrackSource_MICROPHONE && a.Source != lk.TrackSource_CAMERA {
				t.Errorf("a track of %v passed", a.Source)
			}
		}
	})
}

func TestScrubHidesTokens(t *testing.T) {
	for status, want := range map[int]string{
		http.StatusOK: "success", http.StatusUnauthorized: "Unauthorized", http.StatusNotFound: "Not Found",
		http.StatusFound: "Found", http.StatusInternalServerError: "Internal Server Error", http.StatusNoContent: "",
	} {
		res := &http.Response{
			StatusCode: status, ContentLength: -1, TransferEncoding: []string{"chunked"},
			Header: http.Header{"Access-Control-Allow-Origin": {"*"}, "Location": {"https://elsewhere.example"}, "Set-Cookie": {"a=b"}, "Www-Authenticate": {"token"}},
			Body:   io.NopCloser(strings.NewReader("invalid token: eyJ...")),
		}
		backend(t).Scrub(res)
		got, err := io.ReadAll(res.Body)
		if err != nil || string(got) != want || res.ContentLength != int64(len(want)) {
			t.Errorf("%d: body %q of %d bytes, %v; want %q", status, got, res.ContentLength, err, want)
		}
		for _, h := range []string{"Access-Control-Allow-Origin", "Location", "Set-Cookie", "Www-Authenticate"} {
			if res.Header.Get(h) != "" {
				t.Errorf("%d: header %s passed", status, h)
			}
		}
	}
}
