package demo_test

import (
	"context"
	"net/smtp"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"vestibule/deploy/demo"
	"vestibule/deploy/demo/ca"
)

// TestBrowser clicks through sign-in, mail and sign-out in a real browser
// that knows the authority: what is under test are our headers, cookies and
// certificates as a browser takes them. Run with -artifacts to keep the
// pictures.
func TestBrowser(t *testing.T) {
	o := open(t, demo.Config{})
	tab := browse(t, o)

	at(t, tab, o.ready.Host.Login)
	if got := read(t, tab, "h1"); got != "Who are you?" {
		t.Errorf("the sign-in page says %q, want it in the browser's language", got)
	}
	click(t, tab, "ul.people li:first-child button", "#who")
	if got, want := read(t, tab, "#who"), "Dr Claire Martin claire.martin@hopital.example"; got != want {
		t.Errorf("the door learnt %q, want %q", got, want)
	}

	at(t, tab, o.ready.ID)
	click(t, tab, "button.submit", "h1")
	if got := read(t, tab, "h1"); got != "You are signed out" || o.door.told.Load() != 1 {
		t.Errorf("signing out: %q and %d told, want the door told", got, o.door.told.Load())
	}

	send(t, o)
	at(t, tab, o.ready.Mail)
	click(t, tab, "a.mail", "dl")
	click(t, tab, "nav a[href$='as=html']", "iframe")
	// The mail's script would change the frame's title.
	if got := eval[string](t, tab, `document.title`); !strings.HasPrefix(got, "Invitation") {
		t.Errorf("the page's title became %q", got)
	}
}

// TestPictures takes every page in both languages, in light and dark, at the
// width of a phone and of a desk, and wants none to scroll sideways.
func TestPictures(t *testing.T) {
	o := open(t, demo.Config{})
	send(t, o)
	tab := browse(t, o)
	at(t, tab, o.ready.Mail)
	mail := eval[string](t, tab, `document.querySelector("a.mail").href`)
	for name, u := range map[string]string{
		"sign-in": o.ready.Host.Login, "home": o.ready.ID, "refused": o.ready.ID + "/authorize", "mails": o.ready.Mail,
		"mail": mail, "mail-html": mail + "?as=html", "gone": o.ready.Mail + "/m/none",
	} {
		at(t, tab, u)
		here := eval[string](t, tab, `location.href`)
		join := "?"
		if strings.Contains(here, "?") {
			join = "&"
		}
		for _, lang := range []string{"fr", "en"} {
			for _, scheme := range []string{"light", "dark"} {
				for _, width := range []int64{390, 1280} {
					dress(t, tab, scheme, width)
					at(t, tab, here+join+"lang="+lang)
					if over := eval[float64](t, tab, `document.documentElement.scrollWidth - innerWidth`); over > 0 {
						t.Errorf("%s, %s, %d px: scrolls sideways by %v px", name, lang, width, over)
					}
					picture(t, tab, name, lang, scheme, width)
				}
			}
			checkTargets(t, tab, name)
			checkAxe(t, tab, name)
		}
	}
}

// checkTargets wants every control 44 px high at least.
func checkTargets(t *testing.T, tab context.Context, name string) {
	t.Helper()
	small := eval[string](t, tab, `[...document.querySelectorAll("button, a")].filter(e => !e.closest(".text"))
		.filter(e => e.getBoundingClientRect().height < 44).map(e => e.textContent.trim()).join("; ")`)
	if small != "" {
		t.Errorf("%s: less than 44 px high: %s", name, small)
	}
}

