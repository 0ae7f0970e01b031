package gateway_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"vestibule/auth/authtest"
	"vestibule/meeting"
)

// took are how long things took, to be told in the log of the test.
type took []time.Duration

func (d took) at(percent int) time.Duration {
	slices.Sort(d)
	return d[min(len(d)-1, len(d)*percent/100)]
}

// TestT37ExpelledIsOutEverywhere puts fifty people out, one after the other,
// each with everything open that one can have open, and has them replay all
// they ever held. It does not run beside the other tests: it measures.
func TestT37ExpelledIsOutEverywhere(t *testing.T) {
	s := open(t)
	h := s.host(doctor())
	const n = 50
	names := []string{"Stays One", "Stays Two"}
	for i := range n {
		names = append(names, fmt.Sprint("Goes ", i))
	}
	m := h.meet(nil, names...)
	host := h.opens(m)
	var others []*socket
	var news []*stream
	for _, name := range names[:2] {
		v, a := h.inside(m, name)
		others = append(others, v.joins())
		news = append(news, v.listen(roomOrigin+"/-/events"))
		_ = a
	}
	var sockets, streams, posts, control took
	for i := range n {
		g, a := h.inside(m, names[2+i])
		ws := g.joins()
		door, room := g.listen("/a/"+a+"/events"), g.listen(roomOrigin+"/-/events")
		door.until(t, `"state":"admitted"`)
		room.until(t, `"state":"admitted"`)
		pass := g.cookie(roomOrigin, "__Host-room")
		g.want(g.post("/a/"+a+"/enter", nil), http.StatusOK, "a ticket not yet spent")
		ticket := g.ticket
		begun := time.Now()
		h.get("/meetings/new")
		control = append(control, time.Since(begun))
		begun = time.Now()
		h.expels(m, a)
		posts = append(posts, time.Since(begun))
		ws.ended(t)
		door.over(t)
		room.over(t)
		sockets = append(sockets, ws.last.Sub(begun))
		streams = append(streams, door.last.Sub(begun), room.last.Sub(begun))
		if said := room.until(t, `"state":"expelled"`); strings.Contains(said, "Stays") {
			t.Error("the last words name others")
		}
		if t.Failed() {
			return
		}
		if i%10 == 0 {
			s.replays(t, g, m, names[2+i], a, pass, ticket)
		}
	}
	// A machine that is busy with something else takes long for any page: then
	// ten times as long as for the slowest of them is quick enough.
	limit := max(250*time.Millisecond, 10*control.at(99))
	t.Logf("an ordinary page: p50 %v, p99 %v", control.at(50), control.at(99))
	for what, d := range map[string]took{"web socket": sockets, "event streams": streams, "host's button": posts} {
		t.Logf("%s: p50 %v, p99 %v", what, d.at(50), d.at(99))
		if got := d.at(99); got > limit {
			t.Errorf("%s: p99 %v, want %v at most", what, got, limit)
		}
	}
	for i, ws := range append(others, host) {
		if !ws.ping(t) {
			t.Errorf("the socket of another (%d) was lost", i)
		}
	}
	for i, st := range news {
		select {
		case <-st.ended:
			t.Errorf("the stream of another (%d) was lost", i)
		default:
		}
	}
}

// TestT37DoorAloneCuts puts somebody out of a conference server that does
// nothing about it.
func TestT37DoorAloneCuts(t *testing.T) {
	t.Parallel()
	_, s, h, _ := echoing(t, func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer c.CloseNow()
		_, _, _ = c.Read(r.Context())
	})
	m := h.meet(nil, "Jane Doe", "John Roe")
	h.want(h.post(m.path("/enter"), nil), http.StatusOK, "the way in")
	h.redeems()
	gone := func(name string) (string, chan struct{}) {
		g, a := h.inside(m, name)
		c, _, err := websocket.Dial(t.Context(), roomOrigin+"/app/ws", &websocket.DialOptions{HTTPClient: g.plain, HTTPHeader: http.Header{"Origin": {roomOrigin}}})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_, _, _ = c.Read(context.WithoutCancel(t.Context()))
		}()
		t.Cleanup(func() { _ = c.CloseNow(); <-ended })
		return a, ended
	}
	_, stays := gone("John Roe")
	a, goes := gone("Jane Doe")
	eventually(t, "both are inside", func() bool { return s.Gateway.Connections() == 2 })
	h.expels(m, a)
	select {
	case <-goes:
	case <-time.After(5 * time.Second):
		t.Error("the door left the socket of somebody who was put out open")
	}
	select {
	case <-stays:
		t.Error("another's socket was lost")
	default:
	}
}

