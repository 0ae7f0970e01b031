package auth

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"
)

// What a provider may cost. A person waits for it, and so do the others
// behind them.
const (
	timeout  = 3 * time.Second // for one request, body and all
	maxReply = 1 << 20         // bytes
	patience = 5               // failures in a row before the breaker opens
	cooldown = 10 * time.Second
)

var (
	errTooLarge = errors.New("the reply is too large")
	errResting  = errors.New("it failed too often just now")
	errRedirect = errors.New("it answers with a redirect")
)

// client returns the HTTP client for one provider. http.DefaultClient has no
// time limit and follows redirects, into the site's own network if told to.
func client(p Provider, inner http.RoundTripper) *http.Client {
	if inner == nil {
		inner = &http.Transport{
			Proxy:                  proxy(p.Proxy),
			DialContext:            (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
			TLSClientConfig:        &tls.Config{RootCAs: p.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    3 * time.Second,
			ResponseHeaderTimeout:  timeout,
			MaxResponseHeaderBytes: 64 << 10,
			MaxConnsPerHost:        32,
			IdleConnTimeout:        time.Minute,
			ForceAttemptHTTP2:      true,
		}
	}
	return &http.Client{Transport: &guard{inner: inner}, Timeout: timeout}
}

func proxy(u *url.URL) func(*http.Request) (*url.URL, error) {
	if u == nil {
		return nil
	}
	return http.ProxyURL(u)
}

// guard is a breaker and a limit round a transport. It also turns a redirect
// into an error, before http.Client can follow it.
type guard struct {
	inner http.RoundTripper

	mu       sync.Mutex // guards the rest
	failures int        // in a row
	rests    time.Time  // until then, once failures reached patience
}

// RoundTrip implements http.RoundTripper.
func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if !g.ready(time.Now()) {
		return nil, errResting
	}
	resp, err := g.inner.RoundTrip(r)
	switch {
	case errors.Is(err, context.Canceled):
		return nil, err // The person went away; that says nothing of the provider.
	case err != nil:
		g.failed(time.Now())
		return nil, err
	case resp.ContentLength > maxReply:
		_ = resp.Body.Close()
		g.failed(time.Now())
		return nil, errTooLarge
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		_ = resp.Body.Close()
		g.failed(time.Now())
		return nil, errRedirect
	case resp.StatusCode >= 500:
		g.failed(time.Now())
	default:
		g.worked()
	}
	resp.Body = &capped{ReadCloser: resp.Body, guard: g, left: maxReply}
	return resp, nil
}

// ready reports whether a request may be tried. Once the breaker is open, one
// request in each cooldown is let through to see if the provider is back.
func (g *guard) ready(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failures < patience {
		return true
	}
	if now.Before(g.rests) {
		return false
	}
	g.rests = now.Add(cooldown)
	return true
}

func (g *guard) failed(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures++
	g.rests = now.Add(cooldown)
}

func (g *guard) worked() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.failures = 0
}

// capped is a body that ends with an error, rather than early, at its limit.
type capped struct {
	io.ReadCloser
	guard *guard
	left  int
}

// Read implements io.Reader.
func (c *capped) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.left -= n
	if c.left < 0 {
		c.guard.failed(time.Now())
		return 0, errTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, context.Canceled) {
		c.guard.failed(time.Now())
	}
	return n, err
}

// get fetches a document. Its errors hold no word of the reply, because a
// reply may hold anything and errors are logged.
func (p *provider) get(ctx context.Context, what, address, bearer, accept string) (body []byte, mediaType string, status int, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, "", 0, fmt.Errorf("%s: %w", what, err)
	}
	req.Header.Set("Accept", accept)
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := p.client.Do(req)
	if err != nil {
		return nil, "", 0, fmt.Errorf("%s: %w", what, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(resp.Body)
	if err != nil {
		return nil, "", 0, fmt.Errorf("%s: %w", what, err)
	}
	return body, resp.Header.Get("Content-Type"), resp.StatusCode, nil
}
