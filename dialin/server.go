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
)

// Leg is one call, whatever protocol it came by. Its methods may be called by
// anybody.
type Leg interface {
	// Answer takes the call and returns once the caller hears us. No sound may
	// leave before the caller has confirmed.
	Answer(ctx context.Context) (Sound, error)
	// Caller tells of the device. Whether it is encrypted is known only once
	// it is answered.
	Caller() lobby.Caller
	// Dialled is what stood before the @.
	Dialled() string
	// Hangup ends the call at once and for good: it MUST return when no sound
	// passes any more and the other side has been told. Twice is no fault.
	Hangup(ctx context.Context)
	// Gone is closed when the line is gone, whoever ended it.
	Gone() <-chan struct{}
}

// Sound is what is heard and pressed on a call; *media.Session is one.
type Sound interface {
	Play(sounds ...media.Sound) <-chan struct{}
	Loop(sound media.Sound)
	Digits() <-chan rune
	Bridge(r media.Room)
	Stats() media.Stats
}

// Joiner takes an admitted caller into the room of their meeting, under the
// admission's own identity. It MUST give up when ctx ends.
type Joiner interface {
	Join(ctx context.Context, g conference.Grants) (media.Leg, error)
}

// Voice speaks a word in a language. It MUST answer some sound, also for a
// language it does not know.
type Voice interface {
	Say(lang string, w Word) media.Sound
}

// Config says what the phone door stands on.
type Config struct {
	Lobby  *lobby.Lobby
	Joiner Joiner
	Voice  Voice
	// Lang greets whoever calls, before their meeting is known. Default fr.
	Lang   string
	Logger *slog.Logger
}

// Server answers calls.
type Server struct {
	c   Config
	log *slog.Logger

	mu    sync.Mutex
	calls map[string]*call // by admission; guarded by mu
}

// New returns a server, or every fault of the configuration.
func New(c Config) (*Server, error) {
	var faults []error
	if c.Lobby == nil {
		faults = append(faults, errors.New("dialin: Lobby is missing"))
	}
	if c.Joiner == nil {
		faults = append(faults, errors.New("dialin: Joiner is missing"))
	}
	if c.Voice == nil {
		faults = append(faults, errors.New("dialin: Voice is missing"))
	}
	if c.Lang == "" {
		c.Lang = "fr"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Server{c: c, log: c.Logger, calls: map[string]*call{}}, nil
}

// Cut implements lobby.Cutter: the line of an admission is off at once.
func (s *Server) Cut(ctx context.Context, admission string) error {
	s.mu.Lock()
	c := s.calls[admission]
	s.mu.Unlock()
	if c == nil {
		return nil
	}
	c.leg.Hangup(ctx)
	c.cancel()
	return nil
}

// Calls returns how many callers are in a waiting room or a room.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// Serve takes a call from ringing to its end. It returns when nothing of it is
// left.
func (s *Server) Serve(ctx context.Context, leg Leg) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &call{
		s: s, leg: leg, cancel: cancel, now: Call{Lang: s.c.Lang},
		done: make(chan func() Event, 4),
	}
	defer c.close(context.WithoutCancel(ctx))
	sound, err := leg.Answer(ctx)
	if err != nil {
		s.log.InfoContext(ctx, "call not answered", slog.String("call", leg.Caller().Call), slog.Any("error", err))
		return
	}
	c.sound = sound
	c.run(ctx)
	c.last(ctx)
}

// farewell bounds the last words of a call.
const farewell = 12 * time.Second

// last lets the caller hear the last words.
func (c *call) last(ctx context.Context) {
	if c.saying == nil {
		return
	}
	end := time.NewTimer(farewell)
	defer end.Stop()
	select {
	case <-c.saying:
	case <-c.leg.Gone():
	case <-ctx.Done():
	case <-end.C:
	}
}

// seat registers a call as the line of an admission.
func (s *Server) seat(c *call, admission string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[admission] = c
}

func (s *Server) unseat(c *call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.calls[c.admission] == c {
		delete(s.calls, c.admission)
	}
}
