package e2e_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// person is somebody at a browser of their own.
type person struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // a browser is a context in chromedp
	h    *house
	name string
	rec  *record // of all tabs of this browser
	dir  string  // the browser's profile
}

// newPerson opens a browser that knows the house's authority and has a camera
// and a microphone.
func newPerson(t *testing.T, h *house, name, lang string) *person {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: apt-get install chromium")
	}
	home := t.TempDir()
	trust(t, h, home)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(filepath.Join(home, "profile")),
		chromedp.Env("HOME="+home), chromedp.CombinedOutput(io.Discard), chromedp.WSURLReadTimeout(time.Minute),
		chromedp.Flag("host-resolver-rules", "MAP *.test 127.0.0.1"),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("lang", lang), chromedp.Flag("accept-lang", lang),
		chromedp.Flag("use-fake-device-for-media-stream", true), chromedp.Flag("use-fake-ui-for-media-stream", true),
		chromedp.Flag("allow-loopback-in-peer-connection", true), chromedp.Flag("autoplay-policy", "no-user-gesture-required"),
	)...)
	t.Cleanup(stop)
	ctx, stop = chromedp.NewContext(ctx)
	t.Cleanup(stop)
	p := &person{t: t, ctx: ctx, h: h, name: name, rec: newRecord(), dir: filepath.Join(home, "profile")}
	p.watch()
	return p
}

// quits ends the browser, and answers what it wrote of where it has been.
func (p *person) quits() string {
	p.t.Helper()
	if err := chromedp.Cancel(p.ctx); err != nil {
		p.t.Fatalf("%s closing the browser: %v", p.name, err)
	}
	var b strings.Builder
	for _, what := range []string{"History*", "Visited Links*", "Top Sites*", "Shortcuts*", "Favicons*", "Network Action Predictor*", "Sessions/*"} {
		files, err := filepath.Glob(filepath.Join(p.dir, "Default", what))
		if err != nil {
			p.t.Fatal(err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				p.t.Fatal(err)
			}
			b.Write(text)
		}
	}
	if !strings.Contains(b.String(), p.h.Door+"/") {
		p.t.Errorf("%s's browser wrote nothing of where it has been", p.name)
	}
	return b.String()
}

// tab opens another tab of the same browser.
func (p *person) tab(name string) *person {
	p.t.Helper()
	ctx, stop := chromedp.NewContext(p.ctx)
	p.t.Cleanup(stop)
	d := &person{t: p.t, ctx: ctx, h: p.h, name: name, rec: p.rec}
	d.watch()
	return d
}

// watch records what the page exchanges with the network, and has the spy run
// in every page before its own scripts.
func (p *person) watch() {
	p.t.Helper()
	if err := p.rec.follow(p.ctx); err != nil {
		p.t.Fatal(err)
	}
	if err := chromedp.Do(p.ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: fmt.Sprintf("window.working = %q;\n", p.h.working) + spy})
		return err
	})); err != nil {
		p.t.Fatal(err)
	}
}

func trust(t *testing.T, h *house, home string) {
	t.Helper()
	program, err := exec.LookPath("certutil")
	if err != nil {
		t.Fatal("certutil is missing: apt-get install libnss3-tools")
	}
	db := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(db, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-n", "demo", "-t", "C,,", "-i", h.CA}} {
		if out, err := exec.CommandContext(t.Context(), program, append(args, "-d", "sql:"+db)...).CombinedOutput(); err != nil {
			t.Fatalf("certutil: %v: %s", err, out)
		}
	}
}

func (p *person) at(u string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(u)); err != nil {
		p.t.Fatalf("%s going to a page: %v", p.name, err)
	}
}

// press submits by clicking, and waits until the condition holds.
func (p *person) press(css, until string) {
	p.t.Helper()
	p.until(`document.querySelector(` + quote(css) + `)`)
	ctx, cancel := context.WithTimeout(p.ctx, 30*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Click(chromedp.CSS(css))); err != nil {
		p.picture("stuck-" + p.name)
		p.t.Fatalf("%s pressing %s: %v", p.name, css, err)
	}
	p.until(until)
}

// decides presses a button of the console until it takes: one that has just
// moved under the finger does not.
func (p *person) decides(css, until string) {
	p.t.Helper()
	for range 20 {
		p.until(`document.querySelector(` + quote(css) + `)?.checkVisibility() || (` + until + `)`)
		ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
		// The condition below tells whether it was pressed.
		_ = chromedp.Do(ctx, chromedp.Click(chromedp.CSS(css)))
		cancel()
		if p.within(700*time.Millisecond, until) {
			return
		}
	}
	p.until(until)
}

func (p *person) fill(css, text string) {
	p.t.Helper()
	p.until(`document.querySelector(` + quote(css) + `)`)
	eval[any](p, `(() => { const e = document.querySelector(`+quote(css)+`); e.value = `+quote(text)+`; e.dispatchEvent(new Event("input", {bubbles: true})); })()`)
}

func quote(s string) string { return "`" + strings.ReplaceAll(s, "`", "\\`") + "`" }

// until waits for a condition in the page, also across pages.
func (p *person) until(js string) {
	p.t.Helper()
	p.untilIn(30*time.Second, js)
}

func (p *person) untilIn(patience time.Duration, js string) {
	p.t.Helper()
	if p.within(patience, js) {
		return
	}
	p.picture("stuck-" + p.name)
	text, _ := chromedp.Run(p.ctx, chromedp.Evaluate[string](`location.pathname.split("/")[1] + ": " + document.body.innerText.slice(0, 1200)`))
	p.t.Fatalf("%s: %s never came true; the page says:\n%s", p.name, js, text)
}

// shows is until for a tab behind another, which shows nothing new: a picture
// brings it to the front, on a busy machine not always at once.
func (p *person) shows(picture, js string) {
	p.t.Helper()
	for range 10 {
		p.picture(picture)
		if p.within(3*time.Second, js) {
			p.picture(picture)
			return
		}
	}
	p.untilIn(time.Second, js)
}

// within reports whether a condition comes true in time.
func (p *person) within(patience time.Duration, js string) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && p.ctx.Err() == nil; time.Sleep(30 * time.Millisecond) {
		// While one page gives way to the next there is nobody to ask.
		if ok, _ := chromedp.Run(p.ctx, chromedp.Evaluate[bool]("!!document.body && !!("+js+")")); ok {
			return true
		}
	}
	return false
}

func eval[T any](p *person, js string) T {
	p.t.Helper()
	got, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: evaluating %.80s: %v", p.name, js, err)
	}
	return got
}

// dress sets the window's width and the colour scheme.
func (p *person) dress(scheme string, width int64) {
	p.t.Helper()
	if _, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}); err != nil {
		p.t.Fatal(err)
	}
	if err := chromedp.Do(p.ctx, chromedp.EmulateViewport(width, 844)); err != nil {
		p.t.Fatal(err)
	}
}

// picture keeps what the person sees, in e2e/out.
func (p *person) picture(name string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, 10*time.Second)
	defer cancel()
	b, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Logf("no picture of %s: %v", name, err)
		return
	}
	if err := os.MkdirAll("out", 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join("out", name+".png"), b, 0o644); err != nil {
		p.t.Fatal(err)
	}
}
