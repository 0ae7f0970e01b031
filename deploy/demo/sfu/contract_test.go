package sfu_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/livekit/protocol/auth"

	"vestibule/conference"
	"vestibule/conference/conferencetest"
	"vestibule/conference/livekit"
	"vestibule/deploy/demo/sfu"
)

// TestContract holds the real server to what every backend promises.
func TestContract(t *testing.T) {
	s := start(t, sfu.Config{})
	defer stop(t, s)
	b, err := livekit.New(livekit.Config{URL: s.URL, Key: s.Key, Secret: s.Secret})
	if err != nil {
		t.Fatal(err)
	}
	conferencetest.Run(t, conferencetest.LiveKit(b, s.Key, s.Secret))
	t.Run("T36 refuses forged tokens", func(t *testing.T) { forged(t, s, b) })
	t.Run("reads our tokens as they are meant", func(t *testing.T) { meant(t, s, b) })
}

// forged tries T36 at the server itself, past the door.
func forged(t *testing.T, s *sfu.Server, b *livekit.Backend) {
	g := conference.Grants{Admission: "a1", Room: "forged", Microphone: true}
	if err := b.Open(t.Context(), g.Room); err != nil {
		t.Fatal(err)
	}
	ours := ourToken(t, b, g)
	if got, want := validate(t, s, ours), http.StatusOK; got != want {
		t.Fatalf("our token: status %d, want %d", got, want)
	}
	for name, token := range conferencetest.Forge(ours, s.Secret) {
		if got, want := validate(t, s, token), http.StatusUnauthorized; got != want {
			t.Errorf("%s: status %d, want %d", name, got, want)
		}
	}
	// LiveKit gives a minute of leeway, and no more.
	late := conferencetest.Token(s.Key, s.Secret, jose.HS256, time.Now().Add(-62*time.Second), g)
	if got, want := validate(t, s, late), http.StatusUnauthorized; got != want {
		t.Errorf("after its end: status %d, want %d", got, want)
	}
}

// meant reads a guest's token with LiveKit's own verifier.
func meant(t *testing.T, s *sfu.Server, b *livekit.Backend) {
	v, err := auth.ParseAPIToken(ourToken(t, b, conference.Grants{Admission: "a1", Room: "r1", Name: "Anna", Microphone: true}))
	if err != nil {
		t.Fatal(err)
	}
	std, c, err := v.Verify(s.Secret)
	if err != nil {
		t.Fatal(err)
	}
	if std.ID != "a1" || c.Identity != "a1" || c.Name != "Anna" || c.Video.Room != "r1" || !c.Video.RoomJoin {
		t.Errorf("token of %s, %s in %s", std.ID, c.Identity, c.Video.Room)
	}
	if !std.NotBefore.Equal(std.IssuedAt.Time) || std.ExpiresAt.Sub(std.IssuedAt.Time) > 120*time.Second {
		t.Errorf("the token lives from %v to %v", std.NotBefore, std.ExpiresAt)
	}
	p := c.Video.ToPermission()
	if !p.CanPublish || !p.CanSubscribe || p.CanPublishData || p.CanUpdateMetadata || p.Hidden ||
		c.Video.RoomAdmin || c.Video.RoomCreate || c.Video.RoomList || c.Video.RoomRecord ||
		len(p.CanPublishSources) != 1 || p.CanPublishSources[0].String() != "MICROPHONE" {
		t.Errorf("the token of a guest with a microphone allows %v", p)
	}
}

// ourToken is the token the door would add for g.
func ourToken(t *testing.T, b *livekit.Backend, g conference.Grants) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://room.example/rtc/validate", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Prepare(r, g); err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

func validate(t *testing.T, s *sfu.Server, token string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/rtc/validate", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}
