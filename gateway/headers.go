package gateway

import (
	"net/http"
	"strings"
)

// header is one response header of the door.
type header struct{ name, value string }

// doorPolicy is the table of headers of the door's own pages.
//
// Referrer-Policy is same-origin, not no-referrer: under no-referrer a browser
// sends "Origin: null" with every form (Fetch §3.1), and a form could no longer
// be told from a forged one. Nothing leaves the origin either way.
func (s *Server) doorPolicy() []header {
	csp := []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data:",
		"media-src 'self'", "connect-src 'self'", "font-src 'self'",
		"form-action 'self' " + s.c.Room, "base-uri 'none'", "frame-ancestors 'none'",
	}
	return append(common(),
		header{"Content-Security-Policy", strings.Join(csp, "; ")},
		header{"Referrer-Policy", "same-origin"},
		header{"Permissions-Policy", "camera=(), microphone=(), display-capture=(), geolocation=(), payment=(), usb=()"},
	)
}

// roomPolicy is the table of headers of the room origin.
func (s *Server) roomPolicy() []header {
	csp := []string{
		"default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self' data: blob:",
		"media-src 'self' blob:", "connect-src 'self' wss://" + s.room.Host, "font-src 'self'", "worker-src 'self' blob:",
		"form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
	}
	return append(common(),
		header{"Content-Security-Policy", strings.Join(csp, "; ")},
		header{"Referrer-Policy", "no-referrer"},
		header{"Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self), autoplay=(self), geolocation=(), payment=(), usb=()"},
	)
}

func common() []header {
	return []header{
		{"Strict-Transport-Security", "max-age=31536000; includeSubDomains"},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Frame-Options", "DENY"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"X-Robots-Tag", "noindex, nofollow"},
	}
}

func secure(h http.Header, table []header) {
	for _, e := range table {
		h.Set(e.name, e.value)
	}
}
