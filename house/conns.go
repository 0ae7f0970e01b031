package house

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
)

// Limits is how much of the door one stranger may hold. The zero value is the
// default of each.
type Limits struct {
	// PerSource is how many connections one IPv4 address or one IPv6 /64 may
	// have open at once. Default 20; a hospital behind one address needs
	// about three for each person at the door or inside.
	PerSource int
	// Trusted are proxies and networks whose connections are not counted:
	// many people arrive by each of them. Default none.
	Trusted []netip.Prefix
	// Proxies are HTTP proxies in front of the door whose X-Forwarded-For is
	// believed; nobody else's is. Their connections are not counted: whom they
	// bring they must limit themselves. Default none.
	Proxies []netip.Prefix
	// Balancers are load balancers that begin every connection with a PROXY
	// header; one without is closed, and nobody else may send one. Default
	// none.
	Balancers []netip.Prefix
}

const perSource = 20

// fault answers what is wrong with the limits.
func (l Limits) fault() error {
	if l.PerSource < 0 || l.PerSource > 1<<20 {
		return fmt.Errorf("house: Limits.PerSource is %d, want 1 to %d", l.PerSource, 1<<20)
	}
	for _, p := range slices.Concat(l.Trusted, l.Proxies, l.Balancers) {
		if !p.IsValid() {
			return errors.New("house: Limits has an invalid range")
		}
	}
	for _, b := range l.Balancers {
		if slices.ContainsFunc(slices.Concat(l.Trusted, l.Proxies), b.Overlaps) {
			return fmt.Errorf("house: Limits.Balancers: %s is also in Trusted or Proxies", b)
		}
	}
	return nil
}

// Guard is ln with the limits on who connects. A connection too many is closed
// before TLS begins: saying why would cost what the limit saves.
func (l Limits) Guard(ln net.Listener) net.Listener { return l.guard(ln, func() {}) }

// guard is Guard; turned is called for each connection too many.
func (l Limits) guard(ln net.Listener, turned func()) *guard {
	if l.PerSource <= 0 {
		l.PerSource = perSource
	}
	return &guard{Listener: ln, limits: l, turned: turned, open: map[netip.Prefix]int{}}
}

// guard counts connections by their source.
type guard struct {
	net.Listener
	limits Limits
	turned func()

	mu   sync.Mutex
	open map[netip.Prefix]int // guarded by mu
}

// Accept implements net.Listener.
func (g *guard) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if ap, err := netip.ParseAddrPort(c.RemoteAddr().String()); err == nil && within(g.limits.Balancers, ap.Addr()) {
			b := g.carried(c)
			return &guarded{Conn: b, meter: newMeter(false), release: b.leave}, nil
		}
		src, trusted := g.source(c.RemoteAddr())
		if trusted {
			return &guarded{Conn: c, meter: newMeter(true), release: func() {}}, nil
		}
		if g.take(src) {
			return &guarded{Conn: c, meter: newMeter(false), release: sync.OnceFunc(func() { g.give(src) })}, nil
		}
		_ = c.Close() // nothing was said on it
	}
}

// source is who a connection counts for. Whoever has one IPv6 address has a
// whole /64 of them.
func (g *guard) source(a net.Addr) (src netip.Prefix, trusted bool) {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Prefix{}, false // all of these are one source
	}
	ip := ap.Addr().Unmap().WithZone("")
	if within(g.limits.Trusted, ip) || within(g.limits.Proxies, ip) {
		return netip.Prefix{}, true
	}
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	src, _ = ip.Prefix(bits) // the bits fit the address
	return src, false
}

// take counts one connection more of a source, where it may have one.
func (g *guard) take(src netip.Prefix) bool {
	ok := g.add(src)
	if !ok {
		g.turned()
	}
	return ok
}

func (g *guard) add(src netip.Prefix) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[src] >= g.limits.PerSource {
		return false
	}
	g.open[src]++
	return true
}

func (g *guard) give(src netip.Prefix) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open[src]--; g.open[src] <= 0 {
		delete(g.open, src)
	}
}

// guarded is a connection that counts until it is closed.
type guarded struct {
	net.Conn
	meter   *meter
	release func()
}

// Close implements net.Conn.
func (c *guarded) Close() error {
	c.release()
	return c.Conn.Close()
}

// NetConn is the connection itself, for who must wait for it to have something
// to say.
func (c *guarded) NetConn() net.Conn { return c.Conn }
