package e2e_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	gosmtp "github.com/emersion/go-smtp"

	"vestibule/api"
	"vestibule/store/storetest"
)

// TestReturnedMail lets a mail server that has taken an invitation give it back
// later: the host reads that, and why.
func TestReturnedMail(t *testing.T) {
	h := openHouse(t)
	host := h.asHost(t)
	console := host.at.String()
	says := func(words string) func() bool {
		return func() bool { return strings.Contains(host.open(console).words(), words) }
	}
	eventually(t, "the invitation is mailed", func() bool { return h.mailed(t, jeanne) != "" && says("envoyée")() })
	if says("non remise")() {
		t.Fatalf("it came back by itself:\n%s", host.words())
	}
	box := h.visitor(t).open(h.Mail + "/m/" + h.mailed(t, jeanne))
	for range 2 { // the second time it is known
		box.submit("/return", nil).want(200, "Renvoyé")
	}
	eventually(t, "the host reads that it came back", says("non remise"))
	host.want(200, "Cette adresse n’existe pas")
}

// mailed answers the newest mail to an address; none: empty.
func (h *house) mailed(t *testing.T, address string) string {
	t.Helper()
	res, err := h.client.Get(h.Mail + "/api/messages?to=" + url.QueryEscape(address))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var mails []struct{ ID string }
	if err := json.NewDecoder(res.Body).Decode(&mails); err != nil {
		t.Fatal(err)
	}
	if len(mails) == 0 {
		return ""
	}
	return mails[0].ID
}

// TestServeTakesReturnedMails runs the product with a mail server that takes
// everything, and brings back by LMTP what it then cannot deliver.
func TestServeTakesReturnedMails(t *testing.T) {
	var post sink
	mails := post.open(t)
	s, lmtp := newSite(t, storetest.Redis(t)), freeAddress(t)
	key, hash, err := api.NewKey("agenda")
	if err != nil {
		t.Fatal(err)
	}
	s.append(t, fmt.Sprintf(`
mail:
  addr: %q
  tls: none
  dangerously_plain: true
  from: visio@visio.test
  bounces: {address: bounce@visio.test, lmtp: %q}
api: {keys: [{id: agenda, hash: %q, scopes: ["meetings:read", "meetings:write", "invitations:write"], owner: {name: Accueil}}]}
`, mails, lmtp, hash))
	s.serve(t)
	_, port, _ := net.SplitHostPort(s.https)
	base, c := "https://visio.test:"+port+"/api/v1", s.client(t)
	call := func(method, path, body string, into any) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+key)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", "made")
		res, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(into); err != nil || res.StatusCode > 299 {
			t.Fatalf("%s %s: %d, %v", method, path, res.StatusCode, err)
		}
	}
	var made struct{ ID string }
	now := time.Now().UTC().Truncate(time.Second)
	call("POST", "/meetings", fmt.Sprintf(`{"title":"Consultation","starts":%q,"ends":%q,"invitations":[{"name":"J. D.","email":"jeanne@example.org"}]}`,
		now.Add(24*time.Hour).Format(time.RFC3339), now.Add(25*time.Hour).Format(time.RFC3339)), &made)
	fate := func() string {
		var list struct {
			Items []struct{ Mail struct{ State, Fault string } }
		}
		call("GET", "/meetings/"+made.ID+"/invitations", "", &list)
		return list.Items[0].Mail.State + " " + list.Items[0].Mail.Fault
	}
	eventually(t, "the invitation is mailed", func() bool { return fate() == "sent " })
	from := post.envelope()
	if !strings.HasPrefix(from, "bounce+") || !strings.HasSuffix(from, "@visio.test") || strings.Contains(from, made.ID) {
		t.Fatalf("MAIL FROM is %s", from)
	}
	bring := func(rcpt string) error {
		conn, err := net.Dial("tcp", lmtp)
		if err != nil {
			t.Fatal(err)
		}
		l := gosmtp.NewClientLMTP(conn)
		defer l.Close()
		return l.SendMail("", []string{rcpt}, strings.NewReader(strings.ReplaceAll(`MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.visio.test

Final-Recipient: rfc822; jeanne@example.org
Action: failed
Status: 5.1.1
--b--
`, "\n", "\r\n")))
	}
	if err := bring("bounce+" + strings.Repeat("a", 56) + "@visio.test"); err == nil || fate() != "sent " {
		t.Errorf("a forged report: %v, and the mail is %q", err, fate())
	}
	if err := bring(strings.ToUpper(from)); err != nil {
		t.Fatal(err)
	}
	if got := fate(); got != "bounced address" {
		t.Errorf("the mail is %q, want bounced address", got)
	}
}

// append adds to the site's configuration.
func (s site) append(t *testing.T, lines string) {
	t.Helper()
	b, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.config, append(b, lines...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// sink is a mail server that takes everything.
type sink struct {
	mu   sync.Mutex
	from string // guarded by mu
}

func (s *sink) envelope() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.from
}

func (s *sink) open(t *testing.T) (at string) {
	t.Helper()
	srv := gosmtp.NewServer(gosmtp.BackendFunc(func(*gosmtp.Conn) (gosmtp.Session, error) { return s, nil }))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = srv.Serve(ln); close(done) }()
	t.Cleanup(func() { _, _ = srv.Close(), ln.Close(); <-done })
	return ln.Addr().String()
}

func (s *sink) Mail(from string, _ *gosmtp.MailOptions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.from = from
	return nil
}
func (s *sink) Rcpt(string, *gosmtp.RcptOptions) error { return nil }
func (s *sink) Data(r io.Reader) error                 { _, err := io.Copy(io.Discard, r); return err }
func (s *sink) Reset()                                 {}
func (s *sink) Logout() error                          { return nil }
