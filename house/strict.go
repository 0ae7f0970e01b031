package house

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// strict is an HTTP/1.1 connection on which nothing passes but requests that
// everybody reads alike, until it is a web socket's.
type strict struct {
	*tls.Conn
	scan  scanner
	fault error // what reading ends with
	taken bool  // for a web socket
	rest  []byte
}

// Read implements net.Conn. net/http has one reader at a time, and says so with
// a lock of its own.
func (c *strict) Read(p []byte) (int, error) {
	if c.fault != nil {
		return 0, c.fault
	}
	if len(c.rest) > 0 {
		n := copy(p, c.rest)
		c.rest = c.rest[n:]
		return n, nil
	}
	n, err := c.Conn.Read(p)
	if c.taken || c.scan.at == upgraded {
		return n, err
	}
	passed, fault := c.scan.scan(p[:n])
	switch {
	case fault != nil:
		c.fault = fault
		if passed == 0 {
			return 0, fault
		}
		return passed, nil
	case passed < n: // said before the answer to a wish to upgrade
		c.rest = bytes.Clone(p[passed:n])
		return passed, nil
	}
	return n, err
}

// SetWriteDeadline implements net.Conn. One that has passed closes the
// connection under TLS: net/http would close it at the next write that fails,
// and a farewell waits seconds for a peer that takes nothing.
func (c *strict) SetWriteDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		return c.NetConn().Close()
	}
	return c.Conn.SetWriteDeadline(t)
}

// settle is told by net/http what becomes of a connection. Where a wish to
// upgrade was not granted, what came after it was not looked at: the connection
// ends there.
func settle(c net.Conn, now http.ConnState) {
	s, ok := c.(*strict)
	if !ok {
		return
	}
	switch now {
	case http.StateHijacked:
		s.taken = true
	case http.StateIdle:
		if s.scan.at == upgraded {
			s.fault = io.EOF
		}
	}
}

// handshakes is a listener of TLS whose connections are ready when they are
// accepted: only then is it known which protocol they speak, and net/http asks
// a connection that is no *tls.Conn nothing before it reads.
type handshakes struct {
	net.Listener
	config *tls.Config
	ready  chan accepted
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

type accepted struct {
	conn net.Conn
	err  error
}

func newHandshakes(ctx context.Context, ln net.Listener, config *tls.Config) *handshakes {
	config = config.Clone()
	if !slices.Contains(config.NextProtos, "http/1.1") {
		config.NextProtos = append(config.NextProtos, "http/1.1")
	}
	h := &handshakes{Listener: ln, config: config, ready: make(chan accepted)}
	h.ctx, h.cancel = context.WithCancel(context.WithoutCancel(ctx))
	h.wg.Go(h.run)
	return h
}

func (h *handshakes) run() {
	for {
		c, err := h.Listener.Accept()
		if err != nil {
			if !h.hand(accepted{err: err}) {
				return
			}
			continue
		}
		h.wg.Go(func() {
			c := h.shake(c)
			if !h.hand(accepted{conn: c}) {
				_ = c.Close() // it was never served
			}
		})
	}
}

// shake answers the connection as net/http must see it: one that speaks
// HTTP/1.1 strictly, every other as it is. Also one whose handshake failed:
// net/http finds the same error and answers it.
func (h *handshakes) shake(c net.Conn) net.Conn {
	t := tls.Server(c, h.config)
	_ = t.SetDeadline(time.Now().Add(headerTime)) // or the handshake fails
	if t.HandshakeContext(h.ctx) != nil {
		return t
	}
	_ = t.SetDeadline(time.Time{}) // or the first read fails
	if p := t.ConnectionState().NegotiatedProtocol; p != "" && p != "http/1.1" {
		return t
	}
	return &strict{Conn: t}
}

func (h *handshakes) hand(a accepted) bool {
	select {
	case h.ready <- a:
		return true
	case <-h.ctx.Done():
		return false
	}
}

// Accept implements net.Listener.
func (h *handshakes) Accept() (net.Conn, error) {
	select {
	case a := <-h.ready:
		return a.conn, a.err
	case <-h.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (h *handshakes) Close() error {
	err := h.Listener.Close()
	h.cancel()
	h.wg.Wait()
	return err
}
