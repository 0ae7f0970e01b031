package house_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"vestibule/house"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// door is house.Serve on a guarded TLS listener, without a house behind it.
type door struct {
	addr  string
	roots *x509.CertPool
}

func serve(t *testing.T, l house.Limits, h http.Handler) *door {
	t.Helper()
	cert, roots := certificate(t)
	d := &door{roots: roots}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d.addr = ln.Addr().String()
	ctx, cancel := stoppable(t)
	var wg sync.WaitGroup
	secure := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	wg.Go(func() {
		if err := house.Serve(ctx, l.Guard(ln), h, secure, time.Second, slog.New(slog.DiscardHandler)); err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return d
}

// stoppable is a context that outlives the test's, until it is stopped.
func stoppable(tb testing.TB) (context.Context, context.CancelFunc) {
	return context.WithCancel(context.WithoutCancel(tb.Context()))
}

// certificate is one for door.example, and who trusts it.
func certificate(tb testing.TB) (tls.Certificate, *x509.CertPool) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"door.example"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func (d *door) config(proto string) *tls.Config {
	return &tls.Config{RootCAs: d.roots, ServerName: "door.example", NextProtos: []string{proto}, MinVersion: tls.VersionTLS12}
}

func (d *door) dial(t *testing.T, proto string) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", d.addr, d.config(proto))
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// client is one honest browser.
func (d *door) client(t *testing.T) *http.Client {
	tr := &http.Transport{TLSClientConfig: d.config("h2"), ForceAttemptHTTP2: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", d.addr)
	}}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 10 * time.Second}
}

func hello() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) })
}

// TestT58OneSourceHoldsFewConnections opens more connections than one source
// may have, gives one back and opens another.
func TestT58OneSourceHoldsFewConnections(t *testing.T) {
	d := serve(t, house.Limits{PerSource: 5}, hello())
	var open []net.Conn
	for range 5 {
		open = append(open, d.dial(t, "http/1.1"))
	}
	refused := func() bool {
		c, err := tls.Dial("tcp", d.addr, d.config("http/1.1"))
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	}
	for range 50 {
		if !refused() {
			t.Error("a sixth connection was taken")
		}
	}
	_ = open[0].Close()
	for begun := time.Now(); refused(); {
		if time.Since(begun) > 5*time.Second {
			t.Fatal("a connection that has ended still counts")
		}
	}
	for _, c := range open[1:] {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		if b, err := io.ReadAll(c); err != nil || !bytes.Contains(b, []byte("200 OK")) {
			t.Errorf("a connection within the limit answers %q, %v", b, err)
		}
		_ = c.Close()
	}
	trusted := serve(t, house.Limits{PerSource: 1, Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}, hello())
	for range 10 {
		defer trusted.dial(t, "http/1.1").Close()
	}
}

// from is a listener whose connections come from wherever the test says.
type from struct {
	net.Listener
	who []string
}

type remote struct {
	net.Conn
	addr net.Addr
}

func (r remote) RemoteAddr() net.Addr { return r.addr }

func (f *from) Accept() (net.Conn, error) {
	if len(f.who) == 0 {
		return nil, net.ErrClosed
	}
	a := net.TCPAddrFromAddrPort(netip.MustParseAddrPort(f.who[0]))
	f.who = f.who[1:]
	c, other := net.Pipe()
	_ = other.Close()
	return remote{c, a}, nil
}

// TestT58OneHomeIsOneSource walks through the addresses that one has at home.
func TestT58OneHomeIsOneSource(t *testing.T) {
	ln := house.Limits{PerSource: 2, Trusted: []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")}}.Guard(&from{who: []string{
		"192.0.2.1:1", "192.0.2.1:2", "192.0.2.1:3", "[::ffff:192.0.2.1]:4", "192.0.2.2:1",
		"[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff::2]:1", "[2001:db8:0:1::3]:1", "[2001:db8:0:2::1]:1",
		"10.1.2.3:1", "10.1.2.3:2", "10.1.2.3:3", "[::ffff:10.1.2.3]:4",
	}})
	var got []string
	for {
		c, err := ln.Accept()
		if err != nil {
			break
		}
		got = append(got, c.RemoteAddr().String())
	}
	want := []string{"192.0.2.1:1", "192.0.2.1:2", "192.0.2.2:1", "[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff::2]:1", "[2001:db8:0:2::1]:1", "10.1.2.3:1", "10.1.2.3:2", "10.1.2.3:3", "10.1.2.3:4"}
	if !slices.Equal(got, want) {
		t.Errorf("taken %v\nwant %v", got, want)
	}
}

