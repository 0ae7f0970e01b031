package gateway_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"vestibule/gateway"
	"vestibule/meeting"
)

// TestT17NewIDAtEachRise plants a session in a browser before somebody proves
// who they are in it.
func TestT17NewIDAtEachRise(t *testing.T) {
	t.Parallel()
	s := open(t)
	planted := strings.Repeat("A", 43)
	h := s.visit()
	h.plant(doorOrigin, "__Host-door", planted)
	h.signIn("/signin", doctor())
	signedIn := h.cookie(doorOrigin, "__Host-door")
	if signedIn == planted || signedIn == "" {
		t.Fatalf("after signing in the session is the planted one")
	}
	m := h.meet(nil, "Jane Doe", "John Roe")
	s.dead(planted, "/meetings")

	// Signing in again, and proving a mailbox on top.
	h.signIn("/signin", doctor())
	again := h.cookie(doorOrigin, "__Host-door")
	s.dead(signedIn, "/meetings")
	h.prove(m, "Jane Doe")
	proved := h.cookie(doorOrigin, "__Host-door")
	if again == proved || again == signedIn {
		t.Error("a session kept its id through a rise of rights")
	}
	s.dead(again, "/meetings")

	// A mailbox alone, with the live session of somebody else planted: theirs
	// is not what the browser holds afterwards.
	eve, g := s.visit(), s.visit()
	eve.prove(m, "John Roe")
	hers := eve.cookie(doorOrigin, "__Host-door")
	g.plant(doorOrigin, "__Host-door", hers)
	g.signIn("/signin", stranger())
	if g.cookie(doorOrigin, "__Host-door") == hers {
		t.Error("a planted session kept its id")
	}
	if got := eve.get(m.links["John Roe"] + "/name").status; got != http.StatusSeeOther {
		t.Errorf("the planted session still opens the name page: %d", got)
	}
}

// TestT17DeadSessionStaysDead signs out in one tab while another knocks.
func TestT17DeadSessionStaysDead(t *testing.T) {
	t.Parallel()
	s := open(t)
	m := s.host(doctor()).meet(nil, "Jane Doe")
	g := s.host(surgeon())
	g.prove(m, "Jane Doe")
	g.get(m.links["Jane Doe"] + "/name")
	session := g.cookie(doorOrigin, "__Host-door")
	knock := g.form(m.links["Jane Doe"]+"/knock", url.Values{"csrf": {g.csrf}, "attempt": {"1"}, "name": {"J"}, "consent": {"1"}})
	signOut := func() { g.want(g.post("/signout", nil), http.StatusOK, "signing out meanwhile") }
	s.valve.meanwhile.Store(&signOut)
	g.want(g.send(knock), http.StatusUnauthorized, "knocking while signing out")
	s.dead(session, "/meetings")
}

// TestT07VerifyTwice presses the button under a code twice: the browser drops the
// first answer with its cookie and sends the second form with the old one. The
// host stays signed in, in one session; and once they signed out, neither form
// nor cookie brings anything back.
func TestT07VerifyTwice(t *testing.T) {
	t.Parallel()
	s := open(t)
	m := s.host(doctor()).meet(nil, "Jane Doe")
	g := s.host(surgeon())
	code := s.ask(g, m, "Jane Doe")
	old := g.cookie(doorOrigin, "__Host-door")
	form := url.Values{"csrf": {g.csrf}, "attempt": {"twice"}, "code": {code}}
	for range 2 {
		g.plant(doorOrigin, "__Host-door", old)
		g.want(g.send(g.form(m.links["Jane Doe"]+"/verify", form)), http.StatusSeeOther, "typing the code")
	}
	g.want(g.get("/meetings"), http.StatusOK, "the sign-in after pressing twice")
	g.want(g.get(m.links["Jane Doe"]+"/name"), http.StatusOK, "what was proved after pressing twice")
	if n := strings.Count(g.get("/sign-ins").body, `<li class="card">`); n != 1 {
		t.Errorf("%d sign-ins are listed, want the one there is", n)
	}
	s.dead(old, "/meetings")

	g.want(g.post("/signout", nil), http.StatusOK, "signing out")
	g.plant(doorOrigin, "__Host-door", old)
	g.send(g.form(m.links["Jane Doe"]+"/verify", form))
	g.want(g.get("/meetings"), http.StatusUnauthorized, "the same form after signing out")
}

// TestT17NoProofMakesASignInLonger proves a mailbox shortly before a sign-in ends
// by its absolute limit.
func TestT17NoProofMakesASignInLonger(t *testing.T) {
	t.Parallel()
	s := open(t)
	m := s.host(doctor()).meet(nil, "Jane Doe")
	g := s.host(surgeon())
	age := func(by time.Duration) {
		t.Helper()
		if err := gateway.Age(t.Context(), s.Gateway, g.cookie(doorOrigin, "__Host-door"), by); err != nil {
			t.Fatal(err)
		}
	}
	age(11 * time.Hour)
	g.prove(m, "Jane Doe")
	g.want(g.get("/meetings"), http.StatusOK, "signed in for eleven hours")
	age(90 * time.Minute)
	g.want(g.get("/meetings"), http.StatusUnauthorized, "signed in for more than twelve hours")
}

