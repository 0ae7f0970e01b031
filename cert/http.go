package cert

import (
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// HTTPChallenge is what listens without TLS. It answers the authority's
// question (RFC 8555 §8.3) for the door's own names and hands the rest to
// next; with nil, what can be repeated is sent to https and nothing else is
// taken in: a form that came unencrypted has been read on its way.
func (c *Certs) HTTPChallenge(next http.Handler) http.Handler {
	if next == nil {
		next = http.HandlerFunc(c.toHTTPS)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(c.c.Hosts, hostOf(r)) {
			w.WriteHeader(http.StatusMisdirectedRequest)
			return
		}
		if m := c.managed.Load(); m != nil && m.issuer.HandleHTTPChallenge(w, r) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

func hostOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return fold(host)
}

func (c *Certs) toHTTPS(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	to := url.URL{Scheme: "https", Host: hostOf(r), Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	if c.c.RedirectPort != 443 {
		to.Host = net.JoinHostPort(to.Host, strconv.Itoa(c.c.RedirectPort))
	}
	// The address may be a personal link: no cache keeps it.
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusPermanentRedirect)
}
