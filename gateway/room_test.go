package gateway_test

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"vestibule/meeting"
)

// inside brings a guest into the room of a meeting that its host opened.
func (v *visitor) inside(m *held, name string) (*visitor, string) {
	v.t.Helper()
	g := v.s.visit()
	a := g.knock(m, name)
	v.admits(m, a)
	g.enters(a)
	return g, a
}

// TestT24SocketFromElsewhere opens the signalling from other origins, with the
// cookie of somebody inside.
func TestT24SocketFromElsewhere(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	h.opens(m)
	g, _ := h.inside(m, "Jane Doe")
	before := len(s.fake.Requests())
	for _, o := range [][]string{
		nil,
		{"null"},
		{"https://evil.example"},
		{doorOrigin},
		{"http://room.example"},
		{"https://room.example:444"},
		{"https://x.room.example"},
		{"https://room.example.evil.example"},
		{"https://evil.example", roomOrigin},
		{roomOrigin + "/"},
		{"https://room.example@evil.example"},
		{""},
		{"ROOM.EXAMPLE"},
	} {
		ws, status := g.dial(http.Header{"Origin": o})
		if ws != nil || status != http.StatusForbidden {
			t.Errorf("Origin %q: status %d, want 403", o, status)
		}
	}
	if got := len(s.fake.Requests()); got != before {
		t.Errorf("the conference server saw %d requests", got-before)
	}
	if ws := g.joins(); !ws.ping(t) {
		t.Error("the page's own socket does not answer")
	}
}

// stream is an open event stream.
type stream struct {
	status int
	cancel func()
	lines  chan string
	ended  chan struct{}
	last   time.Time // of the last byte; after ended
}

