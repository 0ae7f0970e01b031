package house_test

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"vestibule/house"
)

func ranges(all ...string) []netip.Prefix {
	var list []netip.Prefix
	for _, a := range all {
		list = append(list, netip.MustParsePrefix(a))
	}
	return list
}

// TestT32OnlyListedProxiesSayWho names addresses in X-Forwarded-For, as peers
// that are listed and as peers that are not.
func TestT32OnlyListedProxiesSayWho(t *testing.T) {
	listed := house.Limits{Proxies: ranges("10.0.0.0/24", "2001:db8::1/128")}
	for _, c := range []struct {
		limits    house.Limits
		peer      string
		forwarded []string
		want      string
	}{
		{house.Limits{}, "192.0.2.1:5", []string{"6.6.6.6"}, "192.0.2.1:5"},
		{house.Limits{}, "127.0.0.1:5", []string{"6.6.6.6"}, "127.0.0.1:5"},
		{house.Limits{Trusted: ranges("192.0.2.0/24")}, "192.0.2.1:5", []string{"6.6.6.6"}, "192.0.2.1:5"},
		{listed, "192.0.2.1:5", []string{"6.6.6.6"}, "192.0.2.1:5"},
		{listed, "10.0.0.1:5", nil, "10.0.0.1:5"},
		{listed, "10.0.0.1:5", []string{"192.0.2.1"}, "192.0.2.1:0"},
		{listed, "[::ffff:10.0.0.1]:5", []string{"::ffff:192.0.2.1"}, "192.0.2.1:0"},
		{listed, "[2001:db8::1]:5", []string{"2001:db8:7::9"}, "[2001:db8:7::9]:0"},
		// What the visitor sent stands before what the proxy wrote.
		{listed, "10.0.0.1:5", []string{"6.6.6.6, 192.0.2.1"}, "192.0.2.1:0"},
		{listed, "10.0.0.1:5", []string{"6.6.6.6", "192.0.2.1"}, "192.0.2.1:0"},
		{listed, "10.0.0.1:5", []string{"10.0.0.2, 192.0.2.1"}, "192.0.2.1:0"},
		// Two proxies of ours, one behind the other.
		{listed, "10.0.0.1:5", []string{"6.6.6.6, 192.0.2.1, 10.0.0.2"}, "192.0.2.1:0"},
		{listed, "10.0.0.1:5", []string{"192.0.2.1 ,\t10.0.0.2"}, "192.0.2.1:0"},
		// Garbage vouches for nobody.
		{listed, "10.0.0.1:5", []string{"6.6.6.6, unknown"}, "10.0.0.1:5"},
		{listed, "10.0.0.1:5", []string{"6.6.6.6, _hidden, 10.0.0.2"}, "10.0.0.2:0"},
		{listed, "10.0.0.1:5", []string{"192.0.2.1\x00"}, "10.0.0.1:5"},
		{listed, "10.0.0.1:5", []string{""}, "10.0.0.1:5"},
		{listed, "10.0.0.1:5", []string{"192.0.2.1, "}, "10.0.0.1:5"},
		{listed, "pipe", []string{"192.0.2.1"}, "pipe"},
	} {
		if got := house.Origin(c.limits, c.peer, c.forwarded); got != c.want {
			t.Errorf("%s saying %q, proxies %v: %s, want %s", c.peer, c.forwarded, c.limits.Proxies, got, c.want)
		}
	}
}

// whoAsks answers the address that the door takes somebody for.
func whoAsks() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.RemoteAddr) })
}

// through dials as a load balancer does, with a PROXY header first.
func (d *door) through(t *testing.T, header string) (*tls.Conn, error) {
	t.Helper()
	c, err := net.Dial("tcp", d.addr)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(c, header) // else the handshake fails
	conn := tls.Client(c, d.config("http/1.1"))
	if err := conn.Handshake(); err != nil {
		_ = c.Close()
		return nil, err
	}
	return conn, nil
}

// TestT32BalancersSayWho counts connections that a load balancer brings for
// whom it names, and believes nobody else.
func TestT32BalancersSayWho(t *testing.T) {
	loopback := ranges("127.0.0.0/8")
	d := serve(t, house.Limits{PerSource: 3, Balancers: loopback}, whoAsks())
	ask := func(c *tls.Conn) string {
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: door.example\r\nX-Forwarded-For: 6.6.6.6\r\nConnection: close\r\n\r\n")
		b, _ := io.ReadAll(c)
		_, body, _ := strings.Cut(string(b), "\r\n\r\n")
		return body
	}
	version2 := "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c" + "\xc0\x00\x02\x09\x7f\x00\x00\x01\x12\x34\x01\xbb"
	for header, want := range map[string]string{
		"PROXY TCP4 192.0.2.7 127.0.0.1 4000 443\r\n":     "192.0.2.7:4000",
		"PROXY TCP6 2001:db8::7 2001:db8::1 4000 443\r\n": "[2001:db8::7]:4000",
		version2: "192.0.2.9:4660",
	} {
		c, err := d.through(t, header)
		if err != nil {
			t.Fatalf("%q: %v", header, err)
		}
		if got := ask(c); got != want {
			t.Errorf("%q comes from %s, want %s", header, got, want)
		}
		_ = c.Close()
	}
	for _, header := range []string{"", "PROXY TCP4 192.0.2.7\r\n", "GET / HTTP/1.1\r\n\r\n"} {
		if c, err := d.through(t, header); err == nil {
			_ = c.Close()
			t.Errorf("a balancer that says %q is taken", header)
		}
	}
	one, other := "PROXY TCP4 198.51.100.1 127.0.0.1 4000 443\r\n", "PROXY TCP4 198.51.100.2 127.0.0.1 4000 443\r\n"
	var open []*tls.Conn
	for range 3 {
		c, err := d.through(t, one)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		open = append(open, c)
	}
	if c, err := d.through(t, one); err == nil {
		_ = c.Close()
		t.Error("a fourth connection of one source is taken")
	}
	c, err := d.through(t, other)
	if err != nil {
		t.Fatalf("another source: %v", err)
	}
	_ = c.Close()
	_ = open[0].Close()
	for begun := time.Now(); ; {
		c, err := d.through(t, one)
		if err == nil {
			_ = c.Close()
			break
		}
		if time.Since(begun) > 10*time.Second {
			t.Fatal("a connection that has ended still counts")
		}
	}
	unlisted := serve(t, house.Limits{}, whoAsks())
	if c, err := unlisted.through(t, one); err == nil {
		_ = c.Close()
		t.Error("somebody who is no balancer says who they are")
	}
}

// TestT32ForwardedFromAProxy sends the header over a real connection.
func TestT32ForwardedFromAProxy(t *testing.T) {
	for want, l := range map[string]house.Limits{
		"192.0.2.1:0": {Proxies: ranges("127.0.0.1/32")},
		"127.0.0.1:":  {},
	} {
		d := serve(t, l, house.From(l, whoAsks()))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://door.example/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header["X-Forwarded-For"] = []string{"6.6.6.6", "192.0.2.1"}
		res, err := d.client(t).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if err != nil || !strings.HasPrefix(string(b), want) {
			t.Errorf("proxies %v: from %s, %v, want %s", l.Proxies, b, err, want)
		}
	}
}
