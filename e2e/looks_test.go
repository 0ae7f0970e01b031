package e2e_test

import (
	"os"
	"testing"
)

// checker is axe-core, which knows what keeps people with disabilities out.
func checker(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../web/axe/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is missing: npm ci in web/axe (%v)", err)
	}
	return string(b)
}

// accessible lets axe read the page as it stands. It runs in a world of its
// own, so that the page's content policy stays as it is.
func (p *person) accessible(checker, what string) {
	p.t.Helper()
	found := eval[[]string](p, checker+`
;axe.run(document, {resultTypes: ["violations"], runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]})
	.then((r) => r.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html + " " + (n.any[0]?.message ?? n.failureSummary ?? ""))))`)
	for _, f := range found {
		p.t.Errorf("%s: axe finds %.300s", what, f)
	}
}

// looks takes the page's picture in both widths, and lets axe read each.
func (p *person) looks(checker, name string) {
	p.t.Helper()
	for _, width := range []int64{390, 1280} {
		p.dress("light", width)
		label := name + "." + eval[string](p, `document.documentElement.lang`) + "." + map[int64]string{390: "390", 1280: "1280"}[width]
		p.accessible(checker, label)
		p.picture(label)
	}
}

// speaks changes the language of a page of the door by its own link.
func (p *person) speaks(lang string) {
	p.t.Helper()
	if eval[string](p, `document.documentElement.lang`) != lang {
		p.press(`a[hreflang="`+lang+`"]`, `document.documentElement.lang === "`+lang+`" && document.readyState === "complete"`)
	}
}

// TestLooks takes the pictures of the waiting room, the console and the room as
// they are in a real meeting, and lets axe read them.
func TestLooks(t *testing.T) {
	t.Parallel()
	axe := checker(t)
	h := openHouse(t)
	host, desk, guest, third := gather(t, h)
	for _, lang := range []string{"fr", "en"} {
		third.speaks(lang)
		third.until(`document.getElementById("wait-say").innerText.includes("Claire Martin")`)
		third.looks(axe, "waiting")
		host.speaks(lang)
		host.until(`document.querySelector(".knock")`)
		host.looks(axe, "console")
	}
	id := third.admission()
	host.admits(id)
	third.joins()
	for _, p := range []*person{guest, third} {
		p.sees(desk.identity(), 5)
		p.until(`document.querySelectorAll(".tile video").length === 3`)
		p.looks(axe, "room")
	}
}
