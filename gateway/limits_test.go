package gateway_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vestibule/gateway"
)

// TestT58SlowRequestsAreCut sends headers and bodies by drops.
func TestT58SlowRequestsAreCut(t *testing.T) {
	t.Parallel()
	s := open(t)
	gateway.Hurry(s.Gateway, 200*time.Millisecond)
	h := s.host(doctor())
	h.get("/meetings")
	form := "csrf=" + h.csrf + "&"
	post := func(path, more string) string {
		return "POST " + path + " HTTP/1.1\r\nHost: door.example\r\nOrigin: " + doorOrigin + "\r\nCookie: __Host-device=" + h.cookie(doorOrigin, "__Host-device") +
			"; __Host-door=" + h.cookie(doorOrigin, "__Host-door") + "\r\nContent-Type: application/x-www-form-urlencoded\r\n" + more + "\r\n"
	}
	cases := map[string]struct {
		begin string
		limit time.Duration
	}{
		"a form":                   {post("/meetings", "Content-Length: 5000\r\n") + form, 2 * time.Second},
		"a chunked form":           {post("/meetings", "Transfer-Encoding: chunked\r\n") + "5\r\nabcde\r\n", 2 * time.Second},
		"a body nobody reads":      {post("/nowhere", "Content-Length: 5000\r\n"), 2 * time.Second},
		"a body of a GET":          {strings.Replace(post("/", "Content-Length: 5000\r\n"), "POST", "GET", 1), 2 * time.Second},
		"a ticket":                 {strings.Replace(post("/-/enter", "Content-Length: 5000\r\n"), "Host: door", "Host: room", 1), 2 * time.Second},
		"a sign-out at a provider": {post("/oidc/backchannel", "Content-Length: 5000\r\n"), 2 * time.Second},
		"a header":                 {"GET / HTTP/1.1\r\nHost: door.example\r\nX", 8 * time.Second},
	}
	var wg sync.WaitGroup
	for name, c := range cases {
		wg.Go(func() {
			host := "door.example"
			if strings.Contains(c.begin, "Host: room") {
				host = "room.example"
			}
			conn := s.connectTo(t, host, "http/1.1")
			defer conn.Close()
			begun := time.Now()
			_, _ = io.WriteString(conn, c.begin)
			stop := make(chan struct{})
			var drip sync.WaitGroup
			drip.Go(func() {
				tick := time.NewTicker(50 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-stop:
						return
					case <-tick.C:
						if _, err := io.WriteString(conn, "a"); err != nil {
							return
						}
					}
				}
			})
			_, _ = io.Copy(io.Discard, conn) // until it is closed
			close(stop)
			drip.Wait()
			if took := time.Since(begun); took > c.limit {
				t.Errorf("%s by drops held the connection for %v", name, took)
			}
		})
	}
	wg.Wait()
	h.want(h.get("/meetings"), http.StatusOK, "an honest request afterwards")
}

// TestT58TurnedAwayAreTold connects more often than one source may: operators
// are told how often, in one line, and not who it was.
func TestT58TurnedAwayAreTold(t *testing.T) {
	t.Parallel()
	s := open(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	guarded := s.Guard(ln)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := guarded.Accept()
			if err != nil {
				return
			}
			defer c.Close()
		}
	})
	defer wg.Wait()
	defer ln.Close()
	for range 25 {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	var said string
	eventually(t, "five of 25 are counted as turned away", func() bool {
		w := httptest.NewRecorder()
		s.Ops("127.0.0.1:1").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "http://127.0.0.1:1/metrics", nil))
		said = w.Body.String()
		return strings.Contains(said, "\nvestibule_connections_turned_away_total 5\n")
	})
	var lines []string
	for l := range strings.Lines(s.log.String()) {
		if strings.Contains(l, "turned away") {
			lines = append(lines, l)
		}
	}
	if len(lines) != 1 || strings.Contains(lines[0], "127.0.0.1") || strings.Contains(said, "127.0.0.1") {
		t.Errorf("the log says %q", lines)
	}
}

