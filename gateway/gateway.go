// Package gateway is the door itself: it shows guests and hosts their pages on
// one address, and on another lets those who were admitted through to the
// conference server.
//
// It refuses every path it does not know, every change that did not come from
// its own pages, and every step into the room without a live admission.
package gateway

import (
	"context"
	"crypto/cipher"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"time"

	"vestibule/assertion"
	"vestibule/auth"
	"vestibule/conference"
	"vestibule/lobby"
	"vestibule/turn"
	"vestibule/web"
)

// Shelf keeps sessions. Take MUST hand a value out once, and Swap MUST write
// only where what is there is still old.
type Shelf interface {
	Put(ctx context.Context, kind, key string, value []byte, ttl time.Duration) error
	Get(ctx context.Context, kind, key string) ([]byte, error)
	Take(ctx context.Context, kind, key, attempt string) ([]byte, error)
	Swap(ctx context.Context, kind, key string, old, data []byte, ttl time.Duration) (bool, error)
	Delete(ctx context.Context, kind, key string) error
	Count(ctx context.Context, kind, key string, limit int, window time.Duration) (bool, error)
}

// Relay gives each admitted person their own way through TURN. Issue MUST
// extend what it issued before for the same admission.
type Relay interface {
	Issue(admission string, now time.Time) turn.Credentials
}

// Config says what the door opens onto.
type Config struct {
	// Door and Room are the two origins, "https://host[:port]", different.
	Door, Room string
	Lobby      *lobby.Lobby
	OIDC       *auth.OIDC // nil: only one-time codes
	Pages      *web.Pages
	Shelf      Shelf
	Backend    conference.Backend
	Relay      Relay
	// API answers under /api/v1 of the door's origin; nil: nothing does.
	API http.Handler
	// Secret keys cookies and form tokens; at least 32 bytes.
	Secret []byte
	Site   web.Site
	// Shared are addresses that many come from, such as a proxy: of who comes
	// from there, no network is told apart.
	Shared []netip.Prefix
	// KeptDays is told to guests: how long who came and when is kept.
	KeptDays int
	// Zone is the time zone offered for new meetings. Default Europe/Paris.
	Zone string
	// SessionIdle and SessionLife bound a sign-in. Defaults 2h and 12h.
	SessionIdle, SessionLife time.Duration
	// SignOutLeaves has a sign-out, here or at the provider, also end what was
	// let into a meeting by that sign-in.
	SignOutLeaves bool
	Logger        *slog.Logger
}

// Server answers both origins. It is safe for concurrent use.
type Server struct {
	c        Config
	log      *slog.Logger
	door     *url.URL
	room     *url.URL
	seal     cipher.AEAD // for the sign-in cookie
	registry *registry
	hub      *hub
	cuts     cutBook
	recall   recall
	upstream *url.URL // of the conference server
	proxy    httputil.ReverseProxy
	signer   *assertion.Signer // of who stands behind a proxied request
	doors    http.Handler
	rooms    http.Handler
	buffers  *buffers
	formTime time.Duration
	silence  time.Duration

	doorTable, roomTable []header
}

// New returns the door, or every fault of the configuration.
func New(c Config) (*Server, error) {
	var faults []error
	fault := func(bad bool, what string) {
		if bad {
			faults = append(faults, errors.New("gateway: "+what))
		}
	}
	door, err := origin(c.Door)
	fault(err != nil, "Door must be an https origin without a path")
	room, err := origin(c.Room)
	fault(err != nil, "Room must be an https origin without a path")
	fault(c.Door == c.Room, "Door and Room must be different origins: a script in the conference server's page must not act as a host")
	fault(c.Lobby == nil, "Lobby is missing")
	fault(c.Pages == nil, "Pages is missing")
	fault(c.Shelf == nil, "Shelf is missing")
	fault(c.Backend == nil, "Backend is missing")
	fault(c.Relay == nil, "Relay is missing")
	fault(len(c.Secret) < 32, "Secret needs at least 32 bytes")
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if c.SessionIdle == 0 {
		c.SessionIdle = 2 * time.Hour
	}
	if c.SessionLife == 0 {
		c.SessionLife = 12 * time.Hour
	}
	s := &Server{c: c, log: c.Logger, door: door, room: room, registry: newRegistry(), buffers: newBuffers(), formTime: formTime, silence: silence}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.seal = newSeal(c.Secret, "vestibule sign-in cookie")
	s.hub = newHub(c.Lobby, s.log)
	if s.signer, err = assertion.New(assertion.Config{Secret: c.Secret, Issuer: c.Door, Audience: c.Room}); err != nil {
		return nil, err
	}
	s.upstream, s.proxy = c.Backend.Upstream(), s.newProxy()
	s.doorTable, s.roomTable = doorPolicy(room), roomPolicy(room)
	s.doors = s.doorRoutes()
	s.rooms = s.roomRoutes()
	return s, nil
}

func origin(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("no origin")
	}
	if u.Scheme != "https" || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return nil, errors.New("no origin")
	}
	return u, nil
}

// ServeHTTP answers for the two origins and nobody else (421, RFC 9110
// §15.5.20): a foreign Host is DNS rebinding or a wrong certificate.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.unhurried(w, r)
	lastOnConnection(w, r)
	switch {
	case !straight(r):
		secure(w.Header(), s.doorTable)
		http.Error(w, "bad request", http.StatusBadRequest)
	case meant(r, s.door):
		secure(w.Header(), s.doorTable)
		s.doors.ServeHTTP(w, r)
	case meant(r, s.room):
		secure(w.Header(), s.roomTable)
		s.rooms.ServeHTTP(w, r)
	default:
		secure(w.Header(), s.doorTable)
		http.Error(w, "This address is not served here.", http.StatusMisdirectedRequest)
	}
}

