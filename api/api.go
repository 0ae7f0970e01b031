// Package api lets an institution's own programs, such as an appointment book,
// arrange meetings and watch the waiting room, and tells them by webhook what
// happened.
//
// It refuses whoever shows no key of their own: no cookie, no page of another
// site and no sign-in of a browser opens it. It decides nothing: the lobby
// does, by the same rules as for a host at the door.
package api

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"vestibule/auth"
	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// Document is the OpenAPI description of everything served here.
//
//go:embed openapi.json
var Document []byte

// Prefix is where the API stands on the door's origin.
const Prefix = "/api/v1"

// Shelf counts requests, remembers attempts and keeps what webhooks are still
// to be told. Count MUST be atomic over all nodes, Get MUST answer nil for none.
type Shelf interface {
	Put(ctx context.Context, kind, key string, value []byte, ttl time.Duration) error
	Get(ctx context.Context, kind, key string) ([]byte, error)
	Count(ctx context.Context, kind, key string, limit int, window time.Duration) (bool, error)
}

// Streams are the meetings' events. Watch MUST call wake for every meeting that
// changes on any node; a wake may be lost.
type Streams interface {
	Events(ctx context.Context, m meeting.ID, after string, limit int) ([]store.Event, error)
	Watch(ctx context.Context, wake func(meeting.ID)) error
	Index(ctx context.Context, owner string, m meeting.ID, ends, expires time.Time) error
	Unindex(ctx context.Context, owner string, m meeting.ID) error
	Owned(ctx context.Context, owner string, from time.Time, limit int) ([]meeting.ID, error)
}

// Tokens checks access tokens. It MUST answer an error for every token that is
// not one of the provider's for the audience.
type Tokens interface {
	Access(ctx context.Context, provider, audience, token string) (auth.Access, error)
}

// Config says who may use the API and who is told.
type Config struct {
	// Door is the door's origin.
	Door    string
	Lobby   *lobby.Lobby
	Shelf   Shelf
	Streams Streams
	// Keys are the site's own credentials, Clients the programs that get
	// their tokens from an identity provider. Without either nothing is
	// served.
	Keys    []Key
	Clients []Client
	// Tokens, Provider and Audience are needed for Clients. Audience is the
	// door's own name in tokens. Default Door + "/api/v1".
	Tokens   Tokens
	Provider string
	Audience string
	// Rate is how many requests one key may make in a minute. Default 600; 1
	// to 1000.
	Rate  int
	Hooks []Hook
	// Zone and Lang are given to meetings that name none. Defaults
	// Europe/Paris and fr.
	Zone, Lang string
	// Secret keys cursors and attempts; at least 32 bytes.
	Secret []byte
	Logger *slog.Logger
}

// Server answers under /api/v1. It is safe for concurrent use.
type Server struct {
	c     Config
	log   *slog.Logger
	mux   *http.ServeMux
	hooks []*hook
	// every is how often what is still to be told is looked for, claim how
	// long a node has one try at one event for itself; pauses are the waits
	// between tries.
	every, claim time.Duration
	pauses       []time.Duration
}

// New returns the API, or every fault of the configuration.
func New(c Config) (*Server, error) {
	var faults []error
	fault := func(bad bool, what string) {
		if bad {
			faults = append(faults, errors.New("api: "+what))
		}
	}
	fault(c.Lobby == nil, "Lobby is missing")
	fault(c.Shelf == nil, "Shelf is missing")
	fault(c.Streams == nil, "Streams is missing")
	fault(!strings.HasPrefix(c.Door, "https://"), "Door must be an https origin")
	fault(len(c.Secret) < 32, "Secret needs at least 32 bytes")
	fault(c.Rate < 0 || c.Rate > 1000, "Rate must be between 1 and 1000")
	fault(len(c.Clients) > 0 && (c.Tokens == nil || c.Provider == ""), "Clients need Provider, one of the site's providers")
	ids := map[string]bool{}
	for i := range c.Keys {
		err := c.Keys[i].Check()
		if err == nil && ids[c.Keys[i].ID] {
			err = errors.New("the id is there twice")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("api: keys[%d]: %w", i, err))
		}
		ids[c.Keys[i].ID] = true
	}
	clients := map[string]bool{}
	for i := range c.Clients {
		err := c.Clients[i].Check()
		if err == nil && clients[c.Clients[i].ID] {
			err = errors.New("the id is there twice")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("api: clients[%d]: %w", i, err))
		}
		clients[c.Clients[i].ID] = true
	}
	s := &Server{c: c, log: c.Logger, mux: http.NewServeMux(), every: sweepEvery, claim: claimTime, pauses: pauses()}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for i := range c.Hooks {
		h, err := newHook(c.Hooks[i])
		if err != nil {
			faults = append(faults, fmt.Errorf("api: webhooks[%d]: %w", i, err))
		}
		s.hooks = append(s.hooks, h)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	s.c.Rate = or(c.Rate, 600)
	s.c.Audience = or(c.Audience, c.Door+Prefix)
	s.c.Zone, s.c.Lang = or(c.Zone, "Europe/Paris"), or(c.Lang, "fr")
	s.route()
	return s, nil
}

