package livekit

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync/atomic"

	"vestibule/conference"
)

const (
	// maxResponse bounds a message of the server. A JoinResponse lists
	// everybody in the room.
	maxResponse = 4 << 20
	// maxRequest bounds a message of a browser. The largest is an offer.
	maxRequest = 1 << 20
)

// errOver ends the copying of httputil.ReverseProxy when the server has hung
// up. io.EOF would leave the browser's half open until it hangs up too.
var errOver = errors.New("the conference server ended the signalling")

// signal is the signalling of one participant. Read and Write keep to their
// own half and share ended only, so that neither waits for the other.
type signal struct {
	backend   io.ReadWriteCloser
	admission string
	log       *slog.Logger
	down      down // only Read touches it
	up        up   // only Write touches it
	// ended is the first violation.
	ended atomic.Pointer[violation]
}

// Wrap implements conference.Passage.
func (b *Backend) Wrap(backend io.ReadWriteCloser, g conference.Grants, relay func() conference.Relay, upgrade *http.Response) io.ReadWriteCloser {
	s := &signal{backend: backend, admission: g.Admission, log: b.log}
	s.down.init(backend, g, relay)
	s.up.init(backend, g)
	if upgrade == nil {
		return s
	}
	if upgrade.Header.Get("Sec-Websocket-Extensions") != "" || upgrade.Header.Get("Sec-Websocket-Protocol") != "" {
		s.end(&violation{closeProtocol, "server negotiated what was not offered"})
	}
	kept := http.Header{}
	for _, k := range []string{"Connection", "Upgrade", "Sec-Websocket-Accept"} {
		if v := upgrade.Header.Get(k); v != "" {
			kept.Set(k, v)
		}
	}
	upgrade.Header = kept
	return s
}

// Read yields what goes to the browser.
func (s *signal) Read(p []byte) (int, error) {
	n, err := s.down.read(p)
	if err == nil {
		return n, nil
	}
	if v := (*violation)(nil); errors.As(err, &v) {
		s.end(v)
	}
	// The browser is told why, once, and not in the middle of a frame.
	if v := s.ended.Load(); v != nil {
		if s.down.farewell(v) {
			return s.down.read(p)
		}
		return 0, v
	}
	if errors.Is(err, io.EOF) {
		return 0, errOver
	}
	return 0, err
}

// Write takes what comes from the browser. After a violation it takes and
// forgets, until Read has told the browser and ends.
func (s *signal) Write(p []byte) (int, error) {
	if s.ended.Load() != nil {
		return len(p), nil
	}
	err := s.up.write(p)
	if err == nil {
		return len(p), nil
	}
	if v := (*violation)(nil); errors.As(err, &v) {
		s.end(v)
	}
	if s.ended.Load() != nil {
		return len(p), nil
	}
	return 0, err
}

// Close ends both halves at once.
func (s *signal) Close() error { return s.backend.Close() }

// end notes the first violation and hangs up on the server.
func (s *signal) end(v *violation) {
	if !s.ended.CompareAndSwap(nil, v) {
		return
	}
	// A connection outlives every context it could be told of here.
	//nolint:sloglint // see above
	s.log.Info("signalling ended", slog.String("admission", s.admission),
		slog.Int("code", int(v.code)), slog.String("why", v.why))
	_ = s.backend.Close()
}
