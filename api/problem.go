package api

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"vestibule/auth"
	"vestibule/meeting"
	"vestibule/store"
)

// problem is an answer no, as RFC 9457 writes it.
type problem struct {
	Type   string  `json:"type"`
	Title  string  `json:"title"`
	Status int     `json:"status"`
	Errors []fault `json:"errors,omitempty"`
	// Reference finds a fault of ours in the log.
	Reference string `json:"reference,omitempty"`
}

// fault is one thing that cannot be used, and where it stands (RFC 6901), or
// which parameter or header it is.
type fault struct {
	Pointer string `json:"pointer,omitempty"`
	Name    string `json:"name,omitempty"`
	Code    string `json:"code"`
}

// Error implements error.
func (p *problem) Error() string { return "refused: " + p.Type }

// mark is before the word in a problem's type. The words are stable.
const mark = "urn:vestibule:problem:"

func refuse(status int, word string, faults ...fault) *problem {
	return &problem{Type: mark + word, Title: title(word), Status: status, Errors: faults}
}

// title says each word in a sentence. It is for people who write programs.
func title(word string) string {
	titles := map[string]string{
		"credential":   "No credential that is known here was shown.",
		"scope":        "The credential does not allow this.",
		"not_found":    "There is nothing here for you.",
		"method":       "This cannot be done to that.",
		"media_type":   "The body must be JSON.",
		"too_large":    "The body is too large.",
		"invalid":      "Something in the request cannot be used.",
		"reused":       "The idempotency key was used for another request.",
		"precondition": "The meeting has changed since you read it.",
		"unguarded":    "Say with If-Match which version you mean to change.",
		"too_many":     "Too many of these; try again later.",
		"busy":         "The door cannot do this just now; try again.",
		"stale":        "That is not possible in the state it is in.",
		"name_changed": "The guest shows another display name by now.",
		"over":         "The meeting is over.",
		"called_off":   "The meeting was cancelled.",
		"removed":      "The person was expelled.",
		"fault":        "Something went wrong on our side.",
	}
	if t, ok := titles[word]; ok {
		return t
	}
	return "The rules of the door refuse this."
}

// fail answers a refusal or a fault; the only place that does.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := s.problem(r, err)
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	switch p.Status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="`+s.c.Door+`"`)
	case http.StatusTooManyRequests:
		h.Set("Retry-After", "60")
	case http.StatusServiceUnavailable:
		h.Set("Retry-After", "5")
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p) // the reader has gone; nobody is left to tell
}

func (s *Server) problem(r *http.Request, err error) *problem {
	var p *problem
	var no *meeting.Refusal
	var down *auth.Unavailable
	ctx := r.Context()
	switch {
	case errors.As(err, &p):
	case errors.Is(err, store.ErrUnavailable), errors.As(err, &down):
		s.log.ErrorContext(ctx, "api unavailable", slog.String("path", r.Pattern), slog.Any("error", err))
		p = refuse(http.StatusServiceUnavailable, "busy")
	case errors.As(err, &no):
		p = refused(no)
	default:
		p = refuse(http.StatusInternalServerError, "fault")
		p.Reference = rand.Text()[:6]
		s.log.ErrorContext(ctx, "fault", slog.String("path", r.Pattern), slog.String("reference", p.Reference), slog.Any("error", err))
		return p
	}
	s.log.InfoContext(ctx, "api refused", slog.String("path", r.Pattern), slog.String("reason", p.Type), slog.String("status", strconv.Itoa(p.Status)))
	return p
}

// refused tells a refusal of the lobby. Whose meeting it is not learns nothing
// of it (T10).
func refused(no *meeting.Refusal) *problem {
	word := no.Reason.String()
	switch no.Reason {
	case meeting.NotFound, meeting.NotHost:
		return refuse(http.StatusNotFound, "not_found")
	case meeting.Invalid:
		return refuse(http.StatusUnprocessableEntity, "invalid", fault{Pointer: pointer(no.Field), Code: "invalid"})
	case meeting.TooMany:
		return refuse(http.StatusTooManyRequests, "too_many")
	case meeting.Busy:
		return refuse(http.StatusServiceUnavailable, "busy")
	default:
		return refuse(http.StatusConflict, word)
	}
}

func answer(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the reader has gone
	return nil
}
