package lobby

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"sync"
	"sync/atomic"
	"time"

	"vestibule/meeting"
)

// Seat is a live admission as this node knows it: what the proxy asks on every
// request, without a round trip.
type Seat struct {
	Meeting   meeting.ID
	Admission string
	of        *live
	mac       []byte // fingerprint of the pass
	finger    [32]byte
	state     atomic.Pointer[seatState]
	used      atomic.Int64 // unix seconds of the last request
	channels  atomic.Int32 // live connections held by the front
	watched   atomic.Int32 // by streams, which are no connections into the room
	met       atomic.Int64 // unix nanoseconds when a connection was last there, at any node, by the sweep
	over      chan struct{}
	once      sync.Once
	gone      atomic.Bool // forgotten for want of use
	moved     func()      // has the nodes exchange who is here
}

// Over is closed when the seat has lost the right to be inside, also where
// another device of the same admission took its place.
func (s *Seat) Over() <-chan struct{} { return s.over }

func (s *Seat) ended() bool {
	select {
	case <-s.over:
		return true
	default:
		return false
	}
}

func (s *Seat) end() { s.once.Do(func() { close(s.over) }) }

// Hold counts a live connection of the seat until the returned func is called.
// The other nodes are told of the first and of the end of the last.
func (s *Seat) Hold() (release func()) {
	if s.channels.Add(1) == 1 {
		s.moved()
	}
	return func() {
		if s.channels.Add(-1) == 0 {
			s.moved()
		}
	}
}

// Watch keeps the seat known, and what it may do true, until the returned func
// is called. Who only watches is not counted as inside.
func (s *Seat) Watch() (stop func()) {
	s.watched.Add(1)
	return func() { s.watched.Add(-1) }
}

// seatState is replaced whole whenever the meeting changed.
type seatState struct {
	no   *meeting.Refusal // nil: may be in the room
	lost bool             // the whole admission, not only this pass
	info Info
}

// Info is what the room needs to know of somebody inside.
type Info struct {
	Room     string
	Title    string
	Name     string
	Role     meeting.Role
	Lang     string
	Locked   bool
	Settings meeting.Settings
	Host     string
}

// fresh is the age up to which a node trusts what it last read of a meeting. A
// sweep renews it every second; older than this the store is asked before
// anything new passes.
const fresh = 2 * time.Second

// Live answers the seat that a pass opens, or why it opens none. For a known
// seat it takes no lock, asks no store and allocates nothing.
func (l *Lobby) Live(ctx context.Context, pass string) (*Seat, Info, error) {
	return l.alive(ctx, pass, time.Now())
}

func (l *Lobby) alive(ctx context.Context, pass string, now time.Time) (*Seat, Info, error) {
	finger := sha256.Sum256([]byte(pass))
	v, _ := l.passes.Load(finger)
	s, known := v.(*Seat)
	if !known {
		return l.sit(ctx, pass, finger, now)
	}
	s.used.Store(now.Unix())
	if s.gone.Load() {
		return l.sit(ctx, pass, finger, now)
	}
	st := s.state.Load()
	if st.no != nil && st.no.Reason == meeting.Removed {
		return s, st.info, st.no // nothing takes that back
	}
	if now.UnixNano()-s.of.at.Load() > int64(fresh) {
		if err := l.freshen(ctx, s.of); err != nil {
			return nil, Info{}, err
		}
		st = s.state.Load()
	}
	return s.answer(st)
}

func (s *Seat) answer(st *seatState) (*Seat, Info, error) {
	if st.no != nil {
		return s, st.info, st.no
	}
	return s, st.info, nil
}

// sit makes the seat of a pass this node has not met yet. An unknown pass always
// asks the store: what this node remembers may be older than the pass.
func (l *Lobby) sit(ctx context.Context, pass string, finger [32]byte, now time.Time) (*Seat, Info, error) {
	id, admission, ok := carried(pass)
	if !ok {
		return nil, Info{}, meeting.Refuse(meeting.SignIn)
	}
	// Nothing is followed for a forged one.
	d, err := l.peek(ctx, id, admission)
	if err != nil {
		return nil, Info{}, err
	}
	mac := l.mac("pass", []byte(pass))
	if no := holds(&d.Admission, mac); no != nil {
		return nil, Info{}, no
	}
	f := l.follow(id)
	defer l.unpin(f)
	if err := l.refresh(ctx, f); err != nil {
		return nil, Info{}, err
	}
	s := &Seat{Meeting: id, Admission: admission, of: f, mac: mac, finger: finger, over: make(chan struct{}), moved: func() { l.wake(id) }}
	s.used.Store(now.Unix())
	s.met.Store(now.UnixNano())
	s, no := l.place(f, s, now)
	if no != nil {
		return nil, Info{}, no
	}
	return s.answer(s.state.Load())
}

