package gateway_test

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vestibule/gateway"
)

// program is a server that benchmarks measure: a process of its own, so that
// what its clients and the server behind it cost is not counted.
type program struct {
	name   string
	pid    int
	addr   string
	cookie string // that opens it
	h2     bool   // speaks HTTP/2
}

// cpu is what the threads of p have used so far.
func (p program) cpu(tb testing.TB) time.Duration {
	tb.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", p.pid))
	if err != nil || len(threads) == 0 {
		tb.Fatalf("%s has ended", p.name)
	}
	var sum int64
	for _, path := range threads {
		var ns int64
		if text, err := os.ReadFile(path); err == nil { // or it has just gone
			_, _ = fmt.Sscan(string(text), &ns)
		}
		sum += ns
	}
	return time.Duration(sum)
}

// resident is the memory of p.
func (p program) resident(tb testing.TB) int64 {
	tb.Helper()
	var pages int64
	s, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", p.pid))
	if err != nil {
		tb.Fatal(err)
	}
	_, _ = fmt.Sscan(string(s), new(int64), &pages)
	return pages * int64(os.Getpagesize())
}

// start runs a command that serves TLS at addr until the benchmark ends, and
// waits for it.
func (p program) start(b *testing.B, cmd *exec.Cmd) program {
	b.Helper()
	said := &journal{}
	cmd.Stdout, cmd.Stderr = said, said
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	})
	p.pid = cmd.Process.Pid
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := tls.Dial("tcp", p.addr, &tls.Config{RootCAs: authority().pool, ServerName: "room.example"})
		if err == nil {
			_ = c.Close()
			return p
		}
		if time.Now().After(end) {
			b.Fatalf("%s does not answer: %v\n%s", p.name, err, said)
		}
	}
}

// installed finds a program of the machine's.
func installed(b *testing.B, name, pkg string) string {
	b.Helper()
	for _, n := range []string{name, "/usr/sbin/" + name} { // not in everybody's PATH
		if path, err := exec.LookPath(n); err == nil {
			return path
		}
	}
	b.Fatalf("%s is missing: %s", name, pkg)
	return ""
}

// unused is an address that nobody listens on.
func unused(b *testing.B) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// folder holds the certificate of every program, its key, and a configuration,
// in which DIR, ADDR and BACK are filled in.
func folder(b *testing.B, conf, addr, back string) (dir, path string) {
	b.Helper()
	dir, c := b.TempDir(), authority().cert
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		b.Fatal(err)
	}
	conf = strings.NewReplacer("DIR", dir, "ADDR", addr, "BACK", back).Replace(conf)
	for name, text := range map[string][]byte{
		"cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]}),
		"key.pem":  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}),
		"conf":     []byte(conf),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	return dir, filepath.Join(dir, "conf")
}

const askingNginx = `
daemon off; master_process off; pid DIR/pid; error_log stderr crit;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path DIR/b; proxy_temp_path DIR/p; fastcgi_temp_path DIR/f; uwsgi_temp_path DIR/u; scgi_temp_path DIR/s;
  keepalive_requests 100000000;
  upstream back { server BACK; keepalive 64; keepalive_requests 100000000; }
  server {
    listen ADDR ssl http2;
    ssl_certificate DIR/cert.pem; ssl_certificate_key DIR/key.pem; ssl_protocols TLSv1.2 TLSv1.3;
    proxy_http_version 1.1; proxy_set_header Connection "";
    location = /auth { internal; proxy_pass http://back/auth; proxy_pass_request_body off; proxy_set_header Content-Length ""; }
    location /app/ws {
      proxy_pass http://back; proxy_read_timeout 1h;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection Upgrade;
    }
    location / { auth_request /auth; proxy_pass http://back; }
  }
}`

// nginx asks the program behind whether each request may pass.
func nginx(b *testing.B, back string) program {
	b.Helper()
	path := installed(b, "nginx", "apt-get install nginx-light")
	p := program{name: "nginx", addr: unused(b), cookie: sessionCookie, h2: true}
	dir, conf := folder(b, askingNginx, p.addr, back)
	return p.start(b, exec.Command(path, "-p", dir, "-e", "stderr", "-c", conf))
}

const askingCaddy = `
{
	admin off
	auto_https off
	log {
		level ERROR
	}
}
https://ADDR, https://room.example:PORT {
	tls DIR/cert.pem DIR/key.pem
	forward_auth BACK {
		uri /auth
		copy_headers X-User
	}
	reverse_proxy BACK
}`

// caddy asks the program behind whether each request may pass.
func caddy(b *testing.B, back string) program {
	b.Helper()
	path := installed(b, "caddy", "apt-get install caddy")
	p := program{name: "caddy", addr: unused(b), cookie: sessionCookie, h2: true}
	_, port, _ := net.SplitHostPort(p.addr)
	dir, conf := folder(b, strings.ReplaceAll(askingCaddy, "PORT", port), p.addr, back)
	cmd := exec.Command(path, "run", "--adapter", "caddyfile", "--config", conf)
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	return p.start(b, cmd)
}

