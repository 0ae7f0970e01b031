package mailbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/smtp"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/wneessen/go-mail"

	"vestibule/deploy/demo/mailbox"
)

// open serves a mailbox and returns where mails go.
func open(t *testing.T, c mailbox.Config) (*mailbox.Mailbox, string) {
	t.Helper()
	m, err := mailbox.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- m.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return m, ln.Addr().String()
}

func send(t *testing.T, at, to, raw string) error {
	t.Helper()
	return smtp.SendMail(at, nil, "door@hopital.example", strings.Split(to, ","), []byte(strings.ReplaceAll(raw, "\n", "\r\n")))
}

func get(t *testing.T, m http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept-Language", "en")
	w := httptest.NewRecorder()
	m.ServeHTTP(w, r)
	return w
}

const calendar = "BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Consultation\\, suite\r\n" +
	"DTSTART;TZID=Europe/Paris:20261124T140000\r\nDTEND;TZID=Europe/Paris:20261124T1\r\n 43000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"

// TestInvitation sends what the door sends, with the library it uses.
func TestInvitation(t *testing.T) {
	m, at := open(t, mailbox.Config{})
	msg := mail.NewMsg()
	for _, err := range []error{
		msg.FromFormat("Hôpital", "door@hopital.example"), msg.To("anna@example.org"),
		msg.AttachReader("invite.ics", strings.NewReader(calendar), mail.WithFileContentType("text/calendar")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	msg.Subject("Le Dr Martin vous invite à une réunion")
	msg.SetBodyString(mail.TypeTextPlain, "Ouvrez https://door.localhost:8443/i/abc.\nÀ bientôt")
	msg.AddAlternativeString(mail.TypeTextHTML, `<p>Ouvrez <a href="https://door.localhost:8443/i/abc">le lien</a></p><script>alert(1)</script>`)
	host, port := split(t, at)
	client, err := mail.NewClient(host, mail.WithPort(port), mail.WithTLSPolicy(mail.NoTLS))
	if err != nil {
		t.Fatal(err)
	}
	if err := client.DialAndSendWithContext(t.Context(), msg); err != nil {
		t.Fatal(err)
	}
	got := m.List("Anna@example.org")
	if len(got) != 1 {
		t.Fatalf("%d mails to anna, want 1", len(got))
	}
	mail := got[0]
	if mail.Subject != "Le Dr Martin vous invite à une réunion" || !strings.Contains(mail.From, "Hôpital") || mail.Broken {
		t.Errorf("subject %q from %q, broken %v", mail.Subject, mail.From, mail.Broken)
	}
	want := []mailbox.Event{{Method: "REQUEST", Summary: "Consultation, suite", When: "2026-11-24 14:00 – 14:30 Europe/Paris"}}
	if d := cmp.Diff(want, mail.Events); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	page := get(t, m, "/m/"+mail.ID).Body.String()
	for _, want := range []string{
		`<a href="https://door.localhost:8443/i/abc" rel="noreferrer">https://door.localhost:8443/i/abc</a>.`,
		"Consultation, suite", "invite.ics", "anna@example.org", "À bientôt",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if strings.Contains(page, "alert(1)") {
		t.Error("the mail's HTML stands in the page itself")
	}
	if file := get(t, m, "/m/"+mail.ID+"/file/0"); !strings.HasPrefix(file.Header().Get("Content-Disposition"), "attachment") || !strings.Contains(file.Body.String(), "BEGIN:VEVENT") {
		t.Errorf("the attachment: %v %.60q", file.Header(), file.Body)
	}
}

// TestHTMLIsCaged wants every page that shows a stranger's HTML to forbid it
// everything.
func TestHTMLIsCaged(t *testing.T) {
	m, at := open(t, mailbox.Config{})
	if err := send(t, at, "anna@example.org", "Subject: <script>alert(1)</script>\nContent-Type: text/html\n\n<script>alert(2)</script>"); err != nil {
		t.Fatal(err)
	}
	id := m.List("")[0].ID
	page := get(t, m, "/m/"+id).Body.String()
	if !strings.Contains(page, `sandbox="allow-popups allow-popups-to-escape-sandbox"`) || strings.Contains(page, "<script>") {
		t.Errorf("the page runs what the mail brought:\n%s", page)
	}
	if list := get(t, m, "/").Body.String(); strings.Contains(list, "<script>") {
		t.Error("the list runs what a subject brought")
	}
	csp := get(t, m, "/m/"+id+"/html").Header().Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "form-action 'none'", "frame-ancestors 'self'", "sandbox allow-popups allow-popups-to-escape-sandbox"} {
		if !strings.Contains(csp, want) {
			t.Errorf("Content-Security-Policy %q lacks %q", csp, want)
		}
	}
	if strings.Contains(csp, "allow-scripts") || strings.Contains(csp, "allow-same-origin") {
		t.Errorf("Content-Security-Policy %q lets scripts run", csp)
	}
}

func TestFailuresOnDemand(t *testing.T) {
	m, at := open(t, mailbox.Config{})
	for to, want := range map[string]int{"x@bounce.example": 550, "X@Bounce.Example": 550, "x@defer.example": 451, "nobody": 501} {
		var answer *textproto.Error
		if err := send(t, at, to, "Subject: s\n\nt"); !errors.As(err, &answer) || answer.Code != want {
			t.Errorf("a mail to %s: %v, want %d", to, err, want)
		}
	}
	if err := send(t, at, "a@notbounce.example,b@example.org", "Subject: s\n\nt"); err != nil {
		t.Errorf("a mail to two others: %v", err)
	}
	if got := len(m.List("")); got != 2 {
		t.Errorf("%d mails kept, want one a recipient that was taken", got)
	}
}

func TestAPI(t *testing.T) {
	m, at := open(t, mailbox.Config{})
	if got := get(t, m, "/api/messages").Body.String(); strings.TrimSpace(got) != "[]" {
		t.Errorf("no mails: %s, want []", got)
	}
	for _, s := range []string{"one", "two"} {
		if err := send(t, at, "anna+x@example.org,ben@example.org", "Subject: "+s+"\n\nbody of "+s); err != nil {
			t.Fatal(err)
		}
	}
	var got []struct {
		ID, To, Subject, Text string
		Received              time.Time
	}
	if err := json.Unmarshal(get(t, m, "/api/messages?to="+url.QueryEscape("anna+x@example.org")).Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Subject != "two" || got[1].Subject != "one" || got[0].To != "anna+x@example.org" ||
		strings.TrimSpace(got[0].Text) != "body of two" || got[0].ID == "" || got[0].ID == got[1].ID || time.Since(got[0].Received) > time.Minute {
		t.Errorf("got %+v, want anna's two, newest first", got)
	}
}

func TestListAndWatch(t *testing.T) {
	m, at := open(t, mailbox.Config{Keep: 2})
	if page := get(t, m, "/").Body.String(); !strings.Contains(page, "No messages yet") {
		t.Errorf("the empty list does not say so:\n%s", page)
	}
	for _, s := range []string{"first", "second", "third"} {
		if err := send(t, at, "anna@example.org", "Subject: "+s+"\n\nt"); err != nil {
			t.Fatal(err)
		}
	}
	w := get(t, m, "/?to=anna%40example.org")
	page := w.Body.String()
	if strings.Contains(page, "<b>first<") || strings.Index(page, "<b>third<") > strings.Index(page, "<b>second<") || w.Header().Get("Refresh") != "" {
		t.Errorf("want third, second, no more, and no refresh unasked (%q):\n%s", w.Header().Get("Refresh"), page)
	}
	if got, want := get(t, m, "/?to=anna%40example.org&watch=1").Header().Get("Refresh"), "5; url=/?to=anna%40example.org&watch=1"; got != want {
		t.Errorf("Refresh %q, want %q", got, want)
	}
	if got := get(t, m, "/m/none").Code; got != http.StatusNotFound {
		t.Errorf("a mail that is not there: %d, want 404", got)
	}
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	rec := httptest.NewRecorder()
	m.ServeHTTP(rec, r)
	if rec.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /: %d, want 405", rec.Code)
	}
}

// A mail that was sent under an address of its own is given back as a mail
// server does; another one, or at another site's wish, is not.
func TestReturn(t *testing.T) {
	at := freeAddress(t)
	m, smtpAt := open(t, mailbox.Config{Return: at})
	for _, from := range []string{"visio@hopital.example", "bounce+abc@hopital.example"} {
		if err := smtp.SendMail(smtpAt, nil, from, []string{"anna@example.org"}, []byte("Subject: s\r\n\r\nt")); err != nil {
			t.Fatal(err)
		}
	}
	own, plain := m.List("")[0].ID, m.List("")[1].ID
	if page := get(t, m, "/m/"+own).Body.String(); !strings.Contains(page, "Return this message") {
		t.Errorf("no button on the page of a mail that can be returned:\n%s", page)
	}
	if page := get(t, m, "/m/"+plain).Body.String(); strings.Contains(page, "Return this message") {
		t.Error("a button on the page of a mail that cannot be returned")
	}
	for _, c := range []struct {
		id, site string
		want     int
		to       string
	}{
		{plain, "same-origin", 404, ""},
		{"none", "same-origin", 404, ""},
		{own, "cross-site", 403, ""},
		{own, "same-origin", 303, "/m/" + own + "?given=refused"}, // nobody listens
	} {
		r := httptest.NewRequest(http.MethodPost, "/m/"+c.id+"/return", nil)
		r.Header.Set("Sec-Fetch-Site", c.site)
		w := httptest.NewRecorder()
		m.ServeHTTP(w, r)
		if w.Code != c.want || w.Header().Get("Location") != c.to {
			t.Errorf("returning %+v: %d to %q", c, w.Code, w.Header().Get("Location"))
		}
	}
}

// freeAddress is one where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestTooLong(t *testing.T) {
	m, at := open(t, mailbox.Config{MaxBytes: 1000})
	if err := send(t, at, "anna@example.org", "Subject: s\n\n"+strings.Repeat("x", 2000)); err == nil || len(m.List("")) != 0 {
		t.Errorf("a mail of 2000 bytes: %v, %d kept, want a refusal", err, len(m.List("")))
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	if _, err := mailbox.New(mailbox.Config{Keep: -1, Language: "de"}); err == nil || !strings.Contains(err.Error(), "keep") || !strings.Contains(err.Error(), `"de"`) {
		t.Errorf("New: %v, want both faults named", err)
	}
}

func split(t *testing.T, at string) (string, int) {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	return a.IP.String(), a.Port
}
