package turn

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

const (
	// proveTime is how long a connection without a relay may stay: from
	// its start, or from the end of its last relay.
	proveTime = 10 * time.Second

	// frameTime is how long the rest of a begun frame may take.
	frameTime = 10 * time.Second

	// idleTime is how long a connection with a relay may be silent: one
	// refresh must have come by then (RFC 8656 §3.2).
	idleTime = 11 * time.Minute

	// writeTime is how long a client may not read.
	writeTime = 10 * time.Second
)

var errFraming = errors.New("neither STUN nor ChannelData on the stream")

// wire is where a guard's packets come from: a UDP socket or the stream of
// one connection.
type wire interface {
	// read fails only when no packet will ever come again.
	read(p []byte) (int, netip.AddrPort, error)
	write(p []byte, to netip.AddrPort) (int, error)
	// address is from as pion wants it.
	address(from netip.AddrPort) net.Addr
	local() net.Addr
	// open gives t, whose packets come by this wire, a relay.
	open(t *tuple) error
	Close() error
}

// datagrams is the wire of a UDP socket.
type datagrams struct{ *net.UDPConn }

func (d datagrams) read(p []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := d.ReadFromUDPAddrPort(p)
		if err == nil || errors.Is(err, net.ErrClosed) {
			return n, from, err
		}
		// An ICMP error or a passing want of memory: the next read tells.
		time.Sleep(time.Millisecond)
	}
}

func (d datagrams) write(p []byte, to netip.AddrPort) (int, error) {
	return d.WriteToUDPAddrPort(p, to)
}

func (d datagrams) address(from netip.AddrPort) net.Addr { return net.UDPAddrFromAddrPort(from) }
func (d datagrams) local() net.Addr                      { return d.LocalAddr() }
func (d datagrams) open(t *tuple) error                  { return openRelay(t) }

// stream is the wire of one TCP or TLS connection: messages one after the
// other, ChannelData padded to four (RFC 8656 §12.5). Only the guard's
// reader touches r, since and idle.
type stream struct {
	net.Conn          // what is read and written, TLS or plain
	below    net.Conn // what is closed

	r      *bufio.Reader
	from   netip.AddrPort
	tuples *tuples

	since  time.Time // when it began to be without a relay
	idle   time.Time // the read deadline
	broken atomic.Bool
}

func newStream(c net.Conn, secure *tls.Config, since time.Time) *stream {
	s := &stream{
		Conn: c, below: c, from: source(c.RemoteAddr()),
		tuples: newTuples(1), since: since,
	}
	if secure != nil {
		s.Conn = tls.Server(c, secure)
	}
	s.r = bufio.NewReaderSize(s.Conn, 2*maxPacket)
	return s
}

// Close does not say good-bye in TLS: a client that does not read could
// hold up a cut for as long as it likes.
func (s *stream) Close() error { return s.below.Close() }

func (s *stream) read(p []byte) (int, netip.AddrPort, error) {
	if err := s.wait(); err != nil {
		return 0, s.from, err
	}
	head, err := s.r.Peek(channelHeader)
	if err != nil {
		return 0, s.from, fmt.Errorf("reading a frame: %w", err)
	}
	size, ok := frameSize(head)
	if !ok || size >= maxPacket || size > len(p) {
		// A stream out of step never gets back into it.
		return 0, s.from, errors.Join(errFraming, s.Close())
	}
	if s.r.Buffered() < size {
		if err := s.SetReadDeadline(time.Now().Add(frameTime)); err != nil {
			return 0, s.from, fmt.Errorf("reading a frame: %w", err)
		}
		s.idle = time.Time{}
	}
	n, err := io.ReadFull(s.r, p[:size])
	if err != nil {
		return 0, s.from, fmt.Errorf("reading a frame: %w", err)
	}
	return n, s.from, nil
}

// wait sets how long the next frame may take to begin.
func (s *stream) wait() error {
	if s.r.Buffered() >= channelHeader {
		return nil
	}
	now := time.Now()
	deadline := now.Add(idleTime)
	if s.tuples.find(s.from) != nil {
		s.since = time.Time{}
		// Once in a while is enough: the deadline costs a lock and a timer.
		if deadline.Sub(s.idle) < idleTime/10 {
			return nil
		}
	} else {
		if s.since.IsZero() {
			s.since = now
		}
		deadline = s.since.Add(proveTime)
	}
	s.idle = deadline
	if err := s.SetReadDeadline(deadline); err != nil {
		return fmt.Errorf("waiting for a frame: %w", err)
	}
	return nil
}

// frameSize is how long the message is that begins with head.
func frameSize(head []byte) (int, bool) {
	size := int(binary.BigEndian.Uint16(head[2:]))
	switch head[0] & 0xc0 {
	case 0x00:
		return headerSize + size, size%4 == 0
	case 0x40:
		return channelHeader + (size+3)&^3, true
	}
	return 0, false
}

func (s *stream) write(p []byte, _ netip.AddrPort) (int, error) {
	if s.broken.Load() {
		return 0, net.ErrClosed
	}
	err := s.SetWriteDeadline(time.Now().Add(writeTime))
	if err == nil {
		var n int
		if n, err = s.Write(p); err == nil {
			return n, nil
		}
	}
	// Half a frame may be out: what follows would be read as its rest.
	s.broken.Store(true)
	return 0, errors.Join(err, s.Close())
}

func (s *stream) address(netip.AddrPort) net.Addr { return s.RemoteAddr() }
func (s *stream) local() net.Addr                 { return s.LocalAddr() }
func (s *stream) open(t *tuple) error             { return openRelay(t) }

// begins waits for the first header of a STUN request, so that whoever
// sends nothing, or something else, costs no more than the connection.
func (s *stream) begins() bool {
	// The TLS handshake, which reads and writes, is in it.
	if err := s.SetDeadline(s.since.Add(proveTime)); err != nil {
		return false
	}
	head, err := s.r.Peek(headerSize)
	return err == nil && head[0] == 0 && binary.BigEndian.Uint32(head[4:]) == magicCookie
}
