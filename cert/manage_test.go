package cert_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/certmagic"

	"vestibule/cert"
)

// downCA is an authority that answers 503 to everything, and counts.
func downCA(t *testing.T) (directory, caFile string, asked *atomic.Int64, first chan struct{}) {
	t.Helper()
	asked, first = &atomic.Int64{}, make(chan struct{})
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) == 1 {
			close(first)
		}
		w.WriteHeader(http.StatusServiceUnavailable)
	}))
	t.Cleanup(srv.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	root := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(caFile, root, 0o600); err != nil {
		t.Fatal(err)
	}
	return srv.URL + "/dir", caFile, asked, first
}

// keep puts a certificate into the storage as an earlier run would have.
func keep(t *testing.T, dir, directory, host string, serial int64, ends time.Time) {
	t.Helper()
	storage := &certmagic.FileStorage{Path: dir}
	issuer := (&certmagic.ACMEIssuer{CA: directory}).IssuerKey()
	crt, key := issue(t, serial, ends, host)
	meta, err := json.Marshal(certmagic.CertificateResource{SANs: []string{host}})
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		certmagic.StorageKeys.SiteCert(issuer, host):       crt,
		certmagic.StorageKeys.SitePrivateKey(issuer, host): key,
		certmagic.StorageKeys.SiteMeta(issuer, host):       meta,
	} {
		if err := storage.Store(t.Context(), name, data); err != nil {
			t.Fatal(err)
		}
	}
}

// run starts c and returns how to stop it; stopping must take no time.
func run(t *testing.T, c *cert.Certs) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run = %v, want nil", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Run did not end")
		}
	})
}

// While the authority is down the door runs, serves what it has, even past
// its end, and refuses what it has not, without keeping the visitor waiting.
func TestT67AuthorityDown(t *testing.T) {
	directory, caFile, asked, first := downCA(t)
	dir := t.TempDir()
	keep(t, dir, directory, "door.example.org", 7, time.Now().Add(40*24*time.Hour))
	keep(t, dir, directory, "old.example.org", 8, time.Now().Add(-time.Hour))
	const obtaining = `"says":"obtaining certificate","identifier":"new.example.org"`
	var logs lockedBuffer
	c := must(t, cert.Config{
		Hosts: []string{"door.example.org", "old.example.org", "new.example.org"},
		Agree: true, Email: "Nobody@example.org", Directory: directory, CAFile: caFile, StorageDir: dir,
		Logger: slog.New(slog.NewJSONHandler(&logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if _, err := shake(t, c.TLS(), &tls.Config{ServerName: "door.example.org"}); err == nil {
		t.Error("before Run: got a connection, want none")
	}
	stop := run(t, c)
	defer stop()
	<-first
	for host, want := range map[string]int64{"door.example.org": 7, "old.example.org": 8} {
		state, err := eventually(t, c, host)
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		if got := state.PeerCertificates[0].SerialNumber.Int64(); got != want {
			t.Errorf("%s: got certificate %d, want %d", host, got, want)
		}
	}
	begin := time.Now()
	if _, err := shake(t, c.TLS(), &tls.Config{ServerName: "new.example.org"}); err == nil {
		t.Error("new.example.org: got a connection, want none")
	}
	if took := time.Since(begin); took > time.Second {
		t.Errorf("new.example.org: refused after %v, want at once", took)
	}
	if _, err := shake(t, c.TLS(), &tls.Config{ServerName: "other.example.org"}); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
		t.Errorf("other.example.org: got %v, want unrecognized name", err)
	}
	for range 200 {
		if strings.Contains(logs.String(), obtaining) {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	stop()
	if n := asked.Load(); n > 20 {
		t.Errorf("the authority was asked %d times, want a few", n)
	}
	if text := logs.String(); strings.Contains(strings.ToLower(text), "nobody@") || !strings.Contains(text, obtaining) {
		t.Errorf("logs name the account, or lack %s:\n%s", obtaining, text)
	}
}

func eventually(t *testing.T, c *cert.Certs, host string) (state tls.ConnectionState, err error) {
	t.Helper()
	for range 200 {
		if state, err = shake(t, c.TLS(), &tls.Config{ServerName: host}); err == nil {
			return state, nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return state, err
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestHTTP(t *testing.T) {
	config := cert.Config{Hosts: []string{"door.example.org"}, Agree: true, StorageDir: t.TempDir()}
	elsewhere := config
	elsewhere.RedirectPort = 8443
	next := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	plain, moved := must(t, config).HTTPChallenge(nil), must(t, elsewhere).HTTPChallenge(nil)
	for name, c := range map[string]struct {
		handler      http.Handler
		method, url  string
		status       int
		wantLocation string
	}{
		"redirect":      {plain, "GET", "http://door.example.org/i/abc?x=%2F", 308, "https://door.example.org/i/abc?x=%2F"},
		"with port":     {plain, "HEAD", "http://DOOR.example.org:8080/", 308, "https://door.example.org/"},
		"port kept":     {moved, "GET", "http://door.example.org/%2Fa", 308, "https://door.example.org:8443/%2Fa"},
		"two slashes":   {plain, "GET", "http://door.example.org//evil.test/", 308, "https://door.example.org//evil.test/"},
		"another host":  {plain, "GET", "http://evil.test/", 421, ""},
		"a form":        {plain, "POST", "http://door.example.org/i/abc", 403, ""},
		"next":          {must(t, config).HTTPChallenge(next), "GET", "http://door.example.org/", 418, ""},
		"no challenge":  {plain, "GET", "http://door.example.org/.well-known/acme-challenge/x", 308, "https://door.example.org/.well-known/acme-challenge/x"},
		"host of other": {must(t, config).HTTPChallenge(next), "GET", "http://evil.test/.well-known/acme-challenge/x", 421, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			c.handler.ServeHTTP(w, httptest.NewRequest(c.method, c.url, http.NoBody))
			if w.Code != c.status || w.Header().Get("Location") != c.wantLocation {
				t.Errorf("got %d %q, want %d %q", w.Code, w.Header().Get("Location"), c.status, c.wantLocation)
			}
		})
	}
}
