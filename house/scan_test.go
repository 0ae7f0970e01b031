package house_test

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"vestibule/house"
)

const hostLine = "Host: door.example\r\n"

// straightRequests are whole requests as browsers and programs send them.
func straightRequests() map[string]string {
	return map[string]string{
		"a page":             "GET / HTTP/1.1\r\n" + hostLine + "Accept: text/html, */*;q=0.8\r\nX:\r\nCookie: a=b; c=\xc3\xa9\r\n\r\n",
		"HTTP/1.0":           "GET /x?y=%20 HTTP/1.0\r\n\r\n",
		"a form":             "POST /x HTTP/1.1\r\n" + hostLine + "Content-Length: 3\r\n\r\nabc",
		"no body":            "POST /x HTTP/1.1\r\n" + hostLine + "Content-Length: 0\r\n\r\n",
		"blanks":             "POST /x HTTP/1.1\r\n" + hostLine + "content-length: \t 3 \t\r\n\r\nabc",
		"chunks":             "POST /x HTTP/1.1\r\n" + hostLine + "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00A\r\n0123456789\r\n0\r\n\r\n",
		"a trailer":          "POST /x HTTP/1.1\r\n" + hostLine + "TRANSFER-ENCODING:Chunked \r\n\r\n0\r\nX-T: 1\r\n\r\n",
		"a body of anything": "POST /x HTTP/1.1\r\n" + hostLine + "Content-Length: 5\r\n\r\n\n\x00\r \n",
	}
}

// crookedRequests are such that two programs may read in two ways.
func crookedRequests() map[string]string {
	post := func(head, body string) string { return "POST /x HTTP/1.1\r\n" + hostLine + head + "\r\n" + body }
	te := "Transfer-Encoding: chunked\r\n"
	return map[string]string{
		"obs-fold by a blank":         post("X: a\r\n b\r\n", ""),
		"obs-fold by a tab":           post("X: a\r\n\tb\r\n", ""),
		"a fold before all":           "GET / HTTP/1.1\r\n X: y\r\n" + hostLine + "\r\n",
		"bare LF in a field":          post("X: a\nY: b\r\n", ""),
		"bare LF at the end":          "GET / HTTP/1.1\r\n" + hostLine + "\n",
		"bare LF in the request line": "GET / HTTP/1.1\n" + hostLine + "\r\n",
		"bare CR in a value":          post("X: a\rb\r\n", ""),
		"bare CR in a name":           post("X\ra: b\r\n", ""),
		"CR CR LF":                    post("X: a\r\r\n", ""),
		"NUL":                         post("X: a\x00b\r\n", ""),
		"DEL":                         post("X: a\x7fb\r\n", ""),
		"a blank before the colon":    post("X : a\r\n", ""),
		"no name":                     post(": a\r\n", ""),
		"no colon":                    post("X\r\n", ""),
		"TE and CL":                   post(te+"Content-Length: 3\r\n", "0\r\n\r\n"),
		"CL and TE":                   post("Content-Length: 3\r\n"+te, "0\r\n\r\n"),
		"TE twice":                    post(te+te, "0\r\n\r\n"),
		"TE of two":                   post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
		"TE identity":                 post("Transfer-Encoding: identity\r\n", ""),
		"TE empty":                    post("Transfer-Encoding: \r\n", ""),
		"TE cut":                      post("Transfer-Encoding: chunke\r\n", ""),
		"TE cut and padded":           post("Transfer-Encoding: chunk ed\r\n", ""),
		"TE in quotes":                post("Transfer-Encoding: \"chunked\"\r\n", ""),
		"TE with a parameter":         post("Transfer-Encoding: chunked;q=1\r\n", ""),
		"TE in HTTP/1.0":              "POST / HTTP/1.0\r\n" + hostLine + te + "\r\n0\r\n\r\n",
		"CL twice, the same":          post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"),
		"CL twice":                    post("Content-Length: 3\r\nContent-Length: 4\r\n", "abc"),
		"CL in a list":                post("Content-Length: 3, 3\r\n", "abc"),
		"CL with a sign":              post("Content-Length: +3\r\n", "abc"),
		"CL of two words":             post("Content-Length: 3 3\r\n", "abc"),
		"CL empty":                    post("Content-Length:\r\n", ""),
		"CL too large":                post("Content-Length: 18446744073709551619\r\n", "abc"),
		"no host":                     "GET / HTTP/1.1\r\n\r\n",
		"two hosts":                   post(hostLine, ""),
		"an absolute address":         "GET https://door.example/ HTTP/1.1\r\n" + hostLine + "\r\n",
		"another's address":           "GET http://evil.example/ HTTP/1.1\r\n" + hostLine + "\r\n",
		"a tunnel":                    "CONNECT evil.example:443 HTTP/1.1\r\n" + hostLine + "\r\n",
		"all of it":                   "OPTIONS * HTTP/1.1\r\n" + hostLine + "\r\n",
		"no target":                   "GET  HTTP/1.1\r\n" + hostLine + "\r\n",
		"a fragment":                  "GET /x?y#z HTTP/1.1\r\n" + hostLine + "\r\n",
		"a blank in the target":       "GET /a b HTTP/1.1\r\n" + hostLine + "\r\n",
		"a byte beyond ASCII":         "GET /\xc0\xaf HTTP/1.1\r\n" + hostLine + "\r\n",
		"a tab":                       "GET\t/ HTTP/1.1\r\n" + hostLine + "\r\n",
		"HTTP/0.9":                    "GET /\r\n",
		"HTTP/2.0":                    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"HTTP/1.2":                    "GET / HTTP/1.2\r\n" + hostLine + "\r\n",
		"http/1.1":                    "GET / http/1.1\r\n" + hostLine + "\r\n",
		"a blank behind":              "GET / HTTP/1.1 \r\n" + hostLine + "\r\n",
		"an empty line before":        "\r\nGET / HTTP/1.1\r\n" + hostLine + "\r\n",
		"an upgrade with a body":      "GET / HTTP/1.1\r\n" + hostLine + "Upgrade: websocket\r\nContent-Length: 3\r\n\r\nabc",
		"a chunk's extension":         post(te, "3;a=b\r\nabc\r\n0\r\n\r\n"),
		"the last chunk's extension":  post(te, "0;a\r\n\r\n"),
		"a chunk's blank":             post(te, "3 \r\nabc\r\n0\r\n\r\n"),
		"a chunk's LF":                post(te, "3\nabc\r\n0\r\n\r\n"),
		"a chunk too long":            post(te, "3\r\nabcd\r\n0\r\n\r\n"),
		"a chunk ended by LF":         post(te, "3\r\nabc\n0\r\n\r\n"),
		"a chunk of 0x":               post(te, "0x3\r\nabc\r\n0\r\n\r\n"),
		"a chunk beyond all":          post(te, "fffffffffffffffff\r\nabc"),
		"a chunk without size":        post(te, "\r\nabc\r\n"),
		"a folded trailer":            post(te, "0\r\nX: a\r\n b\r\n\r\n"),
		"a length in the trailer":     post(te, "0\r\nContent-Length: 3\r\n\r\n"),
		"a host in the trailer":       post(te, "0\r\nHost: evil.example\r\n\r\n"),
	}
}

