package lobby

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"vestibule/meeting"
)

// Snapshot is a meeting as read at one moment. Nobody changes it.
type Snapshot struct {
	Meeting     meeting.Meeting
	Invitations map[string]meeting.Invitation
	Admissions  []meeting.Admission // by time of knock
	// Recent are the newest events this node saw, oldest first.
	Recent []meeting.Entry
	at     map[string]int
	// elsewhere are the admissions that other nodes hold connections of.
	elsewhere map[string]bool
}

// Admission answers the admission with the id.
func (s *Snapshot) Admission(id string) (meeting.Admission, bool) {
	i, ok := s.at[id]
	if !ok {
		return meeting.Admission{}, false
	}
	return s.Admissions[i], true
}

// recent is how many events a snapshot tells of.
const recent = 40

// live is a meeting this node keeps an eye on.
type live struct {
	id   meeting.ID
	snap atomic.Pointer[Snapshot]
	at   atomic.Int64 // unix nanoseconds at which snap was known to be true
	busy sync.Mutex   // one refresh at a time
	// pins are callers that are about to add a seat or a listener; guarded by
	// Lobby.mu. A pinned row is not forgotten under their hands.
	pins  int
	dirty atomic.Bool // a refresh is asked for and not begun

	rolling   sync.Mutex
	elsewhere map[string]bool // as last heard; guarded by rolling

	mu    sync.Mutex
	last  string                    // last event seen; guarded by mu
	news  []meeting.Entry           // the newest events, at most recent; guarded by busy
	seats map[string]*Seat          // by admission; guarded by mu
	subs  map[*func(*Snapshot)]bool // guarded by mu
}

// follow returns the row of a meeting, pinned: call unpin.
func (l *Lobby) follow(id meeting.ID) *live {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.followed[id]
	if f == nil {
		f = &live{id: id, seats: map[string]*Seat{}, subs: map[*func(*Snapshot)]bool{}}
		l.followed[id] = f
	}
	f.pins++
	return f
}

func (l *Lobby) unpin(w *live) {
	l.mu.Lock()
	w.pins--
	l.mu.Unlock()
}

// Snapshot reads a meeting as it is now.
func (l *Lobby) Snapshot(ctx context.Context, id meeting.ID) (*Snapshot, error) {
	s, err := l.load(ctx, id)
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	w := l.followed[id]
	l.mu.Unlock()
	if w != nil {
		s.elsewhere = l.roll(ctx, w)
		return s, nil
	}
	s.elsewhere, err = l.rolled(ctx, id, "")
	return s, err
}

// Follow reads a meeting as it is now, with its recent events.
func (l *Lobby) Follow(ctx context.Context, id meeting.ID) (*Snapshot, error) {
	w := l.follow(id)
	defer l.unpin(w)
	if err := l.refresh(ctx, w); err != nil {
		return nil, err
	}
	return w.snap.Load(), nil
}

// room answers the conference server's name of a meeting. It never changes, so
// the last known state serves even while the store is away.
func (l *Lobby) room(ctx context.Context, id meeting.ID) (string, error) {
	if s := l.known(id); s != nil {
		return s.Meeting.Room, nil
	}
	s, err := l.load(ctx, id)
	if err != nil {
		return "", err
	}
	return s.Meeting.Room, nil
}

// known answers the last state this node knew, nil if it follows no such
// meeting.
func (l *Lobby) known(id meeting.ID) *Snapshot {
	l.mu.Lock()
	f := l.followed[id]
	l.mu.Unlock()
	if f == nil {
		return nil
	}
	return f.snap.Load()
}

