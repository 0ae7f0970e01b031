package e2e_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// scan has a browser without a person do to the page behind a link whatever can
// be done: it stays as long as a sandbox does, then follows every link and
// submits every form and clicks every button of every page of the door that it
// gets to, each on a fresh page. It stays at the door: at a provider it has no
// account. With fill it also writes into every field what it could have read.
func (p *person) scan(link string, fill string) (pages []string, acts int) {
	p.t.Helper()
	p.at(link)
	time.Sleep(15 * time.Second) // T02: scripts have their time; nothing may happen by itself
	const fields = `(() => { for (const e of document.querySelectorAll("input:not([type=hidden])"))
		if (e.type === "checkbox" || e.type === "radio") e.checked = true; else if (FILL) e.value = FILL; })()`
	const count = `document.querySelectorAll(SELECT).length`
	const how = `(() => { const e = document.querySelectorAll(SELECT)[N]; e.tagName === "FORM" ? e.submit() : e.click(); })()`
	pages = []string{eval[string](p, `location.href.split("#")[0]`)}
	for i := 0; i < len(pages); i++ {
		for _, selector := range []string{"a[href]", "form", "button, input[type=submit]"} {
			p.at(pages[i])
			n := eval[int](p, strings.ReplaceAll(count, "SELECT", quote(selector)))
			for j := range n {
				p.at(pages[i])
				eval[any](p, strings.ReplaceAll(fields, "FILL", quote(fill)))
				eval[any](p, strings.NewReplacer("SELECT", quote(selector), "[N]", fmt.Sprintf("[%d]", j)).Replace(how))
				acts++
				p.within(400*time.Millisecond, "false") // whatever it set off
				p.within(10*time.Second, `document.readyState === "complete"`)
				at := eval[string](p, `location.href.split("#")[0]`)
				if strings.HasPrefix(at, p.h.Door+"/") && !slices.Contains(pages, at) {
					pages = append(pages, at)
				}
			}
		}
		if acts > 300 {
			p.t.Fatalf("%d things were done and there is no end to it", acts)
		}
	}
	return pages, acts
}

// TestT02ScannersThatSubmitForms opens a mailed link in a browser that nobody
// sits at. It gets no session and no seat, and the person, in a browser of their
// own, enters with the code that is in the mailbox.
func TestT02ScannersThatSubmitForms(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	for name, c := range map[string]struct {
		who, address, fill string
		resend             bool
	}{
		// It knows nothing, and the code that it had sent is still good.
		"without a guess": {"J. D.", jeanne, "", false},
		// It types the digits it finds or makes up, and spends the tries of the
		// code that it asked for; the person asks for another.
		"with guesses": {"M. L.", marc, "123456", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // each waits a minute for what it may do next
			host, link := h.asHost(t), h.link(t, c.who)
			robot := newPerson(t, h, "scanner", "fr")
			pages, acts := robot.scan(link, c.fill)
			t.Logf("%d things done on %d pages", acts, len(pages))
			if acts < 6 || len(pages) < 2 {
				t.Errorf("the scanner did %d things on %d pages: the comparison compares nothing", acts, len(pages))
			}
			if _, ok := robot.cookies()["__Host-door"]; ok {
				t.Error("the scanner holds a session")
			}
			for _, p := range pages {
				if strings.Contains(p, "/a/") || strings.HasSuffix(p, "/name") || strings.Contains(p, "/m/") {
					t.Errorf("the scanner got to %.30s", strings.TrimPrefix(p, h.Door))
				}
			}
			host.open(h.Door + "/m/" + h.Meeting)
			if strings.Contains(host.words(), c.who+" a frappé") {
				t.Errorf("the scanner knocked:\n%s", host.words())
			}
			person := h.visitor(t).open(link)
			if strings.Contains(person.words(), "déjà été ouvert") {
				t.Error("the link counts as used")
			}
			old := h.code(t, c.address)
			code := old
			if c.resend {
				time.Sleep(31 * time.Second) // before which no other is sent
				person.submit("/code", nil)
				code = h.code(t, c.address, old)
			} else {
				person.open(link + "/code")
			}
			person.submit("/verify", url.Values{"code": {code}})
			person.submit("/knock", url.Values{"name": {c.who}, "consent": {"1"}}).want(200, "Vous êtes bien arrivé")
		})
	}
}
