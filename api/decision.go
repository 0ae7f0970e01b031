package api

import (
	"context"
	"net/http"

	"vestibule/lobby"
	"vestibule/meeting"
)

// decision is what every decision needs: whose meeting, whom, which attempt.
type decision struct {
	meeting   meeting.ID
	admission string
	attempt   string
}

// decision reads a request to decide about somebody. take reads what the body
// says.
func (s *Server) decision(r *http.Request, c *caller, take func(*object)) (decision, error) {
	admission, err := id(r, "admission", 32)
	if err != nil {
		return decision{}, err
	}
	h, err := s.hosted(r, c)
	if err != nil {
		return decision{}, err
	}
	o, raw, err := read(r)
	if err != nil {
		return decision{}, err
	}
	take(o)
	if err := o.done(); err != nil {
		return decision{}, err
	}
	attempt, err := s.attempt(r, c, raw)
	return decision{h.ID, admission, attempt}, err
}

// decide reads a decision, carries it out and answers the admission.
func (s *Server) decide(w http.ResponseWriter, r *http.Request, c *caller, take func(*object), do func(context.Context, decision) error) error {
	d, err := s.decision(r, c, take)
	if err != nil {
		return err
	}
	if err := do(r.Context(), d); err != nil {
		return err
	}
	return s.oneAdmission(w, r, c, nil)
}

func (s *Server) admit(w http.ResponseWriter, r *http.Request, c *caller) error {
	a := meeting.Answer{Admit: true}
	take := func(o *object) { a.Name = o.text("display_name", "", lobby.MaxName) }
	return s.decide(w, r, c, take, func(ctx context.Context, d decision) error {
		return s.c.Lobby.Answer(ctx, d.meeting, c.host(), d.admission, a, d.attempt)
	})
}

func (s *Server) refuse(w http.ResponseWriter, r *http.Request, c *caller) error {
	var a meeting.Answer
	take := func(o *object) {
		a.Why = meeting.Why(o.word("reason", "", string(meeting.NoWhy), string(meeting.Another), string(meeting.Later), string(meeting.Unknown)))
		a.Farewell = o.text("message", "", meeting.MaxWords)
	}
	return s.decide(w, r, c, take, func(ctx context.Context, d decision) error {
		return s.c.Lobby.Answer(ctx, d.meeting, c.host(), d.admission, a, d.attempt)
	})
}

func (s *Server) hold(w http.ResponseWriter, r *http.Request, c *caller) error {
	var message string
	take := func(o *object) { message = o.text("message", "", meeting.MaxWords) }
	return s.decide(w, r, c, take, func(ctx context.Context, d decision) error {
		return s.c.Lobby.Hold(ctx, d.meeting, c.host(), d.admission, message, d.attempt)
	})
}

func (s *Server) ask(w http.ResponseWriter, r *http.Request, c *caller) error {
	var question string
	take := func(o *object) { question = o.text("question", "", meeting.MaxWords); o.need("question") }
	return s.decide(w, r, c, take, func(ctx context.Context, d decision) error {
		return s.c.Lobby.Ask(ctx, d.meeting, c.host(), d.admission, question, d.attempt)
	})
}

func (s *Server) rename(w http.ResponseWriter, r *http.Request, c *caller) error {
	var name string
	take := func(o *object) { name = o.text("display_name", "", lobby.MaxName); o.need("display_name") }
	return s.decide(w, r, c, take, func(ctx context.Context, d decision) error {
		return s.c.Lobby.Rename(ctx, d.meeting, c.host(), d.admission, name, d.attempt)
	})
}

func (s *Server) mute(w http.ResponseWriter, r *http.Request, c *caller) error {
	return s.decide(w, r, c, func(*object) {}, func(ctx context.Context, d decision) error {
		return s.c.Lobby.Mute(ctx, d.meeting, c.host(), d.admission, d.attempt)
	})
}

func (s *Server) expel(w http.ResponseWriter, r *http.Request, c *caller) error {
	d, err := s.decision(r, c, func(*object) {})
	if err != nil {
		return err
	}
	cuts, err := s.c.Lobby.Expel(r.Context(), d.meeting, c.host(), d.admission, d.attempt)
	if err != nil {
		return err
	}
	return s.oneAdmission(w, r, c, cuts)
}
