package e2e_test

import "testing"

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
	desk.picture("talk-room") // brings its tab to the front: one behind another shows nothing new
	desk.until(`document.body.textContent.includes("Jeanne from Lyon")`)
	guest.until(`document.querySelector("[data-own-name]").innerText.includes("Jeanne from Lyon")`)
	guest.until(`document.querySelector("[data-notice]").innerText.includes("Jeanne from Lyon")`)
	guest.sees(desk.identity(), 5)
	third.picture("talk-waiting")
	host.picture("talk-console")
}
