package mail_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	netmail "net/mail"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	ical "github.com/arran4/golang-ical"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"vestibule/mail"
)

var update = flag.Bool("update", false, "write the golden mails anew")

func invite(lang string) mail.Invite {
	return mail.Invite{
		To: "jeanne@example.org", Name: "J. D.", HostName: "Dr Zoé Martin", Title: "Consultation vidéo",
		Starts: time.Date(2026, 11, 24, 13, 0, 0, 0, time.UTC), Ends: time.Date(2026, 11, 24, 13, 45, 0, 0, time.UTC),
		Zone: "Europe/Paris", Lang: lang, Link: "https://visio.hospital.example/i/AbCdEfGhIjKlMnOpQrStUvWx",
		Contact: "05 56 00 00 00", UID: "i1@visio.hospital.example",
	}
}

func code(lang string) mail.Code {
	return mail.Code{
		To: "jeanne@example.org", Lang: lang, Code: "012345", HostName: "Dr Zoé Martin",
		Title: "Consultation vidéo", Door: "https://visio.hospital.example", Minutes: 10,
	}
}

func TestGolden(t *testing.T) {
	o := open(t, false, nil)
	s := o.sender(t, nil)
	for _, lang := range []string{"fr", "en"} {
		for name, send := range map[string]func() error{
			"invitation": func() error { return s.Invitation(t.Context(), invite(lang)) },
			"phone": func() error {
				i := invite(lang)
				i.Dial = mail.Dial{Number: "123456789", Code: "12345678", Addresses: []string{"sip:visio.hospital.example", "+33 5 56 00 00 00"}, Strings: []string{"123456789.12345678@visio.hospital.example"}}
				return s.Invitation(t.Context(), i)
			},
			"change": func() error {
				i := invite(lang)
				i.Sequence, i.LinkInCalendar, i.Contact, i.Name = 2, true, "", ""
				return s.Invitation(t.Context(), i)
			},
			"cancel": func() error {
				i := invite(lang)
				i.Sequence = 3
				return s.Cancel(t.Context(), i)
			},
			"withdrawn": func() error {
				i := invite(lang)
				i.Sequence, i.Withdrawn = 1, true
				return s.Cancel(t.Context(), i)
			},
			"reminder": func() error { return s.Reminder(t.Context(), invite(lang)) },
			"phone-reminder": func() error {
				i := invite(lang)
				i.Dial = mail.Dial{Number: "123456789", Code: "12345678", Addresses: []string{"sip:visio.hospital.example"}, Strings: []string{"123456789.12345678@visio.hospital.example"}}
				return s.Reminder(t.Context(), i)
			},
			"code": func() error { return s.Code(t.Context(), code(lang)) },
		} {
			if err := send(); err != nil {
				t.Fatal(err)
			}
			mails := o.mails()
			golden(t, name+"."+lang, readable(t, mails[len(mails)-1].data))
		}
	}
}

// Whose invitation is withdrawn is not told that the meeting is off, in neither
// part of the mail.
func TestWithdrawnIsNotCancelled(t *testing.T) {
	o := open(t, false, nil)
	s := o.sender(t, nil)
	for lang, off := range map[string]string{"fr": "n’aura pas lieu", "en": "will not take place"} {
		for withdrawn, want := range map[bool]int{false: 2, true: 0} {
			i := invite(lang)
			i.Sequence, i.Withdrawn = 1, withdrawn
			if err := s.Cancel(t.Context(), i); err != nil {
				t.Fatal(err)
			}
			mails := o.mails()
			if got := strings.Count(readable(t, mails[len(mails)-1].data), off); got != want {
				t.Errorf("%s, withdrawn %t: says %d times that the meeting is off, want %d", lang, withdrawn, got, want)
			}
		}
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got; -update writes it anew):\n%s", path, d)
	}
}

