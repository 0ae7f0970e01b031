package lobby

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"vestibule/meeting"
)

// loss is an admission that another node, or time, took the right to be inside.
type loss struct {
	meeting   meeting.ID
	admission string
	why       meeting.Reason
}

// lose has the channels of some admissions cut, without waiting for it.
func (l *Lobby) lose(list []loss) {
	if len(list) == 0 {
		return
	}
	l.mu.Lock()
	l.losses = append(l.losses, list...)
	l.mu.Unlock()
	select {
	case l.lost <- struct{}{}:
	default: // somebody was told already
	}
}

func (l *Lobby) cutLost(ctx context.Context) error {
	var far sync.WaitGroup
	defer far.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-l.lost:
			l.mu.Lock()
			list := l.losses
			l.losses = nil
			l.mu.Unlock()
			l.cutAll(ctx, list, &far)
		}
	}
}

// removals is how many participants the conference server is asked to remove at
// the same time, where many lose the right at once.
const removals = 16

// cutAll ends what this node holds of all of them at once, and returns. The
// conference server is asked meanwhile, one after the other: where it does not
// answer, nobody else's cut waits for it. What could not be cut is logged.
func (l *Lobby) cutAll(ctx context.Context, list []loss, far *sync.WaitGroup) {
	var here sync.WaitGroup
	for _, x := range list {
		l.shut(x)
		here.Go(func() { l.end(ctx, x, l.here(x.why == meeting.HostAway)) })
		far.Go(func() {
			select {
			case l.removing <- struct{}{}:
			case <-ctx.Done():
				return
			}
			defer func() { <-l.removing }()
			if s, ok := l.seatOf(x.admission); ok {
				if _, err := s.May(); err == nil {
					return // inside again, since the host came
				}
			}
			l.end(ctx, x, []Channel{l.there(x)})
		})
	}
	here.Wait()
}

// cutInside cuts everybody of a meeting that the host has ended.
func (l *Lobby) cutInside(ctx context.Context, s *Snapshot) {
	var list []loss
	for i := range s.Admissions {
		if s.Admissions[i].State == meeting.Admitted {
			list = append(list, loss{s.Meeting.ID, s.Admissions[i].ID, meeting.Over})
		}
	}
	var far sync.WaitGroup
	l.cutAll(ctx, list, &far)
	far.Wait()
}

// cut ends every channel of an admission on this node and at the conference
// server, all at once. Where it may be taken back, the relay rests and can be had
// again by whoever may be inside.
func (l *Lobby) cut(ctx context.Context, x loss, back bool) []Cut {
	l.shut(x)
	return l.end(ctx, x, append([]Channel{l.there(x)}, l.here(back)...))
}

// shut refuses the seat here, ahead of the store's word.
func (l *Lobby) shut(x loss) {
	if s, ok := l.seatOf(x.admission); ok {
		s.shut(x.why)
	}
}

// there is the conference server's side of an admission.
func (l *Lobby) there(x loss) Channel {
	return Channel{Name: "conference", Cutter: removal{l, x.meeting}}
}

// here are the channels of this node.
func (l *Lobby) here(back bool) []Channel {
	if !back || l.relay == nil {
		return l.c.Cutters
	}
	list := make([]Channel, 0, len(l.c.Cutters))
	for _, c := range l.c.Cutters {
		if c.Cutter == Cutter(l.relay) {
			c.Cutter = resting{l.relay}
		}
		list = append(list, c)
	}
	return list
}

// resting ends relays that may be had again.
type resting struct{ Relay }

// Cut implements Cutter.
func (r resting) Cut(ctx context.Context, admission string) error {
	return r.Rest(ctx, admission, func() bool { return true })
}

// forbidRelay makes for good what was a rest.
func (l *Lobby) forbidRelay(ctx context.Context, admission string) {
	if l.relay == nil {
		return
	}
	if err := l.relay.Cut(context.WithoutCancel(ctx), admission); err != nil {
		l.log.ErrorContext(ctx, "relay not cut", slog.String("admission", admission), slog.Any("error", err))
	}
}

// end ends some channels of an admission.
func (l *Lobby) end(ctx context.Context, x loss, channels []Channel) []Cut {
	// The caller's own request may be among the channels: its end must not
	// stop the others' ends.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutTime)
	defer cancel()
	cuts := make([]Cut, len(channels))
	start := time.Now()
	var wg sync.WaitGroup
	for i, c := range channels {
		wg.Go(func() {
			err := c.Cut(ctx, x.admission)
			cuts[i] = Cut{What: c.Name, Took: time.Since(start), Err: err}
			if err != nil {
				l.log.ErrorContext(ctx, "channel not cut", slog.String("admission", x.admission), slog.String("channel", c.Name), slog.Any("error", err))
			}
		})
	}
	wg.Wait()
	return cuts
}

// removal is the conference server's side of a cut.
type removal struct {
	l  *Lobby
	id meeting.ID
}

// Cut implements Cutter.
func (r removal) Cut(ctx context.Context, admission string) error {
	room, err := r.l.room(ctx, r.id)
	if err != nil {
		return err
	}
	return r.l.c.Backend.Remove(ctx, room, admission)
}
