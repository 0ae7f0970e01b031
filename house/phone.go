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
	Media  media.Config
	Joiner dialin.Joiner
	Voice  *prompts.Voice
	// Lang greets callers; Chime tells them of who comes and goes.
	Lang  string
	Chime bool
	// Dial is lobby.Config's.
	Dial []string
}

func (p *Phone) dial() []string {
	if p == nil {
		return nil
	}
	return p.Dial
}

// phone builds the phone door, where there is one.
func (h *House) phone() error {
	p := h.c.Phone
	if p == nil {
		return nil
	}
	var err, bad error
	var v dialin.Voice
	if p.Voice != nil {
		v = voice{p.Voice}
	}
	h.Calls, err = dialin.New(dialin.Config{
		Lobby: h.Lobby, Joiner: p.Joiner, Voice: v, Lang: p.Lang, Chime: p.Chime, Logger: h.log,
	})
	c := p.SIP
	c.Media, bad = media.New(p.Media)
	if err := errors.Join(err, bad); err != nil {
		return err
	}
	c.Answer = func(ctx context.Context, call *sip.Call) { h.Calls.Serve(ctx, line{call}) }
	c.Logger = h.log
	if h.SIP, err = sip.New(c); err != nil {
		return err
	}
	h.Lobby.AddCutter(lobby.Channel{Name: "phone", Cutter: h.Calls})
	return nil
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
