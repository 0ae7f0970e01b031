package e2e_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"vestibule/conference/conferencetest"
	"vestibule/store/storetest"
)

// product answers the path of the built program.
func product(t *testing.T) string {
	t.Helper()
	p := os.Getenv("VESTIBULE")
	if p == "" {
		p, _ = filepath.Abs("../bin/vestibule")
	}
	if _, err := os.Stat(p); err != nil {
		t.Fatal("the product is not built: make build")
	}
	return p
}

// site is a folder with all that an administrator writes for `vestibule serve`.
type site struct {
	config, https, ops string
	roots              *x509.CertPool
}

// newSite writes a configuration for a door on free ports of the loopback.
func newSite(t *testing.T, redis string) site {
	t.Helper()
	dir := t.TempDir()
	fake := conferencetest.NewFake(t)
	s := site{config: filepath.Join(dir, "vestibule.yaml"), https: freeAddress(t), ops: freeAddress(t), roots: x509.NewCertPool()}
	write := func(name, text string) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	chain, key := certificate(t, "visio.test", "room.visio.test", "login.test", "localhost")
	s.roots.AppendCertsFromPEM(chain)
	_, port, _ := net.SplitHostPort(s.https)
	write("vestibule.yaml", fmt.Sprintf(`
door: https://visio.test:%[1]s
room: https://room.visio.test:%[1]s
listen: {https: %[2]q, http: "", ops: %[3]q, trusted: [127.0.0.1/32]}
secret: file:%[4]s
state: %[11]q
site: {name: Hôpital, contact: 05 61 00 00 00, lang: en}
store: {url: %[5]q}
certificates: {files: [{cert: %[6]s, key: %[7]s}]}
conference: {livekit: {url: %[8]q, key: %[9]q, secret: "file:%[10]s"}}
turn: {udp: ["127.0.0.1:0"], tcp: ["127.0.0.1:0"], public: [127.0.0.1], peers: [127.0.0.1/32], peer_ports: 7882}
`, port, s.https, s.ops, write("secret", strings.Repeat("s", 48)), redis, write("cert.pem", string(chain)), write("key.pem", string(key)),
		fake.URL, fake.Key, write("livekit", fake.Secret), filepath.Join(dir, "state")))
	return s
}

// certificate makes a certificate for the names, signed by itself.
func certificate(t *testing.T, names ...string) (chain, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: names[0]}, DNSNames: names,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk})
}

// freeAddress answers an address that was free a moment ago: the product's own
// configuration has no way to say which port it took.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// client reaches the site's names.
func (s site) client(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: s.roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, s.https)
		},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// running is one process of the product.
type running struct {
	t     *testing.T
	cmd   *exec.Cmd
	log   *output
	ended chan error // of Wait
	over  bool
}

// stop ends the process as a service manager does.
func (r *running) stop() {
	if r.over {
		return
	}
	r.over = true
	_ = r.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("serve ended with %v:\n%s", err, r.log)
		}
	case <-time.After(15 * time.Second):
		r.t.Errorf("serve did not end on SIGTERM:\n%s", r.log)
		_ = r.cmd.Process.Kill()
		<-r.ended
	}
}

// falls ends the process as a power cut does.
func (r *running) falls() {
	r.over = true
	_ = r.cmd.Process.Kill()
	<-r.ended
}

// serve starts the product and waits until it is alive.
func (s site) serve(t *testing.T) *running {
	t.Helper()
	r := &running{t: t, log: &output{}, ended: make(chan error, 1)}
	r.cmd = exec.CommandContext(context.WithoutCancel(t.Context()), product(t), "serve", "--config", s.config)
	r.cmd.Stdout, r.cmd.Stderr = r.log, r.log
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { r.ended <- r.cmd.Wait() }()
	t.Cleanup(r.stop)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(30 * time.Millisecond) {
		if code, _ := ask(t, http.DefaultClient, "http://"+s.ops+"/livez"); code == http.StatusOK {
			return r
		}
	}
	t.Fatalf("the door did not open:\n%s", r.log)
	return nil
}

func ask(t *testing.T, c *http.Client, u string) (int, string) {
	t.Helper()
	res, err := c.Get(u)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// TestServe runs the product as an administrator does: check, serve, look at
// it, take its store away, give it back, end it.
func TestServe(t *testing.T) {
	t.Parallel()
	redis := storetest.Redis(t)
	s := newSite(t, redis)
	if out, err := exec.CommandContext(t.Context(), product(t), "check", "--config", s.config).CombinedOutput(); err != nil {
		t.Fatalf("check: %v\n%s", err, out)
	}
	door := s.serve(t)
	c := s.client(t)
	_, port, _ := net.SplitHostPort(s.https)
	if code, body := ask(t, c, "https://visio.test:"+port+"/"); code != http.StatusOK || !strings.Contains(body, "Hôpital") {
		t.Errorf("the door's first page: %d %.200s", code, body)
	}
	if code, _ := ask(t, c, "https://room.visio.test:"+port+"/rtc/v1"); code != http.StatusUnauthorized {
		t.Errorf("the room without an admission: %d, want 401", code)
	}
	for path, want := range map[string]string{"/readyz": "ready", "/metrics": "vestibule_requests_total"} {
		if code, body := ask(t, http.DefaultClient, "http://"+s.ops+path); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: %d %.200s", path, code, body)
		}
	}
	if conn, err := tls.Dial("tcp", s.https, &tls.Config{ServerName: "elsewhere.test", RootCAs: s.roots, MinVersion: tls.VersionTLS12}); err == nil {
		_ = conn.Close()
		t.Error("a handshake for a foreign name went through")
	}
	door.stop()
}

// TestServeWithoutRedis opens the door while the store is away: pages that need
// it say so, and readiness tells the load balancer.
func TestServeWithoutRedis(t *testing.T) {
	t.Parallel()
	s := newSite(t, "redis://"+freeAddress(t))
	s.serve(t)
	c := s.client(t)
	_, port, _ := net.SplitHostPort(s.https)
	start := time.Now()
	if code, _ := ask(t, http.DefaultClient, "http://"+s.ops+"/readyz"); code != http.StatusServiceUnavailable {
		t.Errorf("/readyz without a store: %d, want 503", code)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://visio.test:"+port+"/meetings", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(&http.Cookie{Name: "__Host-door", Value: strings.Repeat("a", 43)})
	res, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("a page that needs the store: %d, want 503 with Retry-After", res.StatusCode)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("both answers took %s", took)
	}
}