// TestSessionsEndAsTheSiteSays rests and ages a sign-in, and the proof of a
// mailbox, at a site that gives them less than others do.
func TestSessionsEndAsTheSiteSays(t *testing.T) {
	t.Parallel()
	s := openWith(t, setup{idle: 16 * time.Minute, life: time.Hour})
	m := s.host(doctor()).meet(nil, "Jane Doe", "John Roe")
	later := func(v *visitor, by time.Duration, change func(context.Context, *gateway.Server, string, time.Duration) error) {
		t.Helper()
		if err := change(t.Context(), s.Gateway, v.cookie(doorOrigin, "__Host-door"), by); err != nil {
			t.Fatal(err)
		}
	}
	h, guest, old := s.host(surgeon()), s.visit(), s.host(surgeon())
	guest.prove(m, "Jane Doe")
	later(h, 15*time.Minute, gateway.Rest)
	h.want(h.get("/meetings"), http.StatusOK, "unused for a little less than the site gives")
	later(h, 15*time.Minute, gateway.Rest)
	h.want(h.get("/meetings"), http.StatusOK, "unused for as long again")
	later(h, 17*time.Minute, gateway.Rest)
	h.want(h.get("/meetings"), http.StatusUnauthorized, "unused for longer")
	later(guest, 17*time.Minute, gateway.Rest)
	guest.want(guest.get(m.links["Jane Doe"]+"/name"), http.StatusSeeOther, "a proof unused for longer")

	// Nor does a code that is typed then bring the sign-in back.
	tired := s.host(stranger())
	code := s.ask(tired, m, "John Roe")
	later(tired, 17*time.Minute, gateway.Rest)
	tired.want(tired.post(m.links["John Roe"]+"/verify", url.Values{"code": {code}}), http.StatusSeeOther, "typing a code")
	tired.want(tired.get("/meetings"), http.StatusUnauthorized, "signed in again by a code")

	later(old, 59*time.Minute, gateway.Age)
	old.want(old.get("/meetings"), http.StatusOK, "used all the time, for a little less than the site gives")
	later(old, 2*time.Minute, gateway.Age)
	old.want(old.get("/meetings"), http.StatusUnauthorized, "used all the time, for longer")
	h.signIn("/signin", surgeon())
	h.want(h.get("/meetings"), http.StatusOK, "signed in again")
}

// dead fails unless a session id opens nothing.
func (s *site) dead(id, path string) {
	s.t.Helper()
	v := s.visit()
	v.plant(doorOrigin, "__Host-door", id)
	if got := v.get(path).status; got != http.StatusUnauthorized {
		s.t.Errorf("GET %s with an old session = %d, want 401", path, got)
	}
}

// cell is one way to send a change.
type cell struct{ origin, site, kind, token string }

// cells are all combinations; the first of each list is right.
func cells(all bool) []cell {
	origins := []string{doorOrigin, "", "null", "https://evil.example", "https://x.door.example", "http://door.example", roomOrigin, "https://door.example.evil.example", "https://door.example:444"}
	sites := []string{"same-origin", "", "none", "same-site", "cross-site", "Same-Origin"}
	kinds := []string{"form", "GET", "text/plain", "application/json", "multipart/form-data", "", "PUT"}
	tokens := []string{"right", "", "wrong", "another's"}
	var list []cell
	for i, o := range origins {
		for j, si := range sites {
			for k, ki := range kinds {
				for l, to := range tokens {
					off := min(i, 1) + min(j, 1) + min(k, 1) + min(l, 1)
					if off <= 1 || all {
						list = append(list, cell{o, si, ki, to})
					}
				}
			}
		}
	}
	return list
}

func (c cell) right() bool {
	return c.origin == doorOrigin && c.kind == "form" && c.token == "right" && (c.site == "same-origin" || c.site == "")
}

