package livekit_test

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vestibule/conference/livekit"
)

const secret = "a secret of thirty-two bytes, it is"

func against(t *testing.T, h http.HandlerFunc) *livekit.Backend {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	b, err := livekit.New(livekit.Config{URL: s.URL, Key: "key", Secret: secret, Timeout: 300 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoomsMeetABadServer(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("the redirect was followed, Authorization %.6s...", r.Header.Get("Authorization"))
	}))
	defer elsewhere.Close()
	echo := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(status)
			_, _ = w.Write([]byte(strings.ReplaceAll(body, "TOKEN", r.Header.Get("Authorization"))))
		}
	}
	release := make(chan struct{})
	defer close(release)
	for name, h := range map[string]http.HandlerFunc{
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		// Participants of 17 bytes, readable even when cut off at 1 MiB + 1.
		"endless":      echo(200, strings.Repeat("\x0a\x0f\x12\x0d"+strings.Repeat("x", 13), 70_000)),
		"garbage":      echo(200, "\xff\xff"),
		"echoed token": echo(401, "invalid token: TOKEN"),
		"twirp, token": echo(401, `{"code":"unauthenticated","msg":"TOKEN"}`),
		"odd code":     echo(500, `{"code":"TOKEN"}`),
		"plain 404":    echo(404, "not found"),
		"unavailable":  echo(503, `{"code":"unavailable"}`),
		"never answers": func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		},
	} {
		b := against(t, h)
		_, err := b.Participants(t.Context(), "room")
		for what, err := range map[string]error{
			"Open": b.Open(t.Context(), "room"), "Close": b.Close(t.Context(), "room"),
			"Remove": b.Remove(t.Context(), "room", "a1"), "Participants": err,
		} {
			if err == nil {
				t.Errorf("%s: %s succeeded", name, what)
				continue
			}
			if strings.Contains(err.Error(), "Bearer") || strings.Contains(err.Error(), "eyJ") {
				t.Errorf("%s: the error of %s tells the token", name, what)
			}
		}
	}
}

func TestRoomsEndWithTheirContext(t *testing.T) {
	release := make(chan struct{})
	defer close(release)
	b := against(t, func(_ http.ResponseWriter, _ *http.Request) { <-release })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.Open(ctx, "room"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open = %v, want the deadline", err)
	}
}

func TestRoomsAskForNoMoreThanTheErrand(t *testing.T) {
	var token string
	b := against(t, func(w http.ResponseWriter, r *http.Request) {
		token = strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		w.Header().Set("Content-Type", "application/protobuf")
	})
	if err := b.Remove(t.Context(), "room", "a1"); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"room": "room", "roomAdmin": true}
	if diff := cmp.Diff(want, rights(t, token)); diff != "" {
		t.Errorf("the token for removing (-want +got):\n%s", diff)
	}
	if err := b.Open(t.Context(), "room"); err != nil {
		t.Fatal(err)
	}
	want = map[string]any{"roomCreate": true}
	if diff := cmp.Diff(want, rights(t, token)); diff != "" {
		t.Errorf("the token for opening (-want +got):\n%s", diff)
	}
}

func TestRootCAsDecide(t *testing.T) {
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	s.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	s.StartTLS()
	defer s.Close()
	mine := x509.NewCertPool()
	mine.AddCert(s.Certificate())
	for name, c := range map[string]struct {
		pool *x509.CertPool
		ok   bool
	}{"the server's": {mine, true}, "none": {x509.NewCertPool(), false}, "the system's": {nil, false}} {
		b, err := livekit.New(livekit.Config{URL: s.URL, Key: "key", Secret: secret, RootCAs: c.pool})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Open(t.Context(), "room"); (err == nil) != c.ok {
			t.Errorf("%s: Open = %v", name, err)
		}
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	for _, u := range []string{
		"", "livekit", "ws://127.0.0.1:1", "ftp://127.0.0.1", "http://livekit.example:7880", "http://10.0.0.1:7880", "http://127.0.0.1.example",
		"https://user:pass@livekit.example", "https://livekit.example/path", "https://livekit.example?q", "https://livekit.example#f", "https://", "https:opaque", "http://[::1",
	} {
		_, err := livekit.New(livekit.Config{URL: u, Secret: "short-secret", Timeout: time.Hour})
		if err == nil || len(strings.Split(err.Error(), "\n")) != 4 {
			t.Errorf("New(%q) = %v, want four faults", u, err)
			continue
		}
		if strings.Contains(err.Error(), "short-secret") || strings.Contains(err.Error(), "pass@") {
			t.Errorf("New(%q) tells a secret", u)
		}
	}
	for _, u := range []string{"https://livekit.example", "https://livekit.example:7443/", "http://localhost:7880", "http://127.0.0.2:7880", "http://[::1]:7880"} {
		b, err := livekit.New(livekit.Config{URL: u, Key: "key", Secret: secret})
		if err != nil {
			t.Errorf("New(%q) = %v", u, err)
			continue
		}
		b.Upstream().Host = "changed"
		if got, want := b.Upstream().String(), strings.TrimSuffix(u, "/"); got != want {
			t.Errorf("Upstream() = %s, want %s", got, want)
		}
	}
	if _, err := livekit.New(livekit.Config{URL: "http://livekit:7880", Key: "key", Secret: secret, DangerouslyAllowPlainHTTP: true}); err != nil {
		t.Error(err)
	}
}

// rights are the grants of a token that are not false.
func rights(t *testing.T, token string) map[string]any {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	var c struct {
		Video map[string]any `json:"video"`
	}
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	maps.DeleteFunc(c.Video, func(_ string, v any) bool { return v == false })
	return c.Video
}

// TestRemovalIsWhatCameOfIt removes somebody from a server that leaves the
// question without an answer, as LiveKit does where two doors ask at once.
func TestRemovalIsWhatCameOfIt(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int // to one removal after the other; 0: none
		stays   bool
		asked   int
		fails   bool
	}{
		"gone unanswered":           {answers: []int{0}, asked: 1},
		"gone, without a server":    {answers: []int{503}, asked: 1},
		"inside still, then out":    {answers: []int{0, 200}, stays: true, asked: 2},
		"inside, without a server":  {answers: []int{503}, stays: true, asked: 1, fails: true},
		"inside, and never removed": {answers: []int{0, 0, 0, 0, 0, 0}, stays: true, asked: 2, fails: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int32
			hang := make(chan struct{})
			b := against(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "/ListParticipants") {
					if c.stays {
						_, _ = w.Write([]byte("\x0a\x04\x12\x02a1"))
					}
					return
				}
				switch code := c.answers[asked.Add(1)-1]; code {
				case 0:
					<-hang
				case http.StatusOK:
				default:
					w.WriteHeader(code)
					_, _ = w.Write([]byte(`{"code":"unavailable"}`))
				}
			})
			t.Cleanup(func() { close(hang) }) // before the server closes
			ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
			defer cancel()
			if err := b.Remove(ctx, "room", "a1"); (err != nil) != c.fails {
				t.Errorf("Remove = %v, want an error: %v", err, c.fails)
			}
			if n := int(asked.Load()); n < c.asked {
				t.Errorf("asked %d times, want at least %d", n, c.asked)
			}
		})
	}
}
