package api

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"vestibule/meeting"
	"vestibule/webhook"
)

// Hook is an address that is told what happens in every meeting, as Standard
// Webhooks has it.
type Hook struct {
	URL string
	// Secret signs what is sent: 24 to 64 bytes.
	Secret []byte
	// Events are the types that are told. Empty: all.
	Events []string
	// IncludeNames sends display names too. Without it a body holds ids and
	// states alone.
	IncludeNames bool
	// RootCAs signs the receiver's certificate; nil means the system's.
	RootCAs *x509.CertPool
	// DangerouslyAllowPlainHTTP sends what happens past everybody on the line.
	DangerouslyAllowPlainHTTP bool
}

// EventTypes are the types that an event can have.
func EventTypes() []string {
	var list []string
	for _, w := range []meeting.What{
		meeting.Created, meeting.Invited, meeting.MailSent, meeting.Reminded, meeting.LinkRevoked, meeting.LinkReissued, meeting.CodeIssued,
		meeting.CodeRefused, meeting.CodeProved, meeting.Knocked, meeting.Turned, meeting.LetIn, meeting.Entered, meeting.Gone,
		meeting.PutOut, meeting.WasCut, meeting.WasLocked, meeting.WasUnlocked, meeting.WasEnded, meeting.WasCancelled, meeting.WasAltered,
		meeting.DialSlowed, meeting.WasHeld, meeting.WasAsked, meeting.Replied, meeting.Renamed, meeting.Stayed, meeting.Lapsed,
		meeting.Doubled, meeting.Replaced, meeting.Moved,
		meeting.WasMuted,
		meeting.WasReconsidered,
	} {
		list = append(list, string(w))
	}
	return list
}

// hook is one address at work.
type hook struct {
	Hook
	list   string // see listOf; names the hook in logs too
	sender *webhook.Sender
	todo   todo

	mu       sync.Mutex // guards the rest
	failures int        // in a row
	rests    time.Time  // nothing is sent before
}

// Check answers every fault of the hook, each as "field: what".
func (h *Hook) Check() error {
	c := h.address()
	faults := []error{c.Check()}
	for _, e := range h.Events {
		if !slices.Contains(EventTypes(), e) {
			faults = append(faults, fmt.Errorf("events: %q is none of %s", e, strings.Join(EventTypes(), ", ")))
		}
	}
	return errors.Join(faults...)
}

func (h *Hook) address() webhook.Config {
	return webhook.Config{URL: h.URL, Secret: h.Secret, RootCAs: h.RootCAs, DangerouslyAllowPlainHTTP: h.DangerouslyAllowPlainHTTP}
}

func newHook(c Hook) (*hook, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	sender, err := webhook.New(c.address())
	if err != nil {
		return nil, err
	}
	return &hook{Hook: c, list: listOf(&c), sender: sender, todo: todo{set: map[meeting.ID]bool{}, signal: make(chan struct{}, 1)}}, nil
}

func (h *hook) wants(what meeting.What) bool {
	return len(h.Events) == 0 || slices.Contains(h.Events, string(what))
}

// call is the body of a delivery.
type call struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      eventView `json:"data"`
}

// send delivers one event.
func (h *hook) send(ctx context.Context, v eventView, now time.Time) error {
	body, err := json.Marshal(call{Type: v.Type, Timestamp: v.At, Data: v})
	if err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	return h.sender.Post(ctx, v.ID, body, now)
}

// The breaker: an address that fails again and again is left alone for a while,
// longer each time.
const (
	patience = 3
	longRest = time.Minute
)

func (h *hook) resting(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return now.Before(h.rests)
}

func (h *hook) told(err error, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.failures, h.rests = 0, time.Time{}
		return
	}
	h.failures++
	if n := h.failures - patience; n >= 0 {
		h.rests = now.Add(min(time.Second<<min(n, 6), longRest))
	}
}

// todo is the meetings of which a hook may have something to tell, each once.
type todo struct {
	mu     sync.Mutex
	set    map[meeting.ID]bool // guarded by mu
	list   []meeting.ID        // guarded by mu
	signal chan struct{}
}

func (t *todo) add(m meeting.ID) {
	t.mu.Lock()
	if !t.set[m] {
		t.set[m] = true
		t.list = append(t.list, m)
	}
	t.mu.Unlock()
	t.wake()
}

func (t *todo) wake() {
	select {
	case t.signal <- struct{}{}:
	default: // somebody is woken already
	}
}

func (t *todo) take() (m meeting.ID, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.list) == 0 {
		return "", false
	}
	m, t.list = t.list[0], t.list[1:]
	delete(t.set, m)
	if len(t.list) > 0 {
		t.wake()
	}
	return m, true
}
