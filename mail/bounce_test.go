package mail_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-smtp"

	"vestibule/mail"
)

// token is what a ledger gave out.
const token = "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrstuvwx"

// ledger knows one token, and what came back under it.
type ledger struct {
	mu    sync.Mutex // guards the rest
	away  error
	notes []string
}

func (l *ledger) Sent(t string) bool { return t == token }

func (l *ledger) Returned(_ context.Context, t string, f *mail.Fault) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t != token {
		return errors.New("unknown token")
	}
	l.notes = append(l.notes, f.Kind.String()+" "+f.Class())
	return l.away
}

func (l *ledger) noted() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.notes
}

// desk opens the place where mails come back to.
func desk(t *testing.T, l *ledger, ln net.Listener, edit func(*mail.Config)) {
	t.Helper()
	c := mail.Config{Addr: "127.0.0.1:25", From: "visio@hospital.example", Bounces: "Bounce@Hospital.example"}
	if edit != nil {
		edit(&c)
	}
	s, err := mail.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Receive(ctx, ln, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Receive = %v", err)
		}
	})
}

func loopback(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// bring hands a mail over by LMTP, as a mail server does.
func bring(t *testing.T, at net.Addr, rcpt string, raw []byte) error {
	t.Helper()
	c, err := net.Dial(at.Network(), at.String())
	if err != nil {
		t.Fatal(err)
	}
	l := smtp.NewClientLMTP(c)
	defer l.Close()
	if err := l.Hello("mx.hospital.example"); err != nil {
		return err
	}
	if err := l.Mail("", nil); err != nil {
		return err
	}
	if err := l.Rcpt(rcpt, nil); err != nil {
		return err
	}
	w, err := l.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	return w.Close()
}

func recorded(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "returned", name))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.ReplaceAll(raw, []byte("\n"), []byte("\r\n"))
}

// Reports in the shapes that mail servers have, and what they come to.
func TestReturnedMails(t *testing.T) {
	for name, want := range map[string]string{
		"postfix-unknown.eml":   "bounced address",
		"postfix-full.eml":      "bounced full",
		"postfix-nodomain.eml":  "bounced address",
		"postfix-expired.eml":   "bounced away",
		"postfix-delayed.eml":   "deferred bounced",
		"postfix-delivered.eml": "",
		"exim-unknown.eml":      "bounced address",
		"exim-spam.eml":         "bounced policy",
		"exchange-unknown.eml":  "bounced address",
		"exchange-refused.eml":  "bounced policy",
		"gmail-unknown.eml":     "bounced address",
		"gmail-full.eml":        "bounced full",
		"gmail-delayed.eml":     "deferred bounced",
		"forwarded.eml":         "bounced full",
		"base64.eml":            "bounced address",
		"holiday.eml":           "",
		"human.eml":             "",
		"opened.eml":            "",
	} {
		t.Run(name, func(t *testing.T) {
			var l ledger
			ln := loopback(t)
			desk(t, &l, ln, nil)
			if err := bring(t, ln.Addr(), "bounce+"+token+"@hospital.example", recorded(t, name)); err != nil {
				t.Fatalf("it is not taken: %v", err)
			}
			if got := strings.Join(l.noted(), ", "); got != want {
				t.Errorf("it comes to %q, want %q", got, want)
			}
		})
	}
}

