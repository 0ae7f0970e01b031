package turn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"
)

const (
	// tick moves the clock of the packets.
	tick = 20 * time.Millisecond

	// socketBuffer holds what arrives while the reader is busy.
	socketBuffer = 4 << 20
)

// Addresses are host:port pairs to listen on; port 0 takes a free one. A
// machine with several addresses lists each for UDP: a socket on all of them
// may answer from another than it was asked on.
type Addresses struct{ UDP, TCP, TLS []string }

// Bound are the addresses that are listened on.
type Bound struct{ UDP, TCP, TLS []netip.AddrPort }

// sockets are what Listen opened.
type sockets struct {
	udp      []*net.UDPConn
	tcp, tls []net.Listener
}

// Listen opens the sockets; Serve closes them. On an error nothing stays
// open.
func (s *Server) Listen(ctx context.Context, on Addresses) error {
	if len(on.TLS) > 0 && s.c.TLS == nil {
		return errors.New("turn: TLS addresses but no TLS configuration")
	}
	if len(on.UDP)+len(on.TCP)+len(on.TLS) == 0 {
		return errors.New("turn: no address to listen on")
	}
	opened, err := open(ctx, on)
	if err != nil {
		return errors.Join(err, opened.close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound.udp = append(s.bound.udp, opened.udp...)
	s.bound.tcp = append(s.bound.tcp, opened.tcp...)
	s.bound.tls = append(s.bound.tls, opened.tls...)
	return nil
}

func open(ctx context.Context, on Addresses) (sockets, error) {
	var (
		opened sockets
		errs   []error
		lc     net.ListenConfig
	)
	for _, a := range on.UDP {
		c, err := lc.ListenPacket(ctx, "udp", a)
		if err != nil {
			errs = append(errs, fmt.Errorf("listening on UDP %s: %w", a, err))
			continue
		}
		u, ok := c.(*net.UDPConn)
		if !ok {
			errs = append(errs, fmt.Errorf("listening on UDP %s: got a %T", a, c), c.Close())
			continue
		}
		// The kernel may grant less; then bursts are lost sooner.
		_, _ = u.SetReadBuffer(socketBuffer), u.SetWriteBuffer(socketBuffer)
		opened.udp = append(opened.udp, u)
	}
	streams := func(to *[]net.Listener, kind string, addresses []string) {
		for _, a := range addresses {
			l, err := lc.Listen(ctx, "tcp", a)
			if err != nil {
				errs = append(errs, fmt.Errorf("listening on %s %s: %w", kind, a, err))
				continue
			}
			*to = append(*to, l)
		}
	}
	streams(&opened.tcp, "TCP", on.TCP)
	streams(&opened.tls, "TLS", on.TLS)
	return opened, errors.Join(errs...)
}

func (o sockets) close() error {
	var errs []error
	for _, c := range o.udp {
		errs = append(errs, c.Close())
	}
	for _, l := range o.tcp {
		errs = append(errs, l.Close())
	}
	for _, l := range o.tls {
		errs = append(errs, l.Close())
	}
	return errors.Join(errs...)
}

// Addrs returns what Listen bound.
func (s *Server) Addrs() Bound {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b Bound
	for _, c := range s.bound.udp {
		b.UDP = append(b.UDP, source(c.LocalAddr()))
	}
	for _, l := range s.bound.tcp {
		b.TCP = append(b.TCP, source(l.Addr()))
	}
	for _, l := range s.bound.tls {
		b.TLS = append(b.TLS, source(l.Addr()))
	}
	return b
}

// urls are the addresses as browsers want them (RFC 7065).
func (s *Server) urls() []string {
	if len(s.c.URLs) > 0 {
		return append([]string(nil), s.c.URLs...)
	}
	var urls []string
	add := func(scheme, transport string, bound []netip.AddrPort) {
		for _, a := range bound {
			for _, host := range s.hosts(a.Addr()) {
				port := strconv.Itoa(int(a.Port()))
				urls = append(urls, scheme+":"+net.JoinHostPort(host, port)+"?transport="+transport)
			}
		}
	}
	b := s.Addrs()
	add("turn", "udp", b.UDP)
	add("turn", "tcp", b.TCP)
	add("turns", "tcp", b.TLS)
	return urls
}

// hosts are the names under which a socket bound to local is reached.
func (s *Server) hosts(local netip.Addr) []string {
	if s.c.Host != "" {
		return []string{s.c.Host}
	}
	var hosts []string
	for _, ip := range s.c.PublicIPs {
		// A socket on [::] takes both families.
		if ip.Is4() == local.Unmap().Is4() || local == netip.IPv6Unspecified() {
			hosts = append(hosts, ip.String())
		}
	}
	return hosts
}

// Serve relays until ctx ends or a listener fails. It closes all sockets
// and returns when nothing reads from them any more; nil when ctx ended.
func (s *Server) Serve(ctx context.Context) error {
	s.mu.Lock()
	bound := s.bound
	s.mu.Unlock()
	if len(bound.udp)+len(bound.tcp)+len(bound.tls) == 0 {
		return errors.New("turn: Serve before Listen")
	}
	within, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	notes := s.journal(within)
	var readers, acceptors sync.WaitGroup
	for _, c := range bound.udp {
		g := &guard{s: s, wire: datagrams{c}, tuples: newTuples(tupleBuckets), journal: notes, done: readers.Done}
		readers.Add(1)
		if _, err := g.serve(); err != nil {
			readers.Done()
			stop(fmt.Errorf("starting the relay: %w", err))
		}
	}
	accept := func(l net.Listener, secure *tls.Config) {
		acceptors.Go(func() {
			if err := s.accept(within, l, secure, notes, &readers); err != nil {
				stop(err)
			}
		})
	}
	for _, l := range bound.tcp {
		accept(l, nil)
	}
	for _, l := range bound.tls {
		accept(l, s.streamTLS())
	}
	s.keepTime(within)
	err := s.shut(bound)
	acceptors.Wait()
	readers.Wait()
	if ctx.Err() == nil {
		return errors.Join(context.Cause(within), err)
	}
	return err
}

// keepTime moves the clock and sweeps until ctx ends.
func (s *Server) keepTime(ctx context.Context) {
	t := time.NewTicker(tick)
	defer t.Stop()
	swept := time.Now()
	s.clock.Store(swept.UnixNano())
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		now := time.Now()
		s.clock.Store(now.UnixNano())
		if now.Sub(swept) >= sweepEvery {
			swept = now
			s.sweep(ctx, now)
		}
	}
}

// shut closes everything: listeners, connections, relays.
func (s *Server) shut(bound sockets) error {
	err := bound.close()
	s.mu.Lock()
	s.closing = true
	var over []*tuple
	for _, g := range s.grants {
		over = append(over, g.held()...)
	}
	streams := make([]*guard, 0, len(s.streams))
	for g := range s.streams {
		streams = append(streams, g)
	}
	s.mu.Unlock()
	for _, g := range streams {
		// A peer that has gone already makes an error of closing TLS.
		_ = g.Close()
	}
	return errors.Join(err, end(over))
}

// streamTLS is the TLS configuration of the listeners: no HTTP is spoken
// here, whatever the certificate's other users offer.
func (s *Server) streamTLS() *tls.Config {
	c := s.c.TLS.Clone()
	c.NextProtos = nil
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	return c
}

// accept serves the connections of l until it is closed.
func (s *Server) accept(ctx context.Context, l net.Listener, secure *tls.Config, notes journal, readers *sync.WaitGroup) error {
	for {
		c, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, net.ErrClosed) {
				return fmt.Errorf("accepting: %w", err)
			}
			// Out of file descriptors, or a client that left: go on soon.
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(tick):
			}
			continue
		}
		from := source(c.RemoteAddr()).Addr()
		if !s.sources.enter(from) {
			_ = c.Close() // nothing was promised on it
			continue
		}
		readers.Add(1)
		go s.receive(c, secure, notes, func() {
			s.sources.leave(from)
			readers.Done()
		})
	}
}

// receive makes a guarded wire of one connection. gone is called when it is
// over.
func (s *Server) receive(c net.Conn, secure *tls.Config, notes journal, gone func()) {
	w := newStream(c, secure, time.Now())
	g := &guard{s: s, wire: w, stream: true, tuples: w.tuples, journal: notes}
	g.done = func() {
		_ = w.Close() // it may be closed already
		s.mu.Lock()
		delete(s.streams, g)
		s.mu.Unlock()
		gone()
	}
	if !s.keep(g) || !w.begins() {
		g.done()
		return
	}
	if _, err := g.serve(); err != nil {
		notes.failed(fmt.Errorf("starting the relay: %w", err))
		g.done()
	}
}

// keep notes g for shut, and reports false when that has been.
func (s *Server) keep(g *guard) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.streams[g] = struct{}{}
	return !s.closing
}
