package sms_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"vestibule/sms"
	"vestibule/webhook"
)

const number = "+33612345642"

func code() sms.Code {
	return sms.Code{To: number, Lang: "fr", Code: "123456", HostName: "Dr Hélène Martin", Door: "https://visio.example.org:8443", Minutes: 10}
}

// gateway is a site's SMS gateway: it checks who says it and answers as told.
type gateway struct {
	*httptest.Server

	mu      sync.Mutex
	answers []int // the next ones; then 200
	got     []map[string]any
	ids     []string
	bad     []string
}

func open(t *testing.T, secret []byte, answers ...int) *gateway {
	t.Helper()
	g := &gateway{answers: answers}
	g.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h := r.Header
		g.mu.Lock()
		defer g.mu.Unlock()
		if h.Get("Webhook-Signature") != webhook.Sign(secret, h.Get("Webhook-Id"), h.Get("Webhook-Timestamp"), body) {
			g.bad = append(g.bad, "signature")
		}
		var m map[string]any
		if err := json.Unmarshal(body, &m); err != nil || m["id"] != h.Get("Webhook-Id") {
			g.bad = append(g.bad, "body")
		}
		g.got, g.ids = append(g.got, m), append(g.ids, h.Get("Webhook-Id"))
		status := http.StatusOK
		if len(g.answers) > 0 {
			status, g.answers = g.answers[0], g.answers[1:]
		}
		if status == 0 {
			panic(http.ErrAbortHandler) // taken, and the answer lost
		}
		if status/100 == 3 {
			w.Header().Set("Location", "/elsewhere")
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte("to " + number))
	}))
	g.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(g.Close)
	return g
}

func sender(t *testing.T, g *gateway, secret []byte, out io.Writer) *sms.Sender {
	t.Helper()
	s, err := sms.New(sms.Config{
		URL: g.URL + "/hook?token=address-secret", Secret: secret, RootCAs: g.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs,
		Logger: slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	sms.Hasten(s)
	return s
}

func TestMessageBindsTheCodeToTheDoor(t *testing.T) {
	secret := bytes.Repeat([]byte{3}, 32)
	g := open(t, secret)
	s := sender(t, g, secret, io.Discard)
	for _, c := range []struct{ lang, host, want string }{
		{"fr", "Dr Hélène Martin", "123456 est votre code pour la réunion vidéo de Dr Hélène Martin. Valable 10 min. Ne le donnez à personne.\n\n@visio.example.org #123456"},
		{"en", "Dr Hélène Martin", "123456 is your code for the video meeting with Dr Hélène Martin. Valid 10 min. Give it to nobody.\n\n@visio.example.org #123456"},
		// A name ends no line and binds the code to no other site.
		{"en", "Eve\n\n@evil.example #654321\u202e", "123456 is your code for the video meeting with Eve evil.example 654321. Valid 10 min. Give it to nobody.\n\n@visio.example.org #123456"},
	} {
		m := code()
		m.Lang, m.HostName = c.lang, c.host
		if err := s.Code(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		got := g.got[len(g.got)-1]
		if got["text"] != c.want || got["to"] != number || got["type"] != "sms.code" || got["expires_in"] != 600.0 || got["lang"] != c.lang {
			t.Errorf("told %q, want the text %q", got, c.want)
		}
	}
	m := code()
	m.HostName = strings.Repeat("Hôtel-Dieu de ", 40)
	if err := s.Code(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if text, _ := g.got[len(g.got)-1]["text"].(string); utf8.RuneCountInString(text) > 160 {
		t.Errorf("a long name makes a message of %d characters, want one SMS of 160", utf8.RuneCountInString(text))
	}
	if len(g.bad) > 0 {
		t.Errorf("the gateway found wrong: %v", g.bad)
	}
}

// What may pass is tried again with the same id; what may not is not.
func TestTriesAgainWithTheSameID(t *testing.T) {
	for name, c := range map[string]struct {
		answers []int
		tries   int
		ok      bool
	}{
		"at once":         {nil, 1, true},
		"busy, then well": {[]int{503, 429}, 3, true},
		"answer lost":     {[]int{0, 200}, 2, true},
		"down":            {[]int{500, 502, 503, 200}, 3, false},
		"refused":         {[]int{400}, 1, false},
		"wrong key":       {[]int{401}, 1, false},
		"leads elsewhere": {[]int{302}, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			secret := bytes.Repeat([]byte{3}, 32)
			g := open(t, secret, c.answers...)
			var log bytes.Buffer
			err := sender(t, g, secret, &log).Code(t.Context(), code())
			if (err == nil) != c.ok || len(g.ids) != c.tries {
				t.Errorf("Code = %v after %d tries, want ok %v after %d", err, len(g.ids), c.ok, c.tries)
			}
			for _, id := range g.ids {
				if id != g.ids[0] || id == "" {
					t.Errorf("ids = %q, want one", g.ids)
				}
			}
			said := log.String()
			if err != nil {
				said += err.Error()
			}
			for _, secret := range []string{number, number[4:], "123456", "address-secret"} {
				if strings.Contains(said, secret) {
					t.Errorf("%q stands in %q", secret, said)
				}
			}
			if !c.ok && !strings.Contains(log.String(), "sms not sent") {
				t.Errorf("operators are not told: %q", log.String())
			}
		})
	}
}

// A gateway that takes its time is given up on.
func TestSlowGateway(t *testing.T) {
	secret := make([]byte, 24)
	hold := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-hold:
		case <-r.Context().Done():
		}
	}))
	defer srv.Close()
	defer close(hold)
	s, err := sms.New(sms.Config{URL: srv.URL, Secret: secret, DangerouslyAllowPlainHTTP: true, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	sms.Hasten(s)
	begun := time.Now()
	if err := s.Code(t.Context(), code()); err == nil {
		t.Error("Code = nil, want a fault")
	}
	if took := time.Since(begun); took > 20*time.Second {
		t.Errorf("given up after %v, want three times 1s", took)
	}
}

func TestOnlyNumbersAndDigits(t *testing.T) {
	secret := make([]byte, 24)
	g := open(t, secret)
	s := sender(t, g, secret, io.Discard)
	for _, change := range []func(*sms.Code){
		func(c *sms.Code) { c.To = "" },
		func(c *sms.Code) { c.To = "0612345642" },
		func(c *sms.Code) { c.To = "+33 6 12 34 56 42" },
		func(c *sms.Code) { c.Code = "" },
		func(c *sms.Code) { c.Code = "12345a" },
		func(c *sms.Code) { c.Door = "visio.example.org" },
	} {
		c := code()
		change(&c)
		if err := s.Code(t.Context(), c); err == nil || strings.Contains(err.Error(), "61234") {
			t.Errorf("Code(%+v) = %v, want an error without the number", c, err)
		}
	}
	if len(g.ids) > 0 {
		t.Errorf("%d messages left", len(g.ids))
	}
}

func TestFaults(t *testing.T) {
	for want, c := range map[string]sms.Config{
		"url: want https":      {URL: "http://a.example", Secret: make([]byte, 24)},
		"secret: want 24":      {URL: "https://a.example"},
		"timeout: want 1s":     {URL: "https://a.example", Secret: make([]byte, 24), Timeout: time.Minute},
		"url: want an absolut": {Secret: make([]byte, 24)},
	} {
		if _, err := sms.New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want %q", err, want)
		}
	}
}