// send sends a change in the way of the cell.
func (c cell) send(v, other *visitor, to string, form url.Values) answer {
	v.t.Helper()
	form = maps.Clone(form)
	if form == nil {
		form = url.Values{}
	}
	switch c.token {
	case "right":
		form.Set("csrf", v.csrf)
	case "wrong":
		form.Set("csrf", strings.Repeat("0", 32))
	case "another's":
		form.Set("csrf", other.csrf)
	}
	method, body, kind := http.MethodPost, form.Encode(), c.kind
	switch c.kind {
	case "form":
		kind = "application/x-www-form-urlencoded"
	case "GET":
		method, kind, to, body = http.MethodGet, "", to+"?"+body, ""
	case "PUT":
		method, kind = http.MethodPut, "application/x-www-form-urlencoded"
	case "multipart/form-data":
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		for k := range form {
			_ = w.WriteField(k, form.Get(k))
		}
		_ = w.Close()
		body, kind = b.String(), w.FormDataContentType()
	}
	r := v.request(method, to, strings.NewReader(body))
	set := func(name, value string) {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	set("Origin", c.origin)
	set("Sec-Fetch-Site", c.site)
	set("Content-Type", kind)
	return v.send(r)
}

// TestT18OnlyOwnPagesChangeAnything tries every way to send "admit", and every
// single deviation on every other route of the door that takes a POST.
func TestT18OnlyOwnPagesChangeAnything(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "John Roe")
	g := s.visit()
	a := g.knock(m, "Jane Doe")
	other := s.visit()
	other.get("/")
	h.get(m.path(""))
	m.settles()
	state := func() string { return fmt.Sprint(s.versions(m), h.get("/meetings").status, g.get("/a/"+a).status) }
	before := state()
	refused := func(c cell, path string, ans answer) {
		t.Helper()
		if c.kind != "GET" && c.kind != "PUT" && ans.status != http.StatusForbidden {
			t.Errorf("%+v to %s = %d, want 403", c, path, ans.status)
		}
	}
	form := url.Values{"admission": {a}, "answer": {"admit"}, "attempt": {"1"}}
	for _, c := range cells(true) {
		if !c.right() {
			refused(c, "answer", c.send(h, other, m.path("/answer"), form))
		}
	}
	if got := state(); got != before {
		t.Fatalf("a request from elsewhere changed something: %s, before %s", got, before)
	}
	ids := map[string]string{"link": strings.TrimPrefix(m.links["John Roe"], "/i/"), "meeting": string(m.id), "admission": a, "provider": "hospital"}
	n := 0
	for _, r := range routes(t) {
		if r.method != http.MethodPost || r.origin != doorOrigin || r.path == "/oidc/backchannel" {
			continue // the room's and the provider's have tests of their own
		}
		n++
		v := h
		if strings.HasPrefix(r.path, "/a/") {
			v = g
		}
		for _, c := range cells(false) {
			list := r.takesList() && c.kind == "multipart/form-data"
			if list {
				c.kind = "form"
			}
			if c.right() {
				continue
			}
			if list {
				c.kind = "multipart/form-data"
			}
			refused(c, r.path, c.send(v, other, r.fill(ids), everything(a, m)))
		}
		if got := state(); got != before {
			t.Fatalf("POST %s from elsewhere changed something: %s, before %s", r.path, got, before)
		}
	}
	if n < 18 {
		t.Errorf("%d routes were tried, want all", n)
	}
	for _, site := range []string{"same-origin", ""} {
		ans := cell{doorOrigin, site, "form", "right"}.send(h, other, m.path("/answer"), form)
		h.want(ans, http.StatusSeeOther, "the right way")
	}
	if got := m.state(a); got != meeting.Admitted {
		t.Errorf("after the right way the guest is %v, want Admitted", got)
	}
}

// everything is a form that any route would act on.
func everything(a string, m *held) url.Values {
	f := url.Values{
		"admission": {a}, "answer": {"admit"}, "provider": {"hospital"}, "code": {"123456"}, "name": {"N"}, "consent": {"1"},
		"title": {"T"}, "date": {"2030-01-01"}, "start": {"10:00"}, "duration": {"30"}, "zone": {"UTC"}, "lang": {"en"}, "invitees": {"X <x@y.example>"},
	}
	for _, v := range m.snapshot().Invitations {
		f.Set("invitation", v.ID)
	}
	return f
}

// versions are the versions of a meeting's documents: any change shows.
func (s *site) versions(m *held) string {
	s.t.Helper()
	docs, err := s.valve.Store.All(s.t.Context(), m.id)
	if err != nil {
		s.t.Fatal(err)
	}
	var all []string
	for n, d := range docs {
		all = append(all, fmt.Sprint(n, "=", d.Version))
	}
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestT18RoomTakesChangesFromOnePlace tries the two changes of the room's
// origin from everywhere else.
func TestT18RoomTakesChangesFromOnePlace(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	h.want(h.post(m.path("/enter"), nil), http.StatusOK, "the way in")
	ticket := h.ticket
	for _, o := range []string{"", "null", "https://evil.example", "http://door.example", "https://x.door.example", roomOrigin} {
		r := h.form(roomOrigin+"/-/enter", url.Values{"ticket": {ticket}})
		r.Header.Set("Origin", o)
		if o == "" {
			r.Header.Del("Origin")
		}
		h.want(h.send(r), http.StatusForbidden, "redeeming from "+o)
	}
	h.ticket = ticket
	h.redeems()
	ws := h.joins()
	for _, o := range []string{"", "null", "https://evil.example", doorOrigin} {
		r := h.form(roomOrigin+"/-/leave", nil)
		r.Header.Set("Origin", o)
		h.want(h.send(r), http.StatusForbidden, "leaving from "+o)
	}
	if !ws.ping(t) {
		t.Error("somebody else's page made the host leave")
	}
	r := h.form(roomOrigin+"/-/leave", nil)
	r.Header.Set("Origin", roomOrigin)
	h.want(h.send(r), http.StatusOK, "leaving")
	ws.ended(t)
}