// readable writes a mail as a person reads it: headers decoded and each part
// in turn, without what differs each time.
func readable(t *testing.T, raw []byte) string {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, k := range []string{"From", "To", "Subject", "Auto-Submitted", "X-Auto-Response-Suppress"} {
		v, err := new(mime.WordDecoder).DecodeHeader(m.Header.Get(k))
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(k + ": " + v + "\n")
	}
	for _, p := range parts(t, m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body) {
		b.WriteString("\n--- " + p.kind + "\n" + p.text)
	}
	s := strings.ReplaceAll(b.String(), "\r\n", "\n")
	s = strings.ReplaceAll(s, "\u00a0", "~")
	return regexp.MustCompile(`DTSTAMP:\d{8}T\d{6}Z`).ReplaceAllString(s, "DTSTAMP:then")
}

type part struct{ kind, text string }

func parts(t *testing.T, contentType, encoding string, body io.Reader) []part {
	t.Helper()
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		return []part{{contentType, decoded(t, encoding, body)}}
	}
	all := []part{{kind + "\n", ""}}
	r := multipart.NewReader(body, params["boundary"])
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		h := p.Header
		kind := h.Get("Content-Type")
		if d := h.Get("Content-Disposition"); d != "" {
			kind += "; " + d
		}
		for _, q := range parts(t, h.Get("Content-Type"), h.Get("Content-Transfer-Encoding"), p) {
			if q.kind == h.Get("Content-Type") {
				q.kind = kind
			}
			all = append(all, q)
		}
	}
}

func TestMailIsOrderly(t *testing.T) {
	o := open(t, false, nil)
	s := o.sender(t, nil)
	i := invite("fr")
	i.Title = strings.Repeat("Réunion très longue ", 30)
	if err := s.Invitation(t.Context(), i); err != nil {
		t.Fatal(err)
	}
	got := o.mails()[0]
	if got.from != "visio@hospital.example" || got.to != "jeanne@example.org" || !got.tls || got.helo != "door.example" {
		t.Errorf("envelope = %s to %s, tls %v, helo %s", got.from, got.to, got.tls, got.helo)
	}
	for n, line := range bytes.Split(got.data, []byte("\r\n")) {
		if len(line) > 998 || bytes.ContainsFunc(line, func(r rune) bool { return r > 126 || r < 32 && r != '\t' }) {
			t.Errorf("line %d is too long or not ASCII: %q", n, line) // RFC 5322 §2.1.1.
		}
	}
	m, err := netmail.ReadMessage(bytes.NewReader(got.data))
	if err != nil {
		t.Fatal(err)
	}
	if id := m.Header.Get("Message-ID"); !strings.HasSuffix(id, "@hospital.example>") {
		t.Errorf("Message-ID = %s, want the sender's domain and nothing of this machine", id)
	}
	if at, err := m.Header.Date(); err != nil || time.Since(at) > time.Minute {
		t.Errorf("Date = %v, %v", at, err)
	}
	if m.Header.Get("User-Agent") != "" || m.Header.Get("X-Mailer") != "" {
		t.Error("the mail names the program")
	}
}

