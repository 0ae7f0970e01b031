package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vestibule/conference"
	"vestibule/conference/livekit"
	"vestibule/house"
)

const (
	idleSockets = 1000
	switched    = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
	upgrading   = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)

// TestIdleClients is the other process of BenchmarkIdleSockets, so that the
// memory of browsers and of the conference server is not counted.
func TestIdleClients(t *testing.T) {
	if os.Getenv("IDLE_CLIENTS") == "" {
		return // only where the benchmark starts it
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() { // an echo, once the head is over
				b := bufio.NewReader(c)
				for line := ""; line != "\r\n"; {
					if line, err = b.ReadString('\n'); err != nil {
						return
					}
				}
				_, _ = io.WriteString(c, switched)
				_, _ = io.Copy(c, b)
			}()
		}
	}()
	out := os.NewFile(3, "report")
	fmt.Fprintln(out, ln.Addr())
	in := bufio.NewReader(os.Stdin)
	line, _ := in.ReadString('\n')
	addr, cookie, _ := strings.Cut(strings.TrimSpace(line), " ")
	var conns []*tls.Conn
	for range idleSockets {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, ServerName: "room.example", NextProtos: []string{"http/1.1"}})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "GET /app/ws HTTP/1.1\r\nHost: room.example\r\nOrigin: "+roomOrigin+"\r\n"+upgrading+"Cookie: __Host-room="+cookie+"\r\n\r\n")
		res, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			t.Fatal(res, err)
		}
		conns = append(conns, c)
	}
	fmt.Fprintln(out, "ready")
	if line, _ := in.ReadString('\n'); line == "echo\n" {
		buf := make([]byte, 100)
		var took []time.Duration
		for range 5 {
			for _, c := range conns {
				begun := time.Now()
				_, _ = c.Write(buf)
				if _, err := io.ReadFull(c, buf); err != nil {
					t.Fatal(err)
				}
				took = append(took, time.Since(begun))
			}
		}
		slices.Sort(took)
		fmt.Fprintln(out, took[len(took)/2].Microseconds(), took[len(took)*99/100].Microseconds())
		_, _ = in.ReadString('\n')
	}
	for _, c := range conns {
		_ = c.NetConn().Close()
	}
	_ = ln.Close()
}

// signalled is a behind whose web sockets are read as LiveKit's are.
type signalled struct {
	behind
	lk *livekit.Backend
}

func (s signalled) Wrap(b io.ReadWriteCloser, g conference.Grants, relay func() conference.Relay, res *http.Response) io.ReadWriteCloser {
	return s.lk.Wrap(b, g, relay, res)
}

// BenchmarkIdleSockets is what a silent web socket costs: through a plain
// httputil.ReverseProxy, nginx, the door, and the door with LiveKit's signalling
// read. KB are of the heap and the stacks in use, and of the
// resident set.
func BenchmarkIdleSockets(b *testing.B) {
	for _, name := range []string{"plain", "nginx", "door", "livekit"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				idle(b, name)
			}
		})
	}
}

func idle(b *testing.B, name string) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestIdleClients$")
	cmd.Env = append(os.Environ(), "IDLE_CLIENTS=1")
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.ExtraFiles, cmd.Stderr = []*os.File{w}, os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	_ = w.Close()
	report := bufio.NewScanner(r)
	next := func() string {
		if !report.Scan() {
			b.Fatal("the clients have gone")
		}
		return report.Text()
	}
	var addr, cookie string
	inUse := inUse
	if name == "nginx" {
		p := nginx(b, next())
		addr, cookie = p.addr, "x"
		inUse = func() (heap, rss int64) { rss = p.resident(b); return rss, rss }
	} else {
		addr, cookie = front(b, name, next())
	}
	heap, rss := inUse()
	_, _ = fmt.Fprintln(in, addr, cookie)
	next()
	heap2, rss2 := inUse()
	if name != "livekit" {
		_, _ = fmt.Fprintln(in, "echo")
		var p50, p99 float64
		if _, err := fmt.Sscan(next(), &p50, &p99); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(p50, "echo-p50-µs")
		b.ReportMetric(p99, "echo-p99-µs")
		again, _ := inUse()
		b.ReportMetric(float64(again-heap)/idleSockets/1024, "KB/socket-after")
	}
	b.ReportMetric(float64(heap2-heap)/idleSockets/1024, "KB/socket")
	b.ReportMetric(float64(rss2-rss)/idleSockets/1024, "KB-RSS/socket")
	_ = in.Close()
	_ = cmd.Wait()
	_ = r.Close()
}

// front is what stands in front of the conference server.
func front(b *testing.B, name, backend string) (addr, cookie string) {
	if name == "plain" {
		up := &url.URL{Scheme: "http", Host: backend}
		return serveFront(b, &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(up) }}), "x"
	}
	behind := behind{backed{newEcho(b, nil)}, &recorder{addr: backend, tr: &http.Transport{}}}
	var be conference.Backend = behind
	if name == "livekit" {
		lk, err := livekit.New(livekit.Config{URL: "http://" + backend, Key: "key", Secret: strings.Repeat("s", 32)})
		if err != nil {
			b.Fatal(err)
		}
		be = signalled{behind, lk}
	}
	h := newBenchHouseWith(b, 1, be)
	return serveFront(b, h.Handler()), h.pass
}

// serveFront serves many from one address, as a door that others stand in front of.
func serveFront(b *testing.B, h http.Handler) string {
	return serveDoor(b, h, authority().cert)
}

func serveDoor(b testing.TB, h http.Handler, cert tls.Certificate) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		_ = house.Serve(ctx, house.Limits{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}.Guard(ln), h,
			&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}, time.Second, slog.New(slog.DiscardHandler))
	})
	b.Cleanup(func() { cancel(); wg.Wait() })
	return ln.Addr().String()
}

// inUse answers the bytes of heap and stacks, and of the resident set.
func inUse() (heap, rss int64) {
	time.Sleep(200 * time.Millisecond) // let goroutines that are ending end
	runtime.GC()
	debug.FreeOSMemory() // and the stacks shrink
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var pages int64
	if s, err := os.ReadFile("/proc/self/statm"); err == nil {
		_, _ = fmt.Sscan(string(s), new(int64), &pages)
	}
	return int64(m.HeapAlloc + m.StackInuse), pages * int64(os.Getpagesize())
}
