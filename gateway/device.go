package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
)

// silence is how long a web socket says nothing before another device may take
// its place. The page in it speaks every five seconds.
const silence = 10 * time.Second

// looks are what one device is told from another by: where it comes from and
// what it calls itself. Neither proves anything; a pass that was copied seldom
// comes with both (T43).
type looks struct {
	net   meeting.Net
	agent string
}

func (s *Server) looksOf(r *http.Request, id meeting.ID) looks {
	return looks{s.network(r, id), r.UserAgent()}
}

func (l looks) differ(o looks) bool {
	return l.agent != o.agent || l.net.Mark != "" && o.net.Mark != "" && !l.net.Same(o.net)
}

// device is what holds a web socket.
type device struct {
	looks
	meeting meeting.ID
	heard   atomic.Int64 // unix nanoseconds of what it said last

	gaveWay bool // to a newer one; guarded by the registry's mu

	// turned is who was turned away for it; guarded by the registry's mu.
	turned   looks
	turnedAt time.Time
}

func (d *device) hear() { d.heard.Store(time.Now().UnixNano()) }

func (d *device) since() time.Time { return time.Unix(0, d.heard.Load()) }

// apart answers the web sockets of an admission that other devices hold.
func (g *registry) apart(admission string, me looks) []*channel {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []*channel
	for c := range g.live[admission] {
		if c.device != nil && c.device.differ(me) {
			list = append(list, c)
		}
	}
	return list
}

// turn notes who was turned away for another device.
func (g *registry) turn(c *channel, me looks, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.device.turned, c.device.turnedAt = me, now
}

// turned reports whether a device was turned away just now.
func (g *registry) turned(admission string, me looks, since time.Time) bool {
	for _, c := range g.apart(admission, me) {
		g.mu.Lock()
		yes := c.device.turned == me && c.device.turnedAt.After(since)
		g.mu.Unlock()
		if yes {
			return true
		}
	}
	return false
}

// elsewhere is a web socket that another device holds.
type elsewhere struct{}

func (elsewhere) Error() string { return "open on another device" }

// alone has a web socket wait while another device of the same admission may be
// inside: it is turned away as soon as that one speaks, and takes its place when
// that one has gone or is silent. Who only changed networks left a dead line
// behind and gets in; the page's own way back over the same network never waits.
func (s *Server) alone(r seated, me looks) error {
	asked, ctx := time.Now(), r.Context()
	others := s.registry.apart(r.seat.Admission, me)
	if len(others) == 0 {
		return nil
	}
	tick := time.NewTicker(s.silence / 50)
	defer tick.Stop()
	other := false
	for _, c := range others {
		wait := s.silence
		if c.device.agent == me.agent {
			wait = wait * 7 / 10 // a telephone between two networks: one word that did not come
		}
		for gone := false; !gone && time.Since(c.device.since()) < wait; {
			select {
			case <-c.gone:
				gone = true
			case <-ctx.Done():
				return ctx.Err()
			case <-tick.C:
			}
			if c.device.since().After(asked) {
				s.registry.turn(c, me, time.Now())
				s.double(ctx, r.seat.Meeting, r.seat.Admission, false)
				return elsewhere{}
			}
		}
		other = other || c.device.agent != me.agent
		c.end()
		select {
		case <-c.gone:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if other {
		s.double(ctx, r.seat.Meeting, r.seat.Admission, true)
	}
	return nil
}

// double tells the hosts of another device. It holds up nobody: what becomes of
// the device is decided.
func (s *Server) double(ctx context.Context, id meeting.ID, admission string, took bool) {
	if err := s.c.Lobby.Double(context.WithoutCancel(ctx), id, admission, took); err != nil {
		s.log.WarnContext(ctx, "another device is not noted", slog.String("admission", admission), slog.Any("error", err))
	}
}

// replaces tells the hosts where a ticket was spent on another device than the
// one inside, whose pass has ended with that. before is what was open then.
func (s *Server) replaces(r *http.Request, admission string, before []*channel) {
	for _, c := range before {
		// Another network alone is a device that moved, as in alone.
		if c.device.agent != r.UserAgent() && time.Since(c.device.since()) < s.silence {
			s.double(r.Context(), c.device.meeting, admission, true)
			return
		}
	}
}

// devices answers the web sockets of whoever a ticket is for.
func (s *Server) devices(ticket string) (admission string, open []*channel) {
	admission, ok := lobby.AdmissionOf(ticket)
	if !ok {
		return "", nil
	}
	s.registry.mu.Lock()
	defer s.registry.mu.Unlock()
	for c := range s.registry.live[admission] {
		if c.device != nil {
			open = append(open, c)
		}
	}
	return admission, open
}