// A report is noted once, whatever its size and shape: what cannot be read is
// dropped, and what is too long refused.
func TestHostileReports(t *testing.T) {
	status := func(fields string) string {
		return "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\n" + fields + "\r\n--b--\r\n"
	}
	for _, c := range []struct{ name, raw, want string }{
		{"nothing", "\r\n", ""},
		{"no header", "hello\r\n", ""},
		{"no boundary", "Content-Type: multipart/report; report-type=delivery-status\r\n\r\nAction: failed\r\n", ""},
		{"boundary never comes", "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\nAction: failed\r\n", ""},
		{"cut off", strings.TrimSuffix(status("Action: failed\r\nStatus: 5.1.1"), "\r\n--b--\r\n"), "bounced address"},
		{"lone line feeds", strings.ReplaceAll(status("Action: failed\r\nStatus: 5.2.2"), "\r\n", "\n"), "bounced full"},
		{"shouting, with remarks", status("ACTION : Failed (for good)\r\nSTATUS: 5.1.1 (bad mailbox)"), "bounced address"},
		{"no status", status("Action: failed"), "bounced bounced"},
		{"odd status", status("Action: failed\r\nStatus: 5.1.1.1.1\r\nDiagnostic-Code: smtp; 999 9.9.9"), "bounced bounced"},
		{"status with a line of script", status("Action: failed\r\nStatus: 5.1.1<script>"), "bounced bounced"},
		{"two of each", status("Action: delayed\r\nAction: failed\r\nStatus: 4.2.2\r\nStatus: 5.1.1"), "deferred bounced"},
		{"ten thousand recipients", status(strings.Repeat("Action: failed\r\nStatus: 5.1.1\r\n\r\n", 1500)), "bounced address"},
		{"a field without end", status("Action: failed\r\nStatus: 5.1.1\r\nX: " + strings.Repeat("a\r\n ", 20_000)), "bounced address"},
		{"action after too much", status("X: y\r\n" + strings.Repeat(": \r\n", 20_000) + "Action: failed"), ""},
		{"the eleventh part", "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n" + strings.Repeat("--b\r\n\r\nx\r\n", 10) + "--b\r\nContent-Type: message/delivery-status\r\n\r\nAction: failed\r\n--b--\r\n", ""},
		{"inside a forwarded mail", "Content-Type: message/rfc822\r\n\r\n" + status("Action: failed"), ""},
		{"bent base64", "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!!\r\n--b--\r\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var l ledger
			ln := loopback(t)
			desk(t, &l, ln, nil)
			if err := bring(t, ln.Addr(), "bounce+"+token+"@hospital.example", []byte(c.raw)); err != nil {
				t.Fatalf("it is not taken: %v", err)
			}
			if got := strings.Join(l.noted(), ", "); got != c.want {
				t.Errorf("it comes to %q, want %q", got, c.want)
			}
		})
	}
	var l ledger
	ln := loopback(t)
	desk(t, &l, ln, nil)
	long := status("Action: failed\r\nStatus: 5.1.1\r\n") + strings.Repeat(strings.Repeat("x", 70)+"\r\n", 4000)
	if code := codeOf(bring(t, ln.Addr(), "bounce+"+token+"@hospital.example", []byte(long))); code != 552 || len(l.noted()) != 0 {
		t.Errorf("a mail of %d bytes: %d, noted %v; want 552 and nothing", len(long), code, l.noted())
	}
}

func codeOf(err error) int {
	var answer *smtp.SMTPError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return 0
}

// Mail is taken for the addresses that were given out, in any case, and for no
// other.
func TestReturnAddresses(t *testing.T) {
	var l ledger
	ln := loopback(t)
	desk(t, &l, ln, nil)
	raw := recorded(t, "postfix-unknown.eml")
	for rcpt, want := range map[string]int{
		"bounce+" + token + "@hospital.example":                  0,
		"BOUNCE+" + strings.ToUpper(token) + "@HOSPITAL.EXAMPLE": 0,
		"bounce+" + token[1:] + "@hospital.example":              550,
		"bounce+" + token + token + "@hospital.example":          550,
		"bounce+x+" + token + "@hospital.example":                550,
		"bounce+@hospital.example":                               550,
		"bounce@hospital.example":                                550,
		token + "@hospital.example":                              550,
		"bounce+" + token + "@other.example":                     550,
		"visio@hospital.example":                                 550,
		"postmaster@hospital.example":                            550,
	} {
		before := len(l.noted())
		err := bring(t, ln.Addr(), rcpt, raw)
		if codeOf(err) != want || want == 0 && err != nil {
			t.Errorf("mail to %s: %v, want %d", rcpt, err, want)
		}
		if got := len(l.noted()) - before; (got == 1) != (want == 0) {
			t.Errorf("mail to %s was noted %d times", rcpt, got)
		}
	}
}

// While the store is away the mail server is asked to come again.
func TestReturnedMailComesAgain(t *testing.T) {
	l := ledger{away: errors.New("store is away")}
	ln := loopback(t)
	var log bytes.Buffer
	desk(t, &l, ln, func(c *mail.Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	if code := codeOf(bring(t, ln.Addr(), "bounce+"+token+"@hospital.example", recorded(t, "postfix-unknown.eml"))); code != 451 {
		t.Errorf("answer %d, want 451", code)
	}
	for _, secret := range []string{token, "jeanne"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("%q is in the log: %s", secret, log.String())
		}
	}
}

// A Unix socket does as well as a port.
func TestReturnedMailByUnixSocket(t *testing.T) {
	var l ledger
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "lmtp"))
	if err != nil {
		t.Fatal(err)
	}
	desk(t, &l, ln, nil)
	if err := bring(t, ln.Addr(), "bounce+"+token+"@hospital.example", recorded(t, "exim-unknown.eml")); err != nil {
		t.Fatal(err)
	}
	if got := l.noted(); len(got) != 1 {
		t.Errorf("noted %v, want one", got)
	}
}

// far is a listener whose visitors come from somewhere else.
type far struct {
	net.Listener

	from string
}

