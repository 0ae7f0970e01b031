package mailbox_test

import (
	"context"
	"net"
	"strings"
	"testing"

	"vestibule/deploy/demo/mailbox"
	"vestibule/sms"
)

// TestTexts takes what the door hands over, shows it beside the mails, and
// refuses it from anybody else.
func TestTexts(t *testing.T) {
	secret := []byte(strings.Repeat("s", 32))
	m, err := mailbox.New(mailbox.Config{SMSSecret: secret})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.ServeTexts(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("ServeTexts = %v", err)
		}
	})
	send := func(to string, secret []byte) error {
		s, err := sms.New(sms.Config{URL: "http://" + ln.Addr().String(), Secret: secret, DangerouslyAllowPlainHTTP: true})
		if err != nil {
			t.Fatal(err)
		}
		return s.Code(t.Context(), sms.Code{To: to, Lang: "fr", Code: "123456", HostName: "Dr Martin", Door: "https://door.localhost", Minutes: 10})
	}
	if err := send("+33612345642", secret); err != nil {
		t.Fatal(err)
	}
	for to, key := range map[string][]byte{"+33612345642": []byte(strings.Repeat("x", 32)), "+33612345600": secret} {
		if err := send(to, key); err == nil {
			t.Errorf("an SMS that is not to be taken is: %s", to)
		}
	}
	list := m.List("+33612345642")
	if len(list) != 1 || !list[0].SMS || !strings.HasSuffix(list[0].Text, "\n@door.localhost #123456") {
		t.Fatalf("kept %+v, want one SMS", list)
	}
	if body := get(t, m, "/").Body.String(); !strings.Contains(body, "SMS to &#43;33612345642") || !strings.Contains(body, "123456 est votre code") {
		t.Errorf("the list does not show the SMS:\n%s", body)
	}
	if body := get(t, m, "/m/"+list[0].ID).Body.String(); !strings.Contains(body, "@door.localhost #123456") {
		t.Errorf("the page does not show the SMS:\n%s", body)
	}
}
