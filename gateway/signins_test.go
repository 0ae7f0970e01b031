package gateway_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
)

var signInButton = regexp.MustCompile(`name="signin" value="([0-9a-f]{32})"`)

// TestSignInsAreListedAndEnded signs one person in at three browsers. From one
// of them the others are seen and ended, with what they were let into.
func TestSignInsAreListedAndEnded(t *testing.T) {
	t.Parallel()
	s := open(t)
	desk, lost, tablet := s.host(doctor()), s.visit(), s.visit()
	lost.agent = "Mozilla/5.0 (Linux; Android 15) Gecko/140.0 Firefox/140.0"
	lost.signIn("/signin", doctor())
	tablet.signIn("/signin", doctor())
	m := desk.meet(nil, "Jane Doe")
	console := lost.listen(m.path("/events"))
	console.until(t, "event: console")
	room := lost.opens(m)

	page := desk.want(desk.get("/sign-ins"), http.StatusOK, "the list").body
	if n := strings.Count(page, "<li class=\"card\">"); n != 3 || strings.Count(page, "this browser") != 1 {
		t.Fatalf("%d sign-ins listed, want 3, one of them here:\n%s", n, page)
	}
	buttons := signInButton.FindAllStringSubmatch(page, -1)
	at := strings.Index(page, "Firefox, Android")
	if len(buttons) != 2 || at < 0 {
		t.Fatalf("%d sign-ins can be ended, want 2:\n%s", len(buttons), page)
	}
	which := signInButton.FindStringSubmatch(page[at:])[1]

	// Somebody else's page ends nothing of it.
	other := s.host(surgeon())
	other.want(other.post("/sign-ins/end", url.Values{"signin": {which}}), http.StatusSeeOther, "ending a stranger's")
	lost.want(lost.get("/meetings"), http.StatusOK, "still signed in")

	session := lost.cookie(doorOrigin, "__Host-door")
	desk.want(desk.post("/sign-ins/end", url.Values{"signin": {which}}), http.StatusSeeOther, "ending it")
	s.dead(session, "/meetings")
	console.over(t)
	room.ended(t)
	tablet.want(tablet.get("/meetings"), http.StatusOK, "the tablet goes on")
	desk.want(desk.post("/sign-ins/end", url.Values{"signin": {"others"}}), http.StatusSeeOther, "ending all others")
	s.dead(tablet.cookie(doorOrigin, "__Host-door"), "/meetings")
	page = desk.want(desk.get("/sign-ins"), http.StatusOK, "the list").body
	if strings.Count(page, "<li class=\"card\">") != 1 || strings.Contains(page, "sign-ins/end") {
		t.Errorf("after ending all others the list shows:\n%s", page)
	}
	desk.want(s.visit().get("/sign-ins"), http.StatusUnauthorized, "a stranger's list")
}

// TestNoSignInIsHidden signs one person in more often than a list shows, and has
// one browser rise again and again: no live session is missing from the list.
func TestNoSignInIsHidden(t *testing.T) {
	t.Parallel()
	s := open(t)
	desk, other := s.host(doctor()), s.host(doctor())
	for range 40 {
		other.signIn("/signin", doctor())
	}
	page := desk.want(desk.get("/sign-ins"), http.StatusOK, "the list").body
	if n := strings.Count(page, "<li class=\"card\">"); n != 2 {
		t.Errorf("%d sign-ins are listed, want the two there are", n)
	}
	first := desk.cookie(doorOrigin, "__Host-door")
	var last *visitor
	for range 32 {
		last = s.visit()
		last.signIn("/signin", doctor())
	}
	s.dead(first, "/meetings")
	page = last.want(last.get("/sign-ins"), http.StatusOK, "the list").body
	if n := strings.Count(page, "<li class=\"card\">"); n != 32 {
		t.Errorf("%d sign-ins are listed, want 32", n)
	}
}

// TestTabsLoseNothingOfASession lets one browser knock at six meetings at once:
// its session remembers all of them.
func TestTabsLoseNothingOfASession(t *testing.T) {
	t.Parallel()
	s := open(t)
	h, g := s.host(doctor()), s.visit()
	meetings := make([]*held, 6)
	for i := range meetings {
		meetings[i] = h.meet(nil, "Jane Doe")
		g.prove(meetings[i], "Jane Doe")
		g.get(meetings[i].links["Jane Doe"] + "/name")
	}
	pages := make([]string, len(meetings))
	var all sync.WaitGroup
	for i, m := range meetings {
		tab := *g // its own form token field, the same cookies
		all.Go(func() {
			pages[i] = tab.post(m.links["Jane Doe"]+"/knock", url.Values{"name": {"J"}, "consent": {"1"}}).to()
		})
	}
	all.Wait()
	for _, p := range pages {
		if got := g.get(p); got.status != http.StatusOK {
			t.Errorf("the waiting page %q of one tab = %d, want 200", p, got.status)
		}
	}
}
