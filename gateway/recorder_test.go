package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// heard is a request as a conference server has parsed it.
type heard struct {
	Method, URL string
	Path        string   // as it understands it, resolved and decoded
	RawHeaders  []string // names and values in turn
	Body        string
}

// recorder is a conference server that keeps what it parsed, and where it can,
// the bytes themselves.
type recorder struct {
	addr string
	tr   *http.Transport // that reaches it
	mu   sync.Mutex
	got  []heard      // guarded by mu
	raw  bytes.Buffer // guarded by mu
}

func (r *recorder) add(h heard) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got = append(r.got, h)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.raw.Write(p)
}

// goRecorder reads requests off a socket one after the other.
func goRecorder(t *testing.T) *recorder {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{addr: ln.Addr().String(), tr: &http.Transport{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				in := bufio.NewReader(io.TeeReader(c, r))
				for {
					q, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					b, err := io.ReadAll(q.Body)
					if err != nil {
						return // broken off: no request
					}
					h := heard{Method: q.Method, URL: q.RequestURI, Path: path.Clean(q.URL.Path), Body: string(b)}
					for name, vs := range q.Header {
						for _, v := range vs {
							h.RawHeaders = append(h.RawHeaders, name, v)
						}
					}
					r.add(h)
					if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"); err != nil {
						return
					}
				}
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
	return r
}

// until waits for the last request and answers those before it.
func (r *recorder) until(t *testing.T, last string) []heard {
	t.Helper()
	var before []heard
	eventually(t, "the last request has come", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		n := len(r.got) - 1
		if n < 0 || r.got[n].URL != last {
			return false
		}
		before = r.got[:n:n]
		return true
	})
	return before
}

const nodeServer = `
const s = require('http').createServer((q, a) => {
  let b = ''; q.on('data', d => b += d); q.on('end', () => {
    let p = new URL(q.url, 'http://room.example').pathname; try { p = decodeURIComponent(p) } catch {}
    console.log(JSON.stringify({Method: q.method, URL: q.url, Path: p, RawHeaders: q.rawHeaders, Body: b})); a.end('ok') })
});
s.listen(0, '127.0.0.1', () => console.log(s.address().port));
process.stdin.on('end', () => process.exit()).resume();
`

// nodeRecorder is Node's own parser.
func nodeRecorder(t *testing.T) *recorder {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Fatal("node is missing: apt-get install nodejs")
	}
	cmd := exec.Command(node, "-e", nodeServer)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		t.Fatal("node does not listen")
	}
	r := &recorder{addr: "127.0.0.1:" + lines.Text(), tr: &http.Transport{}}
	var wg sync.WaitGroup
	wg.Go(func() { r.read(lines) })
	t.Cleanup(func() { _ = in.Close(); wg.Wait(); _ = cmd.Wait() })
	return r
}

// read takes down what a server says it heard, a line each.
func (r *recorder) read(lines *bufio.Scanner) {
	for lines.Scan() {
		var h heard
		if json.Unmarshal(lines.Bytes(), &h) == nil {
			r.add(h)
		}
	}
}

// nginxConf has nginx say what it makes of a request: $uri is the path it
// decides by, resolved and decoded.
const nginxConf = `
daemon off; master_process off; pid nginx.pid; error_log stderr crit;
events {}
http {
  client_body_temp_path b; proxy_temp_path p; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  log_format heard escape=json '{"Method":"$request_method","URL":"$request_uri","Path":"$uri"}';
  access_log /dev/stdout heard;
  server { listen unix:nginx.sock; location / { return 200 ok; } }
}`

// nginxRecorder is nginx, on a socket of its own folder.
func nginxRecorder(t *testing.T) *recorder {
	t.Helper()
	nginx, err := exec.LookPath("nginx")
	if err != nil {
		if nginx, err = exec.LookPath("/usr/sbin/nginx"); err != nil { // not in everybody's PATH
			t.Fatal("nginx is missing: apt-get install nginx-light")
		}
	}
	dir, err := os.MkdirTemp("", "nginx") // a short name: sockets have no room for a long one
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "nginx.sock")
	conf := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(conf, []byte(strings.Replace(nginxConf, "unix:nginx.sock", "unix:"+socket, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(nginx, "-p", dir, "-e", "stderr", "-c", conf)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := &recorder{addr: "nginx", tr: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	var wg sync.WaitGroup
	wg.Go(func() { r.read(bufio.NewScanner(out)) })
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		wg.Wait()
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	})
	eventually(t, "nginx listens", func() bool {
		c, err := net.Dial("unix", socket)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return r
}

// behind is a backed whose conference server is another.
type behind struct {
	backed
	rec *recorder
}

func (e behind) Upstream() *url.URL           { return &url.URL{Scheme: "http", Host: e.rec.addr} }
func (e behind) Transport() http.RoundTripper { return e.rec.tr }