// TestT60LargeRequestsAreRefused sends more than any page of the door does.
func TestT60LargeRequestsAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	for _, two := range []bool{false, true} {
		v := s.browser(t, two)
		for name, c := range map[string]struct {
			header, query int
			want          int
		}{
			"what browsers send": {8 << 10, 4 << 10, http.StatusOK}, "a large header": {24 << 10, 0, http.StatusRequestHeaderFieldsTooLarge}, "a large query": {0, 24 << 10, http.StatusRequestHeaderFieldsTooLarge},
		} {
			r := v.request(http.MethodGet, "/?x="+strings.Repeat("q", c.query), nil)
			r.Header.Set("X-Large", strings.Repeat("h", c.header))
			res, err := v.c.Do(r) // not recorded: 431 is net/http's own
			if err != nil {
				if !two || c.want == http.StatusOK {
					t.Errorf("%s, HTTP/2 %v: %v", name, two, err)
				}
				continue // HTTP/2 may reset the stream
			}
			_ = res.Body.Close()
			if res.StatusCode != c.want {
				t.Errorf("%s, HTTP/2 %v = %d, want %d", name, two, res.StatusCode, c.want)
			}
		}
		v.get("/")
		for _, path := range []string{"/signin", "/meetings", "/m/x/answer", "/i/x/verify", "/oidc/backchannel"} {
			a := v.post(path, url.Values{"x": {strings.Repeat("x", 65<<10)}})
			if path == "/oidc/backchannel" {
				v.want(a, http.StatusBadRequest, path)
				continue
			}
			v.want(a, http.StatusRequestEntityTooLarge, path)
			if !strings.Contains(a.body, "Something could not be read") {
				t.Errorf("POST %s: %s", path, head(a.body))
			}
		}
		if a := v.redeem(strings.Repeat("x", 70<<10)); a.status < 300 || a.header.Get("Set-Cookie") != "" {
			t.Errorf("a large ticket = %d", a.status)
		}
	}
}

// TestT60SizeTakesNoMemory sends the same requests twice: a little more than the
// door takes, and a thousand times that. What is allocated for them, in this
// whole process, is the same.
func TestT60SizeTakesNoMemory(t *testing.T) {
	const little, much = 80 << 10, 80 << 20
	s := open(t)
	h := s.host(doctor())
	h.get("/meetings")
	head := func(line, more string) string {
		return line + " HTTP/1.1\r\nHost: door.example\r\nOrigin: " + doorOrigin + "\r\n" + more
	}
	form := "Content-Type: application/x-www-form-urlencoded\r\nCookie: __Host-device=" + h.cookie(doorOrigin, "__Host-device") + "; __Host-door=" + h.cookie(doorOrigin, "__Host-door") + "\r\n"
	length := func(n int) string { return strconv.Itoa(n + len("csrf=&x=") + len(h.csrf)) }
	begin := "csrf=" + h.csrf + "&x="
	cases := map[string]struct {
		begin func(n int) string
		want  string
	}{
		"a header": {func(int) string { return head("GET /", "X-Large: ") }, "431"},
		"a cookie": {func(int) string { return head("GET /", "Cookie: __Host-door=") }, "431"},
		"a query":  {func(int) string { return "GET /?x=" }, "431"},
		"a form": {func(n int) string {
			return head("POST /meetings", form+"Content-Length: "+length(n)+"\r\n\r\n") + begin
		}, "413"},
		"a chunk": {func(n int) string {
			return head("POST /meetings", form+"Transfer-Encoding: chunked\r\n\r\n") + strconv.FormatInt(int64(n+len(begin)), 16) + "\r\n" + begin
		}, "413"},
		"a sign-in": {func(n int) string { return head("POST /signin", form+"Content-Length: "+length(n)+"\r\n\r\n") + begin }, "413"},
		"to nobody": {func(n int) string { return head("POST /nowhere", form+"Content-Length: "+length(n)+"\r\n\r\n") + begin }, "4"},
		"a sign-out": {func(n int) string {
			return head("POST /oidc/backchannel", form+"Content-Length: "+length(n)+"\r\n\r\n") + begin
		}, "4"},
	}
	for name, c := range cases {
		takes := func(n int) (total uint64) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if got := s.pours(t, c.begin(n), n); got != "" && !strings.HasPrefix(got, "HTTP/1.1 "+c.want) {
				t.Errorf("%s of %d KB = %q, want %s", name, n>>10, got, c.want)
			}
			runtime.ReadMemStats(&after)
			return after.TotalAlloc - before.TotalAlloc
		}
		takes(little) // what is made once
		one, other := takes(little), takes(much)
		t.Logf("%s: %d KB, %d KB", name, one>>10, other>>10)
		if other > one+much/10 {
			t.Errorf("%s takes %d KB, one of a thousand times the size %d KB", name, one>>10, other>>10)
		}
	}
	h.want(h.get("/meetings"), http.StatusOK, "an honest request afterwards")
}

// pours sends the beginning of a request and then n bytes, as long as they are
// taken, and answers the first line of what comes back; none where the
// connection was reset before it could be read.
func (s *site) pours(t *testing.T, begin string, n int) string {
	t.Helper()
	conn := s.connectTo(t, "door.example", "http/1.1")
	defer conn.Close()
	answered := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(conn).ReadString('\n')
		answered <- strings.TrimSpace(line)
	}()
	_, err := io.WriteString(conn, begin)
	for drops := []byte(strings.Repeat("x", 16<<10)); err == nil && n > 0; n -= len(drops) {
		_, err = conn.Write(drops)
	}
	if err != nil {
		_ = conn.SetReadDeadline(time.Now().Add(time.Second)) // what has come is read all the same
	}
	return <-answered
}

