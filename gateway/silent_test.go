package gateway_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/conference/livekit"
	"vestibule/lobby"
	"vestibule/meeting"
)

// deaf is a conference server that need not be there for anything.
type deaf struct{ unasked }

func (deaf) Remove(context.Context, string, string) error { return nil }

// reader is the far end of an event stream. One that is stuck takes nothing
// until its connection's deadline passes.
type reader struct {
	mu    sync.Mutex
	said  bytes.Buffer // guarded by mu
	stuck bool         // guarded by mu
	late  chan struct{}
	once  sync.Once
}

func newReader() *reader { return &reader{late: make(chan struct{})} }

func (*reader) Header() http.Header { return http.Header{} }
func (*reader) WriteHeader(int)     {}
func (*reader) Flush()              {}

func (r *reader) SetWriteDeadline(at time.Time) error {
	if !at.IsZero() && at.Before(time.Now()) {
		r.once.Do(func() { close(r.late) })
	}
	return nil
}

func (r *reader) Write(p []byte) (int, error) {
	r.mu.Lock()
	stuck := r.stuck
	r.said.Write(p)
	r.mu.Unlock()
	if stuck {
		select {
		case <-r.late:
		case <-time.After(time.Minute):
		}
		return 0, os.ErrDeadlineExceeded
	}
	return len(p), nil
}

func (r *reader) stick() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stuck = true
}

func (r *reader) words() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.said.String()
}

// seated admits the meeting's invitee and answers what opens the room to them.
func (h *benchHouse) seated(t *testing.T) (admission, pass string) {
	t.Helper()
	ctx := t.Context()
	snap, err := h.Lobby.Snapshot(ctx, h.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range snap.Invitations {
		p := meeting.MailboxPerson(v.Email, time.Now())
		if _, admission, err = h.Lobby.Knock(ctx, h.Lobby.Link(h.id, &v), lobby.Arrival{Person: p, Device: "phone", Consent: true}, ""); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Lobby.Answer(ctx, h.id, h.host.Key(), admission, meeting.Answer{Admit: true}, ""); err != nil {
		t.Fatal(err)
	}
	ticket, err := h.Lobby.Enter(ctx, h.id, admission, "phone")
	if err != nil {
		t.Fatal(err)
	}
	if pass, err = h.Lobby.Redeem(ctx, ticket); err != nil {
		t.Fatal(err)
	}
	return admission, pass
}

// TestT37SilentStreamIsCut expels somebody whose page does nothing but listen,
// for longer than a seat without connections is kept, and one whose page takes
// nothing any more.
func TestT37SilentStreamIsCut(t *testing.T) {
	t.Parallel()
	for name, stuck := range map[string]bool{"listening": false, "stuck": true} {
		t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { silentStream(t, stuck) }) })
	}
}

func silentStream(t *testing.T, stuck bool) {
	backend, err := livekit.New(livekit.Config{URL: "http://127.0.0.1:1", Key: "key", Secret: "0123456789abcdef0123456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
	h := newBenchHouseWith(t, 1, deaf{unasked{backend}})
	admission, pass := h.seated(t)
	r := httptest.NewRequest(http.MethodGet, "/-/events", nil)
	r.Host = strings.TrimPrefix(benchRoom, "https://")
	r.AddCookie(&http.Cookie{Name: "__Host-room", Value: pass})
	far, over := newReader(), make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer func() { cancel(); <-over }()
	go func() {
		defer close(over)
		h.Gateway.ServeHTTP(far, r.WithContext(ctx))
	}()
	time.Sleep(11*time.Minute + 5*time.Second) // between two heartbeats
	if said := far.words(); !strings.Contains(said, `"state":"admitted"`) {
		t.Fatalf("the stream says %q", said)
	}
	if stuck {
		far.stick()
	}
	begun := time.Now()
	cuts, err := h.Lobby.Expel(t.Context(), h.id, h.host.Key(), admission, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cuts {
		if c.Err != nil {
			t.Errorf("%s is not confirmed: %v", c.What, c.Err)
		}
	}
	select {
	case <-over:
	case <-time.After(3 * time.Second):
		t.Fatal("the stream of somebody who was put out is still open")
	}
	if !stuck && !strings.Contains(far.words(), `"state":"expelled"`) {
		t.Errorf("the stream's last words are %q", far.words())
	}
	if took := time.Since(begun); !stuck && took > 0 {
		t.Errorf("a page that listens was cut after %v, want at once", took)
	}
}
