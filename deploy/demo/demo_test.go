package demo_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/smtp"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vestibule/deploy/demo"
	"vestibule/deploy/demo/ca"
)

// opened is a demonstration that runs, with a stand-in for the door.
type opened struct {
	door      *standIn
	readyFile string
	ready     demo.Ready
	printed   *screen
	close     context.CancelFunc
	ended     chan error
}

// screen is what the person at the keyboard sees.
type screen struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *screen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

func open(t *testing.T, c demo.Config) *opened {
	t.Helper()
	o := &opened{door: &standIn{}, readyFile: filepath.Join(t.TempDir(), "ready.json"), printed: &screen{}, ended: make(chan error, 1)}
	c.Listen, c.ReadyFile, c.Out = "127.0.0.1:0", o.readyFile, o.printed
	d, err := demo.New(c)
	if err != nil {
		t.Fatal(err)
	}
	house := func(s demo.Surroundings) http.Handler { o.door.s = s; return o.door }
	d.SetDoor(house, house, func(s demo.Surroundings) demo.Ready {
		r := demo.Ready{Meeting: "m1", TURN: "127.0.0.1:1", Metrics: "http://127.0.0.1:2/metrics"}
		r.Host.Email, r.Host.Login = s.People[0].Email, s.Door+"/sign-in"
		r.Invite("A. B.", "mail", "a@example.org", s.Door+"/i/x")
		return r
	})
	ctx, cancel := context.WithCancel(context.Background())
	o.close = cancel
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		o.ended <- d.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-finished })
	o.wait(t)
	return o
}

// wait returns when the ready file is there, which is how whoever drives the
// demonstration learns of it.
func (o *opened) wait(t *testing.T) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		b, err := os.ReadFile(o.readyFile)
		if err == nil {
			if err := json.Unmarshal(b, &o.ready); err != nil {
				t.Fatalf("half a ready file: %v\n%s", err, b)
			}
			return
		}
		select {
		case err := <-o.ended:
			t.Fatalf("Run ended: %v", err)
		case <-deadline:
			t.Fatal("no ready file in 30 s")
		case <-tick.C:
		}
	}
}

func TestRun(t *testing.T) {
	o := open(t, demo.Config{Language: "en"})
	keys := map[string]any{}
	b, err := os.ReadFile(o.readyFile)
	if err != nil || json.Unmarshal(b, &keys) != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(o.ready.Door, "https://"))
	want := map[string]any{
		"door": "https://door.localhost:" + port, "room": "https://room.localhost:" + port,
		"id": "https://id.localhost:" + port, "mail": "https://mail.localhost:" + port,
		"ca":      o.ready.CA,
		"host":    map[string]any{"email": "claire.martin@hopital.example", "login": "https://door.localhost:" + port + "/sign-in"},
		"meeting": "m1",
		"invitations": []any{map[string]any{
			"for": "A. B.", "by": "mail", "email": "a@example.org", "link": "https://door.localhost:" + port + "/i/x",
		}},
		"dialin":  map[string]any{"meeting": "", "code": "", "for": "", "sip": ""},
		"turn":    "127.0.0.1:1",
		"metrics": "http://127.0.0.1:2/metrics",
		"key":     "",
	}
	if d := cmp.Diff(want, keys); d != "" {
		t.Errorf("ready file (-want +got):\n%s", d)
	}
	if i, err := os.Stat(o.readyFile); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("ready file: %v (%v), want its owner's only", i.Mode(), err)
	}
	o.checkParts(t)
	o.checkEnd(t)
}

// checkParts asks the parts for what the door will ask of them.
func (o *opened) checkParts(t *testing.T) {
	t.Helper()
	if err := smtp.SendMail(o.door.s.SMTP, nil, "door@hopital.example", []string{"a@example.org"}, []byte("Subject: hello\r\n\r\n")); err != nil {
		t.Errorf("mailing: %v", err)
	}
	res, err := o.door.s.Inside.Get(o.ready.Mail + "/api/messages?to=" + url.QueryEscape("a@example.org"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var mails []struct{ Subject string }
	if err := json.NewDecoder(res.Body).Decode(&mails); err != nil || len(mails) != 1 || mails[0].Subject != "hello" {
		t.Errorf("mails %v (%v), want the one just sent", mails, err)
	}
	if res, err := http.Get(o.door.s.Conference.URL); err != nil || res.Body.Close() != nil || res.StatusCode != http.StatusOK {
		t.Errorf("the conference server: %v", err)
	}
	for _, want := range []string{o.ready.Host.Login, o.ready.Invitations[0].Link, o.ready.Mail, o.ready.CA, "SHA-256 ", "--trust", "Ctrl-C"} {
		if !strings.Contains(o.printed.String(), want) {
			t.Errorf("%q is not printed:\n%s", want, o.printed)
		}
	}
}

// checkEnd wants everything gone in time.
func (o *opened) checkEnd(t *testing.T) {
	t.Helper()
	begun := time.Now()
	o.close()
	if err := <-o.ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	t.Logf("closed in %v", time.Since(begun))
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("closed in %v, want 3 s at most", took)
	}
	for _, path := range []string{o.readyFile, o.ready.CA, filepath.Dir(o.ready.CA)} {
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s is left behind", path)
		}
	}
	for _, addr := range []string{strings.TrimPrefix(o.ready.Door, "https://door.localhost"), o.door.s.SMTP, strings.TrimPrefix(o.door.s.Conference.URL, "http://")} {
		if strings.HasPrefix(addr, ":") {
			addr = "127.0.0.1" + addr
		}
		if c, err := net.Dial("tcp", addr); err == nil {
			_ = c.Close()
			t.Errorf("%s still listens", addr)
		}
	}
}

// TestTrustIsAskedForAndTakenBack looks into the list of a home of its own.
func TestTrustIsAskedForAndTakenBack(t *testing.T) {
	program, err := exec.LookPath("certutil")
	if err != nil {
		t.Fatal(ca.ErrNoCertutil)
	}
	for _, asked := range []bool{false, true} {
		home := t.TempDir()
		t.Setenv("HOME", home)
		listed := func() bool {
			out, _ := exec.CommandContext(t.Context(), program, "-L", "-d", "sql:"+filepath.Join(home, ".pki", "nssdb")).CombinedOutput()
			return strings.Contains(string(out), "vestibule demo")
		}
		o := open(t, demo.Config{Trust: asked})
		if got := listed(); got != asked {
			t.Errorf("trusted %v, want %v", got, asked)
		}
		o.checkEnd(t)
		if listed() {
			t.Error("still trusted after the end")
		}
	}
}

func TestRunWithoutADoor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ready.json")
	d, err := demo.New(demo.Config{Listen: "127.0.0.1:0", ReadyFile: file})
	if err != nil {
		t.Fatal(err)
	}
	d.SetDoor(
		func(demo.Surroundings) http.Handler { return broken() },
		func(demo.Surroundings) http.Handler { return broken() },
		func(demo.Surroundings) demo.Ready { return demo.Ready{} },
	)
	if err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("Run with a door that answers 503: %v, want an end", err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("the ready file was written although the door does not answer")
	}
}

func broken() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
}

func TestRunOnATakenPort(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d, err := demo.New(demo.Config{Listen: ln.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "--listen") {
		t.Errorf("Run on a taken port: %v, want to be told of --listen", err)
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := demo.New(demo.Config{Listen: "8443", Redis: "localhost", Language: "de"})
	if err == nil {
		t.Fatal("New accepted it")
	}
	for _, want := range []string{"listen", "redis", "lang"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want %s named", err, want)
		}
	}
}
