package gateway

import (
	"net/http"
	"net/url"
	"strings"
)

// header is one response header of the door. Its value is written as it is into
// every answer: nobody may change it.
type header struct {
	name  string
	value []string
}

func newHeader(name, value string) header { return header{name, []string{value}} }

// doorPolicy is the table of headers of the door's own pages.
//
// Referrer-Policy is same-origin, not no-referrer: under no-referrer a browser
// sends "Origin: null" with every form (Fetch §3.1), and a form could no longer
// be told from a forged one. Nothing leaves the origin either way.
func doorPolicy(room *url.URL) []header {
	return append(common(),
		newHeader("Content-Security-Policy", doorContent("'self' "+room.String())),
		newHeader("Referrer-Policy", "same-origin"),
		newHeader("Permissions-Policy", "camera=(), microphone=(), display-capture=(), geolocation=(), payment=(), usb=()"),
	)
}

// doorContent is the policy of a page of the door whose forms may lead to actions.
func doorContent(actions string) string {
	return strings.Join([]string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
		"media-src 'self'", "connect-src 'self'", "font-src 'self'",
		"form-action " + actions, "base-uri 'none'", "frame-ancestors 'none'",
	}, "; ")
}

// roomPolicy is the table of headers of the room origin.
func roomPolicy(room *url.URL) []header {
	csp := []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:",
		"media-src 'self' blob:", "connect-src 'self' wss://" + room.Host, "font-src 'self'", "worker-src 'self' blob:",
		"form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
	}
	return append(common(),
		newHeader("Content-Security-Policy", strings.Join(csp, "; ")),
		newHeader("Referrer-Policy", "no-referrer"),
		newHeader("Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self), autoplay=(self), geolocation=(), payment=(), usb=()"),
	)
}

func common() []header {
	return []header{
		newHeader("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
		newHeader("X-Content-Type-Options", "nosniff"),
		newHeader("X-Frame-Options", "DENY"),
		newHeader("Cross-Origin-Opener-Policy", "same-origin"),
		newHeader("Cross-Origin-Resource-Policy", "same-origin"),
		newHeader("X-Robots-Tag", "noindex, nofollow"),
	}
}

func secure(h http.Header, table []header) {
	for _, e := range table {
		h[e.name] = e.value
	}
}