// holds refuses a pass that is not the admission's.
func holds(a *meeting.Admission, mac []byte) *meeting.Refusal {
	switch {
	case a.State == meeting.Expelled:
		return meeting.Refuse(meeting.Removed)
	case len(a.Pass) == 0 || !hmac.Equal(a.Pass, mac):
		return meeting.Refuse(meeting.SignIn)
	}
	return nil
}

// place puts a new seat in its row, in the place of one with an older pass. A
// browser asks several times at once: the first makes the seat, all share it.
func (l *Lobby) place(f *live, s *Seat, now time.Time) (*Seat, *meeting.Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	// The row may have been read again since: only the newest word counts.
	snap := f.snap.Load()
	a, _ := snap.Admission(s.Admission)
	if no := holds(&a, s.mac); no != nil {
		return nil, no
	}
	old := f.seats[s.Admission]
	if old != nil && old.finger == s.finger {
		return old, nil
	}
	l.judge(s, snap, now)
	f.seats[s.Admission] = s
	l.passes.Store(s.finger, s)
	l.seats.Store(s.Admission, s)
	if old != nil {
		l.passes.Delete(old.finger)
		l.judge(old, snap, now)
		old.end()
	}
	if l.outlawed(s.Meeting, s.Admission, a.Person.Key()) {
		s.shut(meeting.Removed) // in between
	}
	return s, nil
}

// judge decides anew what the seat may do, after the meeting changed. It
// answers whether the whole admission has just lost the right to be inside; a
// seat whose pass was replaced only ends itself.
func (l *Lobby) judge(s *Seat, snap *Snapshot, now time.Time) (lost bool) {
	a, ok := snap.Admission(s.Admission)
	d := meeting.Docs{Meeting: snap.Meeting, Admission: a}
	// The invitation is left out: a link withdrawn later does not put out who
	// is inside; expelling does.
	st := &seatState{info: Info{
		Room: snap.Meeting.Room, Title: snap.Meeting.Title, Name: a.Name, Role: a.Role, Lang: snap.Meeting.Lang,
		Locked: snap.Meeting.Locked, Settings: snap.Meeting.Settings, Host: snap.Meeting.Owner.Name,
	}}
	switch {
	case l.outlawed(s.Meeting, s.Admission, a.Person.Key()):
		st.no = meeting.Refuse(meeting.Removed)
	case !ok:
		st.no = meeting.Refuse(meeting.NotFound)
	default:
		st.no = d.MayEnter(now)
	}
	st.lost = st.no != nil
	if st.no == nil && (!hmac.Equal(a.Pass, s.mac) || s.ended()) {
		// Another device took over; or the channels of this pass ended while the
		// host was away, and whoever comes back takes another.
		st.no = meeting.Refuse(meeting.Stale)
	}
	if st.no != nil {
		s.end()
	}
	before := s.state.Swap(st)
	if st.no == nil && l.outlawed(s.Meeting, s.Admission, a.Person.Key()) {
		s.shut(meeting.Removed) // put out in between: this must not take it back
	}
	return st.lost && (before == nil || !before.lost)
}

// shut refuses the seat at once, ahead of the store's word.
func (s *Seat) shut(why meeting.Reason) {
	st := *s.state.Load()
	if st.no == nil {
		st.no, st.lost = meeting.Refuse(why), true
		s.state.Store(&st)
	}
	s.end()
}

// May answers the seat's state now, as last read.
func (s *Seat) May() (Info, error) {
	st := s.state.Load()
	if st.no != nil {
		return st.info, st.no
	}
	return st.info, nil
}

func (l *Lobby) seatOf(admission string) (*Seat, bool) {
	v, ok := l.seats.Load(admission)
	if !ok {
		return nil, false
	}
	s, ok := v.(*Seat)
	return s, ok
}

// AdmissionOf reads the admission's id out of a pass. It proves nothing: it
// only tells where the page of that admission is.
func AdmissionOf(pass string) (string, bool) {
	_, a, ok := carried(pass)
	return a, ok
}
