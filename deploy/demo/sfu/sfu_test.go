package sfu_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/auth"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"

	"vestibule/deploy/demo/sfu"
)

// TestServer goes through a server's life once: LiveKit takes two seconds
// to begin, so one start serves every check.
func TestServer(t *testing.T) {
	var logged journal
	s := start(t, sfu.Config{Logger: slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))})

	t.Run("listens on the loopback alone", func(t *testing.T) {
		for _, a := range listening(t) {
			if !strings.HasPrefix(a, "0100007F:") { // 127.0.0.1 as the kernel writes it
				t.Errorf("a socket of this process is bound to %s, want 127.0.0.1 only", a)
			}
		}
	})
	t.Run("opens no room nobody made", func(t *testing.T) {
		if got, want := dial(t, s, "unmade", s.Secret), http.StatusNotFound; got != want {
			t.Errorf("joining a room nobody made: status %d, want %d", got, want)
		}
	})
	t.Run("hands out no public STUN server", func(t *testing.T) {
		makeRoom(t, s, "made")
		for _, u := range iceServers(t, s, "made") {
			if !strings.Contains(u, "127.0.0.1") {
				t.Errorf("ICE server %s is not on the loopback", u)
			}
		}
	})
	t.Run("keeps refused tokens out of the log", func(t *testing.T) {
		for _, token := range []string{pass(t, s.Key, strings.Repeat("x", 40), "made"), pass(t, "nobody", s.Secret, "made")} {
			if got, want := dialToken(t, s, token), http.StatusUnauthorized; got != want {
				t.Errorf("joining with a forged token: status %d, want %d", got, want)
			}
			logged.lacks(t, token[:40], s.Secret)
		}
	})

	stop(t, s)
	if _, err := http.Get(s.URL); err == nil {
		t.Error("the server answers after Stop")
	}
	again := start(t, sfu.Config{})
	stop(t, again)
}

func TestStartEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sfu.Start(ctx, sfu.Config{}); err == nil {
		t.Error("Start with a context that has ended succeeded")
	}
}

// journal is a log that several goroutines write to.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

func (j *journal) lacks(t *testing.T, secrets ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.buf.Len() == 0 {
		t.Error("the server logged nothing at all")
	}
	for _, s := range secrets {
		if strings.Contains(j.buf.String(), s) {
			t.Error("a token or the secret stands in the log")
		}
	}
}

func start(t *testing.T, c sfu.Config) *sfu.Server {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := sfu.Start(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func stop(t *testing.T, s *sfu.Server) {
	t.Helper()
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Second)
	defer cancel()
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
	t.Logf("stopped in %v", time.Since(begun))
}

// pass signs a token that joins room.
func pass(t *testing.T, key, secret, room string) string {
	t.Helper()
	token, err := auth.NewAccessToken(key, secret).
		SetIdentity("anna").SetValidFor(time.Minute).
		SetVideoGrant(&auth.VideoGrant{Room: room, RoomJoin: true}).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func dial(t *testing.T, s *sfu.Server, room, secret string) int {
	t.Helper()
	return dialToken(t, s, pass(t, s.Key, secret, room))
}

// dialToken tries to join and returns the status it was answered with.
func dialToken(t *testing.T, s *sfu.Server, token string) int {
	t.Helper()
	c, res, err := websocket.Dial(t.Context(), s.URL+"/rtc?protocol=9&access_token="+url.QueryEscape(token), nil)
	if err == nil {
		_ = c.CloseNow()
	}
	if res == nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

func makeRoom(t *testing.T, s *sfu.Server, room string) {
	t.Helper()
	token, err := auth.NewAccessToken(s.Key, s.Secret).SetValidFor(time.Minute).
		SetVideoGrant(&auth.VideoGrant{RoomCreate: true}).ToJWT()
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
		s.URL+"/twirp/livekit.RoomService/CreateRoom", strings.NewReader(fmt.Sprintf("{%q:%q}", "name", room)))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Fatalf("making a room: status %d", res.StatusCode)
	}
}

// iceServers joins and returns what the browser is told to ask.
func iceServers(t *testing.T, s *sfu.Server, room string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, s.URL+"/rtc?protocol=9&access_token="+url.QueryEscape(pass(t, s.Key, s.Secret, room)), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	_, data, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var m livekit.SignalResponse
	if err := proto.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	join := m.GetJoin()
	if join == nil {
		t.Fatalf("the first message is %T, want a JoinResponse", m.Message)
	}
	var urls []string
	for _, i := range join.IceServers {
		urls = append(urls, i.Urls...)
	}
	if len(urls) == 0 {
		t.Error("no ICE server at all: LiveKit's client then uses public ones")
	}
	return urls
}

// listening returns the local addresses, as the kernel writes them, of this
// process's listening TCP and of all its UDP sockets, IPv6 ones included.
func listening(t *testing.T) []string {
	t.Helper()
	mine := map[string]bool{}
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil {
			if inode, ok := strings.CutPrefix(target, "socket:["); ok {
				mine[strings.TrimSuffix(inode, "]")] = true
			}
		}
	}
	var bound []string
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		b, err := os.ReadFile("/proc/self/net/" + table)
		if err != nil {
			continue // a machine without IPv6
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 10 || !mine[f[9]] || strings.HasPrefix(table, "tcp") && f[3] != "0A" {
				continue
			}
			if _, err := hex.DecodeString(strings.Split(f[1], ":")[0]); err == nil {
				bound = append(bound, f[1])
			}
		}
	}
	if len(bound) < 2 {
		t.Errorf("sockets of this process: %v, want LiveKit's two at least", bound)
	}
	return bound
}
