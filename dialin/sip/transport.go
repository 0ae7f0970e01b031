package sip

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"time"

	"github.com/emiago/sipgo/sip"
)

// peer is where a message came from, and the only place an answer goes.
type peer struct {
	proto  string // UDP, TCP, TLS
	remote netip.AddrPort
	local  netip.AddrPort
	// source is whom limits count: the address, a whole /64 for IPv6.
	source string
	send   func(b []byte, to netip.AddrPort) error
	calls  atomic.Int32 // that came over it and still live
}

func newPeer(proto string, remote, local netip.AddrPort) *peer {
	a := remote.Addr().Unmap()
	p := &peer{proto: proto, remote: netip.AddrPortFrom(a, remote.Port()), local: local, source: a.String()}
	if a.Is6() {
		if net, err := a.WithZone("").Prefix(64); err == nil {
			p.source = net.String()
		}
	}
	return p
}

// reliable reports whether the transport itself repeats what is lost.
func (p *peer) reliable() bool { return p.proto != "UDP" }

// write sends to the peer. A failed write is like a lost datagram: the other
// side repeats, or we do.
func (p *peer) write(b []byte) { _ = p.send(b, p.remote) }

// respond sends an answer to where RFC 3261 §18.2.2 wants it: over UDP without
// rport, the port of the Via, but never another address than the source.
func (r *request) respond(b []byte) {
	to := r.peer.remote
	if _, asked := r.via.Params.Get("rport"); !asked && !r.peer.reliable() {
		port := r.via.Port
		if port < 1 || port > 65535 {
			port = 5060
		}
		to = netip.AddrPortFrom(to.Addr(), uint16(port))
	}
	_ = r.peer.send(b, to)
}

// Limits of connections. A device keeps one for its calls, and a peer between
// them; anybody else's ends soon.
const (
	maxConns       = 2048
	maxConnsSource = 64
	firstWord      = 15 * time.Second // to say something at all
	pause          = time.Minute      // between words, without a call
	idle           = 45 * time.Minute // of a peer's, without a call
	forever        = 24 * time.Hour   // of a connection of ours, which ends with its call
	writeTime      = 2 * time.Second
)

// Listen opens every address of the configuration.
func (s *Server) Listen(ctx context.Context) error {
	var lc net.ListenConfig
	for _, a := range s.c.UDP {
		c, err := lc.ListenPacket(ctx, "udp", a)
		if err != nil {
			return errors.Join(fmt.Errorf("listening for calls: %w", err), s.shut())
		}
		if u, ok := c.(*net.UDPConn); ok { // "udp" is one
			s.udp = append(s.udp, u)
		}
	}
	for i, a := range append(append([]string{}, s.c.TCP...), s.c.TLS...) {
		l, err := lc.Listen(ctx, "tcp", a)
		if err != nil {
			return errors.Join(fmt.Errorf("listening for calls: %w", err), s.shut())
		}
		s.tcp = append(s.tcp, listener{l, i >= len(s.c.TCP)})
	}
	return nil
}

type listener struct {
	net.Listener
	tls bool
}