// listen opens an event stream.
func (v *visitor) listen(to string) *stream {
	v.t.Helper()
	ctx, cancel := context.WithCancel(v.t.Context())
	r := v.request(http.MethodGet, to, nil).WithContext(ctx)
	res, err := v.c.Do(r)
	if err != nil {
		cancel()
		v.t.Fatal(err)
	}
	v.s.seen.note(res)
	st := &stream{status: res.StatusCode, cancel: cancel, lines: make(chan string, 4096), ended: make(chan struct{})}
	go func() {
		defer close(st.ended)
		defer res.Body.Close()
		in := bufio.NewReader(res.Body)
		for {
			line, err := in.ReadString('\n')
			st.last = time.Now()
			if line != "" {
				st.lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	v.t.Cleanup(func() { cancel(); <-st.ended })
	return st
}

// until collects what a stream says until it says the words.
func (st *stream) until(t *testing.T, words string) string {
	t.Helper()
	var all strings.Builder
	after := time.After(10 * time.Second)
	for {
		select {
		case l := <-st.lines:
			all.WriteString(l)
			if strings.Contains(l, words) {
				return all.String()
			}
		case <-st.ended:
			for len(st.lines) > 0 {
				all.WriteString(<-st.lines)
			}
			if strings.Contains(all.String(), words) {
				return all.String()
			}
			t.Fatalf("the stream ended before it said %q: %s", words, all.String())
		case <-after:
			t.Fatalf("the stream does not say %q: %s", words, all.String())
		}
	}
}

// over waits for the end of a stream.
func (st *stream) over(t *testing.T) {
	t.Helper()
	select {
	case <-st.ended:
	case <-time.After(10 * time.Second):
		t.Error("a stream is still open after 10 s")
	}
}

// TestT25StreamTellsOnlyOnesOwn listens as a guest while others come and go.
func TestT25StreamTellsOnlyOnesOwn(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "Zacharias Quill")
	g := s.visit2()
	a := g.knock(m, "Jane Doe")
	mine := g.listen("/a/" + a + "/events")
	console := h.listen(m.path("/events"))
	z := s.visit()
	z.agent = "Mozilla/5.0 (iPhone) Safari/605"
	b := z.knock(m, "Zacharias Quill")
	console.until(t, "Zacharias Quill")
	h.opens(m)
	h.admits(m, b)
	z.enters(b)
	z.joins()
	h.admits(m, a)
	said := mine.until(t, `"state":"admitted"`)
	g.enters(a)
	g.joins()
	inside := g.listen(roomOrigin + "/-/events")
	h.expels(m, b)
	h.post(m.path("/lock"), nil)
	said += inside.until(t, `"locked":true`)
	z2 := z.get("/a/" + b)
	if !strings.Contains(z2.body, "removed") {
		t.Errorf("the expelled one reads %q", head(z2.body))
	}
	for _, x := range []string{"Zacharias", "Quill", "patient.example", b, "127.0.0.1", "iPhone", "Hugo", "Claire", "hospital.example", "dr-1"} {
		if strings.Contains(said, x) {
			t.Errorf("a guest's stream tells %q:\n%s", x, said)
		}
	}
	other := s.host(surgeon())
	for who, v := range map[string]*visitor{"another host": other, "a guest": g, "nobody": s.visit()} {
		st := v.listen(m.path("/events"))
		if st.status == http.StatusOK {
			t.Errorf("%s may listen at the console", who)
		}
		st.over(t)
	}
	for who, v := range map[string]*visitor{"another guest": z, "the host": h, "nobody": s.visit()} {
		if st := v.listen("/a/" + a + "/events"); st.status != http.StatusNotFound {
			t.Errorf("%s listens to a guest's stream: %d", who, st.status)
		}
	}
	if got := h.send(h.request(http.MethodHead, m.path("/events"), nil)).status; got == http.StatusOK {
		t.Error("HEAD holds a stream open")
	}
}

// roomPaths are what somebody who waits may try on the room's origin.
func roomPaths() []string {
	paths := []string{
		"/", "/rtc", "/rtc/v1", "/rtc/validate", "/rtc/v1/validate", "/-/room", "/-/pass", "/-/events", "/-/assets/", "/-/assets/x.js", "/-/enter", "/-/leave",
		"/whip/v1", "/agent", "/metrics", "/debug/pprof/", "/settings", "/.well-known/x", "/robots.txt", "/favicon.ico", "/socket.io/", "/ws", "/http-bind", "/xmpp-websocket",
	}
	for _, m := range []string{"CreateRoom", "DeleteRoom", "ListParticipants", "RemoveParticipant", "MutePublishedTrack", "UpdateParticipant", "SendData", "ListRooms"} {
		paths = append(paths, "/twirp/livekit.RoomService/"+m)
	}
	return paths
}

// TestT34WaitingReachesNothing crawls the room's origin as somebody who waits.
func TestT34WaitingReachesNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	g := s.visit()
	a := g.knock(m, "Jane Doe")
	guesses := []string{"", "x", a, strings.Repeat("A", 64), g.cookie(doorOrigin, "__Host-door"), g.cookie(doorOrigin, "__Host-device"), "door", strings.TrimPrefix(m.links["Jane Doe"], "/i/")}
	tries := 0
	for _, guess := range guesses {
		for _, path := range roomPaths() {
			for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodHead, http.MethodOptions} {
				for _, upgrade := range []bool{false, true} {
					r := g.request(method, roomOrigin+path+"?access_token=door&room=x", nil)
					r.Header.Set("Origin", roomOrigin)
					if guess != "" {
						for _, name := range []string{"__Host-room", "__Host-door", "__Host-device"} {
							r.AddCookie(&http.Cookie{Name: name, Value: guess})
						}
						r.Header.Set("Authorization", "Bearer "+guess)
					}
					if upgrade {
						r.Header.Set("Connection", "Upgrade")
						r.Header.Set("Upgrade", "websocket")
						r.Header.Set("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
						r.Header.Set("Sec-WebSocket-Version", "13")
					}
					tries++
					if ans := g.send(r); ans.status < 400 {
						t.Errorf("%s %s with %q = %d", method, path, head(guess), ans.status)
					}
				}
			}
		}
	}
	g.want(g.post("/a/"+a+"/enter", nil), http.StatusConflict, "entering while waiting")
	nav := g.get(roomOrigin + "/-/room")
	if nav.status != http.StatusSeeOther || nav.to() != doorOrigin+"/" {
		t.Errorf("a navigation to the room = %d to %q, want 303 to the door", nav.status, nav.to())
	}
	if n := s.fake.Received(); n != 0 {
		t.Errorf("the conference server received %d bytes after %d tries", n, tries)
	}
}

// one is everything a person inside one meeting holds.
type one struct {
	host, guest *visitor
	m           *held
	admission   string
	pass        string
	ticket      string // not spent
	link        string
}

// TestT35OnlyTheDiagonal has everybody bring what the others hold.
func TestT35OnlyTheDiagonal(t *testing.T) {
	t.Parallel()
	s := open(t)
	const n = 4
	var all []one
	for i := range n {
		who := doctor()
		who["sub"], who["sid"] = fmt.Sprint("host-", i), fmt.Sprint("sid-", i)
		h := s.host(who)
		m := h.meet(nil, "Jane Doe")
		h.opens(m)
		g, a := h.inside(m, "Jane Doe")
		pass := g.cookie(roomOrigin, "__Host-room")
		g.want(g.post("/a/"+a+"/enter", nil), http.StatusOK, "another ticket")
		all = append(all, one{h, g, m, a, pass, g.ticket, m.links["Jane Doe"]})
	}
	for i, x := range all {
		for j, y := range all {
			v := s.visit()
			v.plant(roomOrigin, "__Host-room", splice(x.pass, y.pass))
			ws, status := v.dial(nil)
			switch {
			case i == j && ws == nil:
				t.Errorf("%d: one's own pass = %d", i, status)
			case i == j:
				if got := ws.join.GetRoom().GetName(); got != x.m.snapshot().Meeting.Room {
					t.Errorf("%d is in another room", i)
				}
			case ws != nil:
				t.Errorf("the secret of %d opens the room of %d", j, i)
			}
			if i == j {
				continue
			}
			off := func(what string, a answer, want int) {
				t.Helper()
				if a.status != want {
					t.Errorf("%s of %d in the hands of %d = %d, want %d", what, i, j, a.status, want)
				}
			}
			off("spliced ticket", y.guest.redeem(splice(x.ticket, y.ticket)), http.StatusSeeOther)
			off("waiting room", y.guest.get("/a/"+x.admission), http.StatusNotFound)
			off("way in", y.guest.post("/a/"+x.admission+"/enter", nil), http.StatusNotFound)
			off("leaving", y.guest.post("/a/"+x.admission+"/leave", nil), http.StatusNotFound)
			off("name page", y.guest.get(x.link+"/name"), http.StatusSeeOther)
			off("knock", y.guest.post(x.link+"/knock", url.Values{"name": {"x"}, "consent": {"1"}}), http.StatusSeeOther)
			off("console", y.host.get(x.m.path("")), http.StatusNotFound)
			off("expelling", y.host.post(x.m.path("/expel"), url.Values{"admission": {x.admission}}), http.StatusNotFound)
			off("expelling from one's own", y.host.post(y.m.path("/expel"), url.Values{"admission": {x.admission}}), http.StatusNotFound)
			off("admitting", y.host.post(x.m.path("/answer"), url.Values{"admission": {x.admission}, "answer": {"admit"}}), http.StatusNotFound)
			off("entering", y.host.post(x.m.path("/enter"), nil), http.StatusNotFound)
		}
	}
	for i, x := range all {
		if got := x.m.state(x.admission); got != meeting.Admitted {
			t.Errorf("the guest of %d is %v in the end", i, got)
		}
		if got := len(x.m.snapshot().Admissions); got != 2 {
			t.Errorf("meeting %d has %d admissions, want its own two", i, got)
		}
	}
}

// splice puts the secret of one pass or ticket behind the ids of another.
func splice(ids, secret string) string {
	x, err := base64.RawURLEncoding.DecodeString(ids)
	if err != nil {
		panic(err)
	}
	y, err := base64.RawURLEncoding.DecodeString(secret)
	if err != nil {
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(append(x[:32:32], y[32:]...))
}

// TestT28RoomNames asks for another's room by every name.
func TestT28RoomNames(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	mine, theirs := h.meet(nil, "Jane Doe"), h.meet(nil, "John Roe")
	h.opens(theirs)
	h.opens(mine)
	g, a := h.inside(mine, "Jane Doe")
	room := theirs.snapshot().Meeting.Room
	own := mine.snapshot().Meeting.Room
	for _, name := range []string{room, strings.ToUpper(room), room + " ", "%2f" + room, "Ａ" + room, room + "\u0301", string(theirs.id), "../" + room} {
		address := strings.Replace(signalAddress(), "access_token=door", "access_token=door&room="+url.QueryEscape(name)+"&identity="+a, 1)
		conn, res, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{
			HTTPClient: g.plain, HTTPHeader: http.Header{"Origin": {roomOrigin}, "Room": {name}, "X-Room": {name}},
		})
		if err != nil {
			t.Fatalf("room=%q: %v %v", name, res, err)
		}
		if got := s.fake.Inside(room); slices.Contains(got, a) {
			t.Errorf("room=%q leads into another's room", name)
		}
		_ = conn.CloseNow()
	}
	eventually(t, "the guest is where they belong, or nowhere", func() bool { return !slices.Contains(s.fake.Inside(own), a) })
}
