package web_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"vestibule/web/locale"
)

// shots is where pictures go: go test ./web -run Looks -shots ../e2e/out/pages.
var shots = flag.String("shots", "", "folder for a picture of every page")

// whole are the examples looked at in every language, scheme and width; the
// other states of the same pages are looked at once.
func whole() []string {
	return []string{
		"home", "sign-ins", "invitation", "invitation-early", "code-wrong", "name-faulty", "waiting", "waiting-admitted", "entering", "done-left",
		"refused-not_found", "fault", "meetings", "new-faulty", "created", "console", "console-locked",
		"console-calm", "console-shared", "waiting-question", "waiting-there", "waiting-asked", "done-lapsed", "done-refused-later", "name-fixed", "change", "console-members", "console-mails",
	}
}

// hold keeps a page that would go on by itself, to be looked at.
const hold = `HTMLFormElement.prototype.requestSubmit = () => {}`

// verdict is what the page in the browser says of itself.
type verdict struct {
	Axe     []string `json:"axe"`
	Refused []string `json:"refused"`
	Wide    []string `json:"wide"`
	Small   []string `json:"small"`
	Bytes   int      `json:"bytes"`
}

const judge = `(async () => {
	const axed = await axe.run(document, {resultTypes: ["violations"], runOnly: window.axeRules});
	const name = (e) => e.tagName + "#" + e.id + "." + e.className + " " + (e.textContent || "").trim().slice(0, 30);
	const shown = (e) => e.checkVisibility() && e.getBoundingClientRect().width > 1;
	return {
		axe: axed.violations.flatMap((v) => v.nodes.map((n) => v.id + ": " + n.html + " " + (n.any[0]?.message ?? n.failureSummary ?? ""))),
		refused: window.refused,
		wide: document.documentElement.scrollWidth > innerWidth ? [...document.querySelectorAll("body *")].filter((e) => e.getBoundingClientRect().right > innerWidth + 1).map(name) : [],
		small: [...document.querySelectorAll("button, summary, .button, input:not([type=hidden]):not([type=checkbox]), select, .foot a")].filter(shown).filter((e) => e.getBoundingClientRect().height < 43.5).map(name),
		bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].reduce((sum, e) => sum + e.encodedBodySize, 0),
	};
})()`

// TestLooks renders every page in a real browser under the door's own content
// policy, lets axe read it, and takes its picture.
func TestLooks(t *testing.T) {
	checker := axe(t)
	d := newDoor(t)
	ctx := browse(t)
	do(ctx, t, beforehand(hold))
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			for _, l := range looks(e.name) {
				first := l.scheme == "light" && l.width == 390
				do(ctx, t, look(l.scheme, l.width, 844))
				if first {
					do(ctx, t, chromedp.Navigate(d.URL+"/x/"+e.name+"?lang="+l.lang))
					eval[any](ctx, t, checker+"\n;null")
					if e.name == "console-calm" { // the one that is looked at with everything opened
						eval[any](ctx, t, `document.querySelectorAll(".knock details").forEach((d) => { d.open = true; });null`)
					}
				}
				name := fmt.Sprintf("%s.%s.%s.%d", e.name, l.lang, l.scheme, l.width)
				judged(ctx, t, name, first)
				picture(ctx, t, name)
			}
		})
	}
}

// Six streams are all the connections that a browser gives one door, so a page
// that is left must let go of its own.
func TestPagesThatAreLeftLetGoOfTheirStream(t *testing.T) {
	d := newDoor(t)
	ctx := browse(t)
	start := time.Now()
	for range 8 {
		for _, name := range []string{"console", "waiting"} {
			do(ctx, t, chromedp.Navigate(d.URL+"/x/"+name+"?lang=en"))
		}
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("sixteen pages took %v: streams of pages that were left are still open", took)
	}
}

// lookOf is one way to look at a page.
type lookOf struct {
	lang, scheme string
	width        int64
}

func looks(name string) []lookOf {
	if !slices.Contains(whole(), name) {
		return []lookOf{{"fr", "light", 390}}
	}
	var all []lookOf
	for _, lang := range locale.Langs() {
		for _, scheme := range []string{"light", "dark"} {
			all = append(all, lookOf{lang, scheme, 390}, lookOf{lang, scheme, 1280})
		}
	}
	return all
}

// judged asks axe everything when the page is first looked at in a language,
// and what depends on the look in every other.
func judged(ctx context.Context, t *testing.T, name string, first bool) {
	t.Helper()
	rules := `["color-contrast", "target-size", "link-in-text-block"]`
	if first {
		rules = `["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]`
	}
	eval[any](ctx, t, "window.axeRules = "+rules+";null")
	v := eval[verdict](ctx, t, judge)
	for what, found := range map[string][]string{"axe finds": v.Axe, "the content policy refused": v.Refused, "wider than the window": v.Wide, "too small to press": v.Small} {
		for _, f := range found {
			t.Errorf("%s: %s %s", name, what, f)
		}
	}
	if v.Bytes == 0 || v.Bytes > 60_000 {
		t.Errorf("%s: %d bytes in all, want at most 60000", name, v.Bytes)
	}
}

func picture(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	if *shots == "" {
		return
	}
	b, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(*shots, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*shots, name+".png"), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestNothingIsLostWhenEnlarged looks at narrow windows, at 200 % zoom, which
// is a window half as wide, and at letters twice the size.
func TestNothingIsLostWhenEnlarged(t *testing.T) {
	d := newDoor(t)
	ctx := browse(t)
	do(ctx, t, beforehand(hold))
	const wide = `[...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && !e.closest(".sr, .skip") && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.tagName + "." + e.className + "#" + e.id)`
	for _, e := range examples() {
		// French has the longer words.
		do(ctx, t, chromedp.Navigate(d.URL+"/x/"+e.name+"?lang=fr"))
		for _, c := range []struct {
			width int64
			size  string
		}{{360, "100%"}, {320, "100%"}, {640, "200%"}, {390, "200%"}} {
			do(ctx, t, chromedp.EmulateViewport(c.width, 800))
			eval[any](ctx, t, `document.documentElement.style.fontSize = "`+c.size+`"`)
			for _, w := range eval[[]string](ctx, t, wide) {
				t.Errorf("%s at %d px, letters %s: %s is cut off", e.name, c.width, c.size, w)
			}
		}
	}
}
