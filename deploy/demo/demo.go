// Package demo holds a whole house to try: the door, a real conference
// server behind it, somebody to sign in with and a mailbox to receive the
// invitations in, all in one process that forgets everything when it ends.
//
// It refuses to pretend: until every part has answered nobody is told that
// the house is open.
package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"vestibule/deploy/demo/ca"
	"vestibule/deploy/demo/front"
	"vestibule/deploy/demo/mailbox"
	"vestibule/deploy/demo/provider"
	"vestibule/deploy/demo/sfu"
)

// The names of the houses. Browsers find them on this machine without being
// told (RFC 6761 §6.3).
const (
	doorName = "door.localhost"
	roomName = "room.localhost"
	idName   = "id.localhost"
	mailName = "mail.localhost"

	// relayName is no house: the relay's own TLS listener answers by it.
	relayName = "relay.localhost"
)

// closing is how long everything together may take to end.
const closing = 3 * time.Second

// Config says how the demonstration runs.
type Config struct {
	// Listen is the one address of the four houses, HOST:PORT; port 0 takes
	// a free one. Everything else listens on free ports of the loopback.
	Listen string
	// ReadyFile receives a description of the house, in JSON, once
	// everything answers, and is removed at the end. Empty: none.
	ReadyFile string
	// Redis names a real store, redis://HOST:PORT/DB. Empty: in memory.
	Redis string
	// Leg is a SIP address that admitted callers are put through to in place of
	// the LiveKit room, as sip:USER@HOST:PORT. Empty: none.
	Leg string
	// Tap receives all that the door says to the conference server. Empty:
	// nothing is written down.
	Tap string
	// Trust has this user's Chromium believe the certificates while the
	// demonstration runs.
	Trust bool
	// Language is what is printed, and spoken to browsers that ask for
	// neither: fr or en. Default fr.
	Language string
	// Out is where the person at the keyboard reads what to click. Nil:
	// nowhere.
	Out io.Writer
	// Logger; nil discards.
	Logger *slog.Logger
}

// Demo is a house that can be opened once.
type Demo struct {
	c    Config
	door func(context.Context, surroundings) (*built, error) // door, or a test's
}

// New checks c.
func New(c Config) (*Demo, error) {
	var faults []error
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		faults = append(faults, fmt.Errorf("listen: want HOST:PORT: %w", err))
	}
	if u, err := url.Parse(c.Redis); c.Redis != "" && (err != nil || u.Scheme != "redis" && u.Scheme != "rediss" || u.Host == "") {
		faults = append(faults, errors.New("redis: want redis://HOST:PORT/DB"))
	}
	if c.Language == "" {
		c.Language = "fr"
	}
	if c.Language != "fr" && c.Language != "en" {
		faults = append(faults, fmt.Errorf("lang: %q: want fr or en", c.Language))
	}
	if c.Out == nil {
		c.Out = io.Discard
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Demo{c: c, door: door}, nil
}

// Run opens the house and keeps it open until ctx ends, or until a part of
// it does. What takes longer to end than it may is left to the end of the
// process.
func (d *Demo) Run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-ended:
		return err
	case <-time.After(closing):
		return fmt.Errorf("the house is not closed after %v", closing)
	}
}

func (d *Demo) run(ctx context.Context) (err error) {
	scratch, err := os.MkdirTemp("", "vestibule-demo-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer os.RemoveAll(scratch)
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", d.c.Listen)
	if err != nil {
		return fmt.Errorf("opening the front (--listen 127.0.0.1:0 takes a free port): %w", err)
	}
	defer ln.Close()
	s, err := d.surround(ctx, ln.Addr(), scratch)
	if err != nil {
		return err
	}
	defer s.end(ctx, d.c.Logger)

	if d.c.Trust {
		if err := s.authority.Trust(ctx); err != nil {
			return fmt.Errorf("trusting the certificates: %w", err)
		}
		defer func() {
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			err = errors.Join(err, s.authority.Distrust(last))
		}()
	}
	b, err := d.door(ctx, s)
	if err != nil {
		return fmt.Errorf("building the door: %w", err)
	}
	return d.serve(ctx, ln, s, b)
}

// serve runs every part until ctx ends or one of them does.
func (d *Demo) serve(ctx context.Context, ln net.Listener, s surroundings, b *built) error {
	f, err := front.New(front.Config{
		Houses:      map[string]http.Handler{doorName: b.door, roomName: b.room, idName: s.identity, mailName: s.mails},
		Certificate: s.authority.Certificate,
		Logger:      d.c.Logger,
	})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return f.Serve(ctx, ln) })
	g.Go(func() error { return s.mails.Serve(ctx, s.smtp) })
	g.Go(func() error { return s.mails.ServeTexts(ctx, s.texts) })
	g.Go(func() error { return b.run(ctx) })
	g.Go(func() error {
		select {
		case err := <-s.Conference.Done():
			return fmt.Errorf("the conference server ended: %w", err)
		case <-ctx.Done():
			return nil
		}
	})
	g.Go(func() error { return d.announce(ctx, s, b) })
	return g.Wait()
}

