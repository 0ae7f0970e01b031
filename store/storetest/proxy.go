package storetest

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Proxy stands between a store and its Redis and loses replies.
type Proxy struct {
	Addr string // host:port on the loopback

	line     net.Listener
	commands atomic.Int64
	lose     atomic.Int64 // which command's reply is lost; 0 is none
	hang     bool
	all      sync.WaitGroup

	mu    sync.Mutex
	to    string
	conns map[net.Conn]struct{}
	ended bool
}

// StartProxy begins to forward to a Redis. The reply to the command numbered
// lose, counted from 1 over all connections, does not come back although the
// command is carried out; then the connection is closed or, with hang, stays
// silent.
func StartProxy(t testing.TB, to string, lose int64, hang bool) *Proxy {
	t.Helper()
	line, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: line.Addr().String(), line: line, to: to, hang: hang, conns: map[net.Conn]struct{}{}}
	p.lose.Store(lose)
	p.all.Go(p.serve)
	t.Cleanup(p.close)
	return p
}

// URL returns the redis:// URL of the proxy.
func (p *Proxy) URL() string { return "redis://" + p.Addr }

// Lost reports whether the reply that was to be lost has been.
func (p *Proxy) Lost() bool { return p.lose.Load() == 0 || p.commands.Load() >= p.lose.Load() }

// Redirect leads connections made from now on to another Redis, as an address
// does that moves with the master.
func (p *Proxy) Redirect(to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.to = to
}

func (p *Proxy) close() {
	_ = p.line.Close()
	p.mu.Lock()
	p.ended = true
	for c := range p.conns {
		_ = c.Close()
	}
	p.mu.Unlock()
	p.all.Wait()
}

func (p *Proxy) serve() {
	for {
		c, err := p.line.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		to := p.to
		p.mu.Unlock()
		up, err := net.Dial("tcp", to)
		if err != nil {
			_ = c.Close()
			continue
		}
		if p.keep(c) && p.keep(up) {
			p.all.Go(func() { p.forward(c, up) })
		}
	}
}

// keep notes a connection for close.
func (p *Proxy) keep(c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		_ = c.Close()
		return false
	}
	p.conns[c] = struct{}{}
	return true
}

func (p *Proxy) forward(c, up net.Conn) {
	var losing atomic.Bool
	back := make(chan struct{})
	p.all.Go(func() {
		defer close(back)
		p.answer(c, up, &losing)
	})
	r := bufio.NewReader(c)
	for {
		command, err := request(r)
		if err != nil {
			break
		}
		if p.commands.Add(1) == p.lose.Load() {
			losing.Store(true)
		}
		if _, err := up.Write(command); err != nil {
			break
		}
	}
	_ = up.Close()
	<-back
	_ = c.Close()
}

func (p *Proxy) answer(c, up net.Conn, losing *atomic.Bool) {
	b := make([]byte, 64<<10)
	for {
		n, err := up.Read(b)
		if losing.Load() && n > 0 { // It has been carried out.
			if p.hang {
				continue
			}
			_ = c.Close()
			return
		}
		if _, werr := c.Write(b[:n]); err != nil || werr != nil {
			_ = c.Close()
			return
		}
	}
}

// request reads one command as it stands on the wire.
func request(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	all := []byte(line)
	words, _ := strconv.Atoi(strings.Trim(line, "*\r\n"))
	for range words {
		head, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		n, err := strconv.Atoi(strings.Trim(head, "$\r\n"))
		if err != nil {
			return nil, err
		}
		word := make([]byte, n+2)
		if _, err := io.ReadFull(r, word); err != nil {
			return nil, err
		}
		all = append(append(all, head...), word...)
	}
	return all, nil
}
