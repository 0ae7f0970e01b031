package gateway_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// sessionCookie is what the program behind lets pass where a proxy asks it.
const sessionCookie = "session=0123456789abcdef0123456789abcdef"

const (
	pageRounds   = 15
	pageRequests = 2000 // in a round
	pageClients  = 16   // at once
	pageShared   = 4    // of them on one connection of HTTP/2
)

// BenchmarkPage has each program answer 1 KB of the server behind it to
// somebody who may have it, over TLS, by turns, and reports the CPU of its
// process for each answer, and by that of a bare httputil.ReverseProxy, which
// checks nothing, in the same round: the median and the quartiles of the rounds.
// "pooled" is the bare one with a pool of buffers, which the door's has too.
// What a program asks of another (auth_request, forward_auth) is not counted.
func BenchmarkPage(b *testing.B) {
	back := kilobyte(b)
	programs := []program{
		ourselves(b, "bare", back), ourselves(b, "pooled", back), ourselves(b, "door", back),
		nginx(b, back), caddy(b, back), oauth2Proxy(b, back),
	}
	for _, two := range []bool{false, true} {
		var clients []*pages
		for _, p := range programs {
			if p.h2 || !two {
				clients = append(clients, p.open(b, two))
			}
		}
		used := make([][]float64, len(clients))
		for round := range pageRounds + 1 {
			for i := range clients {
				k := (i + round) % len(clients) // none is always the first
				if cost := clients[k].play(b); round > 0 {
					used[k] = append(used[k], cost) // the first is for warming up
				}
			}
		}
		for i, c := range clients {
			c.close()
			b.Run(fmt.Sprintf("%s/%s", map[bool]string{false: "h1", true: "h2"}[two], c.name), func(b *testing.B) {
				times := make([]float64, len(used[i]))
				for k, v := range used[i] {
					times[k] = v / used[0][k]
				}
				slices.Sort(times)
				b.ReportMetric(0, "ns/op")
				b.ReportMetric(middle(used[i]), "µs-CPU/answer")
				b.ReportMetric(middle(times), "x-bare")
				b.ReportMetric(times[len(times)/4], "x-bare-q1")
				b.ReportMetric(times[len(times)*3/4], "x-bare-q3")
			})
		}
	}
}

func middle(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// dial reaches p, whatever is asked for.
func (p program) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", p.addr)
}

// pages are open connections on which pages are asked for.
type pages struct {
	program
	ask   []func() error // one for each client
	close func()
}

// open connects the clients of p, and makes sure that it checks who asks.
func (p program) open(b *testing.B, two bool) *pages {
	b.Helper()
	s := &pages{program: p}
	var all []func()
	s.close = func() {
		for _, c := range all {
			c()
		}
	}
	if two {
		for range pageClients / pageShared {
			tr := p.transport(true)
			all = append(all, tr.CloseIdleConnections)
			for range pageShared {
				s.ask = append(s.ask, func() error { return p.ask2(tr) })
			}
		}
	} else {
		for range pageClients {
			c, err := tls.Dial("tcp", p.addr, &tls.Config{RootCAs: authority().pool, ServerName: "room.example", NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS13})
			if err != nil {
				b.Fatal(err)
			}
			all = append(all, func() { _ = c.Close() })
			in := bufio.NewReader(c)
			s.ask = append(s.ask, func() error { return p.ask1(c, in) })
		}
	}
	for _, ask := range s.ask {
		if err := ask(); err != nil {
			b.Fatalf("%s: %v", p.name, err)
		}
	}
	other := p
	other.cookie = "other=1"
	tr := p.transport(two)
	defer tr.CloseIdleConnections()
	if err := other.ask2(tr); (err == nil) != (p.name == "bare" || p.name == "pooled") {
		b.Fatalf("%s answers a stranger: %v", p.name, err)
	}
	return s
}

func (p program) ask1(c net.Conn, in *bufio.Reader) error {
	if _, err := io.WriteString(c, "GET /app/page HTTP/1.1\r\nHost: room.example\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\nAccept-Encoding: gzip\r\nAccept-Language: fr\r\nCookie: "+p.cookie+"\r\n\r\n"); err != nil {
		return err
	}
	res, err := http.ReadResponse(in, nil)
	return p.answered(res, err)
}

func (p program) ask2(tr *http.Transport) error {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://room.example/app/page", nil)
	if err != nil {
		return err
	}
	r.Header = http.Header{"User-Agent": {"Mozilla/5.0"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "Accept-Language": {"fr"}, "Cookie": {p.cookie}}
	res, err := tr.RoundTrip(r)
	return p.answered(res, err)
}

// answered takes an answer in. The door's has been asserted.
func (p program) answered(res *http.Response, err error) error {
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK || n != 1024 || (p.name == "door") != (res.Header.Get("X-Asserted") != "") {
		return fmt.Errorf("%s, %d bytes", res.Status, n)
	}
	return nil
}

// play has all clients ask, each when it was answered, and returns the CPU of
// one answer in microseconds.
func (s *pages) play(b *testing.B) float64 {
	b.Helper()
	before := s.cpu(b)
	var g errgroup.Group
	for _, ask := range s.ask {
		g.Go(func() error {
			for range pageRequests / pageClients {
				if err := ask(); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatalf("%s: %v", s.name, err)
	}
	// What comes after the last byte is part of it.
	time.Sleep(5 * time.Millisecond)
	return float64(s.cpu(b)-before) / 1e3 / pageRequests
}
