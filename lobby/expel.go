package lobby

import (
	"context"
	"errors"
	"log/slog"
	"slices"
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

// outlaw is somebody who was put out here, by admission or, with the meeting,
// by their mark. It stands until the store has confirmed and been read again.
type outlaw struct {
	meeting meeting.ID
	who     string
}

// outlawAge is how long an outlaw is remembered once the store knows.
const outlawAge = time.Minute

// cutTime bounds how long one channel may take to confirm its end, expelTime
// how long the store may take, and patience how long the cut waits for it: who
// is put out is silent within a quarter of a second.
const (
	patience  = 100 * time.Millisecond
	cutTime   = 3 * time.Second
	expelTime = 5 * time.Second
)

// Expel puts somebody out for good: first in the store, so that no node lets
// them back, then every channel at once. When the store does not answer, the
// channels are cut here and now all the same, and the store is told as soon as
// it is back. It answers what was cut and what could not be confirmed.
func (l *Lobby) Expel(ctx context.Context, id meeting.ID, host meeting.Key, admission, attempt string) ([]Cut, error) {
	return l.expel(ctx, unconfirmed{meeting: id, admission: admission, by: l.mark(id, host)}, host, tag("expel", attempt))
}

func (l *Lobby) expel(ctx context.Context, u unconfirmed, host meeting.Key, attempt string) ([]Cut, error) {
	// The host's browser may go away meanwhile: nothing stays half done.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), expelTime)
	defer cancel()
	start := time.Now()
	u.at = start
	var wg sync.WaitGroup
	defer wg.Wait()
	far := l.lookFar(ctx, &wg, &u)
	stored := make(chan error, 1)
	wg.Go(func() {
		stored <- l.putOut(ctx, &u, host, attempt)
	})
	early := l.hurry(ctx, &wg, &u, host, stored)
	err := <-stored
	var no *meeting.Refusal
	if errors.As(err, &no) && no.Reason != meeting.Busy {
		if early != nil {
			l.pardon(&u) // a host no more, who was one a second ago
		}
		return nil, no
	}
	if err != nil && early == nil {
		if no := l.mayExpelOffline(u.meeting, host, u.admission); no != nil {
			return nil, no
		}
	}
	took := time.Since(start)
	l.outlaw(&u, err == nil)
	if err != nil {
		l.log.WarnContext(ctx, "expulsion not confirmed", slog.String("meeting", string(u.meeting)), slog.String("admission", u.admission), slog.Any("error", err))
		wg.Go(func() { l.note(ctx, &u) }) // no channel waits for the disk
	} else {
		l.log.InfoContext(ctx, "expelled", slog.String("meeting", string(u.meeting)), slog.String("admission", u.admission))
	}
	var nodes []Cut
	wg.Go(func() { nodes = far(err == nil) })
	cuts := []Cut{{What: "link", Took: took, Err: err}}
	if early != nil {
		cuts = append(cuts, <-early...)
		l.forbidRelay(ctx, u.admission)
	} else {
		cuts = append(cuts, l.cut(ctx, loss{u.meeting, u.admission, meeting.Removed}, false)...)
	}
	wg.Wait()
	cuts = append(cuts, nodes...)
	l.report(ctx, &u, cuts, err == nil)
	if err == nil {
		l.tellCuts(ctx, &u, host, cuts, attempt)
	}
	return cuts, nil
}

// putOut tells the store of an expulsion. Whoever came without a link, as a host
// from their console, loses those that they came by before in the same step.
func (l *Lobby) putOut(ctx context.Context, u *unconfirmed, host meeting.Key, attempt string) error {
	e := meeting.Expel{By: host, Incident: u.incident}
	out, err := l.change(ctx, u.meeting, attempt, func(t *tx) (outcome, error) {
		d, err := t.admission(u.admission)
		if err != nil {
			return outcome{}, err
		}
		now := time.Now()
		d, no, err := t.apply(d, e, now)
		if err != nil || no != nil || d.Admission.Invitation != "" {
			return outcome{No: no}, err
		}
		return outcome{}, t.unlink(d, host, now)
	})
	return answered(out, err)
}

// unlink withdraws the links by which the person of an admission came.
func (t *tx) unlink(d meeting.Docs, host meeting.Key, now time.Time) error {
	s, err := t.l.load(t.ctx, t.id)
	if err != nil {
		return err
	}
	key := d.Admission.Person.Key()
	for id := range s.Invitations {
		if v := s.Invitations[id]; !v.SeatOf(key) {
			continue
		}
		of, err := t.docs(id, "")
		if err != nil {
			return err
		}
		of.Meeting = d.Meeting
		if _, no, err := t.apply(of, meeting.Unlink{By: host, Person: key}, now); err != nil || no != nil {
			return err
		}
	}
	return nil
}

// hurry waits for the store's word, but not for long: a store that is away says
// so after seconds, in which somebody who is put out would be heard. Then what
// this node knows decides, and the channels are cut while the store still has
// the floor, in a way that can be taken back. It answers those cuts, nil where
// the store came in time or nothing may be decided here. The word itself is left
// in stored.
func (l *Lobby) hurry(ctx context.Context, wg *sync.WaitGroup, u *unconfirmed, host meeting.Key, stored chan error) (early chan []Cut) {
	wait := time.NewTimer(patience)
	defer wait.Stop()
	select {
	case err := <-stored:
		stored <- err
		return nil
	case <-wait.C:
	}
	if l.mayExpelOffline(u.meeting, host, u.admission) != nil {
		return nil
	}
	l.outlaw(u, false)
	early = make(chan []Cut, 1)
	wg.Go(func() { early <- l.cut(ctx, loss{u.meeting, u.admission, meeting.Removed}, true) })
	return early
}

// tellCuts writes what was cut beside the expulsion, for the consoles of other
// nodes and hosts.
func (l *Lobby) tellCuts(ctx context.Context, u *unconfirmed, host meeting.Key, cuts []Cut, attempt string) {
	if err := l.on(ctx, u.meeting, u.admission, tag("cut", attempt), meeting.Severed{By: host, Cuts: told(cuts)}); err != nil {
		l.log.WarnContext(ctx, "what was cut is not noted", slog.String("admission", u.admission), slog.Any("error", err))
	}
}

// told are cuts as they are kept.
func told(cuts []Cut) []meeting.Cut {
	list := make([]meeting.Cut, 0, len(cuts))
	for _, c := range cuts {
		list = append(list, meeting.Cut{What: c.What, Milliseconds: c.Took.Milliseconds(), Confirmed: c.Err == nil})
	}
	return list
}

// report opens the incident, where the host asked for one, or notes that it is
// still to be opened.
func (l *Lobby) report(ctx context.Context, u *unconfirmed, cuts []Cut, confirmed bool) {
	if u.incident == "" {
		return
	}
	l.journal.mu.Lock()
	u.cuts = cuts
	l.journal.mu.Unlock()
	if !confirmed {
		return // with the expulsion, when the store is back
	}
	if err := l.freeze(ctx, u, time.Now()); err != nil {
		l.log.ErrorContext(ctx, "incident not opened yet", slog.String("incident", u.incident), slog.Any("error", err))
		l.note(ctx, u)
	}
}

func (l *Lobby) note(ctx context.Context, u *unconfirmed) {
	if err := l.journal.add(u); err != nil {
		l.log.ErrorContext(ctx, "expulsion not on disk", slog.String("admission", u.admission), slog.Any("error", err))
	}
}

// outlaw shuts this node to an admission and to its person, whose other devices
// lose their channels too, ahead of what the store will say.
func (l *Lobby) outlaw(u *unconfirmed, confirmed bool) {
	var others []loss
	if s := l.known(u.meeting); s != nil {
		a, _ := s.Admission(u.admission)
		u.person = l.mark(u.meeting, a.Person.Key())
		for i := range s.Admissions {
			o := &s.Admissions[i]
			if o.ID != a.ID && o.State == meeting.Admitted && o.Person.Key() == a.Person.Key() && a.ID != "" {
				others = append(others, loss{u.meeting, o.ID, meeting.Removed})
			}
		}
	}
	var at time.Time
	if confirmed {
		at = time.Now()
	}
	for _, o := range u.outlaws() {
		l.outlaws.Store(o, at)
	}
	for _, x := range others {
		if s, ok := l.seatOf(x.admission); ok {
			s.shut(x.why)
		}
	}
	l.lose(others)
}

// pardon takes back what outlaw did for an expulsion that the store refused. What
// is noted in the journal stands.
func (l *Lobby) pardon(u *unconfirmed) {
	for _, p := range l.journal.pending() {
		if p.meeting == u.meeting && p.admission == u.admission {
			return
		}
	}
	for _, o := range u.outlaws() {
		l.outlaws.Delete(o)
	}
	l.wake(u.meeting)
}

// outlawed reports whether an admission or person was put out here.
func (l *Lobby) outlawed(id meeting.ID, admission string, k meeting.Key) bool {
	none := true
	l.outlaws.Range(func(any, any) bool { none = false; return false })
	if none {
		return false // as nearly always: no fingerprint is made
	}
	if _, ok := l.outlaws.Load(outlaw{who: admission}); ok {
		return true
	}
	_, ok := l.outlaws.Load(outlaw{id, l.mark(id, k)})
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

// settle tells the store of the expulsions it missed, and forgets the outlaws
// it has known for long enough.
func (l *Lobby) settle(ctx context.Context) {
	for _, u := range l.journal.pending() {
		if !l.settled(ctx, u) {
			continue
		}
		for _, o := range u.outlaws() {
			l.outlaws.Store(o, time.Now())
		}
		if err := l.journal.done(u); err != nil {
			l.log.ErrorContext(ctx, "settled expulsion still on disk", slog.String("admission", u.admission), slog.Any("error", err))
		}
	}
	l.outlaws.Range(func(o, at any) bool {
		if t, ok := at.(time.Time); ok && !t.IsZero() && time.Since(t) > outlawAge {
			l.outlaws.Delete(o)
		}
		return true
	})
}

// settled tells the store of one expulsion, and reports whether that is over.
func (l *Lobby) settled(ctx context.Context, u *unconfirmed) bool {
	err := l.tell(ctx, u)
	var no *meeting.Refusal
	if err != nil && (!errors.As(err, &no) || no.Reason == meeting.Busy) {
		return false
	}
	if err != nil {
		l.log.ErrorContext(ctx, "expulsion refused later", slog.String("admission", u.admission), slog.Any("error", err))
	}
	return true
}

func (l *Lobby) tell(ctx context.Context, u *unconfirmed) error {
	m, err := l.Header(ctx, u.meeting)
	if err != nil {
		return err
	}
	by := slices.IndexFunc(m.Hosts, func(k meeting.Key) bool { return l.mark(m.ID, k) == u.by })
	if by < 0 {
		return meeting.Refuse(meeting.NotHost)
	}
	if err := l.putOut(ctx, u, m.Hosts[by], ""); err != nil || u.incident == "" {
		return err
	}
	l.journal.mu.Lock()
	report := *u
	l.journal.mu.Unlock()
	return l.freeze(ctx, &report, time.Now())
}

// End closes the meeting for everybody, or calls it off.
func (l *Lobby) End(ctx context.Context, id meeting.ID, host meeting.Key, callOff bool) error {
	send, err := l.mailing(ctx, id, time.Now())
	if err != nil {
		return err
	}
	defer send()
	out, err := l.change(ctx, id, "", func(t *tx) (outcome, error) {
		d, err := t.docs("", "")
		if err != nil {
			return outcome{}, err
		}
		now := time.Now()
		next, no, err := t.apply(d, meeting.End{By: host, Cancel: callOff}, now)
		if err != nil || no != nil || !t.changed || next.Meeting.Phase != meeting.Cancelled {
			return outcome{No: no}, err
		}
		return outcome{}, t.remailAll(next, now)
	})
	if err := answered(out, err); err != nil {
		return err
	}
	ctx = context.WithoutCancel(ctx) // the host's browser may go away: nobody stays inside
	s, err := l.Snapshot(ctx, id)
	if err != nil {
		return err
	}
	l.cutInside(ctx, s)
	ctx, cancel := context.WithTimeout(ctx, cutTime)
	defer cancel()
	if err := l.c.Backend.Close(ctx, s.Meeting.Room); err != nil {
		l.log.ErrorContext(ctx, "room not closed", slog.String("meeting", string(id)), slog.Any("error", err))
	}
	return nil
}
