package front

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"
)

// Client is for the houses to reach each other (the door asks the sign-in
// provider, the provider tells the door of a logout): it finds the names at
// addr, because *.localhost is known to browsers but seldom to the system's
// resolver, trusts roots alone, follows no redirect, and reaches nobody
// else.
func Client(addr net.Addr, names []string, roots *x509.CertPool) *http.Client {
	known := make(map[string]bool, len(names))
	for _, n := range names {
		known[n] = true
	}
	dial := func(ctx context.Context, network, hostport string) (net.Conn, error) {
		name, _, err := net.SplitHostPort(hostport)
		if err != nil {
			return nil, fmt.Errorf("dialling a house: %w", err)
		}
		if !known[name] {
			return nil, errors.New("dialling a house: not one of the houses")
		}
		var d net.Dialer
		return d.DialContext(ctx, network, reachable(addr))
	}
	return &http.Client{
		Timeout:       5 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:         dial,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout: 3 * time.Second,
			IdleConnTimeout:     30 * time.Second,
			ForceAttemptHTTP2:   true,
		},
	}
}

// reachable turns an address to listen on into one to call: who listens on
// every address listens on the loopback too.
func reachable(addr net.Addr) string {
	t, ok := addr.(*net.TCPAddr)
	if !ok || !t.IP.IsUnspecified() {
		return addr.String()
	}
	return (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: t.Port}).String()
}
