package house

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/http2"
)

// What one HTTP/2 connection may do (T59). A stream that its client gives up
// costs the client nothing and the door an answer. A browser gives up a
// handful when a page is left, and opens some hundred for the largest page.
const (
	atOnce = 100 // streams open at the same time
	// deadAfter is how long a connection may say nothing, not even answer a
	// ping, or take nothing of what it is sent.
	deadAfter = 30 * time.Second
)

// allowances are how many of each may come in one go, and each second for ever
// after.
func allowances() (opens, resets, others bucket) {
	return bucket{tokens: 1000, burst: 1000, rate: 100}, bucket{tokens: 100, burst: 100, rate: 10}, bucket{tokens: 1000, burst: 1000, rate: 50}
}

// meter counts the frames of one connection.
type meter struct {
	shared bool // by many people: what is opened on it is not counted

	mu                    sync.Mutex
	opens, resets, others bucket // guarded by mu
}

func newMeter(shared bool) *meter {
	m := &meter{shared: shared}
	m.opens, m.resets, m.others = allowances()
	return m
}

// The types of frames that cost the door more than their sender (RFC 9113 §6).
const (
	dataFrame, headersFrame, priorityFrame, resetFrame = 0, 1, 2, 3
	settingsFrame, pingFrame, continuationFrame        = 4, 6, 9
)

// received counts a frame of the client and reports whether it may go on.
func (m *meter) received(kind byte, size int, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch kind {
	case headersFrame:
		return m.shared || m.opens.take(now)
	case resetFrame:
		return m.resets.take(now)
	case priorityFrame, settingsFrame, pingFrame, continuationFrame:
		return m.others.take(now)
	case dataFrame:
		return size > 0 || m.others.take(now)
	}
	return true
}

// sent counts a frame of the door: a client can also make it give up streams,
// by frames that are wrong (CVE-2025-8671).
func (m *meter) sent(kind byte, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return kind != resetFrame || m.resets.take(now)
}

// errFlood ends a connection that opens or gives up streams as no browser does.
var errFlood = errors.New("too many frames")

// watched is an HTTP/2 connection whose frames are counted as they pass. It is
// looked at here and not in the handler: for a stream that is reset soon enough
// net/http begins no handler.
type watched struct {
	*tls.Conn
	m       *meter
	in, out frames
}

// Read implements net.Conn.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	if n > 0 && !w.in.scan(p[:n], func(kind byte, size int) bool { return w.m.received(kind, size, time.Now()) }) {
		// Closed under TLS: a farewell would wait for a peer that may not read.
		_ = w.Conn.NetConn().Close()
		return 0, errFlood
	}
	return n, err
}

// Write implements net.Conn.
func (w *watched) Write(p []byte) (int, error) {
	if !w.out.scan(p, func(kind byte, _ int) bool { return w.m.sent(kind, time.Now()) }) {
		_ = w.Conn.NetConn().Close()
		return 0, errFlood
	}
	return w.Conn.Write(p)
}

// frames finds the heads of frames in a stream (RFC 9113 §4.1).
type frames struct {
	skip int     // bytes until the next head
	head [9]byte // what of it has come
	n    int
}

// scan calls see for each frame whose head ends in p, until one may not go on.
func (f *frames) scan(p []byte, see func(kind byte, size int) bool) bool {
	for len(p) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(p))
			f.skip, p = f.skip-n, p[n:]
			continue
		}
		n := copy(f.head[f.n:], p)
		f.n, p = f.n+n, p[n:]
		if f.n < len(f.head) {
			return true
		}
		size := int(binary.BigEndian.Uint32(f.head[:]) >> 8)
		f.n, f.skip = 0, size
		if !see(f.head[3], size) {
			return false
		}
	}
	return true
}

// watch has srv count the frames of guarded connections.
func watch(srv *http.Server) error {
	//nolint:staticcheck // net/http has no other way to stand between TLS and HTTP/2
	h2 := &http2.Server{}
	if err := http2.ConfigureServer(srv, h2); err != nil { //nolint:staticcheck // the same
		return fmt.Errorf("preparing HTTP/2: %w", err)
	}
	plain := srv.TLSNextProto[http2.NextProtoTLS]
	srv.TLSNextProto[http2.NextProtoTLS] = func(srv *http.Server, c *tls.Conn, h http.Handler) {
		g, ok := c.NetConn().(*guarded)
		if !ok {
			plain(srv, c, h)
			return
		}
		var ctx context.Context
		// net/http hands the connection's context over this way.
		if b, ok := h.(interface{ BaseContext() context.Context }); ok {
			ctx = b.BaseContext()
		}
		w := &watched{Conn: c, m: g.meter, in: frames{skip: len(http2.ClientPreface)}}
		h2.ServeConn(w, &http2.ServeConnOpts{Context: ctx, Handler: h, BaseConfig: srv}) //nolint:staticcheck // the same
	}
	return nil
}

// bucket is a token bucket.
type bucket struct {
	tokens, burst, rate float64
	last                time.Time
}

func (b *bucket) take(now time.Time) bool {
	if !b.last.IsZero() {
		b.tokens = min(b.burst, b.tokens+b.rate*now.Sub(b.last).Seconds())
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
