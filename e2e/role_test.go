package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestT41NoHostButTheHost has guests claim in every way they can say it that
// they are the host.
func TestT41NoHostButTheHost(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	console := h.Door + "/m/" + h.Meeting
	host := h.asHost(t)

	claims := url.Values{
		"name": {"Dr Claire Martin"}, "consent": {"1"}, "role": {"host"}, "host": {"1"}, "admit": {"1"}, "owner": {"1"},
		"email": {"claire.martin@hopital.example"}, "iss": {h.ID}, "sub": {"c7f0a1d4-2b7e-4f6e-9d0a-51c3a8e0b101"},
	}
	v := h.proves(h.visitor(t), h.link(t, "J. D.")+"?role=host", jeanne)
	f := v.form("/knock")
	f.Action += "?role=host&host=1"
	for k, x := range claims {
		f.Values[k] = x
	}
	v.post(f).want(http.StatusOK, "Vous êtes bien arrivé·e")
	id := v.admission()

	host.open(console)
	host.want(http.StatusOK, "à celui d’un organisateur")
	if !strings.Contains(host.words(), "A prouvé la boîte "+jeanne) {
		t.Errorf("the card does not say what is proved:\n%s", host.words())
	}
	// A mailbox and a provider's word for somebody else command nothing.
	other := h.visitor(t)
	other.open(h.link(t, "Dr Hugo Bernard")).submit("/signin", one("provider", "demo")).signsIn(hugo).knocks("Dr Claire Martin")
	for who, v := range map[string]*visitor{"the guest": v, "the colleague": other, "a stranger": h.visitor(t)} {
		commandsNothing(t, h, who, v, id)
	}

	// The host has let them in, and is not there yet.
	host.answers(console, id, "admit")
	v.open(h.Door+"/a/"+id).want(http.StatusOK, "n’est pas encore là")
	enter := v.form("/enter")
	v.post(enter).want(http.StatusConflict, "L’organisateur n’est pas encore là")

	host.open(console).submit("/enter", nil).submit("/-/enter", nil)
	v.open(h.Door + "/a/" + id).enters()
	pass := role(t, h, v)
	if pass.Role != "guest" || pass.Settings.Screen || pass.Settings.Chat {
		t.Errorf("the guest's pass says %+v, want a guest with neither screen nor chat", pass)
	}
	if pass := role(t, h, host); pass.Role != "host" {
		t.Errorf("the host's pass says %+v, want host", pass)
	}
}

// commandsNothing tries everything that only a host may do.
func commandsNothing(t *testing.T, h *house, who string, v *visitor, admission string) {
	t.Helper()
	console := h.Door + "/m/" + h.Meeting
	v.open(h.Door + "/")
	guard := url.Values{"csrf": {v.csrf(h)}, "attempt": {"x"}, "admission": {admission}, "answer": {"admit"}, "role": {"host"}}
	for _, act := range []string{"answer", "admit-verified", "expel", "lock", "unlock", "end", "cancel", "enter", "mail", "revoke", "reissue", "correct", "mute", "reconsider"} {
		v.walk(http.MethodPost, console+"/"+act+"?role=host", http.Header{"Origin": {h.Door}, "Sec-Fetch-Site": {"same-origin"}}, guard)
		if v.code != http.StatusForbidden && v.code != http.StatusNotFound && v.code != http.StatusUnauthorized {
			t.Errorf("%s may %s: %d\n%s", who, act, v.code, v.words())
		}
	}
	for _, path := range []string{"", "/created", "/events", "?role=host"} {
		v.open(console + path)
		if v.code != http.StatusNotFound && v.code != http.StatusUnauthorized {
			t.Errorf("%s sees the console%s: %d", who, path, v.code)
		}
	}
}

// csrf is the form token of this browser, as any form of the door shows it.
func (v *visitor) csrf(h *house) string {
	v.t.Helper()
	v.open(h.link(v.t, "M. L."))
	return v.form("/code").Values.Get("csrf")
}

// passed is what the room page is told of who it is.
type passed struct {
	Role     string `json:"role"`
	Settings struct {
		Screen bool `json:"screen"`
		Chat   bool `json:"chat"`
	} `json:"settings"`
}

func role(t *testing.T, h *house, v *visitor) passed {
	t.Helper()
	v.ask(http.MethodGet, h.Room+"/-/pass?role=host", nil, nil)
	var p passed
	if err := json.Unmarshal([]byte(v.text), &p); err != nil {
		t.Fatalf("the pass answers %d: %v", v.code, err)
	}
	return p
}
