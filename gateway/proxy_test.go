package gateway_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"vestibule/conference"
	"vestibule/conference/livekit"
)

// echo is a conference server and its backend that let everything below /app
// pass as it comes: what is then missing, the gateway itself took away.
type echo struct {
	*httptest.Server
	answer http.HandlerFunc // instead of nothing
	mu     sync.Mutex
	got    []*http.Request // guarded by mu
}

func newEcho(t testing.TB, answer http.HandlerFunc) *echo {
	t.Helper()
	e := &echo{answer: answer}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		c := r.Clone(context.WithoutCancel(r.Context()))
		c.Trailer = r.Trailer.Clone()
		e.mu.Lock()
		e.got = append(e.got, c)
		e.mu.Unlock()
		if e.answer != nil {
			e.answer(w, r)
		}
	}))
	t.Cleanup(e.Close)
	return e
}

func (e *echo) last() *http.Request {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.got) == 0 {
		return nil
	}
	return e.got[len(e.got)-1]
}

// The methods of conference.Backend.
func (*echo) Open(context.Context, string) error                     { return nil }
func (*echo) Remove(context.Context, string, string) error           { return nil }
func (*echo) Participants(context.Context, string) ([]string, error) { return nil, nil }
func (*echo) Rename(context.Context, string, string, string) error   { return nil }
func (*echo) Mute(context.Context, string, string) error             { return nil }
func (*echo) Capabilities() conference.Capabilities                  { return conference.Capabilities{} }
func (*echo) Scrub(*http.Response)                                   {}

func (e *echo) Upstream() *url.URL {
	u, err := url.Parse(e.URL)
	if err != nil {
		panic(err)
	}
	return u
}

func (e *echo) Transport() http.RoundTripper { return e.Client().Transport }

func (*echo) Allow(_, path string, upgrade bool) conference.Kind {
	switch {
	case !strings.HasPrefix(path, "/app"):
		return conference.Refuse
	case upgrade:
		return conference.Signal
	}
	return conference.Page
}

func (*echo) Prepare(out *http.Request, g conference.Grants) error {
	out.Header.Set("Authorization", "Bearer "+g.Admission)
	return nil
}

func (*echo) Wrap(b io.ReadWriteCloser, _ conference.Grants, _ func() conference.Relay, _ *http.Response) io.ReadWriteCloser {
	return b
}

// backed is echo as a Backend: Close of the server and of a room differ.
type backed struct{ *echo }

func (backed) Close(context.Context, string) error { return nil }

// echoing opens a house in front of an echo, with its host inside.
func echoing(t *testing.T, answer http.HandlerFunc) (*echo, *site, *visitor, string) {
	t.Helper()
	e := newEcho(t, answer)
	s := openWith(t, setup{backend: backed{e}})
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	h.want(h.post(m.path("/enter"), nil), http.StatusOK, "the way in")
	h.redeems()
	return e, s, h, m.snapshot().Admissions[0].ID
}

// TestT26BackendCannotWeakenTheRoom lets the conference server say what would
// open the room's origin to others.
func TestT26BackendCannotWeakenTheRoom(t *testing.T) {
	t.Parallel()
	_, _, h, _ := echoing(t, func(w http.ResponseWriter, _ *http.Request) {
		bad := map[string]string{
			"Content-Security-Policy": "default-src *", "X-Frame-Options": "ALLOWALL", "Referrer-Policy": "unsafe-url", "Permissions-Policy": "camera=*",
			"Strict-Transport-Security": "max-age=0", "Cross-Origin-Opener-Policy": "unsafe-none", "Access-Control-Allow-Origin": "*", "Access-Control-Allow-Credentials": "true",
			"Set-Cookie": "a=b; Domain=example", "Server": "livekit", "Alt-Svc": `h3="evil.example:443"`, "Service-Worker-Allowed": "/", "Clear-Site-Data": `"*"`, "Refresh": "0; url=https://evil.example",
		}
		for k, v := range bad {
			w.Header().Set(k, v)
		}
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusOK)
	})
	a := h.want(h.get(roomOrigin+"/app/x"), http.StatusOK, "a page") // the checks at the end look at it
	for _, name := range []string{"Set-Cookie", "Alt-Svc", "Service-Worker-Allowed", "Clear-Site-Data", "Refresh", "Server"} {
		if got := a.header[name]; got != nil {
			t.Errorf("the browser is told %s: %q", name, got)
		}
	}
	for _, e := range []string{"Content-Security-Policy", "Permissions-Policy", "Strict-Transport-Security", "Referrer-Policy"} {
		if got := a.header[e]; len(got) != 1 || strings.Contains(got[0], "*") || strings.Contains(got[0], "unsafe") {
			t.Errorf("%s = %q, want ours alone", e, got)
		}
	}
}

