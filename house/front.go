package house

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/pires/go-proxyproto"
)

// from has next see the address that a listed proxy says a request comes from
// (T32). Everybody else's X-Forwarded-For is noise: limits would be kept for
// whomever a stranger names. Handlers that ask for the source ask RemoteAddr,
// and learn of no header.
func (l Limits) from(next http.Handler) http.Handler {
	if len(l.Proxies) == 0 {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.RemoteAddr = l.origin(r.RemoteAddr, r.Header["X-Forwarded-For"])
		next.ServeHTTP(w, r)
	})
}

// origin walks back from the peer: each listed proxy vouches for the address
// that it wrote last, and nobody for what stands before a stranger's.
func (l Limits) origin(peer string, forwarded []string) string {
	ap, err := netip.ParseAddrPort(peer)
	if err != nil || !within(l.Proxies, ap.Addr()) {
		return peer
	}
	hops := strings.Split(strings.Join(forwarded, ","), ",")
	for _, hop := range slices.Backward(hops) {
		ip, err := netip.ParseAddr(strings.TrimSpace(hop))
		if err != nil {
			break // the last one known stands for all behind it
		}
		peer = netip.AddrPortFrom(ip.Unmap().WithZone(""), 0).String()
		if !within(l.Proxies, ip) {
			break
		}
	}
	return peer
}

func within(ranges []netip.Prefix, ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return slices.ContainsFunc(ranges, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// carriedBy is a connection that a listed balancer brings. Whose it is the
// balancer says first, in a PROXY header of version 1 or 2, and for that one it
// counts. The header is awaited by whoever reads first, not by Accept: a
// balancer that says nothing holds up nobody else.
type carriedBy struct {
	*proxyproto.Conn
	g      *guard
	arrive func() error // once

	mu      sync.Mutex
	release func() // guarded by mu
	closed  bool   // guarded by mu
}

var errTooMany = errors.New("too many connections of one source")

func (g *guard) carried(c net.Conn) *carriedBy {
	b := &carriedBy{g: g, Conn: proxyproto.NewConn(c, proxyproto.SetReadHeaderTimeout(headerTime), func(p *proxyproto.Conn) {
		p.ProxyHeaderPolicy = proxyproto.REQUIRE
	})}
	b.arrive = sync.OnceValue(b.count)
	return b
}

// count takes a place for the source.
func (b *carriedBy) count() error {
	src, trusted := b.g.source(b.Conn.RemoteAddr())
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return net.ErrClosed
	case trusted:
		return nil
	case !b.g.take(src):
		return errTooMany
	}
	b.release = func() { b.g.give(src) }
	return nil
}

// Read implements net.Conn.
func (b *carriedBy) Read(p []byte) (int, error) {
	if err := b.arrive(); err != nil {
		return 0, err
	}
	return b.Conn.Read(p)
}

// leave gives the place back.
func (b *carriedBy) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	if b.release != nil {
		b.release()
		b.release = nil
	}
}
