package gateway

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
)

// once is both halves of a web socket, closed once by whoever is first.
type once struct {
	mu     sync.Mutex
	rwc    io.ReadWriteCloser // the conference server's half; guarded by mu
	user   net.Conn           // the browser's half; guarded by mu
	early  []byte             // what the browser said before it was answered; guarded by mu
	closed bool               // guarded by mu
	heard  func()             // called whenever the browser says something; nil: nobody asks
}

func (o *once) set(c io.ReadWriteCloser) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.rwc = c
	if o.closed {
		_ = c.Close() // cut while the upgrade was under way
	}
}

func (o *once) take(user net.Conn, early []byte) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.user, o.early = user, early
	if o.closed {
		drop(user)
	}
}

// whole reports whether both halves are there.
func (o *once) whole() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.rwc != nil && o.user != nil
}

// close ends both halves at once; what is left of them ends with pump.
func (o *once) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.rwc != nil {
		_ = o.rwc.Close()
	}
	if o.user != nil {
		drop(o.user)
	}
}

// drop closes a connection under TLS: a farewell would wait for a peer that may
// not read.
func drop(c net.Conn) {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	_ = c.Close()
}

// errParked ends the copying of httputil.ReverseProxy before it has begun. Its
// two buffers of 32 KiB and the stack of a whole request would stay with each
// web socket as long as it lives.
var errParked = errors.New("carried on elsewhere")

// parked is what httputil.ReverseProxy is given in place of the conference
// server's half.
type parked struct{}

func (parked) Read([]byte) (int, error)          { return 0, errParked }
func (parked) Write([]byte) (int, error)         { return 0, errParked }
func (parked) ReadFrom(io.Reader) (int64, error) { return 0, errParked }
func (parked) WriteTo(io.Writer) (int64, error)  { return 0, errParked }
func (parked) Close() error                      { return nil }

// held is the browser's half, which httputil.ReverseProxy does not close.
type held struct{ net.Conn }

func (held) Close() error { return nil }

// taker hands the browser's half over to a once when the proxy takes it.
type taker struct {
	http.ResponseWriter
	o *once
}

// Unwrap lets http.ResponseController reach the connection.
func (t taker) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// Hijack implements http.Hijacker.
func (t taker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, b, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	t.Header().Del("Connection")                   // the backend's own says Upgrade
	early, _ := b.Reader.Peek(b.Reader.Buffered()) // all of it is there
	t.o.take(c, bytes.Clone(early))
	return held{c}, b, nil
}

// pump carries a web socket until either half ends, then ends the other.
func (o *once) pump(large *buffers) {
	o.mu.Lock()
	user, backend := o.user, o.rwc
	var said io.Reader = user
	if len(o.early) > 0 {
		said = io.MultiReader(bytes.NewReader(o.early), user)
		o.early = nil
	}
	o.mu.Unlock()
	if o.heard != nil {
		said = listened{said, o.heard}
	}
	var up sync.WaitGroup
	up.Go(func() {
		move(backend, said, large)
		_ = backend.Close() // and with it the other direction
		drop(user)
	})
	move(user, backend, large)
	_ = user.Close()
	_ = backend.Close()
	up.Wait()
}

// listened is the browser's half, which somebody waits to hear of.
type listened struct {
	io.Reader
	heard func()
}

// Read implements io.Reader.
func (l listened) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if n > 0 {
		l.heard()
	}
	return n, err
}

// smallBytes is what each direction of a silent web socket keeps to read into:
// most of what is said fits, and a large buffer is taken only while there is
// more to read than that.
const smallBytes = 512

// buffers are large ones that are taken for a while, by web sockets and by
// httputil.ReverseProxy, which would make one for every answer.
type buffers struct{ pool sync.Pool }

const largeBytes = 32 << 10

func newBuffers() *buffers {
	return &buffers{sync.Pool{New: func() any { return new([largeBytes]byte) }}}
}

// Get implements httputil.BufferPool.
func (b *buffers) Get() []byte {
	a, _ := b.pool.Get().(*[largeBytes]byte) // of no other type
	return a[:]
}

// Put implements httputil.BufferPool.
func (b *buffers) Put(p []byte) { b.pool.Put((*[largeBytes]byte)(p)) }

func move(to io.Writer, from io.Reader, pool *buffers) {
	small := make([]byte, smallBytes)
	buf := small
	var large []byte
	defer func() {
		if large != nil {
			pool.Put(large)
		}
	}()
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if _, werr := to.Write(buf[:n]); werr != nil {
				return
			}
		}
		switch {
		case err != nil:
			return
		case n == len(buf) && large == nil:
			large = pool.Get()
			buf = large
		case n < len(buf) && large != nil:
			pool.Put(large)
			large, buf = nil, small
		}
	}
}
