package e2e_test

import (
	"regexp"
	"testing"
)

// TestReport has the host remove and report somebody by the button of the
// console, and takes pictures of what it says after, in both lights.
func TestReport(t *testing.T) {
	t.Parallel()
	axe := checker(t)
	h := openHouse(t)
	host := hostSignsIn(t, h)
	guest := guestWaits(t, h, "J. D.", jeanne, "fr")
	id := guest.admission()
	host.admits(id)
	ask := `details[data-key="x-` + id + `"]`
	host.decides(ask+` summary`, `document.querySelector('`+ask+`').open`)
	for _, width := range []int64{390, 1280} {
		host.dress("light", width)
		host.picture("report-ask." + map[int64]string{390: "390", 1280: "1280"}[width])
	}
	host.decides(ask+` button[name=report]`, `!document.querySelector('`+ask+`')`)
	host.until(`document.querySelector(".cuts")`)
	guest.until(`document.querySelector("h1").innerText.startsWith("Vous avez été retiré")`)
	said := regexp.MustCompile(`(Signalé, référence|Reported, reference) [A-Z2-7]{4}-[A-Z2-7]{4}\b`)
	for _, lang := range []string{"fr", "en"} {
		host.speaks(lang)
		if words := eval[string](host, `document.body.innerText`); !said.MatchString(words) {
			t.Errorf("the console in %s tells no reference:\n%s", lang, words)
		}
		host.looks(axe, "report")
		host.dress("dark", 390)
		host.accessible(axe, "report in the dark")
		host.picture("report." + lang + ".390.dark")
		host.dress("dark", 1280)
		host.picture("report." + lang + ".1280.dark")
		host.dress("light", 1280)
	}
}
