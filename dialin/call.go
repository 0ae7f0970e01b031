package dialin

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"vestibule/conference"
	"vestibule/dialin/media"
	"vestibule/lobby"
	"vestibule/meeting"
)

// aliveEvery is how often a call says that it lives, quiet after how long
// without a packet it does not.
const (
	aliveEvery = 5 * time.Second
	quiet      = 12 * time.Second
)

// call carries out what the machine says, for one call. Only its own goroutine
// touches what may change.
type call struct {
	s      *Server
	leg    Leg
	sound  Sound
	cancel context.CancelFunc
	now    Call

	id        meeting.ID
	admission string

	work   sync.WaitGroup
	done   chan func() Event // results of work, carried out here
	news   chan Event        // the newest of the waiting room
	stop   func()            // of the subscription
	saying <-chan struct{}   // closed when what is said has been said
	loop   bool              // then the waiting tone
	held   func()            // gives the seat back
	over   <-chan struct{}   // the seat has lost its right
	room   media.Leg
	chime  bool // tell by a tone of who comes and goes
	taken  bool // another call has this place
}

// run steps the machine until the call has ended.
func (c *call) run(ctx context.Context) {
	due := time.NewTimer(time.Hour)
	defer due.Stop()
	alive := time.NewTicker(aliveEvery)
	defer alive.Stop()
	number, code := Parse(c.leg.Dialled())
	c.step(ctx, Answered{number, code})
	for c.now.State != Ended {
		if next := c.now.Next; !next.IsZero() {
			due.Reset(time.Until(next))
		} else {
			due.Stop()
		}
		select {
		case <-ctx.Done():
			c.step(ctx, PutOut{})
		case <-c.leg.Gone():
			c.step(ctx, HungUp{})
		case <-c.over:
			c.step(ctx, PutOut{})
		case k := <-c.sound.Digits():
			c.step(ctx, Digit{k})
		case e := <-c.news:
			c.step(ctx, e)
		case f := <-c.done:
			c.step(ctx, f())
		case x, ok := <-c.signals():
			c.signal(ctx, x, ok)
		case <-due.C:
			c.step(ctx, Tick{})
		case <-c.said():
			c.sound.Loop(media.HoldTone())
			c.loop = false
		case <-alive.C:
			c.alive(ctx)
		}
	}
}

// said is ready when the words before the waiting tone have been said.
func (c *call) said() <-chan struct{} {
	if !c.loop {
		return nil
	}
	return c.saying
}

func (c *call) signals() <-chan media.Signal {
	if c.room == nil {
		return nil
	}
	return c.room.Signals()
}

func (c *call) signal(ctx context.Context, x media.Signal, ok bool) {
	switch {
	case !ok || x == media.Lost:
		c.step(ctx, Fault{})
	case x == media.Removed:
		c.step(ctx, PutOut{})
	case x == media.Over:
		c.step(ctx, Seen{Over: true, Reason: meeting.Over})
	case x == media.Muted, x == media.Unmuted:
		c.step(ctx, MutedBy{x == media.Muted})
	case x == media.Joined && c.chime:
		c.sound.Play(media.JoinTone())
	case x == media.Left && c.chime:
		c.sound.Play(media.LeaveTone())
	}
}

func (c *call) step(ctx context.Context, e Event) {
	if p, ok := e.(PutOut); ok {
		c.taken = c.taken || p.Taken
	}
	before := c.now.State
	var do []Action
	c.now, do = Step(c.now, e, time.Now())
	if c.now.State != before {
		c.s.log.InfoContext(ctx, "call", slog.String("call", c.leg.Caller().Call), slog.String("state", c.now.State.String()), slog.String("admission", c.admission))
	}
	for _, a := range do {
		c.do(ctx, a)
	}
}

func (c *call) do(ctx context.Context, a Action) {
	switch a := a.(type) {
	case Say:
		c.say(a.Words, false)
	case Tone:
		c.say(a.Words, true)
	case Verify:
		c.work.Go(func() { c.done <- c.verify(ctx, a) })
	case Enter:
		c.work.Go(func() { c.done <- c.enter(ctx) })
	case Mute:
		if c.room != nil {
			c.room.Mute(a.On)
		}
	case Leave:
		c.leave(ctx)
	case HangUp: // run ends, Serve closes
		c.sound.Bridge(nil) // the room is not heard below the last words
	}
}

func (c *call) say(words []Word, tone bool) {
	sounds := make([]media.Sound, len(words))
	for i, w := range words {
		sounds[i] = c.s.c.Voice.Say(c.now.Lang, w)
	}
	c.saying, c.loop = c.sound.Play(sounds...), tone
}

