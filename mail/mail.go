// Package mail writes to the people who are invited: their personal link with
// an entry for their calendar, a change, a cancellation, a reminder, a one-time
// code.
//
// It refuses to send without TLS unless told to in so many words, to write to
// what is no plain address, and to put anything of a mail into an error. It
// keeps no queue: who asks for a mail learns what became of it. It takes what
// comes back of its own mails, and nothing else.
package mail

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"time"

	smtp "github.com/wneessen/go-mail"

	"vestibule/meeting"
)

// Config is the mail server and in whose name is written.
type Config struct {
	// Addr is the mail server's host:port.
	Addr string
	// TLS is "starttls" (required, not tried), "implicit" or "none". Default
	// starttls.
	TLS string
	// DangerouslyPlain allows TLS to be "none": everybody on the line reads
	// the links and codes. For a relay on the same machine.
	DangerouslyPlain bool
	// Username and Password, if the server wants them.
	Username string
	Password string
	// From is the sender's address, FromName the name beside it.
	From     string
	FromName string
	// HELO is the name given to the server. Default: this machine's name.
	HELO string
	// Bounces is where mails that cannot be delivered come back to, such as
	// bounce@visio.example.org: each is sent as bounce+TOKEN@… (VERP), and
	// Receive takes what comes to these. See CheckBounces. Empty: mails come
	// back to From, and are not read.
	Bounces string
	// Relays may hand over what came back, beside this machine.
	Relays []netip.Prefix
	// RootCAs signs the server's certificate; nil means the system's.
	RootCAs *x509.CertPool
	// Timeout bounds connecting, and then sending. Default 10s; 1s to 30s.
	Timeout time.Duration
	// Logger tells operators of mails that failed; nil discards.
	Logger *slog.Logger
}

// maxTimeout keeps a try shorter than the time for which a node claims it.
const maxTimeout = 30 * time.Second

// lines is how many connections to the server are open at once.
const lines = 8

// Sender sends mails. It is safe for concurrent use.
type Sender struct {
	client *smtp.Client
	from   string
	name   string
	domain string // of from, for message ids
	back   string // Config.Bounces
	relays []netip.Prefix
	texts  texts
	lines  chan struct{}
	log    *slog.Logger
	bare   sync.Once // warns of mail without TLS, where it is allowed
	isBare bool
}

// New checks the configuration and returns a sender. It reaches no server.
func New(c Config) (*Sender, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.TLS == "" {
		c.TLS = "starttls"
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	var faults []error
	host, port, err := split(c.Addr)
	if err != nil {
		faults = append(faults, err)
	}
	if !meeting.Address(c.From) {
		faults = append(faults, errors.New("from: want an address"))
	}
	if c.Timeout < time.Second || c.Timeout > maxTimeout {
		faults = append(faults, errors.New("timeout: want 1s to 30s"))
	}
	if c.Bounces != "" {
		faults = append(faults, CheckBounces(c.Bounces))
	}
	faults = append(faults, checkTLS(c))
	texts, err := parse()
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	client, err := smtp.NewClient(host, options(c, host, port)...)
	if err != nil {
		return nil, fmt.Errorf("setting up mail: %w", err)
	}
	return &Sender{
		client: client, from: c.From, name: clean(c.FromName), domain: domain(c.From),
		back: c.Bounces, relays: c.Relays, texts: texts, lines: make(chan struct{}, lines), log: c.Logger,
		isBare: c.TLS == "none",
	}, nil
}

func split(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil || host == "" {
		return "", 0, errors.New("addr: want host:port")
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, errors.New("addr: want a port from 1 to 65535")
	}
	return host, port, nil
}

func checkTLS(c Config) error {
	switch c.TLS {
	case "starttls", "implicit":
		return nil
	case "none":
		if !c.DangerouslyPlain {
			return errors.New("tls: none needs dangerously_plain")
		}
		if c.Username != "" || c.Password != "" {
			return errors.New("tls: a password is never sent without it")
		}
		return nil
	default:
		return fmt.Errorf("tls: %q is none of starttls, implicit, none", c.TLS)
	}
}

func options(c Config, host string, port int) []smtp.Option {
	opts := []smtp.Option{
		smtp.WithPort(port),
		smtp.WithTimeout(c.Timeout),
		smtp.WithTLSConfig(&tls.Config{RootCAs: c.RootCAs, ServerName: host, MinVersion: tls.VersionTLS12}),
	}
	switch c.TLS {
	case "implicit":
		opts = append(opts, smtp.WithSSL())
	case "none":
		opts = append(opts, smtp.WithTLSPolicy(smtp.NoTLS))
	default:
		opts = append(opts, smtp.WithTLSPolicy(smtp.TLSMandatory))
	}
	if c.HELO != "" {
		opts = append(opts, smtp.WithHELO(c.HELO))
	}
	if c.Username != "" {
		opts = append(opts, smtp.WithSMTPAuth(smtp.SMTPAuthAutoDiscover),
			smtp.WithUsername(c.Username), smtp.WithPassword(c.Password))
	}
	return opts
}

// send hands a mail to the server. The error is a *Fault.
func (s *Sender) send(ctx context.Context, m *smtp.Msg) error {
	if s.isBare {
		s.bare.Do(func() { s.log.WarnContext(ctx, "mail is sent without tls") })
	}
	select {
	case s.lines <- struct{}{}:
		defer func() { <-s.lines }()
	case <-ctx.Done():
		return &Fault{Kind: Down, Detail: "too many mails at once"}
	}
	c, err := s.client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return s.tell(ctx, unreached(err))
	}
	err = s.client.SendWithSMTPClient(c, m)
	// Once the server has taken the mail, what it says of the goodbye is of
	// no interest: sending again would be the second of two.
	_ = s.client.CloseWithSMTPClient(c)
	if err == nil || m.IsDelivered() {
		return nil
	}
	return s.tell(ctx, refused(err))
}

func (s *Sender) tell(ctx context.Context, f *Fault) error {
	s.log.WarnContext(ctx, "mail not sent", slog.Any("error", f))
	return f
}