// TestT29ScannerKnowsWhatIsStraight reads each in one piece and byte by byte,
// alone and behind others.
func TestT29ScannerKnowsWhatIsStraight(t *testing.T) {
	var before strings.Builder
	for _, size := range []int{1, 7, 4096} {
		for name, r := range straightRequests() {
			if n, err := house.Scan([]byte(r+r), size); err != nil || n != 2*len(r) {
				t.Errorf("%s twice, by %d bytes: %d of %d pass, %v", name, size, n, 2*len(r), err)
			}
			before.WriteString(r)
		}
		for name, r := range crookedRequests() {
			for _, first := range []string{"", before.String()} {
				n, err := house.Scan([]byte(first+r+"GET /smuggled HTTP/1.1\r\n"+hostLine+"\r\n"), size)
				if err == nil || n < len(first) || n >= len(first)+len(r) {
					t.Errorf("%s, by %d bytes: %d of %d pass, %v", name, size, n-len(first), len(r), err)
				}
			}
		}
	}
}

// FuzzScan checks that what passes is read by net/http with the same ends, and
// that it does not matter in which pieces it comes.
func FuzzScan(f *testing.F) {
	for _, all := range []map[string]string{straightRequests(), crookedRequests()} {
		for _, r := range all {
			f.Add([]byte(r), 3)
		}
	}
	f.Fuzz(func(t *testing.T, all []byte, size int) {
		if size < 1 || len(all) > 4<<10 {
			return
		}
		whole, fault := house.Scan(all, len(all)+1)
		pieces, again := house.Scan(all, size)
		if whole != pieces || (fault == nil) != (again == nil) {
			t.Fatalf("in one piece %d, %v; by %d bytes %d, %v", whole, fault, size, pieces, again)
		}
		// Whatever net/http takes for the end of a first request, the scanner
		// must take for the end too: it begins anew there.
		in := bufio.NewReader(bytes.NewReader(all[:whole]))
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if _, up := r.Header["Upgrade"]; up {
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		rest, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		end := whole - len(rest)
		n, err := house.Scan(all[end:], len(all)+1)
		if whole != end+n || (err == nil) != (fault == nil) {
			t.Errorf("net/http ends the request at %d of %q; from there %d pass, %v, of %d", end, all, n, err, whole)
		}
	})
}

// TestT29CrookedRequestsEndTheConnection sends each over TLS with another
// request behind: one answer, 400, and the end.
func TestT29CrookedRequestsEndTheConnection(t *testing.T) {
	var mu sync.Mutex
	served := map[string]bool{}
	d := serve(t, house.Limits{PerSource: 1000}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		defer mu.Unlock()
		served[r.URL.Path] = true
	}))
	for name, r := range crookedRequests() {
		c := d.dial(t, "http/1.1")
		_, _ = io.WriteString(c, r+"GET /smuggled HTTP/1.1\r\n"+hostLine+"\r\n")
		b, err := io.ReadAll(c)
		_ = c.Close()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%s: the connection goes on after %q", name, b)
		}
		inBody := strings.Contains(name, "chunk") || strings.Contains(name, "trailer")
		if !inBody && !bytes.HasPrefix(b, []byte("HTTP/1.1 400 ")) || bytes.Count(b, []byte("HTTP/1.1 ")) > 1 {
			t.Errorf("%s: answered %q, %v, want one 400", name, b, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if served["/smuggled"] || served["/a"] || served["/"] {
		t.Errorf("the handler saw %v", served)
	}
}

// TestT30AfterAnUpgradeNothingElse asks for an upgrade that is refused, and for
// one that is granted, each with more behind.
func TestT30AfterAnUpgradeNothingElse(t *testing.T) {
	d := serve(t, house.Limits{PerSource: 1000}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ws" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		c, b, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\n\r\n")
		_, _ = io.Copy(c, io.LimitReader(b, 8))
	}))
	ask := func(path, more string) string {
		t.Helper()
		c := d.dial(t, "http/1.1")
		defer c.Close()
		_, _ = io.WriteString(c, "GET "+path+" HTTP/1.1\r\n"+hostLine+"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n"+more)
		b, err := io.ReadAll(c)
		if err != nil && !errors.Is(err, io.EOF) {
			t.Logf("%s: %v", path, err)
		}
		return string(b)
	}
	if got, want := ask("/ws", "\x81\x82\x00\n\r\n\x00\x01"), "HTTP/1.1 101 Switching Protocols\r\n\r\n\x81\x82\x00\n\r\n\x00\x01"; got != want {
		t.Errorf("granted: %q, want %q", got, want)
	}
	if got := ask("/no", "GET /smuggled HTTP/1.1\r\n"+hostLine+"\r\n"); !strings.HasPrefix(got, "HTTP/1.1 403 ") || strings.Count(got, "HTTP/1.1") != 1 {
		t.Errorf("refused: %q, want one 403 and the end", got)
	}
}