func (f far) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return visitor{c, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(f.from + ":2525"))}, nil
}

type visitor struct {
	net.Conn

	from *net.TCPAddr
}

func (v visitor) RemoteAddr() net.Addr { return v.from }

// Nobody from elsewhere is listened to, unless the site names them; and nobody
// takes all the places for good.
func TestWhoMayBringMails(t *testing.T) {
	relays := func(c *mail.Config) { c.Relays = []netip.Prefix{netip.MustParsePrefix("192.0.2.8/32")} }
	for from, want := range map[string]bool{"192.0.2.8": true, "192.0.2.9": false, "127.0.0.2": true} {
		var l ledger
		ln := loopback(t)
		desk(t, &l, far{ln, from}, relays)
		err := bring(t, ln.Addr(), "bounce+"+token+"@hospital.example", recorded(t, "postfix-unknown.eml"))
		if (err == nil) != want {
			t.Errorf("from %s: %v, want taken %v", from, err, want)
		}
	}
	var l ledger
	ln := loopback(t)
	desk(t, &l, ln, nil)
	var held []net.Conn
	greeted := func() net.Conn {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		var b [4]byte
		if _, err := io.ReadFull(c, b[:]); err != nil {
			return nil
		}
		return c
	}
	for range 16 {
		c := greeted()
		if c == nil {
			t.Fatalf("only %d are let in", len(held))
		}
		held = append(held, c)
	}
	if greeted() != nil {
		t.Error("a seventeenth is let in")
	}
	if _, err := fmt.Fprintf(held[0], "QUIT\r\n"); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, held[0]) // until the place is free
	for greeted() == nil {
		if t.Context().Err() != nil {
			t.Fatal("nobody is let in after one has gone")
		}
	}
}

// An invitation leaves under an address of its own, and says From as before.
func TestReturnPath(t *testing.T) {
	o := open(t, false, nil)
	for _, c := range []struct{ bounces, token, want string }{
		{"", token, "visio@hospital.example"},
		{"bounce@hospital.example", "", "visio@hospital.example"},
		{"bounce@hospital.example", token, "bounce+" + token + "@hospital.example"},
		{"returns@b.hospital.example", token, "returns+" + token + "@b.hospital.example"},
	} {
		s := o.sender(t, func(m *mail.Config) { m.Bounces = c.bounces })
		for _, send := range []func(context.Context, mail.Invite) error{s.Invitation, s.Reminder, s.Cancel} {
			i := invite("fr")
			i.Token = c.token
			if err := send(t.Context(), i); err != nil {
				t.Fatal(err)
			}
			mails := o.mails()
			got := mails[len(mails)-1]
			if got.from != c.want {
				t.Errorf("bounces %q, token %q: MAIL FROM %s, want %s", c.bounces, c.token, got.from, c.want)
			}
			if local, _, _ := strings.Cut(got.from, "@"); len(local) > 64 { // RFC 5321 §4.5.3.1.1
				t.Errorf("%d octets before the @", len(local))
			}
			if bytes.Contains(got.data, []byte(token)) || !bytes.Contains(got.data, []byte("<visio@hospital.example>")) {
				t.Errorf("the mail itself names the token, or another From:\n%s", got.data)
			}
		}
	}
}

func TestReturnAddressIsChecked(t *testing.T) {
	for address, good := range map[string]bool{
		"bounce@hospital.example": true, "b@hospital.example": true, "bounces@hospital.example": true,
		"bounces1@hospital.example": false, "bo+nce@hospital.example": false, "bounce": false, "@hospital.example": false, "a b@c.example": false,
	} {
		if err := mail.CheckBounces(address); (err == nil) != good {
			t.Errorf("CheckBounces(%q) = %v, want good %v", address, err, good)
		}
	}
	if _, err := mail.New(mail.Config{Addr: "a:25", From: "a@b.org", Bounces: "x"}); err == nil || !strings.Contains(err.Error(), "bounces:") {
		t.Errorf("New does not name bounces: %v", err)
	}
}

// FuzzReport wants nothing that comes back to do more than be noted or dropped.
func FuzzReport(f *testing.F) {
	list, err := filepath.Glob("testdata/returned/*.eml")
	if err != nil || len(list) == 0 {
		f.Fatalf("no recorded mails: %v", err)
	}
	for _, name := range list {
		f.Add(recorded(f, filepath.Base(name)))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got := mail.Report(raw)
		if got == nil {
			return
		}
		if got.Kind != mail.Bounced && got.Kind != mail.Deferred || len(got.Error()) > 60 || got.Detail != "" {
			t.Errorf("%+v", got)
		}
	})
}