// checkAxe runs axe-core where AXE names its file; the end-to-end tests
// always do.
func checkAxe(t *testing.T, tab context.Context, name string) {
	t.Helper()
	path := os.Getenv("AXE")
	if path == "" {
		return
	}
	script, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(tab, chromedp.Evaluate[any](string(script)+"; null", chromedp.EvalIgnoreExceptions)); err != nil && !strings.Contains(err.Error(), "null") {
		t.Fatal(err)
	}
	found, err := chromedp.Run(tab, chromedp.Evaluate[string](
		`axe.run().then(r => r.violations.map(v => v.id + ": " + v.nodes.map(n => n.target).join(" ")).join("; "))`, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if found != "" {
		t.Errorf("%s: axe finds %s", name, found)
	}
}

func picture(t *testing.T, tab context.Context, name, lang, scheme string, width int64) {
	t.Helper()
	b, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	size := "phone"
	if width > 500 {
		size = "desk"
	}
	if err := os.WriteFile(filepath.Join(t.ArtifactDir(), strings.Join([]string{name, lang, scheme, size}, "-")+".png"), b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func dress(t *testing.T, tab context.Context, scheme string, width int64) {
	t.Helper()
	if _, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
	}); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(tab, chromedp.EmulateViewport(width, 844)); err != nil {
		t.Fatal(err)
	}
}

// browse starts a browser whose home trusts the demonstration's authority.
func browse(t *testing.T, o *opened) context.Context {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: apt install chromium")
	}
	home := t.TempDir()
	trust(t, o, home)
	alloc, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(filepath.Join(home, "profile")), chromedp.Env("HOME="+home),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("lang", "en"))...)
	t.Cleanup(cancel)
	tab, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	// The browser lives as long as the context of its first action.
	if err := chromedp.Do(tab, chromedp.Navigate("about:blank")); err != nil {
		t.Fatal(err)
	}
	return tab
}

// trust puts the demonstration's authority into a home's list, as --trust
// does for the user's own.
func trust(t *testing.T, o *opened, home string) {
	t.Helper()
	program, err := exec.LookPath("certutil")
	if err != nil {
		t.Fatal(ca.ErrNoCertutil)
	}
	db := filepath.Join(home, ".pki", "nssdb")
	if err := os.MkdirAll(db, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"-N", "--empty-password"}, {"-A", "-n", "demo", "-t", "C,,", "-i", o.ready.CA}} {
		if out, err := exec.CommandContext(t.Context(), program, append(args, "-d", "sql:"+db)...).CombinedOutput(); err != nil {
			t.Fatalf("certutil: %v: %s", err, out)
		}
	}
}

func send(t *testing.T, o *opened) {
	t.Helper()
	mail := strings.ReplaceAll(`From: Consultations <visio@hopital.example>
Subject: Invitation: Consultation video, mardi 24 novembre
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=o

--o
Content-Type: multipart/alternative; boundary=i

--i
Content-Type: text/plain; charset=utf-8

Le Dr Martin vous invite à une consultation vidéo, mardi 24 novembre à 14 h.

Votre lien personnel : https://door.localhost/i/k3hV0yq2Zs8mXv1pTn4cRw7bLd9fAe6uJg5hQx0zYt

Gardez-le pour vous.
--i
Content-Type: text/html; charset=utf-8

<h1>Consultation vidéo</h1><p>Le Dr Martin vous invite, mardi 24 novembre à 14 h.</p><p><a href="https://door.localhost/i/x">Votre lien</a></p><script>parent.document.title = "stolen"; document.title = "run"</script>
--i--
--o
Content-Type: text/calendar; method=REQUEST; name=invite.ics

BEGIN:VCALENDAR
METHOD:REQUEST
BEGIN:VEVENT
SUMMARY:Consultation vidéo
DTSTART;TZID=Europe/Paris:20261124T140000
DTEND;TZID=Europe/Paris:20261124T143000
END:VEVENT
END:VCALENDAR
--o--
`, "\n", "\r\n")
	if err := smtp.SendMail(o.door.s.SMTP, nil, "visio@hopital.example", []string{"anna.long-name@patients.example", "ben@example.org"}, []byte(mail)); err != nil {
		t.Fatal(err)
	}
}

func at(t *testing.T, tab context.Context, u string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, 15*time.Second)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Navigate(u)); err != nil {
		t.Fatalf("going to %s: %v", u, err)
	}
}

// click clicks what and waits for the next page to show then.
func click(t *testing.T, tab context.Context, what, then string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(tab, 15*time.Second)
	defer cancel()
	if _, err := chromedp.RunResponse(ctx, chromedp.Click(chromedp.CSS(what))); err != nil {
		t.Fatalf("clicking %s: %v", what, err)
	}
	if err := chromedp.Do(ctx, chromedp.WaitReady(chromedp.CSS(then))); err != nil {
		t.Fatalf("waiting for %s: %v", then, err)
	}
}

func read(t *testing.T, tab context.Context, what string) string {
	t.Helper()
	s, err := chromedp.Run(tab, chromedp.TextContent(chromedp.CSS(what)))
	if err != nil {
		t.Fatalf("reading %s: %v", what, err)
	}
	return strings.TrimSpace(s)
}

func eval[T any](t *testing.T, tab context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(tab, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}