func (l *Lobby) load(ctx context.Context, id meeting.ID) (*Snapshot, error) {
	docs, err := l.c.Documents.All(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading meeting %s: %w", id, err)
	}
	s := &Snapshot{Invitations: map[string]meeting.Invitation{}, at: map[string]int{}}
	for name, d := range docs {
		switch {
		case name == header:
			err = json.Unmarshal(d.Value, &s.Meeting)
		case strings.HasPrefix(name, "i:"):
			var v meeting.Invitation
			err = json.Unmarshal(d.Value, &v)
			s.Invitations[v.ID] = v
		case strings.HasPrefix(name, "a:"):
			var a meeting.Admission
			err = json.Unmarshal(d.Value, &a)
			s.Admissions = append(s.Admissions, a)
		}
		if err != nil {
			return nil, fmt.Errorf("decoding document of meeting %s", id)
		}
	}
	if s.Meeting.ID == "" {
		return nil, meeting.Refuse(meeting.NotFound)
	}
	slices.SortFunc(s.Admissions, func(a, b meeting.Admission) int {
		return cmp.Or(a.Knocked.Compare(b.Knocked), cmp.Compare(a.ID, b.ID))
	})
	for i := range s.Admissions {
		s.at[s.Admissions[i].ID] = i
	}
	return s, nil
}

// Subscribe calls f with the meeting as it is and after each change, one call
// at a time, until stop is called. f must not block.
func (l *Lobby) Subscribe(ctx context.Context, id meeting.ID, f func(*Snapshot)) (stop func(), err error) {
	w := l.follow(id)
	defer l.unpin(w)
	w.mu.Lock()
	w.subs[&f] = true
	w.mu.Unlock()
	stop = func() {
		w.mu.Lock()
		delete(w.subs, &f)
		w.mu.Unlock()
	}
	if err := l.refresh(ctx, w); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// refresh reads the meeting again, tells who listens and cuts who lost the
// right to be inside.
func (l *Lobby) refresh(ctx context.Context, w *live) error {
	w.busy.Lock()
	defer w.busy.Unlock()
	asked := time.Now()
	if err := l.tail(ctx, w); err != nil {
		return err
	}
	snap, err := l.load(ctx, w.id)
	var no *meeting.Refusal
	if err != nil && !errors.As(err, &no) {
		return err
	}
	if no != nil {
		snap = &Snapshot{at: map[string]int{}} // forgotten: nobody may be inside
	}
	snap.Recent, snap.elsewhere = w.news, l.roll(ctx, w)
	w.snap.Store(snap)
	w.at.Store(asked.UnixNano())
	w.mu.Lock()
	var lost []loss
	for _, s := range w.seats {
		if l.judge(s, snap, asked) {
			lost = append(lost, loss{w.id, s.Admission, s.state.Load().no.Reason})
		}
	}
	subs := make([]*func(*Snapshot), 0, len(w.subs))
	for f := range w.subs {
		subs = append(subs, f)
	}
	w.mu.Unlock()
	l.lose(lost)
	for _, f := range subs {
		(*f)(snap)
	}
	if no != nil {
		return no
	}
	return nil
}

// tail reads the events that came since the last time.
func (l *Lobby) tail(ctx context.Context, w *live) error {
	const page = 256
	for {
		w.mu.Lock()
		last := w.last
		w.mu.Unlock()
		ev, err := l.c.Documents.Events(ctx, w.id, last, page)
		if err != nil {
			return fmt.Errorf("reading events of meeting %s: %w", w.id, err)
		}
		news := slices.Clone(w.news)
		for i := range ev {
			var e meeting.Entry
			if json.Unmarshal(ev[i].Value, &e) == nil {
				news = append(news, e)
			}
			last = ev[i].ID
		}
		w.news = news[max(0, len(news)-recent):]
		w.mu.Lock()
		w.last = last
		w.mu.Unlock()
		if len(ev) < page {
			return nil
		}
	}
}

// freshen is refresh for many callers at once, who share one answer: with the
// store away they would otherwise wait for it one after the other.
func (l *Lobby) freshen(ctx context.Context, w *live) error {
	_, err, _ := l.flights.Do(string(w.id), func() (any, error) {
		// Whoever came first may go; the others still want to know.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fresh)
		defer cancel()
		return nil, l.refresh(ctx, w)
	})
	return err
}
