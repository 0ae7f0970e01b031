// Package mailbox holds the mails and SMS the demonstration sends, so that nothing
// leaves the machine and invitations and codes can be read all the same.
//
// It refuses to pass a mail on to anybody, to run what a mail brings along,
// and, so that failures can be seen, any recipient at bounce.example (for
// good) and defer.example (for now). A mail that it took it gives back on
// demand, as other mail servers do hours later.
package mailbox

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"

	"vestibule/deploy/demo/look"
)

//go:embed templates locale
var pages embed.FS

// Config says how mails come in.
type Config struct {
	// TLS offers STARTTLS. Nil: not offered.
	TLS *tls.Config
	// Keep is how many mails are kept; the oldest go first. Default 500.
	Keep int
	// MaxBytes bounds one mail. Default 5 MiB.
	MaxBytes int64
	// Language is spoken to a browser that asks for neither fr nor en.
	// Default fr.
	Language string
	// SMSSecret is what SMS are signed with. Empty: none is taken.
	SMSSecret []byte
	// Return is where the sender takes back what cannot be delivered, by LMTP:
	// host:port. Empty: nothing can be returned.
	Return string
	// Logger; nil discards. It is told ids, never addresses.
	Logger *slog.Logger
}

// Mailbox receives by SMTP and shows by HTTP.
type Mailbox struct {
	c       Config
	book    *look.Book
	handler http.Handler

	mu    sync.Mutex
	mails []*Mail // oldest first; guarded by mu, each mail read-only once in
}

// New checks c.
func New(c Config) (*Mailbox, error) {
	var faults []error
	if c.Keep < 0 || c.MaxBytes < 0 {
		faults = append(faults, errors.New("mailbox: keep and max bytes must not be below zero"))
	}
	if c.Keep == 0 {
		c.Keep = 500
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = 5 << 20
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	book, err := look.New(look.Config{Pages: fs.FS(pages), Language: c.Language, Logger: c.Logger})
	if err := errors.Join(append(faults, err)...); err != nil {
		return nil, err
	}
	m := &Mailbox{c: c, book: book}
	m.handler = m.routes()
	return m, nil
}

// Serve receives mails on ln until ctx ends.
func (m *Mailbox) Serve(ctx context.Context, ln net.Listener) error {
	s := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{m: m}, nil }))
	s.Domain = "mail.localhost"
	s.MaxMessageBytes = m.c.MaxBytes
	s.MaxRecipients = 100
	s.ReadTimeout, s.WriteTimeout = time.Minute, time.Minute
	s.EnableSMTPUTF8 = true
	s.TLSConfig = m.c.TLS
	s.ErrorLog = slog.NewLogLogger(m.c.Logger.Handler(), slog.LevelDebug)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ln) }()
	select {
	case err := <-ended:
		return fmt.Errorf("receiving mails: %w", err)
	case <-ctx.Done():
		_ = s.Close() // whoever is talking is cut off
		if err := <-ended; err != nil {
			return fmt.Errorf("receiving mails: %w", err)
		}
		return nil
	}
}

// put keeps one copy of a mail a recipient, as their own mailboxes would.
func (m *Mailbox) put(raw []byte, from string, to []string, now time.Time) {
	read := parse(raw)
	if read.From == "" {
		read.From = from
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, t := range to {
		mail := *read
		mail.Envelope, mail.To = from, t
		m.add(&mail, now)
	}
}

// add keeps a mail. The caller holds mu.
func (m *Mailbox) add(mail *Mail, now time.Time) {
	mail.ID, mail.Received = strings.ToLower(rand.Text()[:16]), now
	m.mails = append(m.mails, mail)
	if over := len(m.mails) - m.c.Keep; over > 0 {
		m.mails = slices.Delete(m.mails, 0, over)
	}
}

// List returns the mails to an address, newest first; every mail for "".
func (m *Mailbox) List(to string) []*Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []*Mail
	for _, mail := range slices.Backward(m.mails) {
		if to == "" || strings.EqualFold(mail.To, to) {
			out = append(out, mail)
		}
	}
	return out
}

// find returns one mail, or nil.
func (m *Mailbox) find(id string) *Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mail := range m.mails {
		if mail.ID == id {
			return mail
		}
	}
	return nil
}