func (s *Server) shut() error {
	var errs []error
	for _, c := range s.udp {
		errs = append(errs, c.Close())
	}
	for _, l := range s.tcp {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// Addrs are the addresses that are listened on.
func (s *Server) Addrs() (udp, tcp, secure []netip.AddrPort) {
	for _, c := range s.udp {
		udp = append(udp, addrPort(c.LocalAddr()))
	}
	for _, l := range s.tcp {
		if l.tls {
			secure = append(secure, addrPort(l.Addr()))
		} else {
			tcp = append(tcp, addrPort(l.Addr()))
		}
	}
	return udp, tcp, secure
}

func addrPort(a net.Addr) netip.AddrPort {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}

// datagrams reads one UDP socket.
func (s *Server) datagrams(c *net.UDPConn) error {
	b := make([]byte, maxMessage+1)
	local := addrPort(c.LocalAddr())
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil || !tidy(b[:n]) {
			continue // an ICMP complaint, a keep-alive, or rubbish
		}
		s.receive(datagramPeer(c, from, local), b[:n])
	}
}

func datagramPeer(c *net.UDPConn, remote, local netip.AddrPort) *peer {
	p := newPeer("UDP", remote, local)
	p.send = func(b []byte, to netip.AddrPort) error {
		_, err := c.WriteToUDPAddrPort(b, to)
		return err
	}
	return p
}

// receive reads one whole message. The parser is not ours: what makes it panic
// is dropped like any other rubbish, here and nowhere else.
func (s *Server) receive(p *peer, b []byte) {
	defer func() {
		if v := recover(); v != nil {
			s.log.ErrorContext(s.lifetime(), "message dropped", slog.String("panic", fmt.Sprintf("%T", v)))
		}
	}()
	m, err := s.parser.ParseSIP(bytes.Clone(squeeze(b)))
	if err != nil {
		return // the error quotes the message: it is not written down (T57)
	}
	s.message(p, m)
}

func (s *Server) message(p *peer, m sip.Message) {
	switch m := m.(type) {
	case *sip.Request:
		if r, ok := check(m, p); ok {
			s.handle(r)
		}
	case *sip.Response:
		s.answered(m)
	}
}

// accept takes connections of one listener.
func (s *Server) accept(ctx context.Context, l listener) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(50 * time.Millisecond): // out of descriptors: the calls that are stay
			}
			continue
		}
		p := newPeer("TCP", addrPort(c.RemoteAddr()), addrPort(c.LocalAddr()))
		if l.tls {
			p.proto = "TLS"
			c = tls.Server(c, s.c.Certificates)
		}
		known := s.peerAt(p)
		key, most, all := s.share(known, p.source, maxConnsSource, s.conns.total)
		if !s.conns.enter(key, most, all) {
			_ = c.Close()
			continue
		}
		s.work.Go(func() {
			defer s.conns.leave(key)
			s.converse(ctx, p, c, known)
		})
	}
}

// converse reads a connection that somebody opened. It stays with its calls:
// whether those live is asked by other means, and many a device says nothing
// between the ACK and the BYE. Without a call only a peer's stays when nothing is
// said, for a while.
func (s *Server) converse(ctx context.Context, p *peer, c net.Conn, known *Peer) {
	p.send = streamSend(c)
	s.stream(ctx, p, c, func(silent time.Duration) bool {
		return p.calls.Load() > 0 || known != nil && silent < idle
	})
}

// streamSend writes whole messages. After a write that failed half of one may have
// left, and what follows would be read as its rest: the connection ends.
func streamSend(c net.Conn) func([]byte, netip.AddrPort) error {
	return func(b []byte, _ netip.AddrPort) error {
		err := c.SetWriteDeadline(time.Now().Add(writeTime))
		if err == nil {
			_, err = c.Write(b)
		}
		if err != nil {
			below := c
			if t, ok := c.(*tls.Conn); ok {
				below = t.NetConn() // TLS would wait to say goodbye, to who reads nothing
			}
			_ = below.Close()
		}
		return err
	}
}

// stream reads one connection until it ends, or has been silent for a while and
// may not stay so. What is no SIP ends it.
func (s *Server) stream(ctx context.Context, p *peer, c net.Conn, stays func(silent time.Duration) bool) {
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer stop()
	defer c.Close()
	var have []byte
	b := make([]byte, 4<<10)
	_ = c.SetReadDeadline(time.Now().Add(firstWord))
	var heard time.Time
	for {
		n, err := c.Read(b)
		have = append(have, b[:n]...)
		for {
			m, rest, ok := cut(have)
			if !ok {
				return
			}
			have = rest
			if m == nil {
				break
			}
			if !tidy(m) {
				return
			}
			heard = time.Now()
			_ = c.SetReadDeadline(heard.Add(pause))
			s.receive(p, m)
		}
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !heard.IsZero() && stays(time.Since(heard)):
			_ = c.SetReadDeadline(time.Now().Add(pause))
		case err != nil:
			return
		}
	}
}
