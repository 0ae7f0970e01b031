package mailbox

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// session is one SMTP conversation; its calls come one after the other.
type session struct {
	m    *Mailbox
	from string
	to   []string
}

// Mail begins a mail.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from, s.to = from, nil
	return nil
}

// Rcpt takes every recipient but those of the two domains that fail (RFC
// 3463 for the second code).
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	_, domain, ok := strings.Cut(to, "@")
	switch {
	case !ok:
		return &smtp.SMTPError{Code: 501, EnhancedCode: smtp.EnhancedCode{5, 1, 3}, Message: "Not an address"}
	case strings.EqualFold(domain, "bounce.example"):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "No such mailbox"}
	case strings.EqualFold(domain, "defer.example"):
		return &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "Try again later"}
	}
	s.to = append(s.to, to)
	return nil
}

// Data keeps the mail.
func (s *session) Data(r io.Reader) error {
	raw, err := io.ReadAll(r) // bounded by MaxMessageBytes
	if err != nil {
		return fmt.Errorf("receiving a mail: %w", err)
	}
	s.m.put(raw, s.from, s.to, time.Now())
	//nolint:sloglint // SMTP sessions have no context
	s.m.c.Logger.Info("mail kept", slog.Int("recipients", len(s.to)), slog.Int("bytes", len(raw)))
	return nil
}

// Reset forgets the mail under way.
func (s *session) Reset() { s.from, s.to = "", nil }

// Logout ends the conversation.
func (s *session) Logout() error { return nil }