// Cut ends every live connection of an admission on this node. It implements
// lobby.Cutter.
func (s *Server) Cut(ctx context.Context, admission string) error {
	return s.registry.cut(ctx, admission)
}

// Drain tells everybody who waits and ends every long connection, so that a
// shutdown need not wait for them: http.Server.Shutdown knows nothing of
// hijacked ones.
func (s *Server) Drain() {
	s.hub.close()
	s.registry.close()
}

// Run keeps what the door recalls true until ctx ends, then drains it.
func (s *Server) Run(ctx context.Context) error {
	tick := time.NewTicker(recheck)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.Drain()
			return nil
		case <-tick.C:
			s.recheckAll(ctx)
		}
	}
}

// handler is a page: it answers, or returns a refusal or a fault.
type handler func(w http.ResponseWriter, r *http.Request) error

// do maps what a handler returns to a page, once.
func (s *Server) do(h handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// change is do for requests that change something: they must come from the
// door's own pages.
func (s *Server) change(h handler) http.Handler {
	return s.do(func(w http.ResponseWriter, r *http.Request) error {
		if err := s.own(w, r); err != nil {
			return err
		}
		return h(w, r)
	})
}

func (s *Server) doorRoutes() http.Handler {
	m := http.NewServeMux()
	m.Handle("GET /static/", http.StripPrefix("/static/", s.c.Pages.Static()))
	m.Handle("GET /.well-known/jwks.json", s.signer)
	m.Handle("GET /{$}", s.do(s.home))
	m.Handle("POST /signin", s.change(s.signIn))
	m.Handle("POST /signout", s.change(s.signOut))
	m.Handle("GET /sign-ins", s.do(s.signIns))
	m.Handle("POST /sign-ins/end", s.change(s.endSignIns))
	m.Handle("GET /oidc/callback/{provider}", s.do(s.callback))
	m.Handle(backChannelRoute, s.do(s.backChannel))

	m.Handle("GET /i/{link}", s.do(s.invitation))
	m.Handle("POST /i/{link}/signin", s.change(s.guestSignIn))
	m.Handle("GET /i/{link}/code", s.do(s.codePage))
	m.Handle("POST /i/{link}/code", s.change(s.sendCode))
	m.Handle("POST /i/{link}/verify", s.change(s.verify))
	m.Handle("GET /i/{link}/name", s.do(s.namePage))
	m.Handle("POST /i/{link}/knock", s.change(s.knock))

	m.Handle("GET /a/{admission}", s.do(s.waiting))
	m.Handle("GET /a/{admission}/events", s.do(s.waitingEvents))
	m.Handle("POST /a/{admission}/leave", s.change(s.leave))
	m.Handle("POST /a/{admission}/stay", s.change(s.stay))
	m.Handle("POST /a/{admission}/reply", s.change(s.reply))
	m.Handle("POST /a/{admission}/enter", s.change(s.enter))

	m.Handle("GET /meetings", s.do(s.meetings))
	m.Handle("GET /meetings/new", s.do(s.newMeeting))
	m.Handle(createRoute, s.change(s.createMeeting))
	m.Handle("GET /m/{meeting}/created", s.do(s.created))
	m.Handle("GET /m/{meeting}", s.do(s.console))
	m.Handle("GET /m/{meeting}/events", s.do(s.consoleEvents))
	m.Handle("POST /m/{meeting}/answer", s.change(s.hostOnly(s.answer)))
	m.Handle("POST /m/{meeting}/reconsider", s.change(s.hostOnly(s.reconsider)))
	m.Handle("POST /m/{meeting}/hold", s.change(s.hostOnly(s.hold)))
	m.Handle("POST /m/{meeting}/ask", s.change(s.hostOnly(s.ask)))
	m.Handle("POST /m/{meeting}/rename", s.change(s.hostOnly(s.rename)))
	m.Handle("POST /m/{meeting}/mute", s.change(s.hostOnly(s.mute)))
	m.Handle("POST /m/{meeting}/admit-verified", s.change(s.hostOnly(s.admitVerified)))
	m.Handle("POST /m/{meeting}/expel", s.change(s.hostBy(s.hostRecalled, s.expel)))
	m.Handle("POST /m/{meeting}/lock", s.change(s.hostOnly(s.lock)))
	m.Handle("POST /m/{meeting}/unlock", s.change(s.hostOnly(s.unlock)))
	m.Handle("POST /m/{meeting}/end", s.change(s.hostOnly(s.end)))
	m.Handle("POST /m/{meeting}/cancel", s.change(s.hostOnly(s.cancel)))
	m.Handle("POST /m/{meeting}/enter", s.change(s.hostOnly(s.hostEnter)))
	m.Handle("POST /m/{meeting}/mail", s.change(s.hostOnly(s.mail)))
	m.Handle("POST /m/{meeting}/revoke", s.change(s.hostOnly(s.revoke)))
	m.Handle("POST /m/{meeting}/reissue", s.change(s.hostOnly(s.reissue)))
	m.Handle("POST /m/{meeting}/correct", s.change(s.hostOnly(s.correct)))
	m.Handle("POST /m/{meeting}/share", s.change(s.hostOnly(s.share)))
	m.Handle("GET /m/{meeting}/change", s.do(s.changePage))
	m.Handle(changeRoute, s.change(s.changeMeeting))
	m.Handle("GET /m/{meeting}/copy", s.do(s.copyPage))
	if s.c.API != nil {
		m.Handle("/api/v1/", s.c.API)
	}
	m.Handle("/", s.do(notFound))
	return m
}
