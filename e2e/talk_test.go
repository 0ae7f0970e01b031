package e2e_test

import (
	"testing"
	"time"
)

// TestHostTalksAndRenames is a host with one person inside and one at the door:
// a question and its answer pass through the waiting page as it stands, and a new
// name is seen by those inside at once, and by the person themselves.
func TestHostTalksAndRenames(t *testing.T) {
	h := openHouse(t)
	host, desk, guest, third := gather(t, h)
	waits, inside := third.admission(), guest.identity()

	ask := `details[data-key="q-` + waits + `"]`
	host.decides(ask+` summary`, `document.querySelector('`+ask+`').open`)
	host.fill(ask+` input[name=message]`, "Who invited you?")
	host.decides(ask+` form button`, `document.querySelector('li[data-key="a-`+waits+`"]').innerText.includes("Who invited you?")`)
	// What was asked must not go out with a refusal later.
	host.until(`document.querySelector('` + ask + ` input[name=message]').value === ""`)
	third.until(`document.querySelector("#talk label")?.innerText === "Who invited you?"`)
	third.fill("#reply", "Dr Martin did.")
	third.press(`form[action$="/reply"] button`, `document.querySelector("#talk").innerText.includes("Dr Martin did.")`)
	host.until(`document.querySelector('li[data-key="a-` + waits + `"]').innerText.includes("Dr Martin did.")`)
	hold := `li[data-key="a-` + waits + `"] button[formaction$="/hold"]`
	host.decides(hold, `document.querySelectorAll('li[data-key="a-`+waits+`"] .talk').length === 3`)
	third.until(`document.querySelector('[data-key="held"]')`)

	rename := `li[data-key="i-` + inside + `"] details[data-key="n-` + inside + `"]`
	host.decides(rename+` summary`, `document.querySelector('`+rename+`').open`)
	host.fill(rename+` input[name=name]`, "Jeanne from Lyon")
	host.decides(rename+` form button`, `document.querySelector('li[data-key="i-`+inside+`"]').innerText.includes("Jeanne from Lyon")`)
	desk.shows("talk-room", `document.body.textContent.includes("Jeanne from Lyon")`)
	guest.until(`document.querySelector("[data-own-name]").innerText.includes("Jeanne from Lyon")`)
	guest.until(`document.querySelector("[data-notice]").innerText.includes("Jeanne from Lyon")`)
	guest.sees(desk.identity(), 5)
	third.picture("talk-waiting")
	host.picture("talk-console")
}

// TestHostMutes is a host who takes a guest's sound from the room: the guest is
// told, sends nothing, and switches the microphone on again themselves.
func TestHostMutes(t *testing.T) {
	h := openHouse(t)
	host, desk, guest, _ := gather(t, h)
	inside := guest.identity()
	muted := `document.querySelector('[data-participant="` + inside + `"] .caption').innerText.includes("micro coupé")`
	desk.until("!" + muted)
	ask := `details[data-key="s-` + inside + `"]`
	host.decides(ask+` summary`, `document.querySelector('`+ask+`').open`)
	host.decides(ask+` form button`, `document.querySelector(".log").innerText.includes("Vous avez coupé le son de J. D.")`)
	guest.until(`document.querySelector("[data-notice]").innerText.includes("coupé votre micro")`)
	desk.shows("muted-room", muted)
	host.picture("muted-console")
	guest.press(`[data-action="microphone"]`, `true`)
	desk.until("!" + muted)
}

// TestT21AChangedNameTakesNoPress has somebody at the door change their name at
// the moment in which the host presses. It is their second change: the first one
// brings a warning, which moves the buttons.
func TestT21AChangedNameTakesNoPress(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	host := hostSignsIn(t, h)
	guest := guestWaits(t, h, "M. L.", marc, "en")
	card := `li[data-key="a-` + guest.admission() + `"]`
	host.until(`document.querySelector('` + card + `')`)
	changes := func(name string) {
		guest.at(h.link(t, "M. L.") + "/name")
		guest.knocks(name)
	}
	changes("Marc")
	host.until(`document.querySelector('` + card + ` input[name=name]').value === "Marc"`)
	host.until(`(window.since ??= performance.now()) + 600 < performance.now()`) // what moved may be pressed again
	eval[bool](host, `(() => {
		const seen = new MutationObserver(() => {
			const card = document.querySelector('`+card+`');
			if (card?.querySelector("input[name=name]").value !== "Luc") return;
			seen.disconnect();
			card.querySelector("button[value=admit]").dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true, detail: 1 }));
			window.pressedLate = true;
		});
		seen.observe(document.getElementById("live"), { subtree: true, childList: true, attributes: true });
		return true;
	})()`)
	changes("Luc")
	host.until(`window.pressedLate`)
	if host.within(3*time.Second, `!document.querySelector('`+card+`')`) {
		t.Error("a press at the moment of the change let the new name in")
	}
	host.decides(card+` button[value=admit]`, `!document.querySelector('`+card+`')`)
}
