package gateway

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"vestibule/auth"
	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
	"vestibule/web"
)

func notFound(http.ResponseWriter, *http.Request) error { return meeting.Refuse(meeting.NotFound) }

// status of each refusal. What must not be told apart has one status.
func status(r meeting.Reason) int {
	switch r {
	case meeting.NotFound, meeting.Revoked:
		return http.StatusNotFound
	case meeting.Over, meeting.CalledOff:
		return http.StatusGone
	case meeting.SignIn:
		return http.StatusUnauthorized
	case meeting.TooMany:
		return http.StatusTooManyRequests
	case meeting.Busy:
		return http.StatusServiceUnavailable
	case meeting.Invalid, meeting.WrongCode, meeting.CodeExpired, meeting.CodeSpent, meeting.NoConsent:
		return http.StatusUnprocessableEntity
	case meeting.Stale, meeting.TicketSpent, meeting.HostAway, meeting.NameChanged:
		return http.StatusConflict
	case meeting.TooEarly:
		return http.StatusTooEarly
	default:
		return http.StatusForbidden
	}
}

// fail answers a refusal or a fault; the only place that does.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	var no *meeting.Refusal
	var down *auth.Unavailable
	var doubt *auth.Doubt
	switch {
	case r.Context().Err() != nil:
		// Who asked has gone; what broke on the way broke because of that.
		s.log.DebugContext(r.Context(), "asker gone", slog.String("path", route(r)))
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	case errors.As(err, &foreign{}):
		s.log.InfoContext(r.Context(), "foreign request refused", slog.String("path", route(r)))
		http.Error(w, "This request did not come from this site.", http.StatusForbidden)
		return
	case errors.As(err, &elsewhere{}):
		s.log.InfoContext(r.Context(), "second device turned away", slog.String("path", route(r)))
		answerJSON(w, http.StatusConflict, map[string]string{"state": "elsewhere"})
		return
	case errors.As(err, &tooLarge{}):
		s.log.InfoContext(r.Context(), "large request refused", slog.String("path", route(r)))
		s.refuseAs(w, r, err, meeting.Refuse(meeting.Invalid), http.StatusRequestEntityTooLarge)
		return
	case errors.Is(err, store.ErrUnavailable):
		s.log.ErrorContext(r.Context(), "store unavailable", slog.String("path", route(r)), slog.Any("error", err))
		no = meeting.Refuse(meeting.Busy)
	case errors.As(err, &down) && r.Pattern != backChannelRoute:
		s.log.WarnContext(r.Context(), "provider unavailable", slog.String("path", route(r)), slog.Any("error", err))
		s.away(w, r, err)
		return
	case down != nil, lobby.IsUnsent(err):
		s.log.WarnContext(r.Context(), "service unavailable", slog.String("path", route(r)), slog.Any("error", err))
		no = meeting.Refuse(meeting.Busy)
	case errors.As(err, &doubt) && doubt.Refusal.Reason == meeting.Invalid && r.Pattern != backChannelRoute:
		// An answer of a provider that belongs elsewhere is no form to correct
		// (T14).
		s.log.InfoContext(r.Context(), "sign-in refused", slog.String("path", route(r)), slog.String("check", doubt.Check))
		s.refuseAs(w, r, err, doubt.Refusal, http.StatusBadRequest)
		return
	case errors.As(err, &no):
		s.log.InfoContext(r.Context(), "refused", slog.String("path", route(r)), slog.String("reason", no.Reason.String()))
	}
	if no != nil {
		s.refuse(w, r, err, no)
		return
	}
	ref := rand.Text()[:6]
	s.log.ErrorContext(r.Context(), "fault", slog.String("path", route(r)), slog.String("reference", ref), slog.Any("error", err))
	if s.inRoom(r) && navigates(r) {
		http.Redirect(w, r, s.after(r)+busyQuery, http.StatusSeeOther)
		return
	}
	if s.inRoom(r) {
		answerJSON(w, http.StatusInternalServerError, map[string]string{"reference": ref})
		return
	}
	s.write(w, r, http.StatusInternalServerError, web.Fault{Frame: s.frame(w, r), Reference: ref})
}

// from is a fault on somebody's way, with the page they came from.
type from struct {
	error
	page string
}

func (f from) Unwrap() error { return f.error }

// away tells that a provider does not answer, and leads back to the page with
// the other ways in.
func (s *Server) away(w http.ResponseWriter, r *http.Request, err error) {
	back := from{page: "/"}
	if link := r.PathValue("link"); link != "" {
		back.page = "/i/" + link
	}
	errors.As(err, &back)
	w.Header().Set("Retry-After", "60")
	s.write(w, r, http.StatusServiceUnavailable, web.Refused{
		Frame: s.frame(w, r), Reason: meeting.Busy, Away: true, Back: back.page,
	})
}

// refuse tells no as what has become of err.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error, no *meeting.Refusal) {
	if no.Reason == meeting.Busy {
		w.Header().Set("Retry-After", "5")
	}
	s.refuseAs(w, r, err, no, status(no.Reason))
}

// refuseAs is refuse with a status of the caller's.
func (s *Server) refuseAs(w http.ResponseWriter, r *http.Request, err error, no *meeting.Refusal, code int) {
	switch {
	case s.inRoom(r):
		s.refuseInRoom(w, r, no)
		return
	case r.Pattern == backChannelRoute:
		// RFC 6749 §5.2 lends its words (Back-Channel Logout §2.8).
		if code != http.StatusServiceUnavailable {
			code = http.StatusBadRequest
		}
		answerJSON(w, code, map[string]string{"error": "invalid_request"})
		return
	}
	p := web.Refused{Frame: s.frame(w, r), Reason: no.Reason}
	var way from
	switch {
	case errors.As(err, &way):
		// A guest has their ways in at the invitation; the hosts' would lose it.
		p.Back = way.page
	case p.SignIn():
		p.Providers = s.ways()
	}
	s.write(w, r, code, p)
}

func (s *Server) write(w http.ResponseWriter, r *http.Request, code int, p web.Page) {
	if err := s.c.Pages.Write(w, r, code, p); err != nil {
		s.log.ErrorContext(r.Context(), "page not written", slog.String("path", route(r)), slog.Any("error", err))
		http.Error(w, "Something went wrong on our side.", http.StatusInternalServerError)
	}
}

// page writes a page that went well.
func (s *Server) page(w http.ResponseWriter, r *http.Request, p web.Page) error {
	s.write(w, r, http.StatusOK, p)
	return nil
}

// frame is what every page shares.
func (s *Server) frame(w http.ResponseWriter, r *http.Request) web.Frame {
	f := web.Frame{CSRF: s.csrf(w, r), Attempt: rand.Text(), Site: s.c.Site, Lang: s.c.Pages.Lang(r)}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		f.Path = "/"
	}
	return f
}

// route is the path without what identifies anybody: the pattern that matched.
func route(r *http.Request) string {
	if r.Pattern != "" {
		return r.Pattern
	}
	p, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if p == "rtc" || p == "-" {
		return "/" + p
	}
	return "unknown"
}

func (s *Server) inRoom(r *http.Request) bool { return strings.EqualFold(r.Host, s.room.Host) }

func answerJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the reader has gone; nobody is left to tell
}

func (s *Server) ways() []web.Way {
	if s.c.OIDC == nil {
		return nil
	}
	var ways []web.Way
	for _, p := range s.c.OIDC.Providers() {
		ways = append(ways, web.Way{ID: p.ID, Name: p.Name})
	}
	return ways
}
