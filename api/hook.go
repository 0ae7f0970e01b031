package api

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"vestibule/meeting"
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

// HookSecret reads a secret as Standard Webhooks writes it: whsec_ and base64.
func HookSecret(s string) ([]byte, error) {
	rest, ok := strings.CutPrefix(s, "whsec_")
	b, err := base64.StdEncoding.DecodeString(rest)
	if !ok || err != nil || len(b) < 24 || len(b) > 64 {
		return nil, errors.New("want whsec_ and 24 to 64 bytes in base64: echo whsec_$(openssl rand -base64 32)")
	}
	return b, nil
}

// EventTypes are the types that an event can have.
func EventTypes() []string {
	var list []string
	for _, w := range []meeting.What{
		meeting.Created, meeting.Invited, meeting.MailSent, meeting.LinkRevoked, meeting.LinkReissued, meeting.CodeIssued,
		meeting.CodeRefused, meeting.CodeProved, meeting.Knocked, meeting.Turned, meeting.LetIn, meeting.Entered, meeting.Gone,
		meeting.PutOut, meeting.WasLocked, meeting.WasUnlocked, meeting.WasEnded, meeting.WasCancelled, meeting.WasAltered,
		meeting.DialSlowed, meeting.WasHeld, meeting.WasAsked, meeting.Replied, meeting.Renamed, meeting.Stayed, meeting.Lapsed,
	} {
		list = append(list, string(w))
	}
	return list
}

// hookTime bounds one delivery, answer and all.
const hookTime = 5 * time.Second

// hook is one address at work.
type hook struct {
	Hook
	list   string // see listOf; names the hook in logs too
	client *http.Client
	todo   todo

	mu       sync.Mutex // guards the rest
	failures int        // in a row
	rests    time.Time  // nothing is sent before
}

// Check answers every fault of the hook, each as "field: what".
func (h *Hook) Check() error {
	var faults []error
	u, err := url.Parse(h.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		faults = append(faults, errors.New("url: want an absolute URL without credentials"))
	case u.Scheme != "https" && (u.Scheme != "http" || !h.DangerouslyAllowPlainHTTP):
		faults = append(faults, errors.New("url: want https"))
	}
	if len(h.Secret) < 24 || len(h.Secret) > 64 {
		faults = append(faults, errors.New("secret: want 24 to 64 bytes"))
	}
	for _, e := range h.Events {
		if !slices.Contains(EventTypes(), e) {
			faults = append(faults, fmt.Errorf("events: %q is none of %s", e, strings.Join(EventTypes(), ", ")))
		}
	}
	return errors.Join(faults...)
}

func newHook(c Hook) (*hook, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	return &hook{
		Hook: c, list: listOf(&c), todo: todo{set: map[meeting.ID]bool{}, signal: make(chan struct{}, 1)},
		client: &http.Client{
			Timeout: hookTime,
			Transport: &http.Transport{
				// No proxy out of the environment, and no redirect, may lead
				// what happens elsewhere.
				DialContext:            (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
				TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
				TLSHandshakeTimeout:    3 * time.Second,
				MaxResponseHeaderBytes: 16 << 10,
				MaxConnsPerHost:        8,
				IdleConnTimeout:        time.Minute,
				ForceAttemptHTTP2:      true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
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

// send delivers one event. Its error names neither the address nor a word of
// the answer.
func (h *hook) send(ctx context.Context, v eventView, now time.Time) error {
	body, err := json.Marshal(call{Type: v.Type, Timestamp: v.At, Data: v})
	if err != nil {
		return fmt.Errorf("encoding an event: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("webhook: the address cannot be used")
	}
	at := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "vestibule")
	req.Header.Set("Webhook-Id", v.ID)
	req.Header.Set("Webhook-Timestamp", at)
	req.Header.Set("Webhook-Signature", Sign(h.Secret, v.ID, at, body))
	resp, err := h.client.Do(req)
	var about *url.Error
	if errors.As(err, &about) {
		err = about.Err // the rest is the address, which may hold a token
	}
	if err != nil {
		return fmt.Errorf("webhook: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 4<<10)) // only so that the connection can be used again
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("webhook: status %d", resp.StatusCode)
	}
	return nil
}

// Sign answers the signature of a delivery: HMAC-SHA256 over id, time and body,
// so that neither can be changed and an old delivery is known by its time.
func Sign(secret []byte, id, timestamp string, body []byte) string {
	h := hmac.New(sha256.New, secret)
	_, _ = fmt.Fprintf(h, "%s.%s.%s", id, timestamp, body) // a hash takes everything
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
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
