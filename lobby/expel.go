package lobby

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"vestibule/meeting"
)

// Cut is what became of one channel of somebody who was put out.
type Cut struct {
	What string
	Took time.Duration
	Err  error // not confirmed; the host is shown so
}

// unconfirmed is an expulsion applied here that the store has not confirmed.
type unconfirmed struct {
	meeting   meeting.ID
	admission string
	by        meeting.Key
	outlaws   []outlaw
}

// outlaw is somebody who was put out here, by admission or, with the meeting,
// by person. It stands until the store has confirmed and been read again.
type outlaw struct {
	meeting meeting.ID
	who     string
}

// outlawAge is how long an outlaw is remembered once the store knows.
const outlawAge = time.Minute

// cutTime bounds how long one channel may take to confirm its end, expelTime
// how long the store may take.
const (
	cutTime   = 3 * time.Second
	expelTime = 5 * time.Second
)

// Expel puts somebody out for good: first in the store, so that no node lets
// them back, then every channel at once. When the store does not answer, the
// channels are cut here and now all the same, and the store is told as soon as
// it is back. It answers what was cut and what could not be confirmed.
func (l *Lobby) Expel(ctx context.Context, id meeting.ID, host meeting.Key, admission, attempt string) ([]Cut, error) {
	// The host's browser may go away meanwhile: nothing stays half done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), expelTime)
	defer cancel()
	start := time.Now()
	err := l.on(ctx, id, admission, tag("expel", attempt), meeting.Expel{By: host})
	var no *meeting.Refusal
	if errors.As(err, &no) && no.Reason != meeting.Busy {
		return nil, no
	}
	if err != nil {
		if no := l.mayExpelOffline(id, host, admission); no != nil {
			return nil, no
		}
	}
	out := l.outlaw(id, admission, err == nil)
	if err != nil {
		l.log.WarnContext(ctx, "expulsion not confirmed", slog.String("meeting", string(id)), slog.String("admission", admission), slog.Any("error", err))
		l.mu.Lock()
		l.journal = append(l.journal, unconfirmed{id, admission, host, out})
		l.mu.Unlock()
	} else {
		l.log.InfoContext(ctx, "expelled", slog.String("meeting", string(id)), slog.String("admission", admission))
	}
	cuts := []Cut{{What: "link", Took: time.Since(start), Err: err}}
	return append(cuts, l.cut(ctx, id, admission, meeting.Removed)...), nil
}

// outlaw shuts this node to an admission and to its person, whose other devices
// lose their channels too, ahead of what the store will say.
func (l *Lobby) outlaw(id meeting.ID, admission string, confirmed bool) []outlaw {
	var at time.Time
	if confirmed {
		at = time.Now()
	}
	list := []outlaw{{who: admission}}
	var others []loss
	if s := l.known(id); s != nil {
		a, _ := s.Admission(admission)
		if k := a.Person.Key(); k != "" {
			list = append(list, outlaw{id, string(k)})
		}
		for i := range s.Admissions {
			o := &s.Admissions[i]
			if o.ID != a.ID && o.State == meeting.Admitted && o.Person.Key() == a.Person.Key() && a.ID != "" {
				others = append(others, loss{id, o.ID, meeting.Removed})
			}
		}
	}
	for _, o := range list {
		l.outlaws.Store(o, at)
	}
	for _, x := range others {
		if s, ok := l.seatOf(x.admission); ok {
			s.shut(x.why)
		}
	}
	l.lose(others)
	return list
}

// outlawed reports whether an admission or person was put out here.
func (l *Lobby) outlawed(id meeting.ID, admission string, k meeting.Key) bool {
	if _, ok := l.outlaws.Load(outlaw{who: admission}); ok {
		return true
	}
	_, ok := l.outlaws.Load(outlaw{id, string(k)})
	return ok && k != ""
}

// mayExpelOffline asks the last state this node knew whether host is a host.
func (l *Lobby) mayExpelOffline(id meeting.ID, host meeting.Key, admission string) *meeting.Refusal {
	s := l.known(id)
	if s == nil {
		return meeting.Refuse(meeting.Busy)
	}
	a, ok := s.Admission(admission)
	d := meeting.Docs{Meeting: s.Meeting, Admission: a}
	if !ok {
		return meeting.Refuse(meeting.NotFound)
	}
	_, _, no := meeting.Apply(d, meeting.Expel{By: host}, time.Now())
	return no
}

// cut ends every channel of an admission on this node, all at once.
func (l *Lobby) cut(ctx context.Context, id meeting.ID, admission string, why meeting.Reason) []Cut {
	// The caller's own request may be among the channels: its end must not
	// stop the others' ends.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cutTime)
	defer cancel()
	if s, ok := l.seatOf(admission); ok {
		s.shut(why)
	}
	channels := append([]Channel{{Name: "conference", Cutter: removal{l, id}}}, l.c.Cutters...)
	cuts := make([]Cut, len(channels))
	start := time.Now()
	var wg sync.WaitGroup
	for i, c := range channels {
		wg.Go(func() {
			err := c.Cut(ctx, admission)
			cuts[i] = Cut{What: c.Name, Took: time.Since(start), Err: err}
			if err != nil {
				l.log.ErrorContext(ctx, "channel not cut", slog.String("admission", admission), slog.String("channel", c.Name), slog.Any("error", err))
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

// settle tells the store of the expulsions it missed, and forgets the outlaws
// it has known for long enough.
func (l *Lobby) settle(ctx context.Context) {
	l.mu.Lock()
	open := l.journal
	l.journal = nil
	l.mu.Unlock()
	for _, u := range open {
		err := l.on(ctx, u.meeting, u.admission, "", meeting.Expel{By: u.by})
		var no *meeting.Refusal
		if err != nil && (!errors.As(err, &no) || no.Reason == meeting.Busy) {
			l.mu.Lock()
			l.journal = append(l.journal, u)
			l.mu.Unlock()
			continue
		}
		if err != nil {
			l.log.ErrorContext(ctx, "expulsion refused later", slog.String("admission", u.admission), slog.Any("error", err))
		}
		for _, o := range u.outlaws {
			l.outlaws.Store(o, time.Now())
		}
	}
	l.outlaws.Range(func(o, at any) bool {
		if t, ok := at.(time.Time); ok && !t.IsZero() && time.Since(t) > outlawAge {
			l.outlaws.Delete(o)
		}
		return true
	})
}

// End closes the meeting for everybody, or calls it off.
func (l *Lobby) End(ctx context.Context, id meeting.ID, host meeting.Key, cancel bool) error {
	if err := l.on(ctx, id, "", "", meeting.End{By: host, Cancel: cancel}); err != nil {
		return err
	}
	s, err := l.Snapshot(ctx, id)
	if err != nil {
		return err
	}
	l.cutInside(ctx, s)
	// First the room, then the letters: what fails last harms least.
	if err := l.c.Backend.Close(ctx, s.Meeting.Room); err != nil {
		l.log.ErrorContext(ctx, "room not closed", slog.String("meeting", string(id)), slog.Any("error", err))
	}
	if cancel && s.Meeting.Phase == meeting.Cancelled {
		return l.tellCancelled(ctx, id)
	}
	return nil
}
