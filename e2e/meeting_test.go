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
	p.press(`[data-action=check]`, `document.querySelector("[data-action=join]")`)
	p.press(`[data-action=join]`, `document.querySelector("#room").dataset.state === "connected"`)
}

// decoded answers how many video frames of others this browser has decoded.
const decoded = `(async () => { let n = 0; for (const pc of pcs) { if (pc.connectionState === "closed") continue; for (const s of (await pc.getStats()).values()) if (s.type === "inbound-rtp" && s.kind === "video") n += s.framesDecoded || 0; } return n; })()`

// pairs answers the kinds of the local candidates in use.
const pairs = `(async () => { const kinds = new Set(); for (const pc of pcs) { const st = await pc.getStats(); for (const s of st.values()) if (s.type === "candidate-pair" && s.nominated && s.state === "succeeded") kinds.add(st.get(s.localCandidateId).candidateType); } return [...kinds].join(","); })()`

// TestMeeting is the main job: a person clicks a personal link, proves who they
// are, waits, is seen, is admitted, is in a real meeting, and put out is out.
func TestMeeting(t *testing.T) {
	h := openHouse(t)
	host := hostSignsIn(t, h)
	guest := guestWaits(t, h, "J. D.", "jeanne.durand@exemple.example", "fr")
	host.until(`document.body.innerText.includes("J. D.") && document.querySelector("button[value=admit]")`)
	host.picture("console-waiting")
	guest.picture("waiting")

	desk := host.opens()
	desk.joins()
	host.press(`button[value=admit]`, `!document.querySelector("button[value=admit]")`)
	guest.joins()
	for _, p := range []*person{desk, guest} {
		p.frames(20)
		if got := eval[string](p, pairs); got != "relay" {
			t.Errorf("%s: candidate pairs in use = %q, want relay only", p.name, got)
		}
		if got := eval[[]string](p, `window.refused`); len(got) > 0 {
			t.Errorf("%s: the content policy refused %s", p.name, strings.Join(got, "; "))
		}
	}
	desk.picture("room-host")
	guest.picture("room-guest")
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

// frames waits until n more frames of others are decoded.
func (p *person) frames(n int) {
	p.t.Helper()
	start := eval[int](p, decoded)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if eval[int](p, decoded) >= start+n {
			return
		}
	}
	p.picture("stuck-" + p.name)
	p.t.Fatalf("%s sees nobody: %d frames decoded", p.name, eval[int](p, decoded))
}
