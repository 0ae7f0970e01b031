package gateway_test

import (
	"bufio"
	"crypto/tls"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// raw sends bytes over TLS and reads one answer, recorded like all others.
func (s *site) raw(t *testing.T, request string) answer {
	t.Helper()
	host := "door.example"
	if strings.Contains(request, "\r\nHost: room.example\r\n") {
		host = "room.example"
	}
	c := s.connectTo(t, host, "http/1.1")
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	return s.read(t, bufio.NewReader(c), request)
}

// connectTo opens a TLS connection to a name of the site.
func (s *site) connectTo(t *testing.T, host, proto string) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", s.addr, &tls.Config{
		RootCAs: authority().pool, ServerName: host, NextProtos: []string{proto}, MinVersion: tls.VersionTLS12,
		CurvePreferences: []tls.CurveID{tls.X25519}, ClientSessionCache: s.resumed, // a thousand handshakes a test
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return c
}

// read reads one answer to a raw request.
func (s *site) read(t *testing.T, b *bufio.Reader, request string) answer {
	t.Helper()
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(b, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%q: %v", head(request), err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%q: %v", head(request), err)
	}
	return answer{res.StatusCode, res.Header, string(body), res.Proto}
}

// heard records an answer to a raw request for the checks at the end, unless
// it is net/http's own 400, which is no page.
func (s *site) heard(origin, method, path string, a answer) {
	if unread(a) {
		return
	}
	s.seen.mu.Lock()
	defer s.seen.mu.Unlock()
	s.seen.said = append(s.seen.said, spoken{method, origin + path, a.proto, a.status, a.header})
}

// unread reports whether a request was refused before anybody looked at it.
func unread(a answer) bool {
	return a.status == http.StatusBadRequest && len(a.header) <= 3 && a.body == "400 Bad Request"
}

// rawGet is a raw GET.
func rawGet(host, target, more string) string {
	return "GET " + target + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n" + more + "\r\n"
}

