package conferencetest_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-jose/go-jose/v4"
	lk "github.com/livekit/protocol/livekit"
	"go.uber.org/goleak"

	"vestibule/conference"
	"vestibule/conference/conferencetest"
	"vestibule/conference/livekit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func backend(t *testing.T, f *conferencetest.Fake, secret string) *livekit.Backend {
	t.Helper()
	b, err := livekit.New(livekit.Config{URL: f.URL, Key: f.Key, Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Transport().(*http.Transport).CloseIdleConnections)
	return b
}

func TestFake(t *testing.T) {
	f := conferencetest.NewFake(t)
	conferencetest.Run(t, conferencetest.LiveKit(backend(t, f, f.Secret), f.Key, f.Secret))
}

func anna() conference.Grants {
	return conference.Grants{Admission: "a1", Room: "r1", Microphone: true}
}

func door(t *testing.T, b conference.Backend) *conferencetest.Door {
	t.Helper()
	return conferencetest.NewDoor(t, b, anna(), func() conference.Relay { return conferencetest.Relay(anna()) })
}

func enter(t *testing.T, f *conferencetest.Fake) *conferencetest.Client {
	t.Helper()
	b := backend(t, f, f.Secret)
	if err := b.Open(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	c, err := conferencetest.JoinLiveKit(t.Context(), door(t, b).URL, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Leave)
	return c
}

// TestT36FakeRefusesForgedTokens keeps the fake as strict as the real one.
func TestT36FakeRefusesForgedTokens(t *testing.T) {
	f := conferencetest.NewFake(t)
	if err := backend(t, f, f.Secret).Open(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	good := conferencetest.Token(f.Key, f.Secret, jose.HS256, time.Now().Add(time.Minute), anna())
	if got, _ := get(t, f.URL+"/rtc/validate?access_token="+good); got != http.StatusOK {
		t.Errorf("the good token: status %d", got)
	}
	for name, token := range conferencetest.Forge(good, f.Secret) {
		if got, _ := get(t, f.URL+"/rtc/validate?access_token="+token); got != http.StatusUnauthorized {
			t.Errorf("%s: status %d, want 401", name, got)
		}
	}
}

// TestT36ForgedTokensNeverArrive has the browser bring forged tokens: the
// server sees none of them.
func TestT36ForgedTokensNeverArrive(t *testing.T) {
	f := conferencetest.NewFake(t)
	b := backend(t, f, f.Secret)
	if err := b.Open(t.Context(), "r1"); err != nil {
		t.Fatal(err)
	}
	d := door(t, b)
	good := conferencetest.Token(f.Key, f.Secret, jose.HS256, time.Now().Add(time.Minute), anna())
	for name, token := range conferencetest.Forge(good, f.Secret) {
		if got, _ := get(t, d.URL+"/rtc/validate?access_token="+token); got != http.StatusOK {
			t.Errorf("%s: status %d, want 200", name, got)
		}
	}
	for _, r := range f.Requests() {
		if r.URL.Query().Has("access_token") || !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer ey") || r.Header.Get("Cookie") != "" {
			t.Fatalf("%s reached the server with %v", r.URL, r.Header)
		}
	}
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", "__Host-pass=secret")
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// TestRefusedTokenStaysInside has the key pair be wrong: the server's
// complaint, which repeats the token, must not reach the browser.
func TestRefusedTokenStaysInside(t *testing.T) {
	f := conferencetest.NewFake(t)
	d := door(t, backend(t, f, strings.Repeat("x", 32)))
	status, body := get(t, d.URL+"/rtc/v1/validate?join_request="+conferencetest.JoinRequest(&lk.JoinRequest{}))
	if status != http.StatusUnauthorized || body != "Unauthorized" {
		t.Errorf("validate = %d %q, want 401 and no more", status, body)
	}
}

// TestT34RefusedPathsSendNothing counts what the server receives.
func TestT34RefusedPathsSendNothing(t *testing.T) {
	f := conferencetest.NewFake(t)
	d := door(t, backend(t, f, f.Secret))
	for _, path := range []string{"/", "/agent", "/whip/v1", "/twirp/livekit.RoomService/DeleteRoom", "/rtc/../agent", "/%72tc", "/rtc%2fv1"} {
		if got, _ := get(t, d.URL+path); got != http.StatusForbidden {
			t.Errorf("%s: status %d, want 403", path, got)
		}
	}
	if got := f.Received(); got != 0 {
		t.Errorf("the server received %d bytes, want 0", got)
	}
}

// TestClaimsStayOutside has a guest claim to be the host, in all ways there
// are: in the join request and later.
func TestClaimsStayOutside(t *testing.T) {
	f := conferencetest.NewFake(t)
	c := enter(t, f)
	for _, r := range []*lk.SignalRequest{
		{Message: &lk.SignalRequest_UpdateMetadata{UpdateMetadata: &lk.UpdateParticipantMetadata{Name: "Host"}}},
		{Message: &lk.SignalRequest_Simulate{Simulate: &lk.SimulateScenario{}}},
		{Message: &lk.SignalRequest_Mute{Mute: &lk.MuteTrackRequest{Sid: "T", Muted: true}}},
	} {
		if err := c.Send(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	got := f.Signals("a1")
	if len(got) != 2 {
		t.Fatalf("the server received %v, want the join request and the mute", got)
	}
	if m, ok := got[1].(*lk.SignalRequest); !ok || m.GetMute() == nil {
		t.Errorf("the server received %v, want the mute", got[1])
	}
}

// TestMute has all sound of one person taken, and no picture; it is theirs to
// speak again.
func TestMute(t *testing.T) {
	f := conferencetest.NewFake(t)
	c := enter(t, f)
	send := func(r *lk.SignalRequest) {
		t.Helper()
		if err := c.Send(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := c.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for id, kind := range map[string]lk.TrackType{"voice": lk.TrackType_AUDIO, "film": lk.TrackType_AUDIO, "face": lk.TrackType_VIDEO} {
		send(&lk.SignalRequest{Message: &lk.SignalRequest_AddTrack{AddTrack: &lk.AddTrackRequest{Cid: id, Type: kind}}})
	}
	b := backend(t, f, f.Secret)
	if !f.Heard("r1", "a1") {
		t.Fatal("who sends sound is not heard")
	}
	for range 2 {
		if err := b.Mute(t.Context(), "r1", "a1"); err != nil {
			t.Fatal(err)
		}
		if f.Heard("r1", "a1") {
			t.Error("heard after being muted")
		}
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := c.Seen(&lk.SignalResponse_Mute{}); n != 2 {
		t.Errorf("told of %d muted tracks, want the two with sound, once", n)
	}
	send(&lk.SignalRequest{Message: &lk.SignalRequest_Mute{Mute: &lk.MuteTrackRequest{Sid: "TR_voice"}}})
	if !f.Heard("r1", "a1") {
		t.Error("who was muted cannot speak again")
	}
	if err := backend(t, f, "another secret, as long as they must be").Mute(t.Context(), "r1", "a1"); err == nil {
		t.Error("muted by who has not the key")
	}
}

// TestTextEndsWithACode has a browser switch to JSON, which would make the
// server answer in JSON.
func TestTextEndsWithACode(t *testing.T) {
	f := conferencetest.NewFake(t)
	c := enter(t, f)
	if err := c.Write(t.Context(), websocket.MessageText, []byte(`{"ping":"1"}`)); err != nil {
		t.Fatal(err)
	}
	if err := c.Gone(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := websocket.CloseStatus(c.Err()); got != websocket.StatusUnsupportedData {
		t.Errorf("closed with %v, want 1003", c.Err())
	}
}

func TestRenamedIsShownSo(t *testing.T) {
	f := conferencetest.NewFake(t)
	enter(t, f)
	if err := backend(t, f, f.Secret).Rename(t.Context(), "r1", "a1", "J. D."); err != nil {
		t.Fatal(err)
	}
	if got := f.Name("r1", "a1"); got != "J. D." {
		t.Errorf("Name() = %q, want J. D.", got)
	}
	if err := backend(t, f, f.Secret).Rename(t.Context(), "r1", "a1", ""); err == nil {
		t.Error("a name was taken away")
	}
}

func TestRemovedIsToldSo(t *testing.T) {
	f := conferencetest.NewFake(t)
	c := enter(t, f)
	if err := backend(t, f, f.Secret).Remove(t.Context(), "r1", "a1"); err != nil {
		t.Fatal(err)
	}
	if err := c.Gone(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := c.Reason(), lk.DisconnectReason_PARTICIPANT_REMOVED.String(); got != want {
		t.Errorf("Reason() = %q, want %q", got, want)
	}
}
