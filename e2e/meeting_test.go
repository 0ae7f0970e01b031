package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// hostSignsIn brings the host to the console of the meeting.
func hostSignsIn(t *testing.T, h *house) *person {
	t.Helper()
	p := newPerson(t, h, "host", "fr")
	p.at(h.Host.Login)
	p.press(`form[action="/signin"] button`, `location.host.startsWith("id.")`)
	p.press(`ul.people li:first-child button`, `location.pathname === "/meetings"`)
	p.at(h.Door + "/m/" + h.Meeting)
	return p
}

// guestWaits brings an invitee with a mailbox to the waiting room.
func guestWaits(t *testing.T, h *house, name, address, lang string) *person {
	t.Helper()
	p := newPerson(t, h, name, lang)
	link := h.link(t, name)
	p.at(link)
	p.press(`form[action$="/code"] button`, `document.querySelector("input[name=code]")`)
	p.fill(`input[name=code]`, h.code(t, address))
	p.press(`form[action$="/verify"] button`, `location.pathname.endsWith("/name")`)
	p.knocks(name)
	return p
}

// provesByProvider signs in with the institution, from an invitation.
func (p *person) provesByProvider(who int) {
	p.t.Helper()
	p.press(`form[action$="/signin"] button`, `location.host.startsWith("id.")`)
	p.press(fmt.Sprintf(`ul.people li:nth-child(%d) button`, who+1), `location.pathname.endsWith("/name")`)
}

// admission is the id in the address of the waiting room.
func (p *person) admission() string {
	p.t.Helper()
	return eval[string](p, `location.pathname.split("/")[2]`)
}

func (p *person) knocks(name string) {
	p.t.Helper()
	p.fill(`input[name=name]`, name)
	p.press(`input[name=consent]`, `document.querySelector("input[name=consent]").checked`)
	p.press(`form[action$="/knock"] button.main`, `location.pathname.startsWith("/a/")`)
}

// joins passes the ready check in the room.
func (p *person) joins() {
	p.t.Helper()
	p.untilIn(40*time.Second, `location.host.startsWith("room.") && document.querySelector("#room")?.dataset.state === "ready"`)
	// The way in moves while the camera's picture comes, and the way in without
	// a camera lies beside it.
	p.decides(`[data-action=check]`, `document.querySelector(".mirror video")?.videoWidth > 0`)
	p.decides(`[data-action=join]`, `document.querySelector("#room").dataset.state !== "ready"`)
	p.until(`document.querySelector("#room").dataset.state === "connected"`)
}

// opens goes from the console into the room, in a tab of its own as the form
// asks; the tab is opened here so that its connections can be watched.
func (p *person) opens() *person {
	p.t.Helper()
	d := p.tab("desk")
	d.at(p.h.Door + "/m/" + p.h.Meeting)
	// The page may renew the form at any moment, so it is told on the way out.
	eval[any](d, `addEventListener("submit", (e) => e.target.removeAttribute("target"), true)`)
	d.press(`form[action$="/enter"] button`, `true`)
	return d
}

// admits lets somebody in from the console.
func (p *person) admits(admission string) {
	p.t.Helper()
	card := `li[data-key="a-` + admission + `"]`
	p.decides(card+` button[value=admit]`, `!document.querySelector('`+card+`')`)
}

// expels puts somebody out from the console: remove, and yes.
func (p *person) expels(admission string) {
	p.t.Helper()
	ask := `details[data-key="x-` + admission + `"]`
	p.decides(ask+` summary`, `document.querySelector('`+ask+`').open`)
	eval[any](p, `addEventListener("click", (e) => { if (e.target.closest("button.danger")) window.clicked = Date.now(); }, true)`)
	p.decides(ask+` button.danger`, `!document.querySelector('`+ask+`')`)
}

// sees waits until n more frames of a participant are decoded, and two of them
// are shown.
func (p *person) sees(who string, n int) {
	p.t.Helper()
	p.until(`spy.video("` + who + `")`)
	count := `spy.decoded("` + who + `")`
	start := eval[int](p, count)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if eval[int](p, count) >= start+n {
			if eval[int](p, `spy.shown("`+who+`")`) == 0 {
				p.picture("stuck-" + p.name)
				p.t.Errorf("%s decodes frames and shows none", p.name)
			}
			return
		}
	}
	p.picture("stuck-" + p.name)
	p.t.Fatalf("%s sees nobody: %d frames decoded, from %d", p.name, eval[int](p, count), start)
}

// identity is what the others' pages know somebody by.
func (p *person) identity() string {
	p.t.Helper()
	p.until(`document.querySelector("[data-local=true]")`)
	return eval[string](p, `document.querySelector("[data-local=true]").dataset.participant`)
}

// checkPath fails the test unless the page's media goes through the relay alone
// and its content policy had nothing to refuse.
func (p *person) checkPath() {
	p.t.Helper()
	if got := eval[string](p, `spy.kinds()`); got != "relay" {
		p.t.Errorf("%s: candidate pairs in use = %q, want relay only", p.name, got)
	}
	if got := eval[[]string](p, `window.refused`); len(got) > 0 {
		p.t.Errorf("%s: the content policy refused %s", p.name, strings.Join(got, "; "))
	}
}

// gather has the host and an admitted guest see each other, and brings a third
// to the waiting room.
func gather(t *testing.T, h *house) (host, desk, guest, third *person) {
	t.Helper()
	host = hostSignsIn(t, h)
	guest = guestWaits(t, h, "J. D.", jeanne, "fr")
	third = guestWaits(t, h, "M. L.", marc, "en")
	id := guest.admission()
	host.until(`document.body.innerText.includes("J. D.") && document.title.startsWith("(2)")`)
	desk = host.opens()
	desk.joins()
	host.admits(id)
	guest.joins()
	desk.sees(id, 20)
	guest.sees(desk.identity(), 20)
	return host, desk, guest, third
}

// TestMeeting is the main job: a person clicks a personal link, proves who they
// are, waits, is seen, is admitted, and is in a real meeting through the relay.
// Who still waits reaches none of it (T34).
func TestMeeting(t *testing.T) {
	h := openHouse(t)
	host, desk, guest, third := gather(t, h)
	desk.checkPath()
	guest.checkPath()
	id := third.admission()
	waitingReachesNothing(t, h, third.cookies())
	noRelay(t, third, id)

	host.admits(id)
	third.joins()
	desk.sees(id, 10)
	guest.sees(id, 10)
	third.sees(desk.identity(), 10)
	third.checkPath()
	noToken(t, host, guest, third)
}
