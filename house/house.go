// Package house puts the rooms together: lobby, door and relay, started in
// order and shut in order, the same for a hospital and for the demo.
//
// It refuses to decide anything: what each room does is said where it lives.
package house

import (
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"vestibule/api"
	"vestibule/auth"
	"vestibule/conference"
	"vestibule/dialin"
	"vestibule/dialin/sip"
	"vestibule/gateway"
	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/policy"
	"vestibule/turn"
	"vestibule/web"
)

// Store is everything the house keeps. store.Redis and store.Memory are two.
type Store interface {
	lobby.Documents
	lobby.Shelf
	api.Streams
	Keeper
}

// Keeper keeps sessions and says whether it can write.
type Keeper interface {
	gateway.Shelf
	Ready(ctx context.Context) error
}

// Config says what the house is made of.
type Config struct {
	// Door and Room are the two origins.
	Door, Room string
	// Secret is the site's one secret, at least 32 bytes; each room gets its
	// own key derived from it (RFC 5869).
	Secret  []byte
	Store   Store
	Backend conference.Backend
	Mailer  lobby.Mailer  // nil: no mail leaves
	Texter  lobby.Texter  // nil: no SMS leaves
	OIDC    auth.Config   // no providers: only one-time codes
	Rules   *policy.Rules // nil: the built-in rules
	// Turn is the relay, without its Secret and whom it trusts; TurnOn is where it listens.
	Turn   turn.Config
	TurnOn turn.Addresses
	// Phone is the phone door; nil: none.
	Phone *Phone
	Site  web.Site
	Pages web.Config
	Zone  string
	// Early, Grace and Keep are lobby.Config's.
	Early, Grace, Keep time.Duration
	// KeepIncidents and State are lobby.Config's.
	KeepIncidents time.Duration
	State         string
	// SessionIdle, SessionLife and SignOutLeaves are gateway.Config's.
	SessionIdle, SessionLife time.Duration
	SignOutLeaves            bool
	// Names and Emails are lobby.Config's.
	Names  lobby.NameRule
	Emails lobby.Emails
	// Remind and LinkInCalendar are lobby.Config's.
	Remind         meeting.Reminders
	LinkInCalendar bool
	// Limits bound what one stranger may hold of the door's listeners.
	Limits Limits
	// API is who may use the API and which webhooks are told, without the
	// rooms that they need. Zero: nobody and none.
	API    api.Config
	Logger *slog.Logger
}

// House is a door with everything behind it.
type House struct {
	Lobby   *lobby.Lobby
	Gateway *gateway.Server
	Turn    *turn.Server
	// Calls and SIP are nil without a phone door.
	Calls *dialin.Server
	SIP   *sip.Server
	// API is nil where no program may come and none is told.
	API *api.Server

	c      Config
	log    *slog.Logger
	ops    *ops
	turned *turned
}

// New builds the house or answers every fault. It does no I/O.
func New(c Config) (*House, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if len(c.Secret) < 32 {
		return nil, errors.New("house: Secret needs at least 32 bytes")
	}
	h := &House{c: c, log: c.Logger, turned: newTurned(c.Logger)}
	var oidc *auth.OIDC
	var faults []error
	add := func(err error) { faults = append(faults, err) }
	err := c.Limits.fault()
	add(err)
	lc := lobby.Config{
		Names: c.Names, Emails: c.Emails,
		Documents: api.Note(c.Store, c.Store, c.API.Hooks), Shelf: c.Store, Backend: c.Backend, Mailer: c.Mailer, Texter: c.Texter, Rules: c.Rules, Secret: h.key("lobby"),
		Door: c.Door, Contact: c.Site.Contact, Early: c.Early, Grace: c.Grace, Keep: c.Keep,
		KeepIncidents: c.KeepIncidents, State: c.State, Logger: c.Logger,
		Remind: c.Remind, LinkInCalendar: c.LinkInCalendar,
	}
	for _, p := range c.OIDC.Providers {
		lc.Vouchers = append(lc.Vouchers, lobby.Voucher{ID: p.ID, Keep: p.Keep})
	}
	lc.Renamer, lc.Muter = arms(c.Backend)
	c.Phone.tell(&lc)
	h.Lobby, err = lobby.New(lc)
	add(err)
	if len(c.OIDC.Providers) > 0 {
		c.OIDC.Callback, c.OIDC.Logger = c.Door+"/oidc/callback/", c.Logger
		oidc, err = auth.New(c.OIDC)
		add(err)
	}
	// Of this process alone: another node, or this one after a restart, would
	// take kept credentials without knowing who was cut.
	c.Turn.Secret, c.Turn.Logger = make([]byte, sha256.Size), c.Logger
	_, _ = rand.Read(c.Turn.Secret) // it does not fail
	c.Turn.Trusted = c.Limits.Trusted
	h.Turn, err = turn.New(c.Turn)
	add(err)
	c.Pages.Logger = c.Logger
	pages, err := web.New(c.Pages)
	add(err)
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	programs, err := h.openAPI(oidc)
	if err != nil {
		return nil, err
	}
	h.Gateway, err = gateway.New(gateway.Config{
		Door: c.Door, Room: c.Room, Lobby: h.Lobby, OIDC: oidc, Pages: pages, Shelf: c.Store, Backend: c.Backend,
		Relay: h.Turn, API: programs, Secret: h.key("gateway"), Site: c.Site,
		KeptDays: days(c.Keep), SessionIdle: c.SessionIdle, SessionLife: c.SessionLife, SignOutLeaves: c.SignOutLeaves, Zone: c.Zone, Shared: c.Limits.Trusted, Logger: c.Logger,
	})
	if err != nil {
		return nil, err
	}
	h.Lobby.AddCutter(lobby.Channel{Name: "signalling", Cutter: h.Gateway})
	h.Lobby.AddRelay("relay", h.Turn)
	if err := h.phone(); err != nil {
		return nil, err
	}
	h.ops = newOps(c.Store, h)
	return h, nil
}

