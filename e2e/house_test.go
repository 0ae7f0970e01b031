package e2e_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// bound is what no machine that is merely busy takes, and what is not stopped
// takes longer than: LiveKit by itself goes on for 59 s, the client of Redis
// for 6 s. What was measured is logged; benchmarks and the tests of a hundred
// expulsions compare it.
const bound = 4 * time.Second

// house is a running demonstration: every part of the product, and what stands
// around it, in one process.
type house struct {
	Door string `json:"door"`
	Room string `json:"room"`
	ID   string `json:"id"`
	Mail string `json:"mail"`
	CA   string `json:"ca"`
	Host struct {
		Email string `json:"email"`
		Login string `json:"login"`
	} `json:"host"`
	Meeting     string    `json:"meeting"`
	Invitations []invited `json:"invitations"`
	Dialin      struct {
		SIP     string `json:"sip"`
		For     string `json:"for"`
		Meeting string `json:"meeting"`
		Code    string `json:"code"`
	} `json:"dialin"`
	TURN    string `json:"turn"`
	Metrics string `json:"metrics"`
	Key     string `json:"key"`

	client *http.Client
	log    *output
	// working is how those of the relay's addresses begin that pages can
	// reach: "turns:". Empty: all.
	working string
}

// invited is one personal link.
type invited struct {
	For   string `json:"for"`
	By    string `json:"by"`
	Email string `json:"email"`
	Link  string `json:"link"`
}

// output keeps what the process wrote.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// openHouse starts the demonstration and waits until everything answers.
func openHouse(t *testing.T, args ...string) *house {
	t.Helper()
	program := os.Getenv("VESTIBULE_DEMO")
	if program == "" {
		program, _ = filepath.Abs("../bin/vestibule-demo")
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("the demonstration is not built: make demo-build")
	}
	ready := filepath.Join(t.TempDir(), "ready.json")
	h := &house{log: &output{}}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program,
		append([]string{"--listen", "127.0.0.1:0", "--ready-file", ready, "--lang", "fr", "--verbose"}, args...)...)
	cmd.Stdout, cmd.Stderr = h.log, h.log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Error("the house was not closed 5 s after it was asked")
			_ = cmd.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("the house said:\n%s", h.log)
		}
	})
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		b, err := os.ReadFile(ready)
		if err == nil {
			if err := json.Unmarshal(b, h); err != nil {
				t.Fatal(err)
			}
			break
		}
		select {
		case <-ended:
			t.Fatalf("the house did not open:\n%s", h.log)
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("the house did not open within a minute:\n%s", h.log)
		}
	}
	h.client = h.newClient(t)
	return h
}

// newClient reaches the house's names and trusts its authority alone.
func (h *house) newClient(t *testing.T) *http.Client {
	t.Helper()
	pem, err := os.ReadFile(h.CA)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	u, err := url.Parse(h.Door)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, "127.0.0.1:"+u.Port())
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{
		Transport: tr, Timeout: 20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// link answers the personal link of an invitee.
func (h *house) link(t *testing.T, name string) string {
	t.Helper()
	for _, i := range h.Invitations {
		if i.For == name {
			return i.Link
		}
	}
	t.Fatalf("nobody called %q is invited", name)
	return ""
}

var sixDigits = regexp.MustCompile(`\b\d{6}\b`)

// code waits for the newest mailed code of an address that is not seen yet.
func (h *house) code(t *testing.T, address string, seen ...string) string {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		res, err := h.client.Get(h.Mail + "/api/messages?to=" + url.QueryEscape(address))
		if err != nil {
			t.Fatal(err)
		}
		var mails []struct {
			Subject string `json:"subject"`
		}
		err = json.NewDecoder(res.Body).Decode(&mails)
		_ = res.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range mails {
			// The code stands first in the subject.
			if c := sixDigits.FindString(m.Subject); c != "" && strings.HasPrefix(m.Subject, c) && !contains(seen, c) {
				return c
			}
		}
	}
	t.Fatalf("no code was mailed to an invitee")
	return ""
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
