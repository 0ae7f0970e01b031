// Package webhook tells other programs something by HTTP, signed as Standard
// Webhooks has it, so that they know who says it and that it is no old one.
//
// It refuses to follow where an address leads on to, to use a proxy that the
// environment names, and to repeat an address or an answer in an error: either
// may hold a secret.
package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Config is one address that is told something.
type Config struct {
	URL string
	// Secret signs what is sent: 24 to 64 bytes.
	Secret []byte
	// RootCAs signs the receiver's certificate; nil means the system's.
	RootCAs *x509.CertPool
	// DangerouslyAllowPlainHTTP sends it past everybody on the line.
	DangerouslyAllowPlainHTTP bool
	// Timeout bounds one delivery, answer and all. Default 5s.
	Timeout time.Duration
}

// Secret reads a secret as Standard Webhooks writes it: whsec_ and base64.
func Secret(s string) ([]byte, error) {
	rest, ok := strings.CutPrefix(s, "whsec_")
	b, err := base64.StdEncoding.DecodeString(rest)
	if !ok || err != nil || len(b) < 24 || len(b) > 64 {
		return nil, errors.New("want whsec_ and 24 to 64 bytes in base64: echo whsec_$(openssl rand -base64 32)")
	}
	return b, nil
}

// Check answers every fault, each as "field: what".
func (c *Config) Check() error {
	var faults []error
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		faults = append(faults, errors.New("url: want an absolute URL without credentials"))
	case u.Scheme != "https" && (u.Scheme != "http" || !c.DangerouslyAllowPlainHTTP):
		faults = append(faults, errors.New("url: want https"))
	}
	if len(c.Secret) < 24 || len(c.Secret) > 64 {
		faults = append(faults, errors.New("secret: want 24 to 64 bytes"))
	}
	return errors.Join(faults...)
}

// Sender tells one address. It is safe for concurrent use.
type Sender struct {
	c      Config
	client *http.Client
}

// New returns a sender, or every fault of c. It reaches nobody.
func New(c Config) (*Sender, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	return &Sender{c: c, client: &http.Client{
		Timeout: c.Timeout,
		Transport: &http.Transport{
			// No proxy out of the environment, and no redirect, may lead
			// what is said elsewhere.
			DialContext:            (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    3 * time.Second,
			MaxResponseHeaderBytes: 16 << 10,
			MaxConnsPerHost:        8,
			IdleConnTimeout:        time.Minute,
			ForceAttemptHTTP2:      true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close closes idle connections.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Status is an answer other than 2xx.
type Status int

// Error implements error.
func (s Status) Error() string { return "webhook: status " + strconv.Itoa(int(s)) }

// Post says body once. The id is the same each time the same is said again, so
// that the receiver can tell. Its error names neither the address nor a word of
// the answer; it is a Status where there was one.
func (s *Sender) Post(ctx context.Context, id string, body []byte, now time.Time) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.c.URL, bytes.NewReader(body))
	if err != nil {
		return errors.New("webhook: the address cannot be used")
	}
	at := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "vestibule")
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", at)
	req.Header.Set("Webhook-Signature", Sign(s.c.Secret, id, at, body))
	resp, err := s.client.Do(req)
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
		return Status(resp.StatusCode)
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
