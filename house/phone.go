package house

import (
	"context"
	"errors"

	"vestibule/dialin"
	"vestibule/dialin/media"
	"vestibule/dialin/prompts"
	"vestibule/dialin/sip"
	"vestibule/lobby"
)

// Phone is what the phone door is made of.
type Phone struct {
	// SIP is where calls arrive, without its Media, Answer and Logger.
	SIP sip.Config
	// Media is where they are heard.
	Media media.Config
	// Joiner takes callers into their room; nil where SIP has a Target, which
	// then does.
	Joiner dialin.Joiner
	Voice  *prompts.Voice
	// Lang greets callers.
	Lang string
	// Dial, SharedCodes and Chime are lobby.Config's.
	Dial        []string
	SharedCodes bool
	Chime       bool
}

// tell gives the lobby what it must know of the phone door.
func (p *Phone) tell(c *lobby.Config) {
	if p != nil {
		c.Dial, c.SharedCodes, c.Chime = p.Dial, p.SharedCodes, p.Chime
	}
}

// phone builds the phone door, where there is one.
func (h *House) phone() error {
	p := h.c.Phone
	if p == nil {
		return nil
	}
	var err error
	var v dialin.Voice
	if p.Voice != nil {
		v = voice{p.Voice}
	}
	c := p.SIP
	c.Answer = func(ctx context.Context, call *sip.Call) { h.Calls.Serve(ctx, line{call}) }
	c.Logger = h.log
	if c.Media, err = media.New(p.Media); err != nil {
		return err
	}
	if h.SIP, err = sip.New(c); err != nil {
		return err
	}
	join := p.Joiner
	if c.Target != nil {
		join = h.SIP
	}
	h.Calls, err = dialin.New(dialin.Config{
		Lobby: h.Lobby, Joiner: join, Voice: v, Lang: p.Lang, Logger: h.log,
	})
	if err != nil {
		return err
	}
	h.Lobby.AddCutter(lobby.Channel{Name: "phone", Cutter: ends{h.Calls, h.SIP}})
	return nil
}

// ends are both ends of a telephone's way: the caller's line and, where there
// is one, the leg to the conference server.
type ends [2]lobby.Cutter

// Cut implements lobby.Cutter.
func (e ends) Cut(ctx context.Context, admission string) error {
	return errors.Join(e[0].Cut(ctx, admission), e[1].Cut(ctx, admission))
}

// line is a SIP call as the phone door takes it.
type line struct{ *sip.Call }

// Answer implements dialin.Leg.
func (l line) Answer(ctx context.Context) (dialin.Sound, error) {
	s, err := l.Call.Answer(ctx)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// voice is the prompts as the phone door asks for them.
type voice struct{ *prompts.Voice }

// Say implements dialin.Voice.
func (v voice) Say(lang string, w dialin.Word) media.Sound { return v.Voice.Say(lang, string(w)) }