// ways are the hosts that a page leads to, as a browser finds them: a backslash is
// a slash to it, and tabs are nothing.
func ways(t *testing.T, origin, body string) []string {
	t.Helper()
	base, err := url.Parse(origin + "/x/y")
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, m := range regexp.MustCompile(`(?:href|src|action)="([^"]*)"`).FindAllStringSubmatch(body, -1) {
		to, err := url.Parse(strings.NewReplacer(`\`, "/", "\t", "", "\n", "", "\r", "").Replace(html.UnescapeString(m[1])))
		if err == nil {
			all = append(all, base.ResolveReference(to).Host)
		}
	}
	return all
}

// elsewhere are ways to write an address that is not ours.
func elsewhere() []string {
	return []string{
		"https://evil.example", "http://evil.example", "//evil.example", "///evil.example", "////evil.example", `/\evil.example`, `\\evil.example`,
		`/\/evil.example`, "/%2fevil.example", "/%5cevil.example", "/%09/evil.example", "/%0d%0aLocation:%20https://evil.example", "https:evil.example",
		"https:/evil.example", "javascript:alert(1)", "data:text/html,x", "//evil.example/%2e%2e", "/..//evil.example", "/.//evil.example", "/x/..//evil.example",
		"//door.example@evil.example", "https://door.example@evil.example", "https://door.example.evil.example", "//evil.example?door.example", "//evil%00.example",
		"/%2e%2e//evil.example", "http:%2f%2fevil.example", "%2f%2fevil.example", "/i//evil.example", "/i/%2f%2fevil.example", "/a//evil.example", "/m//evil.example/..",
		"/static//evil.example", "/static/..//evil.example", "/oidc/callback//evil.example", "//evil.example:443/i/x", "/\u2215evil.example", "//\u3002evil.example",
	}
}

// manyElsewhere are further such addresses, made by rule: what a browser may take
// for slashes or overlook between them, before, around and behind a host that is
// not ours. The corpus of oauth2-proxy has 559 lines of this kind.
func manyElsewhere() []string {
	var all []string
	for _, lead := range []string{"", "/", "/x/..", "/.", "/%2e", "/i/", "/static/..", "http:", "https:", "%20", "/%09"} {
		for _, slashes := range []string{
			"//", "///", "////", `/\`, `\\`, `\/`, "/%5c", "%5c%5c", "/%2f", "%2f%2f", "/%09/", "/%0a/", "/%0d/", "/./", "/;/", "/%00/", "/\u2215", "/\uff0f",
		} {
			for _, host := range []string{"evil.example", "evil.example%2f@door.example", "door.example@evil.example", "evil.example#@door.example", "evil\u3002example"} {
				all = append(all, lead+slashes+host)
			}
		}
	}
	return all
}

// TestT19NoWayOut asks everywhere, in every way, to be sent elsewhere.
func TestT19NoWayOut(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	cookies := "Cookie: __Host-door=" + h.cookie(doorOrigin, "__Host-door") + "; __Host-room=x\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: http\r\nForwarded: host=evil.example\r\nX-Original-URL: //evil.example\r\nReferer: https://evil.example/\r\nSec-Fetch-Mode: navigate\r\n"
	names := []string{"return_to", "next", "redirect", "redirect_uri", "url", "rd", "to", "back", "state", "iss", "lang", "post_logout_redirect_uri", "RelayState"}
	n := 0
	few := elsewhere()
	lines := slices.Concat(few, manyElsewhere())
	if len(lines) < 600 {
		t.Errorf("there are %d lines, want more than those of oauth2-proxy", len(lines))
	}
	for i, e := range lines {
		if i%every != 0 {
			continue
		}
		all := url.Values{}
		for _, name := range names {
			all.Set(name, e)
		}
		for origin, host := range map[string]string{doorOrigin: "door.example", roomOrigin: "room.example"} {
			for _, target := range map[string][]string{
				doorOrigin: {e, "/?" + all.Encode(), "/oidc/callback/hospital?" + all.Encode(), m.links["Jane Doe"] + "/name?" + all.Encode()},
				roomOrigin: {e, "/-/room?" + all.Encode()},
			}[origin] {
				if strings.ContainsAny(target, " \r\n") {
					continue
				}
				if !strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "http") {
					target = "/" + target
				}
				ans := s.raw(t, rawGet(host, target, cookies))
				s.heard(origin, http.MethodGet, "/", ans)
				if strings.Contains(ans.to(), "evil") && !strings.HasPrefix(ans.to(), "/") {
					t.Errorf("GET %s at %s leads to %q", target, host, ans.to())
				}
				for _, to := range ways(t, origin, ans.body) {
					if strings.Contains(to, "evil") {
						t.Errorf("GET %s at %s shows a way to %s", target, host, to)
					}
				}
				n++
			}
		}
		if i >= len(few) {
			continue
		}
		form := url.Values{"provider": {"hospital"}, "ticket": {e}}
		for _, name := range names {
			form.Set(name, e)
		}
		g := s.visit()
		g.post("/signin", form)
		g.post("/signout", form)
		g.redeem(e)
		h.post(m.path("/lock"), form)
	}
	if n < 3600/every {
		t.Errorf("%d addresses were tried", n)
	}
}

// TestT20EveryAnswerIsProtected asks every route, and everything that goes
// wrong; the headers are looked at in the end.
func TestT20EveryAnswerIsProtected(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	g := s.visit()
	a := g.knock(m, "Jane Doe")
	h.opens(m)
	ids := map[string]string{"link": strings.TrimPrefix(m.links["Jane Doe"], "/i/"), "meeting": string(m.id), "admission": a, "provider": "hospital"}
	seen := map[int]bool{}
	for _, r := range routes(t) {
		if strings.HasSuffix(r.path, "/events") {
			continue // it would go on
		}
		for _, v := range []*visitor{s.visit(), h, g} {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodOptions, http.MethodDelete} {
				seen[v.send(v.request(method, r.fill(ids), nil)).status] = true
			}
		}
	}
	page := g.get("/").body
	for _, part := range strings.Split(page, `"`) {
		if strings.HasPrefix(part, "/static/") {
			g.want(g.get(part), http.StatusOK, part)
		}
	}
	long := strings.Repeat("x", 200<<10) // more than a form with a list
	seen[h.post("/meetings", url.Values{"title": {long}}).status] = true
	seen[h.post("/meetings", url.Values{"title": {""}}).status] = true
	for _, raw := range []string{
		rawGet("evil.example", "/", ""), rawGet("door.example", "/%", ""), rawGet("room.example", "/a/../b", ""), rawGet("door.example", "/x/../y", ""),
	} {
		ans := s.raw(t, raw)
		s.heard(doorOrigin, http.MethodGet, "/", ans)
		seen[ans.status] = true
	}
	s.valve.shut.Store(true)
	seen[h.get("/meetings").status] = true
	seen[h.get(roomOrigin+"/-/room").status] = true
	for _, want := range []int{200, 303, 400, 401, 403, 404, 413, 421, 422, 503} {
		if !seen[want] {
			t.Errorf("no answer had the status %d", want)
		}
	}
}

// TestT22T23NothingLiesAbout walks one of everything and makes sure that the
// checks at the end have something to look at.
func TestT22T23NothingLiesAbout(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	g := s.visit2()
	a := g.knock(m, "Jane Doe")
	h.opens(m)
	h.admits(m, a)
	g.enters(a)
	ws := g.joins()
	g.post("/i/"+strings.Repeat("A", 60)+"/verify", url.Values{"code": {"000000"}})
	h.expels(m, a)
	ws.ended(t)
	h.post("/signout", nil)
	_, secrets := s.seen.all()
	kinds := map[string]bool{}
	for _, x := range secrets {
		kinds[x.what] = true
	}
	for _, want := range []string{"code", "link", "ticket", "authorization code", "relay credential", "cookie __Host-door", "cookie __Host-room", "cookie __Host-signin", "cookie __Host-device"} {
		if !kinds[want] {
			t.Errorf("the run minted no %s", want)
		}
	}
	if len(s.fake.Requests()) == 0 || !s.log.has("expelled") {
		t.Error("the run asked the conference server nothing, or logged nothing")
	}
}

// TestT31ForeignHost asks for hosts that are not ours, by HTTP/1.1 and HTTP/2,
// whatever name the TLS connection was opened for.
func TestT31ForeignHost(t *testing.T) {
	t.Parallel()
	s := open(t)
	hosts := []string{
		"evil.example", "127.0.0.1", s.addr, "localhost", "door.example.evil.example", "door.example.", "door.example:444", "xdoor.example", "[::1]", "admin", "DOOR.EXAMPLE.evil.example",
	}
	for _, host := range hosts {
		for _, two := range []bool{false, true} {
			v := s.browser(t, two)
			r := v.request(http.MethodGet, doorOrigin+"/", nil)
			r.Host = host
			v.want(v.send(r), http.StatusMisdirectedRequest, "asking for "+host)
		}
		for _, target := range []string{"http://" + host + "/", "https://" + host + "/rtc"} {
			if a := s.raw(t, rawGet("door.example", target, "")); !unread(a) {
				t.Errorf("GET %s = %d, want 400 before anybody looks", target, a.status)
			}
		}
	}
	// Host and handshake of two origins, both ways, by both protocols.
	for sni, host := range map[string]string{"door.example": "room.example", "room.example": "door.example"} {
		c := s.connectTo(t, sni, "http/1.1")
		_, _ = io.WriteString(c, rawGet(host, "/", ""))
		if a := s.read(t, bufio.NewReader(c), "GET"); a.status != http.StatusMisdirectedRequest {
			t.Errorf("%s asked for on a connection to %s = %d, want 421", host, sni, a.status)
		}
		_ = c.Close()
		v := s.browser(t, true)
		r := v.request(http.MethodGet, "https://"+sni+"/", nil)
		r.Host = host
		v.want(v.send(r), http.StatusMisdirectedRequest, host+" on a connection to "+sni)
	}
	if got := s.raw(t, rawGet("DOOR.example", "/", "")).status; got != http.StatusOK {
		t.Errorf("our own name in capitals = %d, want 200", got)
	}
	if n := s.fake.Received(); n != 0 {
		t.Errorf("the conference server received %d bytes", n)
	}
}