// arms are what the conference server can do inside; nil: it cannot.
func arms(b conference.Backend) (r lobby.Renamer, m lobby.Muter) {
	if b == nil {
		return nil, nil
	}
	if b.Capabilities().Rename {
		r = b
	}
	if b.Capabilities().Mute {
		m = b
	}
	return r, m
}

// key derives a room's key from the site's secret.
func (h *House) key(room string) []byte {
	k, err := hkdf.Key(sha256.New, h.c.Secret, nil, "vestibule "+room, 32)
	if err != nil {
		panic(err) // only for lengths that are not ours
	}
	return k
}

func days(d time.Duration) int {
	if d == 0 {
		d = 24 * time.Hour
	}
	return int((d + 24*time.Hour - 1) / (24 * time.Hour))
}

// Listen opens the journal and the sockets of the relay and the phone door.
func (h *House) Listen(ctx context.Context) error {
	if err := h.Lobby.Open(ctx); err != nil {
		return err
	}
	if err := h.Turn.Listen(ctx, h.c.TurnOn); err != nil {
		return fmt.Errorf("opening the relay: %w", err)
	}
	if h.SIP != nil {
		return h.SIP.Listen(ctx)
	}
	return nil
}

// Guard is a listener of the door with the limits on who connects.
func (h *House) Guard(ln net.Listener) net.Listener {
	return h.c.Limits.guard(ln, func() { h.turned.note(time.Now()) })
}

// Handler answers both origins, counted.
func (h *House) Handler() http.Handler { return h.c.Limits.from(h.ops.count(h.Gateway)) }

// Ops answers /livez, /readyz and /metrics on a listener at the given address,
// which participants must not reach.
func (h *House) Ops(on string) http.Handler { return known(on, h.ops.mux) }

// Run keeps the house going until ctx ends, then shuts it: the waiting are
// told, connections end, the relay closes.
func (h *House) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return named("lobby", h.Lobby.Run(ctx)) })
	g.Go(func() error { return named("gateway", h.Gateway.Run(ctx)) })
	g.Go(func() error { return named("relay", h.Turn.Serve(ctx)) })
	if h.API != nil {
		g.Go(func() error { return named("api", h.API.Run(ctx)) })
	}
	if h.SIP != nil {
		g.Go(func() error { return named("phone door", h.SIP.Serve(ctx)) })
	}
	return g.Wait()
}

func named(room string, err error) error {
	if err != nil {
		return fmt.Errorf("running the %s: %w", room, err)
	}
	return nil
}

// The limits of one HTTP connection (T58, T60).
const (
	headerTime  = 5 * time.Second
	idleTime    = 90 * time.Second
	headerBytes = 16 << 10
)

// Serve answers on ln until ctx ends, then takes no more and gives what is
// under way the given time.
func Serve(ctx context.Context, ln net.Listener, handler http.Handler, secure *tls.Config, farewell time.Duration, log *slog.Logger) error {
	srv := &http.Server{
		DisableGeneralOptionsHandler: true, // it would answer without our headers
		Handler:                      handler, ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: headerBytes,
		HTTP2:     &http.HTTP2Config{MaxConcurrentStreams: atOnce, SendPingTimeout: deadAfter, WriteByteTimeout: deadAfter},
		ConnState: settle,
		ErrorLog:  slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context {
			return context.WithoutCancel(ctx)
		},
	}
	if secure != nil {
		srv.TLSConfig = secure.Clone()
		if err := watch(srv); err != nil {
			return err
		}
	}
	if secure != nil {
		ln = newHandshakes(ctx, ln, srv.TLSConfig)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ln) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if srv.Shutdown(closing) != nil {
		_ = srv.Close() // whoever has not gone by now is put on the street
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
