// Package front holds the one address under which the demonstration's door,
// room, sign-in and mailbox are reached.
//
// It refuses to guess: a request goes to the house whose name it asked for
// in the handshake and in the request alike, and any other is sent away.
package front

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"vestibule/cert"
	"vestibule/house"
)

// Config says who stands behind which name.
type Config struct {
	// Houses maps a name, without port, to what answers there.
	Houses map[string]http.Handler
	// Certificate answers handshakes; it refuses names it does not know.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Farewell is how long requests under way may take once the front
	// closes. Default 1s.
	Farewell time.Duration
	// Logger; nil discards.
	Logger *slog.Logger
}

// Front is the listener's handler and manners.
type Front struct{ c Config }

// New checks c.
func New(c Config) (*Front, error) {
	var faults []error
	if len(c.Houses) == 0 {
		faults = append(faults, errors.New("front: no houses"))
	}
	for n, h := range c.Houses {
		if n != strings.ToLower(n) || strings.ContainsAny(n, ":/ ") || h == nil {
			faults = append(faults, fmt.Errorf("front: house %q: want a lower-case name and a handler", n))
		}
	}
	if c.Certificate == nil {
		faults = append(faults, errors.New("front: no certificate"))
	}
	if c.Farewell < 0 {
		faults = append(faults, errors.New("front: farewell below zero"))
	}
	if c.Farewell == 0 {
		c.Farewell = time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Front{c: c}, nil
}

// Serve answers on ln, HTTP/1.1 and HTTP/2 over TLS, until ctx ends, in the way
// of a door that is no demonstration: what that refuses below HTTP is refused
// here. What has not let go after the farewell is closed.
func (f *Front) Serve(ctx context.Context, ln net.Listener) error {
	// Everybody who tries the demonstration comes from this one machine.
	everybody := house.Limits{PerSource: 10_000}
	if err := house.Serve(ctx, everybody.Guard(ln), f, cert.Handshake(f.c.Certificate), f.c.Farewell, f.c.Logger); err != nil {
		return fmt.Errorf("serving the front: %w", err)
	}
	return nil
}

// ServeHTTP passes r to the house it names, if it names one and the same
// house three times: in the handshake, in Host, and with this very port.
// RFC 9110 §15.5.20: 421 makes a browser come again by a fresh connection.
func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, port := split(r.Host)
	h, known := f.c.Houses[name]
	switch {
	case !known,
		r.TLS == nil || strings.ToLower(r.TLS.ServerName) != name,
		port != localPort(r),
		r.URL.Host != "": // absolute-form: a proxy's request, and this is none
		http.Error(w, "421 no such house", http.StatusMisdirectedRequest)
	default:
		h.ServeHTTP(w, r)
	}
}

// split takes Host apart; a Host without port means 443.
func split(host string) (name, port string) {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		return strings.ToLower(host), "443"
	}
	return strings.ToLower(name), port
}

func localPort(r *http.Request) string {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return ""
	}
	_, port, _ := net.SplitHostPort(addr.String()) // a TCP address always has one
	return port
}

// Origin is how a browser writes name's origin on the listener at addr.
func Origin(name string, addr net.Addr) string {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil || port == "443" {
		return "https://" + name
	}
	return "https://" + name + ":" + port
}
