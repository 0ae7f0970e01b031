package mailbox

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/emersion/go-smtp"
)

// returns reports whether a mail was sent so that its sender learns what becomes
// of it: under an address of its own.
func (m *Mailbox) returns(mail *Mail) bool {
	return m.c.Return != "" && !mail.SMS && strings.Contains(mail.Envelope, "+")
}

// given is what came of returning the mail that the page shows.
func given(r *http.Request) string {
	switch g := r.URL.Query().Get("given"); g {
	case "taken", "refused":
		return g
	}
	return ""
}

// giveBack tells the sender that nobody has the address.
func (m *Mailbox) giveBack(w http.ResponseWriter, r *http.Request) {
	mail := m.find(r.PathValue("id"))
	if mail == nil || !m.returns(mail) {
		http.NotFound(w, r)
		return
	}
	given := "taken"
	if err := m.report(r.Context(), mail); err != nil {
		given = "refused"
		m.c.Logger.WarnContext(r.Context(), "mail not returned", slog.String("mail", mail.ID), slog.Any("error", err))
	}
	http.Redirect(w, r, "/m/"+url.PathEscape(mail.ID)+"?given="+given, http.StatusSeeOther)
}

// report hands a delivery status notification to the sender (RFC 3464), from
// nobody, as its §2 has it.
func (m *Mailbox) report(ctx context.Context, mail *Mail) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", m.c.Return)
	if err != nil {
		return fmt.Errorf("reaching the sender: %w", err)
	}
	deadline, _ := ctx.Deadline()
	_ = c.SetDeadline(deadline)
	l := smtp.NewClientLMTP(c)
	defer l.Close()
	if err := l.Hello("mail.localhost"); err != nil {
		return fmt.Errorf("greeting the sender: %w", err)
	}
	if err := l.SendMail("", []string{mail.Envelope}, bytes.NewReader(notice(mail, time.Now()))); err != nil {
		return fmt.Errorf("returning a mail: %w", err)
	}
	return l.Quit()
}

// notice is the report that nobody has the recipient's address.
func notice(mail *Mail, now time.Time) []byte {
	return fmt.Appendf(nil, strings.ReplaceAll(`From: Mail Delivery System <MAILER-DAEMON@mail.localhost>
To: <%[1]s>
Date: %[3]s
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=report

--report
Content-Type: text/plain; charset=us-ascii

Nobody has the address %[2]s.

--report
Content-Type: message/delivery-status

Reporting-MTA: dns; mail.localhost

Final-Recipient: rfc822; %[2]s
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 No such mailbox

--report--
`, "\n", "\r\n"), mail.Envelope, mail.To, now.Format(time.RFC1123Z))
}
