package e2e_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
)

// elsewhere is another site, which notes whether its script was asked for.
type elsewhere struct {
	*httptest.Server
	asked atomic.Bool
}

func openElsewhere(t *testing.T) *elsewhere {
	t.Helper()
	e := &elsewhere{}
	e.Server = httptest.NewServer(http.HandlerFunc(e.answer))
	t.Cleanup(e.Close)
	return e
}

func (e *elsewhere) answer(w http.ResponseWriter, r *http.Request) {
	says, kind := `<!doctype html><title>elsewhere</title><body><script>opener?.postMessage("held", "*")</script>`, "text/html"
	if r.URL.Path == "/script.js" {
		e.asked.Store(true)
		says, kind = `ran.push("foreign")`, "text/javascript"
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", kind)
	_, _ = io.WriteString(w, says) // the browser has gone
}

// TestT20HeadersInABrowser asks a browser, not the table, what the headers of
// the door and the room are good for. Each thing is tried on another site's page
// first, where it works: else its failing would prove nothing.
func TestT20HeadersInABrowser(t *testing.T) {
	t.Parallel()
	h, e := openHouse(t), openElsewhere(t)
	host := hostSignsIn(t, h)
	host.at(e.URL + "/page")
	host.injects(e, "inline,handler,foreign")
	host.asksFor("camera", "given")
	host.asksFor("microphone", "given")
	host.leaves(e.URL + "/")

	for _, page := range []string{h.Door + "/m/" + h.Meeting, h.link(t, "J. D."), h.Door + "/"} {
		host.at(page)
		host.injects(e, "")
		host.asksFor("camera", "NotAllowedError")
		host.asksFor("microphone", "NotAllowedError")
		host.leaves("")
	}

	desk := host.opens()
	desk.until(`location.host.startsWith("room.") && document.querySelector("#room")`)
	desk.injects(e, "")
	desk.asksFor("camera", "given")
	desk.asksFor("microphone", "given")
	desk.leaves("")

	host.at(e.URL + "/page")
	host.holds(strings.Replace(e.URL, "127.0.0.1", "localhost", 1)+"/page", true)
	for _, page := range []string{h.Door + "/m/" + h.Meeting, h.link(t, "J. D."), h.Door + "/", h.Room + "/-/room"} {
		host.holds(page, false)
	}
}

// injects puts scripts into the page as a hole in a template would, and wants
// only those to run that are named.
func (p *person) injects(e *elsewhere, want string) {
	p.t.Helper()
	e.asked.Store(false)
	got := eval[string](p, `new Promise((done) => {
		window.ran = [];
		const add = (tag, more) => document.body.appendChild(Object.assign(document.createElement(tag), more));
		add("script", { textContent: "ran.push('inline')" });
		const button = add("button", { type: "button" });
		button.setAttribute("onclick", "ran.push('handler')");
		button.click();
		const over = () => done(ran.join());
		add("script", { src: `+quote(e.URL+"/script.js")+`, onload: over, onerror: over });
	})`)
	if got != want {
		p.t.Errorf("injected into %s, %q ran, want %q", eval[string](p, "location.origin"), got, want)
	}
	if asked := e.asked.Load(); asked != strings.Contains(want, "foreign") {
		p.t.Errorf("%s asked for a script of another site: %v", eval[string](p, "location.origin"), asked)
	}
}

// asksFor has a script of the page ask for the camera or the microphone, which
// the person at this browser grants to whoever may ask.
func (p *person) asksFor(what, want string) {
	p.t.Helper()
	kind := map[string]string{"camera": "video", "microphone": "audio"}[what]
	got := eval[string](p, `navigator.mediaDevices.getUserMedia({ `+kind+`: true }).then((s) => { s.getTracks().forEach((t) => t.stop()); return "given"; }, (e) => e.name)`)
	if allowed := eval[bool](p, `document.featurePolicy.allowsFeature("`+what+`")`); got != want || allowed != (want == "given") {
		p.t.Errorf("asked by %s for the %s: %s, allowed %v, want %s", eval[string](p, "location.origin"), what, got, allowed, want)
	}
}

// leaves goes from the page to another site, and wants it told this as the
// Referer.
func (p *person) leaves(want string) {
	p.t.Helper()
	from := eval[string](p, "location.origin")
	eval[any](p, `void setTimeout(() => { location.href = `+quote(p.h.Mail+"/?elsewhere")+`; })`)
	p.until(`location.search === "?elsewhere"`)
	if got := eval[string](p, "document.referrer"); got != want {
		p.t.Errorf("on the way from %s another site learns of %q, want %q", from, short(got), want)
	}
}

// holds opens an address in a window of its own, and wants the page that opened
// it to keep hold of it, or to have lost it, and it of the page.
func (p *person) holds(address string, want bool) {
	p.t.Helper()
	before, err := chromedp.Targets(p.ctx)
	if err != nil {
		p.t.Fatal(err)
	}
	known := map[string]bool{}
	for _, i := range before {
		known[string(i.TargetID)] = true
	}
	eval[any](p, `window.said = "", onmessage = (e) => { said = e.data; }, window.other = open(`+quote(address)+`), null`)
	p.until(map[bool]string{true: `said === "held" && !other.closed`, false: `other.closed`}[want])
	var opener string
	eventually(p.t, "the other window is open", func() bool {
		all, err := chromedp.Targets(p.ctx)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, i := range all {
			if i.Type != "page" || known[string(i.TargetID)] {
				continue
			}
			ctx, stop := chromedp.NewContext(p.ctx, chromedp.WithTargetID(i.TargetID))
			p.t.Cleanup(stop) // not before: it closes the page
			opener, _ = chromedp.Run(ctx, chromedp.Evaluate[string](`location.href === "about:blank" || document.readyState !== "complete" ? "" : String(window.opener === null)`))
			return opener != ""
		}
		return false
	})
	if opener != map[bool]string{true: "false", false: "true"}[want] {
		p.t.Errorf("%s in a window of another site's: window.opener is null: %s", short(address), opener)
	}
}
