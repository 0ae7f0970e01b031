// Package sms sends one-time codes to telephones, through whatever gateway the
// site has: each message is handed to one address by HTTP, signed.
//
// It refuses to write to what is no number, to say the number or the code in a
// log or an error, and to put a link into a message: people are taught not to
// follow one.
package sms

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"text/template"
	"time"
	"unicode"

	"vestibule/meeting"
	"vestibule/webhook"
)

//go:embed templates
var files embed.FS

// Config is the site's SMS gateway.
type Config struct {
	// URL is told each message by POST.
	URL string
	// Secret signs what is sent, as Standard Webhooks has it: 24 to 64 bytes.
	Secret []byte
	// RootCAs signs the gateway's certificate; nil means the system's.
	RootCAs *x509.CertPool
	// DangerouslyAllowPlainHTTP sends codes past everybody on the line.
	DangerouslyAllowPlainHTTP bool
	// Timeout bounds one try, of three. Default 4s; 1s to 10s.
	Timeout time.Duration
	// Logger tells operators of messages that failed; nil discards.
	Logger *slog.Logger
}

func (c *Config) hook() webhook.Config {
	return webhook.Config{
		URL: c.URL, Secret: c.Secret, RootCAs: c.RootCAs,
		DangerouslyAllowPlainHTTP: c.DangerouslyAllowPlainHTTP, Timeout: c.Timeout,
	}
}

// Check answers every fault of c, each as "field: what".
func (c *Config) Check() error {
	h := c.hook()
	err := h.Check()
	if c.Timeout != 0 && (c.Timeout < time.Second || c.Timeout > 10*time.Second) {
		err = errors.Join(err, errors.New("timeout: want 1s to 10s"))
	}
	return err
}

// Sender sends messages. It is safe for concurrent use.
type Sender struct {
	hook   *webhook.Sender
	texts  *template.Template
	log    *slog.Logger
	pauses []time.Duration // before each further try
}

// New checks the configuration and returns a sender. It reaches nobody.
func New(c Config) (*Sender, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if c.Timeout == 0 {
		c.Timeout = 4 * time.Second
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	texts, err := template.ParseFS(files, "templates/*.txt")
	if err != nil {
		return nil, fmt.Errorf("reading sms templates: %w", err)
	}
	hook, err := webhook.New(c.hook())
	if err != nil {
		return nil, err
	}
	// Somebody waits for the answer, so there are few tries and short pauses.
	return &Sender{hook: hook, texts: texts, log: c.Logger, pauses: []time.Duration{500 * time.Millisecond, 2 * time.Second}}, nil
}

// Code is what somebody who asked for a one-time code is written.
type Code struct {
	To       string // as meeting.Phone has it
	Lang     string // "fr" or "en"
	Code     string
	HostName string // who invites
	Door     string // origin of the page that asks for the code
	Minutes  int    // how long the code lives
}

// message is what the gateway is told.
type message struct {
	Type string `json:"type"` // "sms.code"
	ID   string `json:"id"`   // the same each time the same message is handed over
	To   string `json:"to"`
	Text string `json:"text"`
	Lang string `json:"lang"`
	// ExpiresIn is in how many seconds the message is of no use any more.
	ExpiresIn int `json:"expires_in"`
}

// Fault is why a message was not handed over. It holds no number and no word of
// the gateway.
type Fault struct {
	// Status is the gateway's answer; 0 when it gave none.
	Status int
	err    error
}

// Error implements error.
func (f *Fault) Error() string { return fmt.Sprintf("sending sms: %v", f.err) }

// Code sends a one-time code. It answers *Fault when the gateway does not take
// it.
func (s *Sender) Code(ctx context.Context, c Code) error {
	if c.Code == "" || strings.Trim(c.Code, "0123456789") != "" || meeting.Phone(c.To) != c.To || c.To == "" {
		return errors.New("writing sms: want a number and digits")
	}
	text, err := s.text(c)
	if err != nil {
		return err
	}
	m := message{Type: "sms.code", ID: "sms_" + rand.Text(), To: c.To, Text: text, Lang: lang(c.Lang), ExpiresIn: 60 * c.Minutes}
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("encoding sms: %w", err)
	}
	f := s.post(ctx, m.ID, body)
	if f != nil {
		s.log.WarnContext(ctx, "sms not sent", slog.String("message", m.ID), slog.Int("status", f.Status), slog.Any("error", f))
		return f
	}
	return nil
}

// post hands a message over, again with the same id while another try may help:
// a gateway that has it already knows it by that.
func (s *Sender) post(ctx context.Context, id string, body []byte) *Fault {
	for try := 0; ; try++ {
		err := s.hook.Post(ctx, id, body, time.Now())
		if err == nil {
			return nil
		}
		f := &Fault{err: err}
		var status webhook.Status
		if errors.As(err, &status) {
			f.Status = int(status)
		}
		if try >= len(s.pauses) || !passing(f.Status) {
			return f
		}
		select {
		case <-ctx.Done():
			return f
		case <-time.After(s.pauses[try]):
		}
	}
}

// passing reports whether the same message may be taken a moment later.
func passing(status int) bool {
	switch status {
	case 0, http.StatusRequestTimeout, http.StatusTooEarly, http.StatusTooManyRequests:
		return true
	default:
		return status >= http.StatusInternalServerError
	}
}

// longest bounds the host's name: a message of 160 characters is one, a longer
// one is two that come apart.
const longest = 40

// text writes the message. Its last line binds the code to the door's own name
// (https://wicg.github.io/sms-one-time-codes/): telephones offer it there only.
func (s *Sender) text(c Code) (string, error) {
	u, err := url.Parse(c.Door)
	if err != nil || u.Hostname() == "" {
		return "", errors.New("writing sms: the door is none")
	}
	var b strings.Builder
	err = s.texts.ExecuteTemplate(&b, lang(c.Lang)+".txt", struct {
		Code, HostName, Host string
		Minutes              int
	}{c.Code, clean(c.HostName), u.Hostname(), c.Minutes})
	if err != nil {
		return "", fmt.Errorf("writing sms: %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}

// clean makes a name that ends no line: what stands last in a message is read
// by machines.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case r == '@' || r == '#', unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		default:
			return r
		}
	}, s)
	rs := []rune(strings.Join(strings.Fields(s), " "))
	return strings.TrimSpace(string(rs[:min(len(rs), longest)]))
}

func lang(l string) string {
	if l == "fr" {
		return "fr"
	}
	return "en"
}
