package mail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"time"

	lmtp "github.com/emersion/go-smtp"

	"vestibule/meeting"
)

// Ledger knows the mails that were sent. Sent MUST tell a token of its own from
// any other by itself, asking nobody. Returned MUST come to the same however
// often it is called, and MUST be nil for a mail that nobody waits for any more.
type Ledger interface {
	Sent(token string) bool
	Returned(ctx context.Context, token string, f *Fault) error
}

// The two parts of the address that a mail comes back to. RFC 5321 §4.5.3.1.1
// gives them 64 octets, with the + between them.
const (
	longestToken  = 56
	longestReturn = 64 - 1 - longestToken
)

// CheckBounces answers what is wrong with an address for mails to come back to.
func CheckBounces(address string) error {
	local, _, _ := strings.Cut(address, "@")
	switch {
	case !meeting.Address(address):
		return errors.New("bounces: want an address")
	case len(local) > longestReturn || strings.Contains(local, "+"):
		return fmt.Errorf("bounces: want at most %d characters before the @, and no +", longestReturn)
	}
	return nil
}

// backTo is the envelope sender of one mail.
func backTo(address, token string) string {
	local, domain, _ := strings.Cut(address, "@")
	return local + "+" + token + "@" + domain
}

// tokenOf takes the token out of an address made by backTo. Mail servers on the
// way may have changed its case.
func tokenOf(address, rcpt string) (token string, ok bool) {
	local, _, _ := strings.Cut(address, "@")
	token, _, _ = strings.Cut(strings.TrimPrefix(strings.ToLower(rcpt), strings.ToLower(local)+"+"), "@")
	return token, strings.EqualFold(rcpt, backTo(address, token))
}

// The limits of what comes back. A report that quotes the whole mail has some
// 30 KB.
const (
	maxReport   = 256 << 10
	reportTime  = time.Minute // for one command, or one mail
	reportRooms = 16          // connections
	reportLife  = 10 * time.Minute
)

// Receive takes what comes back, by LMTP (RFC 2033), until ctx ends. It takes
// mail to the addresses it gave out and to no other; a mail that is no report,
// such as a holiday notice, is taken and forgotten.
func (s *Sender) Receive(ctx context.Context, ln net.Listener, known Ledger) error {
	g := &gate{Listener: ln, relays: s.relays, open: map[net.Conn]*time.Timer{}}
	srv := lmtp.NewServer(lmtp.BackendFunc(func(*lmtp.Conn) (lmtp.Session, error) {
		return &desk{back: s.back, known: known, take: func(token string, f *Fault) error {
			ctx, cancel := context.WithTimeout(ctx, reportTime/2)
			defer cancel()
			return s.take(ctx, known, token, f)
		}}, nil
	}))
	srv.LMTP, srv.Domain = true, domain(s.back)
	srv.MaxRecipients, srv.MaxMessageBytes = 1, maxReport
	srv.ReadTimeout, srv.WriteTimeout = reportTime, reportTime
	srv.ErrorLog = slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(g) }()
	select {
	case err := <-ended:
		return fmt.Errorf("taking returned mails: %w", err)
	case <-ctx.Done():
	}
	// Whoever is cut off brings it again.
	g.shut()
	if err := <-ended; err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("taking returned mails: %w", err)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := srv.Shutdown(last); err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("taking returned mails: %w", err)
	}
	return nil
}

// take notes one report.
func (s *Sender) take(ctx context.Context, known Ledger, token string, f *Fault) error {
	if f == nil {
		s.log.InfoContext(ctx, "mail at the return address is no report of a fault")
		return nil
	}
	if err := known.Returned(ctx, token, f); err != nil {
		s.log.WarnContext(ctx, "returned mail not noted", slog.Any("error", err))
		return &lmtp.SMTPError{Code: 451, EnhancedCode: lmtp.EnhancedCode{4, 3, 0}, Message: "Try again later"}
	}
	return nil
}

// desk is one LMTP conversation; its calls come one after the other.
type desk struct {
	back  string
	known Ledger
	take  func(token string, f *Fault) error
	token string
}

// Mail begins a mail. Reports come from nobody (RFC 3464 §2), but not all do.
func (d *desk) Mail(string, *lmtp.MailOptions) error {
	d.token = ""
	return nil
}

// Rcpt takes the addresses that were given out.
func (d *desk) Rcpt(to string, _ *lmtp.RcptOptions) error {
	token, ok := tokenOf(d.back, to)
	if !ok || len(token) > longestToken || !d.known.Sent(token) {
		return &lmtp.SMTPError{Code: 550, EnhancedCode: lmtp.EnhancedCode{5, 1, 1}, Message: "No such mailbox"}
	}
	d.token = token
	return nil
}

// Data reads the mail.
func (d *desk) Data(r io.Reader) error {
	raw, err := io.ReadAll(r) // bounded by MaxMessageBytes
	if errors.Is(err, lmtp.ErrDataTooLarge) {
		return lmtp.ErrDataTooLarge
	}
	if err != nil {
		return &lmtp.SMTPError{Code: 451, EnhancedCode: lmtp.EnhancedCode{4, 4, 2}, Message: "Try again later"}
	}
	return d.take(d.token, report(raw))
}

// Reset forgets the mail under way.
func (d *desk) Reset() { d.token = "" }

// Logout ends the conversation.
func (d *desk) Logout() error { return nil }
