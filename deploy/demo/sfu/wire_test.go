package sfu_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"

	"vestibule/conference"
	"vestibule/conference/livekit"
)

// through is a backend that is reached by another way.
type through struct {
	*livekit.Backend
	url string
}

func (b through) Leg(g conference.Grants) (string, string, error) {
	_, token, err := b.Backend.Leg(g)
	return b.url, token, err
}

// wire is a TCP connection that can be cut.
type wire struct {
	net.Listener
	mu     sync.Mutex
	open   []net.Conn // guarded by mu, like all
	all    int
	refuse int // so many of the next connections
	hush   int // so many get the first message of the server and nothing more
}

func newWire(t *testing.T, to string) *wire {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{Listener: ln}
	var work sync.WaitGroup
	work.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			hush := w.takes(in, out)
			for _, c := range [][2]net.Conn{{in, out}, {out, in}} {
				work.Go(func() {
					if hush && c[0] == in {
						_ = first(in, out)
						_, _ = io.Copy(io.Discard, out)
					} else {
						_, _ = io.Copy(c[0], c[1])
					}
					_ = c[0].Close()
				})
			}
		}
	})
	t.Cleanup(func() { _ = ln.Close(); w.cut(); work.Wait() })
	return w
}

// takes notes a connection, or drops it, and reports whether the server's word
// is kept from it.
func (w *wire) takes(in, out net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all++
	if w.refuse > 0 {
		w.refuse--
		_, _ = in.Close(), out.Close()
		return false
	}
	w.open = append(w.open, in, out)
	w.hush--
	return w.hush >= 0
}

// first passes on the answer to the upgrade and the first message, which is short.
func first(to io.Writer, from io.Reader) error {
	r := bufio.NewReader(from)
	for line := ""; line != "\r\n"; {
		var err error
		if line, err = r.ReadString('\n'); err != nil {
			return err
		}
		if _, err := io.WriteString(to, line); err != nil {
			return err
		}
	}
	head, err := r.Peek(4)
	if err != nil {
		return err
	}
	n := 2 + int64(head[1])
	if head[1] == 126 {
		n = 4 + int64(binary.BigEndian.Uint16(head[2:]))
	}
	_, err = io.CopyN(to, r, n)
	return err
}

// next says what becomes of the next connections.
func (w *wire) next(refuse, hush int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refuse, w.hush = refuse, hush
}

func (w *wire) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all
}

func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.open {
		_ = c.Close()
	}
	w.open = nil
}