// Serves reports whether anybody may use the API at all.
func (s *Server) Serves() bool { return len(s.c.Keys)+len(s.c.Clients) > 0 }

// ServeHTTP answers paths under Prefix.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	s.mux.ServeHTTP(w, r)
}

// handler answers for a caller, or returns a refusal or a fault.
type handler func(w http.ResponseWriter, r *http.Request, c *caller) error

// operation is one thing a program can ask for. Each stands in openapi.json
// with the same scope.
type operation struct {
	method, path, scope string
	serve               handler
}

const (
	oneMeeting    = "/meetings/{meeting}"
	oneInvitation = oneMeeting + "/invitations/{invitation}"
	oneAdmission  = oneMeeting + "/admissions/{admission}"
)

func (s *Server) operations() []operation {
	return []operation{
		{"GET", "/meetings", "meetings:read", s.listMeetings},
		{"POST", "/meetings", "meetings:write", s.createMeeting},
		{"GET", oneMeeting, "meetings:read", s.readMeeting},
		{"PATCH", oneMeeting, "meetings:write", s.alterMeeting},
		{"POST", oneMeeting + "/cancel", "meetings:write", s.cancelMeeting},
		{"POST", oneMeeting + "/end", "meetings:write", s.endMeeting},
		{"GET", oneMeeting + "/invitations", "meetings:read", s.listInvitations},
		{"POST", oneMeeting + "/invitations", "invitations:write", s.invite},
		{"GET", oneInvitation, "meetings:read", s.readInvitation},
		{"POST", oneInvitation + "/revoke", "invitations:write", s.revoke},
		{"POST", oneInvitation + "/reissue", "invitations:write", s.reissue},
		{"GET", oneMeeting + "/admissions", "waiting:read", s.listAdmissions},
		{"GET", oneAdmission, "waiting:read", s.readAdmission},
		{"POST", oneAdmission + "/admit", "decisions:write", s.admit},
		{"POST", oneAdmission + "/refuse", "decisions:write", s.refuse},
		{"POST", oneAdmission + "/hold", "decisions:write", s.hold},
		{"POST", oneAdmission + "/ask", "decisions:write", s.ask},
		{"POST", oneAdmission + "/rename", "decisions:write", s.rename},
		{"POST", oneAdmission + "/mute", "decisions:write", s.mute},
		{"POST", oneAdmission + "/expel", "decisions:write", s.expel},
		{"POST", oneMeeting + "/lock", "decisions:write", s.lock},
		{"POST", oneMeeting + "/unlock", "decisions:write", s.unlock},
		{"GET", oneMeeting + "/events", "events:read", s.listEvents},
	}
}

func (s *Server) route() {
	paths := map[string]map[string]http.HandlerFunc{
		"/openapi.json": {"GET": s.document},
	}
	for _, o := range s.operations() {
		if paths[o.path] == nil {
			paths[o.path] = map[string]http.HandlerFunc{}
		}
		paths[o.path][o.method] = s.guard(o)
	}
	for path, methods := range paths {
		s.mux.HandleFunc(Prefix+path, func(w http.ResponseWriter, r *http.Request) {
			h := methods[r.Method]
			if r.Method == http.MethodHead {
				h = methods[http.MethodGet]
			}
			if h == nil {
				w.Header().Set("Allow", allowed(methods))
				s.fail(w, r, refuse(http.StatusMethodNotAllowed, "method"))
				return
			}
			h(w, r)
		})
	}
	s.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, refuse(http.StatusNotFound, "not_found"))
	})
}

func allowed(methods map[string]http.HandlerFunc) string {
	var list []string
	for _, m := range []string{"GET", "PATCH", "POST"} {
		if methods[m] != nil {
			list = append(list, m)
		}
	}
	return strings.Join(list, ", ")
}

// document is public: it says nothing about this site.
func (s *Server) document(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(Document) // the asker has gone
}

// mac fingerprints parts under the API's own key.
func (s *Server) mac(kind string, parts ...string) string {
	h := hmac.New(sha256.New, s.c.Secret)
	for _, p := range append([]string{kind}, parts...) {
		_, _ = fmt.Fprintf(h, "%d:%s", len(p), p) // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

func or[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}