// replays tries everything that somebody held before they were put out.
func (s *site) replays(t *testing.T, g *visitor, m *held, name, a, pass, ticket string) {
	t.Helper()
	before := len(s.fake.Requests())
	for what, v := range map[string]*visitor{"the same browser": g, "another browser": s.visit()} {
		v.plant(roomOrigin, "__Host-room", pass)
		if ws, status := v.dial(nil); ws != nil || status != http.StatusForbidden {
			t.Errorf("%s: the signalling = %d, want 403", what, status)
		}
		for _, path := range []string{"/-/pass", "/-/events", "/-/assets/x", "/rtc/validate"} {
			if got := v.send(v.request(http.MethodGet, roomOrigin+path, nil)); got.status != http.StatusForbidden {
				t.Errorf("%s: GET %s = %d, want 403", what, path, got.status)
			}
		}
		if got := v.get(roomOrigin + "/-/room"); got.status != http.StatusSeeOther || got.to() != doorOrigin+"/a/"+a {
			t.Errorf("%s: the room = %d to %q, want 303 to the door", what, got.status, got.to())
		}
		if got := v.redeem(ticket); got.to() == "/-/room" || got.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: the ticket = %d to %q", what, got.status, got.to())
		}
	}
	link := m.links[name]
	for path, want := range map[string]int{"/name": http.StatusNotFound, "/code": http.StatusNotFound} {
		if got := g.get(link + path).status; got != want {
			t.Errorf("GET link%s = %d, want %d", path, got, want)
		}
	}
	for path, form := range map[string]url.Values{"/code": nil, "/verify": {"code": {s.box.code(m.mails[name])}}, "/knock": {"name": {name}, "consent": {"1"}}, "/signin": {"provider": {"hospital"}}} {
		if got := g.post(link+path, form).status; got != http.StatusNotFound {
			t.Errorf("POST link%s = %d, want 404", path, got)
		}
	}
	g.want(g.post("/a/"+a+"/enter", nil), http.StatusForbidden, "entering again")
	if page := g.get("/a/" + a).body; !strings.Contains(page, "You were removed from the meeting") {
		t.Errorf("the waiting room says %q", head(page))
	}
	if got := len(s.fake.Requests()); got != before {
		t.Errorf("the replays reached the conference server %d times", got-before)
	}
}

// TestT40LockedMeetingLetsBackWhoWasIn drops the line of somebody inside a
// locked meeting.
func TestT40LockedMeetingLetsBackWhoWasIn(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "Late Comer", "Out Now")
	h.opens(m)
	g, _ := h.inside(m, "Jane Doe")
	ws := g.joins()
	out, b := h.inside(m, "Out Now")
	out.joins()
	late := s.visit()
	late.prove(m, "Late Comer")
	h.post(m.path("/lock"), nil)
	ws.leave()
	if again, status := g.dial(nil); again == nil {
		t.Errorf("back after a dropped line = %d", status)
	}
	late.want(late.post(m.links["Late Comer"]+"/knock", url.Values{"name": {"L"}, "consent": {"1"}}), http.StatusForbidden, "a newcomer at a locked door")
	h.expels(m, b)
	if again, _ := out.dial(nil); again != nil {
		t.Error("the expelled came back")
	}
}

// TestT40SamePersonComesBackOnAnotherDevice has a member inside a locked meeting
// sign in on a second device: they are back unaided, the first device is out, and
// the log says so. A newcomer, and somebody put out, are kept out on any device.
func TestT40SamePersonComesBackOnAnotherDevice(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(url.Values{"members": {"wait"}}, "Jane Doe")
	h.opens(m)
	var link string
	for _, v := range m.snapshot().Invitations {
		if v.Members {
			link = "/i/" + s.Lobby.Link(m.id, &v)
		}
	}
	knocks := func(who authtest.Claims) (*visitor, answer) {
		v := s.visit()
		v.get(link)
		v.signIn(link+"/signin", who)
		v.get(link + "/name")
		return v, v.post(link+"/knock", url.Values{"name": {"Hugo"}, "consent": {"1"}})
	}
	first, a := knocks(surgeon())
	admission := strings.TrimPrefix(a.to(), "/a/")
	h.admits(m, admission)
	first.enters(admission)
	ws := first.joins()
	h.post(m.path("/lock"), nil)
	nurse := authtest.Claims{"sub": "n-3", "name": "Nora Roche", "email": "nora@hospital.example", "email_verified": true, "org": "hospital", "sid": "sid-n-3"}
	newcomer, no := knocks(nurse)
	newcomer.want(no, http.StatusForbidden, "a newcomer at a locked door")
	thief, no := knocks(surgeon())
	thief.want(no, http.StatusForbidden, "the same sign-in while the first device is inside")
	if !ws.ping(t) {
		t.Fatal("the first device is cut by a sign-in elsewhere")
	}
	ws.leave() // its battery is empty
	eventually(t, "the first device is gone", func() bool {
		snap := m.snapshot()
		a, ok := snap.Admission(admission)
		return ok && !s.Lobby.Present(snap, &a)
	})
	second, a := knocks(surgeon())
	second.want(a, http.StatusSeeOther, "the same person on another device")
	if got := strings.TrimPrefix(a.to(), "/a/"); got != admission {
		t.Fatalf("the second device leads to %q, want the same admission", got)
	}
	second.enters(admission)
	if line := second.joins(); !line.ping(t) {
		t.Error("the second device has no line")
	}
	first.want(first.post("/a/"+admission+"/enter", nil), http.StatusForbidden, "the first device's way in")
	if page := h.get(m.path("")).body; !strings.Contains(page, "came back on another device") {
		t.Error("the log does not tell of the other device")
	}
	h.expels(m, admission)
	third, no := knocks(surgeon())
	third.want(no, http.StatusForbidden, "the expelled on another device")
}

