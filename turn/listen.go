package turn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
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
	udp      []*net.UDPConn // one of each address
	more     []*net.UDPConn // the rest of them
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
	shares, batched := s.share(ctx)
	opened, err := open(ctx, on, shares)
	if err != nil {
		return errors.Join(err, opened.close())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound.udp = append(s.bound.udp, opened.udp...)
	s.batched = batched
	s.bound.more = append(s.bound.more, opened.more...)
	s.bound.tcp = append(s.bound.tcp, opened.tcp...)
	s.bound.tls = append(s.bound.tls, opened.tls...)
	return nil
}

// share is how many sockets share a UDP address: one for each core where
// shards move data in batches, else one.
func (s *Server) share(ctx context.Context) (sockets int, batched bool) {
	if s.c.Plain {
		return 1, false
	}
	if err := batches(); err != nil {
		s.log.WarnContext(ctx, "relaying packet by packet", slog.Any("error", err))
		return 1, false
	}
	return max(1, min(runtime.GOMAXPROCS(0)-1, maxShards)), true
}

// open opens all sockets: each of UDP shares times, where the first finds
// out whether the address is free.
func open(ctx context.Context, on Addresses, shares int) (sockets, error) {
	var (
		opened sockets
		errs   []error
		lc     net.ListenConfig
	)
	for _, a := range on.UDP {
		first, err := openUDP(ctx, a, nil)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		opened.udp = append(opened.udp, first)
		if shares > 1 {
			errs = append(errs, shareable(first))
		}
		for range shares - 1 {
			c, err := openUDP(ctx, first.LocalAddr().String(), sharing)
			if err != nil {
				errs = append(errs, err)
				break
			}
			opened.more = append(opened.more, c)
		}
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

// openUDP opens one socket, which control prepares before it is bound.
func openUDP(ctx context.Context, a string, control func(string, string, syscall.RawConn) error) (*net.UDPConn, error) {
	lc := net.ListenConfig{Control: control}
	c, err := lc.ListenPacket(ctx, "udp", a)
	if err != nil {
		return nil, fmt.Errorf("listening on UDP %s: %w", a, err)
	}
	u, ok := c.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("listening on UDP %s: got a %T", a, c), c.Close())
	}
	// The kernel may grant less; then bursts are lost sooner.
	_, _ = u.SetReadBuffer(socketBuffer), u.SetWriteBuffer(socketBuffer)
	return u, nil
}

func (o sockets) close() error {
	var errs []error
	for _, c := range slices.Concat(o.udp, o.more) {
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
	udp := s.guards(within, bound, notes)
	for _, g := range udp {
		readers.Add(1)
		g.done = readers.Done
		if _, err := g.serve(); err != nil {
			_ = g.Close()
			_, _, _ = g.ReadFrom(nil) // it ends as a reader would have ended it
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
	err := s.shut(bound, udp)
	acceptors.Wait()
	readers.Wait()
	if ctx.Err() == nil {
		return errors.Join(context.Cause(within), err)
	}
	return err
}

// guards makes the guard of each UDP socket.
func (s *Server) guards(ctx context.Context, bound sockets, notes journal) []*guard {
	var all []*guard
	for _, c := range slices.Concat(bound.udp, bound.more) {
		g := &guard{s: s, wire: datagrams{c}, tuples: newTuples(tupleBuckets), journal: notes}
		if s.batched {
			var err error
			if g.wire, err = udpWire(g, c); err != nil {
				s.log.WarnContext(ctx, "relaying packet by packet", slog.Any("error", err))
			}
		}
		all = append(all, g)
	}
	return all
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
func (s *Server) shut(bound sockets, udp []*guard) error {
	bound.udp, bound.more = nil, nil // the guards have them
	err := bound.close()
	for _, g := range udp {
		err = errors.Join(err, g.Close())
	}
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
		each := s.c.ConnectionsPerSource
		if s.trusts(from) {
			each = s.c.Connections
		}
		if !s.sources.enter(from, each) {
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