// astray is a conference server that leads everybody elsewhere, with a note of
// every address that the door's own connections go to.
type astray struct {
	backed
	mu    sync.Mutex
	calls []string // guarded by mu
	tr    *http.Transport
}

func (a *astray) Transport() http.RoundTripper { return a.tr }

func (a *astray) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	a.mu.Lock()
	a.calls = append(a.calls, addr)
	a.mu.Unlock()
	var d net.Dialer
	return d.DialContext(ctx, network, addr)
}

// TestT33RedirectsAreNotFollowed has the conference server lead elsewhere, and
// visitors ask for other servers than the one behind.
func TestT33RedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	var hits atomic.Int64
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(canary.Close)
	var to atomic.Value
	e := &astray{backed: backed{newEcho(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, to.Load().(string), http.StatusFound)
	})}}
	e.tr = &http.Transport{DialContext: e.dial}
	s := openWith(t, setup{backend: e})
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	h.want(h.post(m.path("/enter"), nil), http.StatusOK, "the way in")
	h.redeems()
	for _, l := range []string{canary.URL, "http://169.254.169.254/latest/meta-data/", canary.URL + "/x", "//" + strings.TrimPrefix(canary.URL, "http://"), "gopher://169.254.169.254/", "file:///etc/passwd"} {
		to.Store(l)
		res, err := h.c.Do(h.request(http.MethodGet, roomOrigin+"/app/x", nil)) // not recorded: it leads elsewhere
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusFound && res.StatusCode != http.StatusBadGateway {
			t.Errorf("a redirect to %s = %d, want 302 or 502", l, res.StatusCode)
		}
	}
	cookie := "Cookie: __Host-room=" + h.cookie(roomOrigin, "__Host-room") + "\r\nX-Original-URL: " + canary.URL + "\r\nX-Forwarded-Host: 169.254.169.254\r\n"
	for _, target := range []string{canary.URL + "/app/x", "http://169.254.169.254/app/x", "//169.254.169.254/app/x", "/app/@169.254.169.254/", "/app/x?url=" + canary.URL} {
		s.raw(t, rawGet("room.example", target, cookie))
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("another server was asked %d times", n)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, addr := range e.calls {
		if addr != e.Upstream().Host {
			t.Errorf("the door called %s, want %s alone", addr, e.Upstream().Host)
		}
	}
}

// TestT33AnswersOfTheAPILeadNowhere has LiveKit's own API lead elsewhere.
func TestT33AnswersOfTheAPILeadNowhere(t *testing.T) {
	t.Parallel()
	var hits atomic.Int64
	canary := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { hits.Add(1) }))
	t.Cleanup(canary.Close)
	for _, code := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		front := httptest.NewServer(http.RedirectHandler(canary.URL, code))
		t.Cleanup(front.Close)
		b, err := livekit.New(livekit.Config{URL: front.URL, Key: "key", Secret: strings.Repeat("s", 32)})
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Open(t.Context(), "room"); err == nil {
			t.Errorf("%d is taken for an open room", code)
		}
		if _, err := b.Participants(t.Context(), "room"); err == nil {
			t.Errorf("%d is taken for a list of participants", code)
		}
		if tr, ok := b.Transport().(*http.Transport); ok {
			tr.CloseIdleConnections()
		}
	}
	if n := hits.Load(); n != 0 {
		t.Errorf("another server was asked %d times", n)
	}
}