// verify knocks with what was typed. The answer is carried out by the call's
// own goroutine.
func (c *call) verify(ctx context.Context, v Verify) func() Event {
	id, admission, err := c.s.c.Lobby.DialKnock(ctx, v.Number, v.Code, c.leg.Caller())
	if err != nil {
		return c.no(ctx, "verifying", err)
	}
	c.s.seat(c, admission)
	var lang string
	var first sync.Once // the subscription calls again, whenever it likes
	news := make(chan Event, 1)
	stop, err := c.s.c.Lobby.Subscribe(ctx, id, func(s *lobby.Snapshot) {
		first.Do(func() { lang = s.Meeting.Lang })
		tell(news, c.look(s, admission, time.Now()))
	})
	if err != nil {
		failed := c.no(ctx, "following the meeting", err)
		return func() Event {
			c.id, c.admission = id, admission
			c.leave(ctx)
			return failed()
		}
	}
	return func() Event {
		c.id, c.admission, c.stop, c.news = id, admission, stop, news
		return Proved{lang}
	}
}

// look makes out what the meeting now means to this caller.
func (c *call) look(s *lobby.Snapshot, admission string, now time.Time) Event {
	a, ok := s.Admission(admission)
	switch {
	case !ok:
		return PutOut{} // forgotten
	case a.Call != c.leg.Caller().Call:
		return PutOut{Taken: true}
	case s.Meeting.Over(now):
		why := meeting.Over
		if s.Meeting.Phase == meeting.Cancelled {
			why = meeting.CalledOff
		}
		return Seen{State: a.State, Over: true, Reason: why}
	}
	return Seen{State: a.State, Open: s.Meeting.Phase == meeting.Open || s.Meeting.Settings.JoinBeforeHost}
}

// tell leaves the newest word in news, in place of an older one. It is called
// by one goroutine at a time.
func tell(news chan Event, e Event) {
	for {
		select {
		case news <- e:
			return
		default:
		}
		select {
		case <-news:
		default:
		}
	}
}

// enter takes the same steps as a browser: ticket, pass, seat; then the room.
func (c *call) enter(ctx context.Context) func() Event {
	ctx, cancel := context.WithTimeout(ctx, JoinTime)
	defer cancel()
	seat, info, err := c.s.c.Lobby.DialEnter(ctx, c.id, c.admission)
	if err != nil {
		return c.no(ctx, "entering", err)
	}
	release := seat.Hold()
	room, err := c.s.c.Joiner.Join(ctx, conference.Grants{
		Admission: c.admission, Room: info.Room, Name: info.Name, Microphone: true,
	})
	if err != nil {
		release()
		return c.no(ctx, "joining the room", err)
	}
	return func() Event {
		c.held, c.over, c.room, c.chime = release, seat.Over(), room, info.Settings.Chime
		c.sound.Bridge(room)
		return InRoom{}
	}
}

// no turns an error into an event: a refusal is an answer, the rest a fault.
func (c *call) no(ctx context.Context, doing string, err error) func() Event {
	var no *meeting.Refusal
	if errors.As(err, &no) {
		return func() Event { return Denied{no.Reason} }
	}
	if ctx.Err() == nil {
		c.s.log.ErrorContext(ctx, "call fault", slog.String("call", c.leg.Caller().Call), slog.String("doing", doing), slog.Any("error", err))
	}
	return func() Event { return Fault{} }
}

// alive says that the call is heard, so that nobody else uses its code.
func (c *call) alive(ctx context.Context) {
	if c.admission == "" || time.Since(c.sound.Stats().Heard) > quiet {
		return
	}
	if err := c.s.c.Lobby.DialAlive(ctx, c.leg.Caller().Call); err != nil {
		c.s.log.WarnContext(ctx, "call not kept alive", slog.Any("error", err))
	}
}

// closing bounds what a call still has to tell when it is over.
const closing = 3 * time.Second

func (c *call) leave(ctx context.Context) {
	if c.admission == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	c.s.unseat(c) // Leave cuts every channel: this one is ending already
	if err := c.s.c.Lobby.Leave(ctx, c.id, c.admission); err != nil {
		c.s.log.WarnContext(ctx, "caller not taken out", slog.String("admission", c.admission), slog.Any("error", err))
	}
}

// yielding is a place in a room that can be left to whoever has it now, where
// Close would put them out: both are there under the admission's identity.
type yielding interface{ Yield() }

func (c *call) vacate() {
	if y, ok := c.room.(yielding); ok && c.taken {
		y.Yield()
		return
	}
	c.room.Close()
}

// close ends the call and whatever is left of it.
func (c *call) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, closing)
	defer cancel()
	c.leg.Hangup(ctx)
	c.cancel()
	c.work.Wait()
	for len(c.done) > 0 {
		// What came too late is given back below.
		if _, ok := (<-c.done)().(Proved); ok {
			c.leave(ctx)
		}
	}
	if c.stop != nil {
		c.stop()
	}
	if c.room != nil {
		c.vacate()
	}
	if c.held != nil {
		c.held()
	}
	if c.admission == "" {
		return
	}
	c.s.unseat(c)
	if err := c.s.c.Lobby.DialGone(ctx, c.leg.Caller().Call); err != nil {
		c.s.log.WarnContext(ctx, "call not forgotten", slog.Any("error", err))
	}
}
