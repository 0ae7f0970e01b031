package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"vestibule/mail"
	"vestibule/meeting"
)

// TestT63StoreGoesInTheMiddle takes the store away from under a meeting.
func TestT63StoreGoesInTheMiddle(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "John Roe", "New Comer")
	host := h.opens(m)
	g, a := h.inside(m, "Jane Doe")
	ws := g.joins()
	told := g.listen(roomOrigin + "/-/events")
	told.until(t, `"state":"admitted"`)
	w := s.visit()
	b := w.knock(m, "John Roe")
	news := w.listen("/a/" + b + "/events")
	news.until(t, `"state":"waiting"`)
	n := s.visit()
	n.get(m.links["New Comer"])
	g.want(g.post("/a/"+a+"/enter", nil), http.StatusOK, "a ticket")

	s.valve.shut.Store(true)
	busy := func(v *visitor, what string, ask func() answer) {
		t.Helper()
		begun := time.Now()
		ans := v.want(ask(), http.StatusServiceUnavailable, what)
		if ans.header.Get("Retry-After") == "" || !strings.Contains(ans.body, "Those in a meeting stay in it") {
			t.Errorf("%s: Retry-After %q, %s", what, ans.header.Get("Retry-After"), head(ans.body))
		}
		if took := time.Since(begun); took > 5*time.Second { // and not until the browser gives up
			t.Errorf("%s took %v", what, took)
		}
	}
	for _, path := range []string{"/", "/meetings", "/meetings/new", m.path(""), m.path("/created"), m.path("/events")} {
		busy(h, "GET "+path, func() answer { return h.get(path) })
	}
	for action, form := range hostForms() {
		if action == "/expel" {
			continue // this one works, below
		}
		busy(h, action, func() answer { return h.post(m.path(action), form) })
	}
	for _, path := range []string{"", "/code", "/name"} {
		busy(n, "GET link"+path, func() answer { return n.get(m.links["New Comer"] + path) })
	}
	for _, path := range []string{"/code", "/verify", "/knock", "/signin"} {
		busy(n, "POST link"+path, func() answer {
			return n.post(m.links["New Comer"]+path, url.Values{"code": {"123456"}, "name": {"N"}, "consent": {"1"}, "provider": {"hospital"}})
		})
	}
	for _, path := range []string{"/a/" + b, "/a/" + b + "/events"} {
		busy(w, "GET "+path, func() answer { return w.get(path) })
	}
	busy(w, "leaving", func() answer { return w.post("/a/"+b+"/leave", nil) })
	if got := g.redeem(g.ticket); got.status != http.StatusSeeOther || got.to() != doorOrigin+"/a/"+a+"?busy=1" {
		t.Errorf("redeeming = %d to %q, want the waiting room", got.status, got.to())
	}
	if !ws.ping(t) || !host.ping(t) {
		t.Error("somebody inside was lost with the store")
	}
	select {
	case <-news.ended:
		t.Error("the waiting room's stream was lost with the store")
	default:
	}
	// T38: putting somebody out does not wait for the store.
	h.expels(m, a)
	ws.ended(t)
	told.until(t, `"state":"expelled"`)
	told.over(t)
	if again, _ := g.dial(nil); again != nil {
		t.Error("put out while the store was away, and back in")
	}
	s.valve.shut.Store(false)
	eventually(t, "the store knows of the expulsion", func() bool { return m.state(a) == meeting.Expelled })
	h.want(h.get(m.path("")), http.StatusOK, "the console once the store is back")
	h.admits(m, b)
	news.until(t, `"state":"admitted"`)
	if got := m.state(b); got != meeting.Admitted {
		t.Errorf("after the store is back the guest is %v", got)
	}
	if s.log.has(`"msg":"fault"`) {
		t.Error("an outage is a fault of ours in the log")
	}
}

// TestT16ProviderIsDown has the provider gone when people want to sign in, and
// again when they come back from it. Guests with a code enter all the same.
func TestT16ProviderIsDown(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "John Roe")
	h.opens(m)
	link := m.links["Jane Doe"]
	told := func(what string, a answer, back string) {
		t.Helper()
		h.want(a, http.StatusServiceUnavailable, what)
		for _, want := range []string{"This sign-in does not answer", `href="` + back + `"`} {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s: the page lacks %q:\n%s", what, want, a.body)
			}
		}
		if a.header.Get("Retry-After") == "" {
			t.Errorf("%s: no Retry-After", what)
		}
	}
	g := s.visit()
	g.get(link)
	a := g.want(g.post(link+"/signin", url.Values{"provider": {"hospital"}}), http.StatusOK, "to the provider")
	back := g.authorize(a.to(), stranger())
	s.id.fail(true)
	told("coming back", g.get("/oidc/callback/hospital?"+back.Encode()), link)
	s.id.mu.Unlock()

	fresh := openWith(t, setup{})
	fresh.id.fail(true)
	v := fresh.visit()
	told("a host signing in", v.post("/signin", url.Values{"provider": {"hospital"}}), "/")

	c, b := h.inside(m, "John Roe")
	if !c.joins().ping(t) {
		t.Error("a guest with a code does not get in")
	}
	if got := m.state(b); got != meeting.Admitted {
		t.Errorf("a guest with a code is %v", got)
	}
	s.id.fail(false)
	g.want(g.signIn(link+"/signin", stranger()), http.StatusSeeOther, "signing in once the provider is back")
}

// TestMailIsDown asks for a code while no mail leaves.
func TestMailIsDown(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	g := s.visit()
	g.get(m.links["Jane Doe"])
	s.box.fail(&mail.Fault{Kind: mail.Down, Detail: "the server cannot be used"})
	a := g.want(g.post(m.links["Jane Doe"]+"/code", nil), http.StatusServiceUnavailable, "asking for a code")
	if !strings.Contains(a.body, "The code could not be sent") {
		t.Errorf("the page does not say so: %s", head(a.body))
	}
}

// TestConferenceServerIsDown enters a room whose server is gone.
func TestConferenceServerIsDown(t *testing.T) {
	t.Parallel()
	e, _, h, admission := echoing(t, nil)
	e.CloseClientConnections()
	e.Close()
	a := h.get(roomOrigin + "/app/x")
	if a.status != http.StatusSeeOther || a.to() != doorOrigin+"/a/"+admission+"?busy=1" {
		t.Errorf("a navigation = %d to %q, want the door", a.status, a.to())
	}
	page := h.want(h.get(a.to()), http.StatusServiceUnavailable, "the door")
	if !strings.Contains(page.body, `href="/a/`+admission+`"`) {
		t.Errorf("the page leads nowhere: %s", head(page.body))
	}
	if got := h.send(h.request(http.MethodGet, roomOrigin+"/app/x", nil)); got.status != http.StatusServiceUnavailable {
		t.Errorf("a script's request = %d, want 503", got.status)
	}
}
