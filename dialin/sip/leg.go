package sip

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"vestibule/conference"
	"vestibule/dialin/media"
)

// Join puts an admitted caller through to the target, and returns once it has
// agreed. It gives up when ctx ends; the leg then lives until Close.
func (s *Server) Join(ctx context.Context, g conference.Grants) (media.Leg, error) {
	l, err := s.join(ctx, g)
	if err != nil {
		return nil, fmt.Errorf("joining as admission %s: %w", g.Admission, err)
	}
	return l, nil
}

func (s *Server) join(ctx context.Context, g conference.Grants) (*leg, error) {
	c, headers, err := s.outgoing(ctx, g)
	if err != nil {
		return nil, err
	}
	_, err = c.open()
	if err == nil {
		err = c.place(ctx, headers)
	}
	if err != nil {
		c.finish()
		return nil, err
	}
	sound, err := c.begin()
	if err != nil {
		c.Hangup(context.WithoutCancel(ctx))
		return nil, err
	}
	l := &leg{call: c, signals: make(chan media.Signal, 8)}
	sound.Bridge((*far)(l))
	s.work.Go(l.watch)
	return l, nil
}

// Cut implements lobby.Cutter: the leg of an admission is off at once.
func (s *Server) Cut(ctx context.Context, admission string) error {
	var all []*Call
	s.mu.Lock()
	for _, c := range s.calls {
		if c.admission == admission && admission != "" {
			all = append(all, c)
		}
	}
	s.mu.Unlock()
	for _, c := range all {
		c.Hangup(ctx)
	}
	return nil
}

// leg is a caller's way into the target. It implements media.Leg. Each end has
// a clock of its own, so the sound passes a buffer both ways; keys that were
// pressed stay on this side: they may be somebody's code.
type leg struct {
	call     *Call
	to, from pipe // the target
	muted    atomic.Bool
	closed   atomic.Bool

	mu      sync.Mutex
	signals chan media.Signal // sent to and closed under mu
	ended   bool              // guarded by mu
}

// Say implements media.Room.
func (l *leg) Say(pcm []int16) { l.to.put(pcm, l.muted.Load()) }

// Hear implements media.Room.
func (l *leg) Hear(pcm []int16) { l.from.take(pcm) }

// Mute implements media.Leg. A telephone's leg cannot tell the target; it just
// says nothing.
func (l *leg) Mute(on bool) {
	l.muted.Store(on)
	s := media.Unmuted
	if on {
		s = media.Muted
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	select {
	case l.signals <- s:
	default: // nobody has listened for long
	}
}

// Signals implements media.Leg.
func (l *leg) Signals() <-chan media.Signal { return l.signals }

// Close implements media.Leg.
func (l *leg) Close() {
	l.closed.Store(true)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.call.s.lifetime()), goodbye)
	defer cancel()
	l.call.Hangup(ctx)
}

// watch tells why the leg has ended.
func (l *leg) watch() {
	<-l.call.Gone()
	why := media.Lost
	l.call.mu.Lock()
	if l.call.bye {
		why = media.Over // a conference that is over says goodbye
	}
	l.call.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if !l.closed.Load() {
		if len(l.signals) == cap(l.signals) {
			select {
			case <-l.signals: // the oldest makes room
			default: // somebody has just listened
			}
		}
		l.signals <- why
	}
	close(l.signals)
}

// far is the same leg as the target's own session sees it.
type far leg

// Say implements media.Room: what the target says.
func (f *far) Say(pcm []int16) { f.from.put(pcm, false) }

// Hear implements media.Room.
func (f *far) Hear(pcm []int16) { f.to.take(pcm) }

// pipe carries sound from one clock to another.
type pipe struct {
	mu  sync.Mutex
	buf media.Buffer // guarded by mu
	ts  uint32       // guarded by mu
}

func (p *pipe) put(pcm []int16, muted bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !muted {
		p.buf.Put(p.ts, pcm)
	}
	p.ts += uint32(len(pcm))
}

func (p *pipe) take(out []int16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buf.Take(out)
}