// oauth2Proxy keeps its session in a cookie, as it does by default; somebody
// signs in with a password.
func oauth2Proxy(b *testing.B, back string) program {
	b.Helper()
	path, err := filepath.Abs("../bin/oauth2-proxy")
	if err != nil {
		b.Fatal(err)
	}
	p := program{name: "oauth2-proxy", addr: unused(b)}
	dir, users := folder(b, "u:{SHA}5cicUp3MubQnFvTZEY1hB5yIPZ4=\n", p.addr, back) // bench
	if _, err := os.Stat(path); err != nil {
		b.Fatal("oauth2-proxy is missing: make bin/oauth2-proxy")
	}
	p = p.start(b, exec.Command(path, "--provider=github", "--client-id=x", "--client-secret=x", "--email-domain=*",
		"--cookie-secret=0123456789abcdef0123456789abcdef", "--http-address=", "--https-address="+p.addr,
		"--tls-cert-file="+dir+"/cert.pem", "--tls-key-file="+dir+"/key.pem", "--upstream=http://"+back,
		"--htpasswd-file="+users, "--request-logging=false", "--auth-logging=false", "--standard-logging=false"))
	c := &http.Client{Transport: p.transport(false), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer c.CloseIdleConnections()
	res, err := c.PostForm("https://room.example/oauth2/sign_in", url.Values{"username": {"u"}, "password": {"bench"}})
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	for _, k := range res.Cookies() {
		if k.Name == "_oauth2_proxy" {
			p.cookie = k.Name + "=" + k.Value
			return p
		}
	}
	b.Fatalf("oauth2-proxy does not sign in: %s", res.Status)
	return p
}

// transport reaches p and nothing else.
func (p program) transport(two bool) *http.Transport {
	return &http.Transport{
		DialContext:     p.dial,
		TLSClientConfig: &tls.Config{RootCAs: authority().pool, ServerName: "room.example", MinVersion: tls.VersionTLS13},
		// One connection, so that what is asked at once shares it.
		ForceAttemptHTTP2: two, MaxConnsPerHost: 1,
	}
}

const childRole, childBack = "VESTIBULE_BENCH_ROLE", "VESTIBULE_BENCH_BACK"

// ourselves starts this program in a role.
func ourselves(b *testing.B, name, back string) program {
	b.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^TestServeBenchmark$")
	dir, _ := folder(b, "", "", "")
	cmd.Env = append(os.Environ(), childRole+"="+name, childBack+"="+back, "VESTIBULE_BENCH_DIR="+dir)
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	cmd.ExtraFiles = []*os.File{w}
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = b.Output()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	_ = w.Close()
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	p := program{name: name, pid: cmd.Process.Pid, h2: true}
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		b.Fatalf("%s does not start: %v", name, err)
	}
	var pass string
	p.addr, pass, _ = strings.Cut(strings.TrimSpace(line), " ")
	p.cookie = "__Host-room=" + pass
	return p
}

// TestServeBenchmark is the other process of BenchmarkPage.
func TestServeBenchmark(t *testing.T) {
	role := os.Getenv(childRole)
	if role == "" {
		return // only where the benchmark starts it
	}
	cert, err := tls.LoadX509KeyPair(os.Getenv("VESTIBULE_BENCH_DIR")+"/cert.pem", os.Getenv("VESTIBULE_BENCH_DIR")+"/key.pem")
	if err != nil {
		t.Fatal(err)
	}
	addr, pass := serveRole(t, role, os.Getenv(childBack), cert)
	_, _ = fmt.Fprintln(os.NewFile(3, "report"), addr, pass)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

func serveRole(t *testing.T, role, back string, cert tls.Certificate) (addr, pass string) {
	t.Helper()
	// As many idle connections as there are requests at once, for both.
	tr := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(tr.CloseIdleConnections)
	if role == "door" {
		h := newBenchHouseWith(t, 1, behind{backed{newEcho(t, nil)}, &recorder{addr: back, tr: tr}})
		return serveDoor(t, h.Handler(), cert), h.pass
	}
	up := &url.URL{Scheme: "http", Host: back}
	bare := &httputil.ReverseProxy{Transport: tr, Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(up) }}
	if role == "pooled" {
		bare.BufferPool = gateway.Buffers()
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{
		Handler: bare, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, ReadHeaderTimeout: time.Minute,
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.ServeTLS(ln, "", "") }()
	t.Cleanup(func() { _ = srv.Close(); <-done })
	return ln.Addr().String(), "x"
}

// kilobyte is the backend of every program, and says who may pass where it is
// asked.
func kilobyte(b *testing.B) string {
	b.Helper()
	page := []byte(strings.Repeat("x", 1024))
	srv := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/auth" {
			if r.Header.Get("Cookie") != sessionCookie {
				w.WriteHeader(http.StatusUnauthorized)
			}
			w.Header().Set("X-User", "somebody")
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		if r.Header.Get("Vestibule-Assertion") != "" {
			w.Header().Set("X-Asserted", "1")
		}
		_, _ = w.Write(page)
	})}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(ln) }()
	b.Cleanup(func() { _ = srv.Close(); <-done })
	return ln.Addr().String()
}
