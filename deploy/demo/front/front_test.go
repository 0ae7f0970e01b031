package front_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"vestibule/deploy/demo/ca"
	"vestibule/deploy/demo/front"
)

var names = []string{"door.localhost", "room.localhost"}

// TestT31ForeignHost asks for one house in the handshake and for another in
// the request.
func TestT31ForeignHost(t *testing.T) {
	h := open(t, nil)
	_, port, _ := net.SplitHostPort(h.addr.String())
	for _, c := range []struct {
		sni, host string
		want      int
	}{
		{"door.localhost", "door.localhost:" + port, 200},
		{"room.localhost", "room.localhost:" + port, 200},
		{"DOOR.localhost", "Door.Localhost:" + port, 200},
		{"door.localhost", "room.localhost:" + port, 421},
		{"door.localhost", "door.localhost", 421},
		{"door.localhost", "door.localhost:1", 421},
		{"door.localhost", "127.0.0.1:" + port, 421},
		{"door.localhost", "evil.example:" + port, 421},
		{"door.localhost", "door.localhost.:" + port, 421},
		{"door.localhost", "door.localhost.evil.example:" + port, 421},
		{"door.localhost", "", 421},
	} {
		answer := h.raw(t, c.sni, "GET / HTTP/1.1\r\nHost: "+c.host+"\r\nConnection: close\r\n\r\n")
		if want := fmt.Sprintf("HTTP/1.1 %d ", c.want); !strings.HasPrefix(answer, want) {
			t.Errorf("name %s, Host %s: %.40q, want %s", c.sni, c.host, answer, want)
		}
		if name, _, _ := strings.Cut(strings.ToLower(c.host), ":"); c.want == 200 && !strings.HasSuffix(answer, "house of "+name) {
			t.Errorf("Host %s reached another house: %q", c.host, answer)
		}
	}
	answer := h.raw(t, "door.localhost", "GET https://door.localhost:"+port+"/ HTTP/1.1\r\nHost: door.localhost:"+port+"\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(answer, "HTTP/1.1 400 ") {
		t.Errorf("a request in absolute form: %.40q, want 400", answer)
	}
}

// TestT29SameListenerAsTheProduct says what the product refuses below HTTP and
// below TLS.
func TestT29SameListenerAsTheProduct(t *testing.T) {
	h := open(t, nil)
	_, port, _ := net.SplitHostPort(h.addr.String())
	folded := h.raw(t, "door.localhost", "GET / HTTP/1.1\r\nHost: door.localhost:"+port+"\r\nX: a\r\n b\r\nConnection: close\r\n\r\n")
	if !strings.HasPrefix(folded, "HTTP/1.1 400 ") {
		t.Errorf("a folded line: %.40q, want 400", folded)
	}
	old := &tls.Config{ServerName: "door.localhost", RootCAs: h.ca.Pool(), MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}}
	if c, err := tls.Dial("tcp", h.addr.String(), old); err == nil {
		_ = c.Close()
		t.Error("a handshake with CBC succeeded")
	}
}

func TestHandshakeNeedsAName(t *testing.T) {
	h := open(t, nil)
	for _, sni := range []string{"", "evil.example"} {
		c, err := tls.Dial("tcp", h.addr.String(), &tls.Config{ServerName: sni, InsecureSkipVerify: true})
		if err == nil {
			_ = c.Close()
			t.Errorf("a handshake for %q succeeded", sni)
		}
	}
}

func TestClientReachesTheHousesOnly(t *testing.T) {
	h := open(t, nil)
	c := front.Client(h.addr, names, h.ca.Pool())
	defer c.CloseIdleConnections()
	res, err := c.Get(front.Origin("room.localhost", h.addr))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || string(b) != "house of room.localhost" || res.ProtoMajor != 2 {
		t.Errorf("got %q by HTTP/%d (%v), want the room's greeting by HTTP/2", b, res.ProtoMajor, err)
	}
	if _, err := c.Get("https://" + h.addr.String()); err == nil {
		t.Error("the client reached an address that is no house")
	}
}

// TestServeEndsInTime has a request that never ends by itself.
func TestServeEndsInTime(t *testing.T) {
	entered := make(chan struct{})
	h := open(t, func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	})
	c := front.Client(h.addr, names, h.ca.Pool())
	defer c.CloseIdleConnections()
	asked := make(chan error, 1)
	go func() {
		res, err := c.Get(front.Origin("door.localhost", h.addr))
		if err == nil {
			_ = res.Body.Close()
		}
		asked <- err
	}()
	<-entered
	h.close()
	select {
	case err := <-h.ended:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-time.After(30 * time.Second): // its farewell is one
		t.Fatal("Serve waits for a request that never ends by itself")
	}
	<-asked
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := front.New(front.Config{Houses: map[string]http.Handler{"Door:1": nil}, Farewell: -1})
	if err == nil {
		t.Fatal("New accepted it")
	}
	for _, want := range []string{"Door:1", "certificate", "farewell"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want %q named", err, want)
		}
	}
}

type opened struct {
	addr  net.Addr
	ca    *ca.Authority
	close context.CancelFunc
	ended chan error
}

// open serves both houses; door stands in for the door's own answer.
func open(t *testing.T, door http.HandlerFunc) opened {
	t.Helper()
	a, err := ca.New(ca.Config{Names: names})
	if err != nil {
		t.Fatal(err)
	}
	houses := map[string]http.Handler{}
	for _, n := range names {
		houses[n] = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "house of "+n) })
	}
	if door != nil {
		houses["door.localhost"] = door
	}
	f, err := front.New(front.Config{Houses: houses, Certificate: a.Certificate})
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	o := opened{addr: ln.Addr(), ca: a, close: cancel, ended: make(chan error, 1)}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		o.ended <- f.Serve(ctx, ln)
	}()
	t.Cleanup(func() { cancel(); <-finished })
	return o
}

func (o opened) raw(t *testing.T, sni, request string) string {
	t.Helper()
	c, err := tls.Dial("tcp", o.addr.String(), &tls.Config{ServerName: sni, RootCAs: o.ca.Pool()})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
