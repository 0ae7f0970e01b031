package house

import (
	"log/slog"
	"net/http"
	"time"
)

// Scan has one connection say all of it, in pieces of the given size, and
// answers how much may pass.
func Scan(all []byte, size int) (int, error) {
	var s scanner
	for i := 0; i < len(all); {
		n, err := s.scan(all[i:min(i+size, len(all))])
		i += n
		if err != nil || n == 0 {
			return i, err
		}
	}
	return len(all), nil
}

// Origin is whom a peer's word is taken for.
func Origin(l Limits, peer string, forwarded []string) string { return l.origin(peer, forwarded) }

// From has next see whom listed proxies bring.
func From(l Limits, next http.Handler) http.Handler { return l.from(next) }

// Known is what stands before the metrics.
func Known(on string, next http.Handler) http.Handler { return known(on, next) }

// Turned notes a connection that was turned away at a moment.
func Turned(log *slog.Logger) (note func(time.Time)) { return newTurned(log).note }
