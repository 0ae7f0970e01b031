package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// chooses picks a file in a form.
func (p *person) chooses(css, name, content string) {
	p.t.Helper()
	path := filepath.Join(p.t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		p.t.Fatal(err)
	}
	if err := chromedp.Do(p.ctx, chromedp.SetUploadFiles(chromedp.CSS(css), []string{path})); err != nil {
		p.t.Fatal(err)
	}
}

// TestHostChangesAMeeting is a host who adds people to a meeting in a real
// browser, by lines and by a file, and makes another meeting like it: the form
// is sent as the page has it sent.
func TestHostChangesAMeeting(t *testing.T) {
	h := openHouse(t)
	host := hostSignsIn(t, h)
	host.speaks("en")
	console := h.Door + "/m/" + h.Meeting
	form := `form[action$="/change"]`
	save := form + ` button.main`

	host.press(`a[href$="/change"]`, `document.querySelector('`+form+`')`)
	host.fill("#title", "Consultation J. D., moved")
	host.fill("#invitees", "Lise Roux <lise.roux@exemple.example>\nOmar Diallo <omar@exemple.example>")
	host.press(save, `location.pathname === "/m/`+h.Meeting+`"`)
	host.until(`document.querySelector("h1").innerText.includes("moved") && document.body.textContent.includes("Lise Roux") && document.body.textContent.includes("Omar Diallo")`)

	host.at(console + "/change")
	host.chooses("#list", "people.csv", "name;mail;role\nAnna Weber;anna@exemple.example;\nHugo Bernard;hugo.b@hospital.example;host\n")
	host.press(save, `document.querySelector("#invitees")?.value.includes("anna@exemple.example")`)
	host.until(`document.querySelector("#cohosts").value.includes("hugo.b@hospital.example") && document.querySelector("#list").files.length === 0`)
	host.picture("change-list")
	host.press(save, `location.pathname === "/m/`+h.Meeting+`"`)
	host.until(`document.body.textContent.includes("Anna Weber") && document.body.textContent.includes("Hugo Bernard")`)

	host.press(`a[href$="/copy"]`, `document.querySelector('form[action="/meetings"]')`)
	host.until(`["lise.roux", "omar", "anna"].every((who) => document.querySelector("#invitees").value.includes(who + "@exemple.example"))`)
	host.press(`form[action="/meetings"] button.main`, `location.pathname.endsWith("/created")`)
	host.until(`location.pathname !== "/m/` + h.Meeting + `/created" && document.body.textContent.includes("Anna Weber")`)
}