// block is the header block of a GET.
func block() []byte {
	var b bytes.Buffer
	e := hpack.NewEncoder(&b)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", "door.example"}, {":path", "/"}} {
		_ = e.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // into memory
	}
	return b.Bytes()
}

// flood writes frames for n streams and answers how many went out before the
// connection was closed.
func flood(c net.Conn, n int, frames func(*http2.Framer, uint32)) (sent int) {
	over := make(chan struct{})
	go func() { // takes what is answered, as long as there is something
		defer close(over)
		_, _ = io.Copy(io.Discard, c)
	}()
	defer func() { _ = c.Close(); <-over }()
	var out bytes.Buffer
	out.WriteString(http2.ClientPreface)
	f := http2.NewFramer(&out, nil)
	f.AllowIllegalWrites = true
	_ = f.WriteSettings() // into memory, as all of them
	for ; sent < n; sent++ {
		frames(f, uint32(2*sent+1))
		if out.Len() < 8<<10 && sent < n-1 {
			continue
		}
		if _, err := c.Write(out.Bytes()); err != nil {
			return sent
		}
		out.Reset()
	}
	<-over
	return sent
}

// TestT59RapidReset has four connections open and give up streams as fast as
// they can, and looks at an honest browser meanwhile. What the door lets pass is
// counted, not timed: how many streams an attacker can begin on a connection is
// what the allowances bound, on any machine.
func TestT59RapidReset(t *testing.T) {
	const n = 300_000
	head := block()
	open := func(f *http2.Framer, id uint32, last bool) {
		_ = f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head, EndStream: true, EndHeaders: last})
	}
	attacks := map[string]struct {
		burst, rate float64 // of streams on a connection
		frames      func(f *http2.Framer, id uint32)
	}{
		"reset": {100, 10, func(f *http2.Framer, id uint32) {
			open(f, id, true)
			_ = f.WriteRSTStream(id, http2.ErrCodeCancel)
		}},
		"made to reset": {1000, 100, func(f *http2.Framer, id uint32) { // CVE-2025-8671
			open(f, id, true)
			_ = f.WriteRawFrame(http2.FrameWindowUpdate, 0, id, []byte{0, 0, 0, 0})
		}},
		"answered": {1000, 100, func(f *http2.Framer, id uint32) { open(f, id, true) }},
		"continued": {0, 0, func(f *http2.Framer, id uint32) {
			if id == 1 {
				open(f, id, false)
			}
			_ = f.WriteContinuation(1, false, bytes.Repeat([]byte{0x40, 1, 'a', 1, 'b'}, 100))
		}},
	}
	for name, c := range attacks {
		t.Run(name, func(t *testing.T) {
			var begun atomic.Int64
			d := serve(t, house.Limits{}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Honest") == "" {
					begun.Add(1)
				}
				hello().ServeHTTP(w, r)
			}))
			good := d.client(t)
			started := time.Now()
			var wg sync.WaitGroup
			for range 4 {
				conn := d.dial(t, "h2")
				wg.Go(func() {
					sent := flood(conn, n, c.frames)
					t.Logf("cut after %d streams", sent)
					if sent == n {
						t.Errorf("all of %d streams were taken", n)
					}
				})
			}
			for range 200 {
				honest(t, good)
			}
			wg.Wait()
			// The bursts, and what a bucket fills up with while this lasts.
			most := 4 * int64(1+c.burst+c.rate*time.Since(started).Seconds())
			t.Logf("%d of their requests were begun, the door allows %d", begun.Load(), most)
			if begun.Load() > most {
				t.Errorf("%d requests of the attackers were begun, want %d at most", begun.Load(), most)
			}
		})
	}
}

// honest asks one thing as a browser does; c bounds how long that may take.
func honest(t *testing.T, c *http.Client) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://door.example/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Honest", "1")
	res, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

// TestT59SteadyStreams asks one after the other, as fast as the answers come,
// and then as a browser does.
func TestT59SteadyStreams(t *testing.T) {
	asked := func(l house.Limits) (n int) {
		d := serve(t, l, hello())
		var first net.Conn
		c := d.client(t)
		dial := c.Transport.(*http.Transport).DialContext
		c.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if first != nil {
				return nil, net.ErrClosed // a second one would begin anew
			}
			var err error
			first, err = dial(ctx, network, addr)
			return first, err
		}
		for ; n < 3000; n++ {
			res, err := c.Get("https://door.example/")
			if err != nil {
				return n
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
		}
		return n
	}
	if got := asked(house.Limits{}); got < 1000 || got == 3000 {
		t.Errorf("%d requests in a row were answered, want some more than 1000", got)
	}
	if got := asked(house.Limits{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}); got != 3000 {
		t.Errorf("a trusted proxy was cut after %d requests", got)
	}
}