// TestT41NobodyBecomesHostByAsking asks for the host's role in every way a
// browser can.
func TestT41NobodyBecomesHostByAsking(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	g := s.visit()
	link := m.links["Jane Doe"]
	ask := url.Values{"role": {"host"}, "Role": {"1"}, "host": {"1"}, "is_host": {"true"}, "moderator": {"true"}, "admin": {"1"}, "cohost": {"1"}, "admit": {"1"}}
	with := func(form url.Values) url.Values {
		for k, v := range ask {
			form[k] = v
		}
		return form
	}
	g.get(link + "?" + ask.Encode())
	g.post(link+"/code", with(url.Values{}))
	g.post(link+"/verify?"+ask.Encode(), with(url.Values{"code": {s.box.code(m.mails["Jane Doe"])}}))
	g.get(link + "/name?" + ask.Encode())
	a := strings.TrimPrefix(g.post(link+"/knock?"+ask.Encode(), with(url.Values{"name": {"Dr Clаire Martin"}, "consent": {"1"}})).to(), "/a/")
	adm, ok := m.snapshot().Admission(a)
	if !ok || adm.State != meeting.Waiting || adm.Role != meeting.Guest {
		t.Fatalf("who asks for the host's role is %v with role %v, want a waiting guest", adm.State, adm.Role)
	}
	if !strings.Contains(h.get(m.path("")).body, "The name shown resembles a host’s") {
		t.Error("the host is not warned of their own name")
	}
	h.opens(m)
	h.admits(m, a)
	g.enters(a)
	r := g.request(http.MethodGet, roomOrigin+"/-/pass?"+ask.Encode(), nil)
	if body := g.send(r).body; !strings.Contains(body, `"role":"guest"`) {
		t.Errorf("the room page is told %s", body)
	}
	ws := g.joins()
	if p := ws.join.GetParticipant(); p.GetMetadata() != "" || len(p.GetAttributes()) > 0 {
		t.Errorf("the conference server believes of the guest: %v", p)
	}
	for _, path := range []string{"", "/created", "/events"} {
		g.want(g.get(m.path(path)+"?"+ask.Encode()), http.StatusUnauthorized, "the console for a guest")
	}
	for action, form := range hostForms() {
		g.want(g.post(m.path(action), with(form)), http.StatusUnauthorized, "a guest's "+action)
	}
	eve := s.visit()
	eve.signIn(link+"/signin", map[string]any{"sub": "dr-1 ", "name": "Dr Claire Martin", "email": "claire.martin@hospital.example", "email_verified": true, "role": "host", "org": "elsewhere"})
	eve.want(eve.get(m.path("")), http.StatusNotFound, "the console for a namesake")
	eve.want(eve.get("/meetings"), http.StatusForbidden, "the meetings of a stranger")
}

// TestT42HostPassesOwnLock drops the host's line with the door locked.
func TestT42HostPassesOwnLock(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	ws := h.opens(m)
	h.post(m.path("/lock"), nil)
	ws.leave()
	begun := time.Now()
	if again, status := h.dial(nil); again == nil {
		t.Errorf("the same pass = %d", status)
	}
	elsewhere := s.host(doctor()) // another browser, signed in anew
	if !elsewhere.opens(m).ping(t) {
		t.Error("the host's second browser is not in")
	}
	if d := time.Since(begun); d > 5*time.Second {
		t.Errorf("the host's way back took %v", d)
	}
}

// TestT39InviteeInsideIsConnected looks at the list of invitees: inside is who
// has a connection, not whoever was let in.
func TestT39InviteeInsideIsConnected(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	h.opens(m)
	g, _ := h.inside(m, "Jane Doe")
	says := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			_, list, _ := strings.Cut(h.get(m.path("")).body, "Invitations (1)")
			got := regexp.MustCompile(`class="state \w+">([^<]+)<`).FindStringSubmatch(list)
			if len(got) == 2 && got[1] == want {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("the invitee is %q, want %q", got, want)
			}
		}
	}
	says("let in")
	line := g.joins()
	says("inside")
	line.leave()
	says("let in")
}