// TestT30OnlyWebSocketsUpgrade asks to switch to anything else, as somebody
// who is inside.
func TestT30OnlyWebSocketsUpgrade(t *testing.T) {
	t.Parallel()
	e, s, h, _ := echoing(t, nil)
	cookie := "Cookie: __Host-room=" + h.cookie(roomOrigin, "__Host-room") + "\r\n"
	for _, up := range []string{
		"h2c", "TLS/1.0", "connect-udp", "websocket, h2c", "h2c, websocket", "websocket/13", "Websocket\t, x", "HTTP/2.0", "IRC/6.9", "web socket", "websocketx", "websocket\r\nUpgrade: h2c", "h2c\r\nUpgrade: websocket",
	} {
		for _, conn := range []string{"Upgrade", "Upgrade, HTTP2-Settings", "keep-alive, upgrade"} {
			a := s.raw(t, "GET /app/ws HTTP/1.1\r\nHost: room.example\r\nOrigin: "+roomOrigin+"\r\n"+cookie+"Connection: "+conn+"\r\nUpgrade: "+up+"\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
			if a.status != http.StatusBadRequest {
				t.Errorf("Upgrade: %q with Connection: %s = %d, want 400", up, conn, a.status)
			}
		}
	}
	for _, line := range []string{"CONNECT room.example:443", "CONNECT /app/ws", "CONNECT 169.254.169.254:80", "PRI *", "TRACE /app/x", "OPTIONS *"} {
		a := s.raw(t, line+" HTTP/1.1\r\nHost: room.example\r\n"+cookie+"Connection: close\r\n\r\n")
		if a.status != http.StatusBadRequest {
			t.Errorf("%s = %d, want 400", line, a.status)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.got {
		if r.Header.Get("Upgrade") != "" || r.Method == http.MethodConnect {
			t.Errorf("the conference server saw %s %s, Upgrade %q", r.Method, r.URL, r.Header.Get("Upgrade"))
		}
	}
}

// crooked are paths that some server reads as another one.
func crooked() []string {
	var all []string
	for _, base := range []string{"/rtc", "/rtc/v1", "/rtc/validate", "/rtc/v1/validate", "/twirp/livekit.RoomService/DeleteRoom"} {
		_, tail, _ := strings.Cut(base[1:], "/")
		all = append(
			all, base+"/", base+"//", "/"+base, "//"+base, base+"/.", base+"/..", base+"/./", base+"/../", "/."+base, "/.."+base, "/x/.."+base, "/x/%2e%2e"+base,
			"/%2e"+base, "/%2e%2e"+base, "/%2E%2E"+base, "/.%2e"+base, "/%252e%252e"+base, "/x%2f.."+base, "/x/..%2f"+base[1:], "/..;"+base, base+";", base+";x=1", "/;"+base, base+"%00", "/%00"+base, base+"%20", base+"%09", base+"%0a", base+"%0d%0a",
			base+"\\", "\\"+base[1:], strings.ReplaceAll(base, "/", "\\"), base+"%5c", "/x%5c..%5c"+base[1:], base+"%2f", strings.Replace(base, "r", "%72", 1), base+"%23", base+"%3f", base+"%3fx", base+"%ff", base+"\xff", base+"\xc0\xaf", "/\xc0\xae\xc0\xae"+base, base+"/%c0%ae%c0%ae",
			strings.ToUpper(base), strings.Replace(base, "t", "T", 1), base+"/"+tail+"x", base+".", base+"..", base+"%2e", base+"#", base+"#x", base+"\t", base+"~", base+"*", "/-/.."+base, "/-"+base, "/-/room/.."+base, "/-/assets/.."+base, "/-/assets/%2e%2e"+base,
			"http://room.example"+base+"/..", "https://room.example/x/.."+base, "https://room.example//"+base, "https://room.example"+base+"%2f", "room.example"+base, "*"+base, "x"+base, "?"+base, base[1:],
		)
	}
	return append(all, "*", "/*", "", "/%", "/%zz", "/%2", "/%u002e", "/../../etc/passwd", "//evil.example/rtc", "/%2e%2e/%2e%2e/x", "/．．/rtc", "/rtc\u2215v1", "/rtc／v1", "/\u200brtc", "/rtc\u200b")
}

// TestT27CrookedPaths sends them all as somebody inside, over raw TLS, with and
// without the wish for a web socket.
func TestT27CrookedPaths(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	h.opens(m)
	cookie := "Origin: " + roomOrigin + "\r\nCookie: __Host-room=" + h.cookie(roomOrigin, "__Host-room") + "\r\n"
	upgrade := "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
	rows := crooked()
	for _, p := range rows {
		for _, up := range []string{"Connection: close\r\n", upgrade} {
			before := len(s.fake.Requests())
			a := s.raw(t, "GET "+p+" HTTP/1.1\r\nHost: room.example\r\n"+cookie+up+"\r\n")
			if a.status < 300 || a.status < 400 && a.to() != "" && !strings.HasPrefix(a.to(), doorOrigin) {
				t.Errorf("GET %q = %d to %q, want a refusal", p, a.status, a.to())
			}
			if got := s.fake.Requests(); len(got) != before {
				t.Errorf("GET %q reached the conference server as %s", p, got[before].RequestURI)
			}
		}
	}
	if len(rows) < 120 {
		t.Errorf("%d rows", len(rows))
	}
	a := s.raw(t, "GET /rtc/validate HTTP/1.1\r\nHost: room.example\r\n"+cookie+"Connection: close\r\n\r\n")
	if a.status != http.StatusOK {
		t.Errorf("the straight path = %d, want 200", a.status)
	}
}