func TestCalendarEntry(t *testing.T) {
	o := open(t, false, nil)
	s := o.sender(t, nil)
	i := invite("en")
	i.Title, i.HostName = `A; B, C\D: "E"`, `O'Neil; "Dr", M:X`
	for _, send := range []func() error{
		func() error { return s.Invitation(t.Context(), i) },
		func() error { i.Sequence = 1; return s.Cancel(t.Context(), i) },
	} {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	for n, want := range []struct{ method, status, sequence string }{
		{"REQUEST", "CONFIRMED", "0"}, {"CANCEL", "CANCELLED", "1"},
	} {
		entry := calendarOf(t, o.mails()[n].data)
		for line := range strings.SplitSeq(strings.TrimSuffix(entry, "\r\n"), "\r\n") {
			if len(line) > 75 || strings.ContainsAny(line, "\r\n") { // RFC 5545 §3.1.
				t.Errorf("line of %d bytes: %q", len(line), line)
			}
		}
		c, err := ical.ParseCalendar(strings.NewReader(entry))
		if err != nil {
			t.Fatal(err)
		}
		e := c.Events()[0]
		get := func(p ical.ComponentProperty) string { return e.GetProperty(p).Value }
		if got := get(ical.ComponentPropertySummary); got != i.Title {
			t.Errorf("SUMMARY = %q, want %q", got, i.Title)
		}
		if get(ical.ComponentPropertyStatus) != want.status || get(ical.ComponentPropertySequence) != want.sequence ||
			!strings.Contains(entry, "METHOD:"+want.method+"\r\n") {
			t.Errorf("entry %d is not %+v:\n%s", n, want, entry)
		}
		start, err := e.GetStartAt()
		if err != nil || !start.Equal(i.Starts) {
			t.Errorf("DTSTART = %v, %v", start, err)
		}
		if !strings.Contains(entry, "ORGANIZER;CN=O’Neil Dr M X:mailto:visio@hospital.example") {
			t.Errorf("the organizer's name is not fit for a parameter:\n%s", entry)
		}
		if strings.Contains(strings.ReplaceAll(entry, "\r\n ", ""), i.Link) {
			t.Error("the link is in the calendar, though not asked for")
		}
	}
}

func calendarOf(t *testing.T, raw []byte) string {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	all := parts(t, m.Header.Get("Content-Type"), "", m.Body)
	n := slices.IndexFunc(all, func(p part) bool { return strings.HasPrefix(p.kind, "text/calendar; method=") })
	if n < 0 {
		t.Fatal("no calendar entry")
	}
	return all[n].text
}

// What people write becomes text and never a header, a recipient, a line of
// the calendar or a tag.
func TestHeaderInjection(t *testing.T) {
	o := open(t, false, nil)
	s := o.sender(t, nil)
	for _, evil := range []string{
		"x\r\nBcc: evil@example.com", "x\nBcc: evil@example.com", "x\rBcc: evil@example.com",
		"x\r\n\r\n<script>alert(1)</script>", "x\u2028Bcc: evil@example.com", "x\x00y", "\u202eevil",
		"=?utf-8?q?x=0D=0ABcc:_evil@example.com?=", "\" <evil@example.com>, \"", "x\r\n.\r\nMAIL FROM:<a@b>",
		"x\r\nEND:VEVENT\r\nATTENDEE:mailto:evil@example.com",
	} {
		i := invite("fr")
		i.Name, i.HostName, i.Title, i.Contact, i.UID = evil, evil, evil, evil, "u"+evil
		if err := s.Invitation(t.Context(), i); err != nil {
			t.Errorf("%q: %v", evil, err)
			continue
		}
		c := code("en")
		c.HostName, c.Title, c.Door = evil, evil, evil
		if err := s.Code(t.Context(), c); err != nil {
			t.Errorf("%q: %v", evil, err)
			continue
		}
		mails := o.mails()
		for _, got := range mails[len(mails)-2:] {
			m, err := netmail.ReadMessage(bytes.NewReader(got.data))
			if err != nil {
				t.Fatal(err)
			}
			to, err := m.Header.AddressList("To")
			if err != nil || len(to) != 1 || to[0].Address != "jeanne@example.org" || m.Header.Get("Bcc") != "" {
				t.Errorf("%q: To = %v, %v; Bcc = %q", evil, to, err, m.Header.Get("Bcc"))
			}
			for _, p := range parts(t, m.Header.Get("Content-Type"), "", m.Body) {
				if strings.HasPrefix(p.kind, "text/html") && strings.Contains(p.text, "<script>") || strings.ContainsAny(p.text, "\u202e\x00") {
					t.Errorf("%q came through", evil)
				}
			}
		}
		entry := calendarOf(t, mails[len(mails)-2].data)
		if n := strings.Count(entry, "\r\nATTENDEE"); n != 1 || strings.Count(entry, "\r\nEND:VEVENT") != 1 {
			t.Errorf("%q: the calendar has %d attendees:\n%s", evil, n, entry)
		}
	}
	if n := len(o.mails()); n != 22 {
		t.Errorf("%d mails, want 22", n)
	}
}

func TestOddAddresses(t *testing.T) {
	o := open(t, false, nil)
	s := o.sender(t, nil)
	for _, to := range []string{
		"", "jeanne", "a@b@c.org", "a@b.org, c@d.org", "a@b.org\r\nRCPT TO:<c@d.org>", "A <a@b.org>", `"a b"@c.org`,
		"<a@b.org>", "a@[127.0.0.1]", "a@b.org ", "é@b.org", "a@b.org>\r\n", "@b.org", "a@",
	} {
		i, c := invite("fr"), code("fr")
		i.To, c.To = to, to
		for _, err := range []error{s.Invitation(t.Context(), i), s.Cancel(t.Context(), i), s.Code(t.Context(), c)} {
			var f *mail.Fault
			if !errors.As(err, &f) || f.Kind != mail.Bounced || to != "" && strings.Contains(err.Error(), to) {
				t.Errorf("to %q: %v, want bounced without the address", to, err)
			}
		}
	}
	if o.seen != 0 {
		t.Error("the server was asked")
	}
}

func TestFaults(t *testing.T) {
	no := func(code int) error {
		return &smtp.SMTPError{Code: code, Message: "about jeanne@example.org I say no"}
	}
	for _, c := range []struct {
		name string
		edit func(*office, *smtp.Server)
		conf func(*mail.Config)
		want string
	}{
		{name: "unknown mailbox", want: "mail bounced: code 550", edit: func(o *office, _ *smtp.Server) { o.onRcpt = no(550) }},
		{name: "greylisted", want: "mail deferred: code 451", edit: func(o *office, _ *smtp.Server) { o.onRcpt = no(451) }},
		{name: "mailbox full", want: "mail deferred: code 452", edit: func(o *office, _ *smtp.Server) { o.onData = no(452) }},
		{name: "taken for spam", want: "mail bounced: code 554", edit: func(o *office, _ *smtp.Server) { o.onData = no(554) }},
		{name: "dropped at the recipient", want: "mail down: the connection broke", edit: func(o *office, _ *smtp.Server) { o.dropAt = "rcpt" }},
		{name: "dropped in the mail", want: "mail down: the connection broke", edit: func(o *office, _ *smtp.Server) { o.dropAt = "data" }},
		{name: "silent", want: "mail down: the connection broke", edit: func(o *office, _ *smtp.Server) { o.hangAt = "rcpt" }, conf: func(c *mail.Config) { c.Timeout = time.Second }},
		{name: "no STARTTLS", want: "mail down: the server cannot be used", edit: func(_ *office, s *smtp.Server) { s.TLSConfig = nil }},
		{name: "certificate of nobody", want: "mail down: the server's certificate is not valid", conf: func(c *mail.Config) { c.RootCAs = nil }},
		{name: "wrong password", want: "mail down: code 535", edit: func(o *office, _ *smtp.Server) { o.users = map[string]string{"door": "right"} }, conf: func(c *mail.Config) {
			c.Username, c.Password = "door", "wrong"
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t, false, c.edit)
			var log bytes.Buffer
			s := o.sender(t, func(m *mail.Config) {
				m.Logger = slog.New(slog.NewJSONHandler(&log, nil))
				if c.conf != nil {
					c.conf(m)
				}
			})
			err := s.Code(t.Context(), code("fr"))
			var f *mail.Fault
			if !errors.As(err, &f) {
				t.Fatalf("Code = %v, want a *Fault", err)
			}
			if got := err.Error(); got != c.want {
				t.Errorf("Code = %q, want %q", got, c.want)
			}
			for _, secret := range []string{"jeanne", "012345", "Martin", "wrong\""} {
				if strings.Contains(log.String()+err.Error(), secret) {
					t.Errorf("%q is in the error or the log: %s", secret, log.String())
				}
			}
			if len(o.mails()) != 0 {
				t.Error("the mail was taken")
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	o := open(t, false, nil)
	s := o.sender(t, func(c *mail.Config) { c.Addr = "127.0.0.1:1" })
	err := s.Code(t.Context(), code("fr"))
	var f *mail.Fault
	if !errors.As(err, &f) || f.Kind != mail.Down || !strings.Contains(f.Detail, "refused") {
		t.Errorf("Code = %v, want down with what the network said", err)
	}
}

// A mail that the server has taken is sent, whatever becomes of the line.
func TestDroppedAfterTaken(t *testing.T) {
	o := open(t, false, func(o *office, _ *smtp.Server) { o.dropAt = "reset" })
	s := o.sender(t, nil)
	if err := s.Code(t.Context(), code("fr")); err != nil {
		t.Error(err)
	}
	if len(o.mails()) != 1 {
		t.Error("the mail was not taken")
	}
}

func TestWaysOfTLS(t *testing.T) {
	signIn := func(c *mail.Config) { c.Username, c.Password = "door", "right" }
	users := func(o *office, _ *smtp.Server) { o.users = map[string]string{"door": "right"} }
	for _, c := range []struct {
		name     string
		implicit bool
		edit     func(*office, *smtp.Server)
		conf     func(*mail.Config)
		tls      bool
	}{
		{name: "starttls", tls: true},
		{name: "starttls with password", tls: true, edit: users, conf: signIn},
		{name: "implicit with password", implicit: true, tls: true, edit: users, conf: func(c *mail.Config) {
			c.TLS = "implicit"
			signIn(c)
		}},
		{name: "none", conf: func(c *mail.Config) { c.TLS, c.DangerouslyPlain = "none", true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := open(t, c.implicit, c.edit)
			if err := o.sender(t, c.conf).Code(t.Context(), code("fr")); err != nil {
				t.Fatal(err)
			}
			if got := o.mails()[0].tls; got != c.tls {
				t.Errorf("tls = %v, want %v", got, c.tls)
			}
		})
	}
}

func TestManyAtOnce(t *testing.T) {
	o := open(t, false, nil)
	s := o.sender(t, nil)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if err := s.Code(t.Context(), code("en")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(o.mails()); n != 50 {
		t.Errorf("%d mails, want 50", n)
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	for _, c := range []struct {
		conf mail.Config
		want []string
	}{
		{mail.Config{}, []string{"addr:", "from:"}},
		{mail.Config{Addr: "a:99999", From: "a@b@c", TLS: "maybe", Timeout: time.Hour}, []string{"addr:", "from:", "tls:", "timeout:"}},
		{mail.Config{Addr: "a:25", From: "a@b.org", TLS: "none"}, []string{"dangerously_plain"}},
		{mail.Config{Addr: "a:25", From: "a@b.org", TLS: "none", DangerouslyPlain: true, Password: "x"}, []string{"password"}},
	} {
		_, err := mail.New(c.conf)
		if err == nil {
			t.Errorf("New(%+v) accepts it", c.conf)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("New does not name %q: %v", want, err)
			}
		}
	}
}

func TestNotALink(t *testing.T) {
	s := open(t, false, nil).sender(t, nil)
	for _, link := range []string{"", "javascript:alert(1)", "/i/x", "https://", "https://x/\r\ny"} {
		i := invite("fr")
		i.Link = link
		if err := s.Invitation(t.Context(), i); err == nil {
			t.Errorf("a mail with the link %q was sent", link)
		}
	}
	c := code("fr")
	c.Code = "12\r\n34"
	if err := s.Code(t.Context(), c); err == nil {
		t.Error("a mail with an odd code was sent")
	}
}
