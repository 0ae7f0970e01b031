package e2e_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// wrong says what is wrong with a cookie of the door or the room: nothing may
// be.
func wrong(g given) string {
	c, err := http.ParseSetCookie(g.Line)
	switch {
	case err != nil:
		return "unreadable"
	case !strings.HasPrefix(c.Name, "__Host-"):
		return "no __Host- prefix"
	case !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode:
		return "not Secure, HttpOnly and SameSite=Lax"
	case strings.Contains(strings.ToLower(g.Line), "domain"):
		return "has a Domain"
	case c.Path != "/":
		return "Path is not /"
	}
	return ""
}

// checkCookies judges what the door and the room gave, and answers the names.
func checkCookies(t *testing.T, h *house, all []given) []string {
	t.Helper()
	var names []string
	for _, g := range all {
		if !strings.HasPrefix(g.From, h.Door) && !strings.HasPrefix(g.From, h.Room) {
			continue // the provider's and the mailbox's are not the product
		}
		name, _, _ := strings.Cut(g.Line, "=")
		if w := wrong(g); w != "" {
			t.Errorf("cookie %s of %s: %s", name, g.From, w)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// TestT22Cookies goes the whole way of a host and three guests, and parses
// every Set-Cookie of every answer.
func TestT22Cookies(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	console := h.Door + "/m/" + h.Meeting
	host := h.asHost(t)
	desk := host.submit("/enter", nil).submit("/-/enter", nil)
	desk.want(200, "")
	jd, ml := h.guest(t, "J. D.", jeanne), h.guest(t, "M. L.", marc)
	doctor := h.visitor(t)
	doctor.open(h.link(t, "Dr Hugo Bernard")).submit("/signin", one("provider", "demo")).signsIn(hugo).knocks("H. B.")

	put := jd.admission()
	for _, v := range []*visitor{jd, doctor} {
		host.answers(console, v.admission(), "admit")
		v.open(v.at.String()).enters().want(200, "")
	}
	host.answers(console, ml.admission(), "refuse")
	host.expels(console, put)
	doctor.ask(http.MethodPost, h.Room+"/-/leave", nil, http.Header{"Origin": {h.Room}})
	host.open(h.Door+"/meetings").submit("/signout", nil)

	var all []given
	for _, v := range []*visitor{host, jd, ml, doctor} {
		all = append(all, v.given...)
	}
	got, want := checkCookies(t, h, all), []string{"__Host-device", "__Host-door", "__Host-room", "__Host-signin", "__Host-signout"}
	if !slices.Equal(got, want) {
		t.Errorf("cookies of the door and the room = %v, want %v", got, want)
	}
}
