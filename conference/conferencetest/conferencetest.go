// Package conferencetest is the contract that every backend passes, and a
// small conference server that speaks enough of LiveKit's signalling for the
// tests of the door.
//
// It refuses to be used for anything but tests.
package conferencetest

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vestibule/conference"
)

// Bench is what the contract needs to know of one backend.
type Bench struct {
	Backend conference.Backend
	// Join enters through a door at the given origin, as a browser would,
	// with extra credentials a browser might bring; "" brings none.
	Join func(ctx context.Context, origin, forged string) (Member, error)
	// Token returns a token that the server itself would accept for g, for
	// trying whether a browser may bring one.
	Token func(g conference.Grants) string
	// Open lists further paths that the backend lets browsers reach, with
	// their kind.
	Paths map[string]conference.Kind
}

// Member is a browser inside.
type Member interface {
	// Identity is who the server says one is, and in which room.
	Identity() (room, admission string)
	// Relay is the only way for media, zero when there is any other.
	Relay() conference.Relay
	// Token is the last token the server sent; a browser must have none.
	Token() string
	// Ping waits for a round trip of the signalling.
	Ping(ctx context.Context) error
	// Gone waits until the signalling has ended.
	Gone(ctx context.Context) error
	// Leave hangs up.
	Leave()
}

// patience is how long anything of the contract may take.
const patience = 10 * time.Second

// Run checks that the backend keeps the contract.
func Run(t *testing.T, b Bench) {
	t.Run("refuses what it does not know", func(t *testing.T) { refuses(t, b) })
	t.Run("grants nothing for nothing", func(t *testing.T) { nothing(t, b) })
	t.Run("what is absent is no fault", func(t *testing.T) { absent(t, b) })
	t.Run("nobody enters a room that is not open", func(t *testing.T) { unopened(t, b) })
	t.Run("enters with a relay of one's own", func(t *testing.T) { enters(t, b) })
	t.Run("no relay, no entry", func(t *testing.T) { relayless(t, b) })
	t.Run("puts one out and leaves the others", func(t *testing.T) { removes(t, b) })
	t.Run("ends for everybody", func(t *testing.T) { closes(t, b) })
	t.Run("a cut is instant", func(t *testing.T) { cuts(t, b) })
	t.Run("T35 only the diagonal", func(t *testing.T) { diagonal(t, b) })
}

// Door is the least that a gateway does with a backend: one admitted person,
// one origin. It remembers the live connections, to cut them.
type Door struct {
	*httptest.Server
	mu   sync.Mutex
	live []interface{ Close() error } // guarded by mu
}

// Relay returns the relay that a Door tells the person of g.
func Relay(g conference.Grants) conference.Relay {
	return conference.Relay{
		URLs:       []string{"turn:127.0.0.1:3478?transport=udp"},
		Username:   "9999999999:" + g.Admission,
		Credential: "credential of " + g.Admission,
	}
}

// NewDoor stands a door with one person admitted in front of b.
func NewDoor(tb testing.TB, b conference.Backend, g conference.Grants, relay func() conference.Relay) *Door {
	tb.Helper()
	d := &Door{}
	type kind struct{}
	proxy := &httputil.ReverseProxy{
		Transport: b.Transport(),
		Rewrite:   func(*httputil.ProxyRequest) {},
		ModifyResponse: func(res *http.Response) error {
			if res.StatusCode != http.StatusSwitchingProtocols {
				b.Scrub(res)
				return nil
			}
			if res.Request.Context().Value(kind{}) != conference.Signal {
				return errors.New("upgrade of a page")
			}
			rw, ok := res.Body.(interface {
				Read(p []byte) (int, error)
				Write(p []byte) (int, error)
				Close() error
			})
			if !ok {
				return errors.New("upgrade without connection")
			}
			w := b.Wrap(rw, g, relay, res)
			d.mu.Lock()
			d.live = append(d.live, w)
			d.mu.Unlock()
			res.Body = w
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) {
			w.WriteHeader(http.StatusBadGateway)
		},
	}
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		k := b.Allow(r.Method, r.URL.EscapedPath(), strings.EqualFold(r.Header.Get("Upgrade"), "websocket"))
		if k == conference.Refuse {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), kind{}, k))
		if err := b.Prepare(r, g); err != nil {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	tb.Cleanup(func() {
		d.Cut()
		d.Close()
	})
	return d
}

// Cut closes every live connection and returns how many there were.
func (d *Door) Cut() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := len(d.live)
	for _, c := range d.live {
		_ = c.Close()
	}
	d.live = nil
	return n
}

// enter stands a door for g and goes through it.
func enter(t *testing.T, b Bench, g conference.Grants) (Member, *Door) {
	t.Helper()
	d := NewDoor(t, b.Backend, g, func() conference.Relay { return Relay(g) })
	m, err := b.Join(within(t), d.URL, "")
	if err != nil {
		t.Fatalf("entering %s as %s: %v", g.Room, g.Admission, err)
	}
	t.Cleanup(m.Leave)
	return m, d
}

// open opens a room of the test's own and closes it at its end.
func open(t *testing.T, b Bench) string {
	t.Helper()
	room := "room-" + random()
	if err := b.Backend.Open(within(t), room); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := b.Backend.Close(ctx, room); err != nil {
			t.Error(err)
		}
	})
	return room
}

func person(room string) conference.Grants {
	return conference.Grants{Admission: "adm-" + random(), Room: room, Name: "A. B.", Microphone: true, Camera: true}
}

// within returns a context that ends with the test or its patience.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// roster waits until the server says that exactly these are in the room.
func roster(t *testing.T, b Bench, room string, want ...string) {
	t.Helper()
	slices.Sort(want)
	ctx := within(t)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := b.Backend.Participants(ctx, room)
		slices.Sort(got)
		if err == nil && slices.Equal(got, want) {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("Participants(%s) = %v, %v; want %v", room, got, err, want)
		case <-tick.C:
		}
	}
}