// announce waits until everything answers, has the door make a meeting to
// try, and tells.
func (d *Demo) announce(ctx context.Context, s surroundings, b *built) error {
	if err := s.answers(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // closing already
		}
		return err
	}
	r, err := b.meeting(ctx)
	if err != nil {
		return fmt.Errorf("making a meeting to try: %w", err)
	}
	r.Door, r.Room, r.ID, r.Mail, r.CA = s.Door, s.Room, s.ID, s.Mail, s.CAFile
	if d.c.ReadyFile != "" {
		if err := r.write(d.c.ReadyFile); err != nil {
			return err
		}
		defer os.Remove(d.c.ReadyFile)
	}
	tell(d.c.Out, d.c.Language, r, s.authority.Fingerprint(), d.c.Trust)
	<-ctx.Done()
	return nil
}

// surroundings is all that stands around the door before it is built.
type surroundings struct {
	// Door, Room, ID and Mail are the origins.
	Door, Room, ID, Mail string
	// Conference is running.
	Conference *sfu.Server
	// ClientID and ClientSecret are the door's at the provider, whose
	// issuer is ID.
	ClientID, ClientSecret string
	// SMTP takes mails, without TLS or password.
	SMTP string
	// SMS takes messages to telephones, signed with SMSSecret.
	SMS       string
	SMSSecret []byte
	// Inside reaches the four houses: *.localhost is not in the system's
	// resolver, and nobody else trusts the certificates.
	Inside *http.Client
	// CAFile is the root certificate, PEM; Scratch a directory that goes
	// with the demonstration.
	CAFile, Scratch string
	// Redis, Leg and Tap are Config's.
	Redis, Leg, Tap string
	// Language is Config.Language.
	Language string
	// People are those of the provider: host, colleague, stranger.
	People []provider.Person
	// Logger is never nil.
	Logger *slog.Logger

	authority *ca.Authority
	identity  *provider.Provider
	mails     *mailbox.Mailbox
	smtp      net.Listener
	texts     net.Listener
	returned  net.Listener // for the door
}

// surround starts and makes everything but the door.
func (d *Demo) surround(ctx context.Context, addr net.Addr, scratch string) (surroundings, error) {
	names := []string{doorName, roomName, idName, mailName}
	s := surroundings{
		Door: front.Origin(doorName, addr), Room: front.Origin(roomName, addr), ID: front.Origin(idName, addr), Mail: front.Origin(mailName, addr),
		ClientID: "door", ClientSecret: rand.Text(), SMSSecret: []byte(rand.Text()), Scratch: scratch, Redis: d.c.Redis, Leg: d.c.Leg, Tap: d.c.Tap, Language: d.c.Language,
		People: provider.People(), Logger: d.c.Logger,
	}
	var err error
	if s.authority, err = ca.New(ca.Config{Names: append(names, relayName)}); err != nil {
		return s, err
	}
	if s.CAFile, err = s.authority.WritePEM(scratch); err != nil {
		return s, err
	}
	s.Inside = front.Client(addr, names, s.authority.Pool())
	s.identity, err = provider.New(provider.Config{
		Issuer: s.ID, People: s.People, Language: d.c.Language, Outside: s.Inside, Logger: d.c.Logger,
		Clients: []provider.Client{client(s)},
	})
	if err != nil {
		return s, err
	}
	var lc net.ListenConfig
	if s.returned, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		return s, fmt.Errorf("opening where mails come back: %w", err)
	}
	if s.mails, err = mailbox.New(mailbox.Config{Language: d.c.Language, SMSSecret: s.SMSSecret, Return: s.returned.Addr().String(), Logger: d.c.Logger}); err != nil {
		_ = s.returned.Close()
		return s, err
	}
	if s.smtp, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		_ = s.returned.Close()
		return s, fmt.Errorf("opening the mail server: %w", err)
	}
	s.SMTP = s.smtp.Addr().String()
	if s.texts, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
		_, _ = s.smtp.Close(), s.returned.Close()
		return s, fmt.Errorf("opening the sms gateway: %w", err)
	}
	s.SMS = "http://" + s.texts.Addr().String() + "/"
	if s.Conference, err = sfu.Start(ctx, sfu.Config{Logger: d.c.Logger}); err != nil {
		_, _, _ = s.smtp.Close(), s.texts.Close(), s.returned.Close()
		return s, err
	}
	return s, nil
}

// end stops what surround started, after everything in front of it.
func (s surroundings) end(ctx context.Context, log *slog.Logger) {
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := s.Conference.Stop(last); err != nil {
		log.WarnContext(last, "conference server left running", slog.Any("error", err))
	}
	_, _, _ = s.smtp.Close(), s.texts.Close(), s.returned.Close() // closed already, unless the door was not built
	s.Inside.CloseIdleConnections()
}

// answers returns once each house and the mail server have answered.
func (s surroundings) answers(ctx context.Context) error {
	for _, u := range []string{s.Door, s.Room, s.ID + "/.well-known/openid-configuration", s.Mail + "/api/messages"} {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
		if err != nil {
			return fmt.Errorf("asking a house: %w", err)
		}
		res, err := s.Inside.Do(req)
		if err != nil {
			return fmt.Errorf("asking a house: %w", err)
		}
		_ = res.Body.Close()
		if res.StatusCode >= http.StatusInternalServerError {
			return fmt.Errorf("asking a house: %s answers %d", u, res.StatusCode)
		}
	}
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", s.SMTP)
	if err != nil {
		return fmt.Errorf("asking the mail server: %w", err)
	}
	return c.Close()
}
