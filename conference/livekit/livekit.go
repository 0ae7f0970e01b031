// Package livekit stands between admitted browsers and a LiveKit server: it
// opens and ends rooms, puts people out, adds the token on the inside and
// tells each participant of their own relay and no other.
//
// It refuses every path but LiveKit's signalling, every token a browser
// brings, text signalling, compressed frames, and every message it does not
// know. No browser ever sees a LiveKit token.
package livekit

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vestibule/conference"
)

// Config says which LiveKit server stands behind the door.
type Config struct {
	// URL is where its API and signalling answer: https://host[:port], or
	// http:// on the loopback.
	URL string
	// Key and Secret are the API key pair; the secret has 32 bytes or more.
	Key, Secret string
	// Timeout bounds one call of the API. Default 5s; 100ms to 60s.
	Timeout time.Duration
	// RootCAs are the authorities that may vouch for the server; nil means
	// those of the system.
	RootCAs *x509.CertPool
	// DangerouslyAllowPlainHTTP sends live tokens unencrypted to a server on
	// another machine.
	DangerouslyAllowPlainHTTP bool
	// Logger is told what was dropped or refused, by admission id. Nil
	// discards.
	Logger *slog.Logger
}

const (
	minSecret  = 32
	minTimeout = 100 * time.Millisecond
	maxTimeout = time.Minute
)

// Backend is a LiveKit server. It holds no state of its own.
type Backend struct {
	url       url.URL
	key       string
	signer    jose.Signer
	transport *http.Transport
	client    *http.Client
	log       *slog.Logger
}

var _ conference.Backend = (*Backend)(nil)

// New returns the backend without talking to it.
func New(c Config) (*Backend, error) {
	if c.Timeout == 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	u, err := address(c.URL, c.DangerouslyAllowPlainHTTP)
	faults := []error{err}
	if c.Key == "" {
		faults = append(faults, errors.New("livekit: the API key is empty"))
	}
	if len(c.Secret) < minSecret {
		faults = append(faults, fmt.Errorf("livekit: the API secret has %d bytes, at least %d are needed", len(c.Secret), minSecret))
	}
	if c.Timeout < minTimeout || c.Timeout > maxTimeout {
		faults = append(faults, fmt.Errorf("livekit: timeout %v is not between %v and %v", c.Timeout, minTimeout, maxTimeout))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	signer, err := newSigner(c.Key, c.Secret)
	if err != nil {
		return nil, fmt.Errorf("livekit: preparing the signer: %w", err)
	}
	t := newTransport(c)
	return &Backend{
		url:       *u,
		key:       c.Key,
		signer:    signer,
		transport: t,
		log:       c.Logger,
		client: &http.Client{
			Transport: t,
			Timeout:   c.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error {
				return http.ErrUseLastResponse // A redirect would carry the token elsewhere.
			},
		},
	}, nil
}

// address reads the server's URL, which must be an origin and nothing more.
func address(s string, plain bool) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.Opaque != "" {
		return nil, errors.New("livekit: the URL is not of the form https://host[:port]")
	}
	if u.User != nil || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("livekit: the URL has more than scheme, host and port")
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme != "http":
		return nil, errors.New("livekit: the URL's scheme is not https or http")
	case !plain && !loopback(u.Hostname()):
		return nil, errors.New("livekit: plain http is for the loopback; live tokens would cross the network")
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

func newTransport(c Config) *http.Transport {
	return &http.Transport{
		// No Proxy: what the environment says is for going out, not in.
		DialContext:            (&net.Dialer{Timeout: c.Timeout, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{RootCAs: c.RootCAs, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    c.Timeout,
		ResponseHeaderTimeout:  max(c.Timeout, 10*time.Second), // a join may take LiveKit 9 s
		IdleConnTimeout:        time.Minute,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
	}
}

// Upstream implements conference.Origin.
func (b *Backend) Upstream() *url.URL {
	u := b.url
	return &u
}

// Transport implements conference.Origin.
func (b *Backend) Transport() http.RoundTripper { return b.transport }

// Capabilities implements conference.Backend.
func (b *Backend) Capabilities() conference.Capabilities {
	return conference.Capabilities{Remove: true, Rename: true, Mute: true, Close: true, Participants: true, Relay: true, Grants: true}
}