// TestT61StreamsAreFew opens more streams than one reader has use for, then
// goes without a word.
func TestT61StreamsAreFew(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "John Roe")
	g, other := s.visit(), s.visit2()
	a, b := g.knock(m, "Jane Doe"), other.knock(m, "John Roe")
	var open []*stream
	for i := range 9 {
		st := g.listen("/a/" + a + "/events")
		if want := map[bool]int{true: http.StatusOK, false: http.StatusTooManyRequests}[i < 6]; st.status != want {
			t.Errorf("stream %d of one guest = %d, want %d", i+1, st.status, want)
		}
		open = append(open, st)
	}
	mine := other.listen("/a/" + b + "/events")
	mine.until(t, `"state":"waiting"`)
	if got := s.Gateway.Streams(); got != 7 {
		t.Errorf("Streams() = %d, want 7", got)
	}
	g.c.CloseIdleConnections()
	for _, st := range open {
		st.cancel()
	}
	eventually(t, "the abandoned streams are gone", func() bool { return s.Gateway.Streams() == 1 })
	again := g.listen("/a/" + a + "/events")
	again.until(t, `"state":"waiting"`)
}

// TestT61SlowStoreHoldsUpNobodyElse opens streams of many meetings while the
// store is slow: they wait for it together, not one after the other.
func TestT61SlowStoreHoldsUpNobodyElse(t *testing.T) {
	s := open(t)
	h := s.host(doctor())
	const n = 20
	var all []*held
	for range n {
		all = append(all, h.meet(nil, "Jane Doe"))
	}
	alone := h.meet(nil, "Jane Doe")
	s.valve.delay.Store(int64(100 * time.Millisecond))
	defer s.valve.delay.Store(0)
	begun := time.Now()
	h.listen(alone.path("/events")).until(t, "event: console")
	one := time.Since(begun)
	begun = time.Now()
	var wg sync.WaitGroup
	for _, m := range all {
		wg.Go(func() { h.listen(m.path("/events")).until(t, "event: console") })
	}
	wg.Wait()
	if took := time.Since(begun); took > n/2*one {
		t.Errorf("%d streams took %v to open, one alone %v", n, took, one)
	}
}

// TestT68OneLineEach puts what breaks lines into everything a stranger may say;
// the log is read at the end.
func TestT68OneLineEach(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	evil := "x\r\n{\"level\":\"ERROR\",\"msg\":\"forged\"}\r\n\x1b[31m\u2028\u2029\u0085\x00\u202e"
	m := h.meet(url.Values{"title": {"T" + evil}}, "Jane Doe")
	g := s.visit()
	g.agent = "Firefox/1.0 \u2028 \u202e Linux"
	g.prove(m, "Jane Doe")
	a := g.knockAs(m, "Jane Doe", "N"+evil)
	h.opens(m)
	fields := []string{"title", "date", "start", "zone", "lang", "invitees", "cohosts", "provider", "code", "name", "admission", "invitation", "answer", "attempt", "logout_token", "ticket"}
	form := url.Values{"consent": {"1"}, "duration": {"30"}}
	for _, f := range fields {
		form[f] = []string{evil}
	}
	ids := map[string]string{"link": url.PathEscape(evil), "meeting": url.PathEscape(evil), "admission": url.PathEscape(evil), "provider": url.PathEscape(evil)}
	for _, r := range routes(t) {
		v := s.visit()
		if strings.HasPrefix(r.path, "/m") {
			v = h
		}
		v.get("/")
		v.csrf = h.csrf
		f := url.Values{}
		for k, x := range form {
			f[k] = x
		}
		f.Del("attempt")
		v.post(r.fill(ids), f)
		v.send(v.request(http.MethodGet, r.fill(ids)+"?"+form.Encode(), nil))
	}
	h.admits(m, a)
	g.enters(a)
	ws, _ := g.dial(http.Header{"X-Name": {"\u2028"}, "Sec-WebSocket-Protocol": {"a\u2028b"}})
	if ws != nil {
		h.expels(m, a)
	}
	s.raw(t, rawGet("room.example", "/\xe2\x80\xa8\x1b[31m", "Cookie: __Host-room=\x1b\xe2\x80\xa8\r\n"))
	if s.log.has(`"msg":"forged"`) || s.log.has("[31m") {
		t.Error("a stranger wrote into the log")
	}
	if adm, _ := m.snapshot().Admission(a); strings.ContainsAny(adm.Name, "\r\n\x1b\u2028\u2029\u0085\x00\u202e") {
		t.Errorf("the name is kept as %q", adm.Name)
	}
	if got := strings.Count(s.log.String(), "\n"); got < 30 {
		t.Errorf("only %d lines were logged", got)
	}
}