// TestHandshakesHoldUpNobody opens connections that never greet, and looks at
// an honest one; closing waits for none of them.
func TestHandshakesHoldUpNobody(t *testing.T) {
	d := serve(t, house.Limits{PerSource: 1000}, hello())
	for range 50 {
		c, err := net.Dial("tcp", d.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	c := d.dial(t, "http/1.1")
	defer c.Close()
	_, _ = io.WriteString(c, "GET / HTTP/1.1\r\n"+hostLine+"Connection: close\r\n\r\n")
	if b, err := io.ReadAll(c); err != nil || !bytes.Contains(b, []byte("200 OK")) {
		t.Errorf("an honest connection answers %q, %v", b, err)
	}
	plain, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	_, _ = io.WriteString(plain, "GET / HTTP/1.1\r\n"+hostLine+"\r\n")
	if b, _ := io.ReadAll(plain); !bytes.Contains(b, []byte("400 Bad Request")) {
		t.Errorf("who does not speak TLS is told %q", b)
	}
}

// browserHead is what a browser says with each request.
const browserHead = "GET /rtc/validate?x=1 HTTP/1.1\r\nHost: room.example\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n" +
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: fr,fr-FR;q=0.8,en-US;q=0.5,en;q=0.3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n" +
	"Connection: keep-alive\r\nCookie: __Host-room=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nSec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: same-origin\r\nPriority: u=0, i\r\n\r\n"

// BenchmarkScan is what the scanner adds to one request.
func BenchmarkScan(b *testing.B) {
	all := []byte(browserHead)
	b.SetBytes(int64(len(all)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := house.Scan(all, len(all)); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStrict asks over one HTTP/1.1 connection of TLS, of net/http alone
// and of the door's listener.
func BenchmarkStrict(b *testing.B) {
	cert, roots := certificate(b)
	secure := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}
	for name, run := range map[string]func(net.Listener) (stop func()){
		"plain": func(ln net.Listener) func() {
			srv := &http.Server{Handler: hello(), TLSConfig: secure.Clone(), ReadHeaderTimeout: 5 * time.Second}
			go func() { _ = srv.ServeTLS(ln, "", "") }()
			return func() { _ = srv.Close() }
		},
		"door": func(ln net.Listener) func() {
			ctx, cancel := stoppable(b)
			var wg sync.WaitGroup
			wg.Go(func() {
				_ = house.Serve(ctx, house.Limits{}.Guard(ln), hello(), secure, time.Second, slog.New(slog.DiscardHandler))
			})
			return func() { cancel(); wg.Wait() }
		},
	} {
		b.Run(name, func(b *testing.B) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			stop := run(ln)
			defer stop()
			c, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{RootCAs: roots, ServerName: "door.example", NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS13})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			in := bufio.NewReader(c)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := io.WriteString(c, browserHead); err != nil {
					b.Fatal(err)
				}
				res, err := http.ReadResponse(in, nil)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
			}
		})
	}
}
