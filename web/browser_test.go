package web_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"vestibule/web"
)

// policy is stricter than what the door sends in one point: forms may go to
// the room of the examples, nowhere else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; " +
	"form-action 'self' https://room.exemple.fr; base-uri 'none'; frame-ancestors 'none'"

// door serves the examples at /x/{name} and whatever a test hangs beside them.
type door struct {
	*httptest.Server
	pages *web.Pages
	mux   *http.ServeMux

	mu    sync.Mutex
	posts []string // guarded by mu: path?form of every POST
}

func newDoor(t *testing.T) *door {
	t.Helper()
	d := &door{pages: newPages(t), mux: http.NewServeMux()}
	byName := map[string]web.Page{}
	for _, e := range examples() {
		byName[e.name] = e.page
	}
	d.mux.HandleFunc("GET /x/{name}", func(w http.ResponseWriter, r *http.Request) {
		d.write(t, w, r, byName[r.PathValue("name")])
	})
	d.mux.Handle("GET /static/", http.StripPrefix("/static/", d.pages.Static()))
	// A stream that says nothing, for pages that are only looked at.
	quiet := func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	d.mux.HandleFunc("GET /a/ad01/events", quiet)
	d.mux.HandleFunc("GET /m/0af1/events", quiet)
	d.mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		d.mu.Lock()
		d.posts = append(d.posts, r.URL.Path+"?"+r.PostForm.Encode())
		d.mu.Unlock()
		d.write(t, w, r, web.Fault{Reference: "POST"})
	})
	d.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", policy)
		d.mux.ServeHTTP(w, r)
	}))
	t.Cleanup(d.Close)
	return d
}

func (d *door) write(t *testing.T, w http.ResponseWriter, r *http.Request, p web.Page) {
	if p == nil {
		http.NotFound(w, r)
		return
	}
	if err := d.pages.Write(w, r, http.StatusOK, p); err != nil {
		t.Error(err)
	}
}

func (d *door) posted() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.posts...)
}

// browse starts one headless browser for the test.
func browse(t *testing.T) context.Context {
	t.Helper()
	if testing.Short() {
		t.Skip("no browser in -short")
	}
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatal("chromium is missing: apt-get install chromium")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 8*time.Minute)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewContext(ctx, chromedp.WithAllocatorOptions(
		chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Headless, chromedp.CombinedOutput(io.Discard),
		chromedp.WSURLReadTimeout(time.Minute),
	))
	t.Cleanup(stop)
	// What the content policy refuses is counted by the browser, not by us.
	do(ctx, t, beforehand(`window.refused = []; addEventListener("securitypolicyviolation", (e) => refused.push(e.violatedDirective + " " + e.blockedURI + " " + e.sample))`))
	return ctx
}

// beforehand runs a script in every page before its own.
func beforehand(js string) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: js})
		return err
	})
}

// stream hangs an event stream under a path. What is sent on the channel is
// what the readers get; "drop" ends the connection, "gone" ends it and refuses
// the next.
func (d *door) stream(path string) chan<- string {
	events := make(chan string)
	var refuse atomic.Bool
	d.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) {
		if refuse.CompareAndSwap(true, false) {
			http.Error(w, "later", http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case <-r.Context().Done():
				return
			case e := <-events:
				if e == "drop" || e == "gone" {
					refuse.Store(e == "gone")
					return
				}
				_, _ = io.WriteString(w, e)
				_ = http.NewResponseController(w).Flush()
			}
		}
	})
	return events
}

func do(ctx context.Context, t *testing.T, steps ...chromedp.Action[chromedp.Void]) {
	t.Helper()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

func eval[T any](ctx context.Context, t *testing.T, js string) T {
	t.Helper()
	got, err := chromedp.Run(ctx, chromedp.Evaluate[T](js, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// until waits for a condition in the page, also across pages.
func until(ctx context.Context, t *testing.T, js string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; {
		// While one page gives way to the next there is nobody to ask.
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!document.body && ("+js+")"))
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s never came true: %v", js, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// look sets scheme and size. Motion is reduced, so that pictures are the same.
func look(scheme string, width, height int64) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		}})
		if err != nil {
			return err
		}
		return chromedp.Do(ctx, chromedp.EmulateViewport(width, height))
	})
}

// axe returns the accessibility checker, which npm fetched.
func axe(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("axe/node_modules/axe-core/axe.min.js")
	if err != nil {
		t.Fatalf("axe-core is missing: run make axe, or npm ci in web/axe (%v)", err)
	}
	return strings.TrimSpace(string(b))
}
