package mail

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// gate lets in this machine and the relays, a few at once and none for long.
type gate struct {
	net.Listener

	relays []netip.Prefix

	mu   sync.Mutex // guards the rest
	open map[net.Conn]*time.Timer
	over bool
}

// Accept implements net.Listener.
func (g *gate) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if v := g.admit(c); v != nil {
			return v, nil
		}
		_ = c.Close() // a relay comes again
	}
}

func (g *gate) admit(c net.Conn) net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.over || len(g.open) >= reportRooms || !near(c.RemoteAddr(), g.relays) {
		return nil
	}
	v := &visit{Conn: c, gate: g}
	g.open[v] = time.AfterFunc(reportLife, func() { _ = v.Close() })
	return v
}

// near reports whether somebody is on this machine, or one of the relays.
func near(a net.Addr, relays []netip.Prefix) bool {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return a.Network() == "unix"
	}
	ip := t.AddrPort().Addr().Unmap()
	return ip.IsLoopback() || slices.ContainsFunc(relays, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// shut lets nobody in any more, and ends who is there.
func (g *gate) shut() {
	g.mu.Lock()
	g.over = true
	var all []net.Conn
	for c := range g.open {
		all = append(all, c)
	}
	g.mu.Unlock()
	_ = g.Close()
	for _, c := range all {
		_ = c.Close()
	}
}

// visit is a connection that leaves its place when it ends.
type visit struct {
	net.Conn

	gate *gate
}

// Close implements net.Conn.
func (v *visit) Close() error {
	v.gate.mu.Lock()
	if t := v.gate.open[v]; t != nil {
		t.Stop()
		delete(v.gate.open, v)
	}
	v.gate.mu.Unlock()
	return v.Conn.Close()
}
