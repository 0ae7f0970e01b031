package gateway

import (
	"context"
	"fmt"
	"sync"
)

// registry knows every live connection of each admission, so that one call ends
// them all.
type registry struct {
	mu     sync.Mutex
	live   map[string]map[*channel]struct{} // by admission; guarded by mu
	closed bool                             // guarded by mu
}

// channel is one live connection. end must be quick; gone closes when nothing
// of it is left.
type channel struct {
	end   func()
	gone  chan struct{}
	brief bool // ends soon by itself
	// device holds a web socket; nil for whatever else is open.
	device *device
}

func newRegistry() *registry {
	return &registry{live: map[string]map[*channel]struct{}{}}
}

// add registers a connection. done must be called when it has ended.
func (g *registry) add(admission string, end func()) (done func(), ok bool) {
	return g.put(admission, &channel{end: end, gone: make(chan struct{})})
}

// maxSockets bounds the web sockets of one admission. A page has one; a line
// that drops may leave a few behind.
const maxSockets = 6

// addSocket registers a web socket with the device that holds it. Where there
// are too many, whoever has been silent for longest gives way.
func (g *registry) addSocket(admission string, d *device, end func()) (done func(), ok bool) {
	done, ok = g.put(admission, &channel{end: end, gone: make(chan struct{}), device: d})
	g.mu.Lock()
	var quiet *channel
	n := 0
	for c := range g.live[admission] {
		if c.device == nil || c.device.gaveWay {
			continue
		}
		n++
		if c.device != d && (quiet == nil || c.device.since().Before(quiet.device.since())) {
			quiet = c
		}
	}
	if n > maxSockets {
		quiet.device.gaveWay = true
		defer quiet.end()
	}
	g.mu.Unlock()
	return done, ok
}

// addBrief registers what ends soon by itself: a shutdown lets it.
func (g *registry) addBrief(admission string, end func()) (done func()) {
	done, _ = g.put(admission, &channel{end: end, gone: make(chan struct{}), brief: true})
	return done
}

func (g *registry) put(admission string, c *channel) (done func(), ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed && !c.brief {
		return nil, false
	}
	if g.live[admission] == nil {
		g.live[admission] = map[*channel]struct{}{}
	}
	g.live[admission][c] = struct{}{}
	return func() {
		g.mu.Lock()
		delete(g.live[admission], c)
		if len(g.live[admission]) == 0 {
			delete(g.live, admission)
		}
		g.mu.Unlock()
		close(c.gone)
	}, true
}

// cut ends every connection of an admission and waits until they are gone.
func (g *registry) cut(ctx context.Context, admission string) error {
	g.mu.Lock()
	var open []*channel
	for c := range g.live[admission] {
		open = append(open, c)
	}
	g.mu.Unlock()
	for _, c := range open {
		c.end()
	}
	for _, c := range open {
		select {
		case <-c.gone:
		case <-ctx.Done():
			return fmt.Errorf("cutting connections: %w", ctx.Err())
		}
	}
	return nil
}

// close ends every connection that would not end by itself, waits until they
// are gone and takes no more.
func (g *registry) close() {
	g.mu.Lock()
	g.closed = true
	var open []*channel
	for _, cs := range g.live {
		for c := range cs {
			if !c.brief {
				open = append(open, c)
			}
		}
	}
	g.mu.Unlock()
	for _, c := range open {
		c.end()
	}
	for _, c := range open {
		<-c.gone
	}
}

// Connections answers how many live connections into rooms there are.
func (s *Server) Connections() int {
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	n := 0
	for _, cs := range s.registry.live {
		n += len(cs)
	}
	return n
}

// Streams answers how many pages wait for news.
func (s *Server) Streams() int {
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	n := 0
	for _, w := range s.hub.rows {
		w.mu.Lock()
		n += len(w.readers)
		w.mu.Unlock()
	}
	return n
}
