package e2e_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestT20FramesStayBlank puts the console, an invitation and the room into
// frames of somebody else's page, in the browser of the signed-in host.
func TestT20FramesStayBlank(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	host := hostSignsIn(t, h)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if in := r.URL.Query().Get("in"); in != "" {
			fmt.Fprintf(w, `<!doctype html><title>evil</title><body><iframe src="%s" width=600 height=400></iframe>`, html.EscapeString(in))
			return
		}
		fmt.Fprint(w, `<!doctype html><title>harmless</title>a page that may be framed`)
	}))
	defer evil.Close()

	// A frame that may be shown is: else a blank one proves nothing.
	harmless := strings.Replace(evil.URL, "127.0.0.1", "localhost", 1) + "/harmless"
	host.at(evil.URL + "/?in=" + harmless)
	if got := host.framed(); got != harmless {
		t.Fatalf("a frame of another site shows %q, want %s", got, harmless)
	}

	for _, page := range []string{h.Door + "/m/" + h.Meeting, h.link(t, "J. D."), h.Door + "/", h.Room + "/-/room"} {
		host.at(evil.URL + "/?in=" + page)
		if got := host.framed(); got != "chrome-error://chromewebdata/" {
			t.Errorf("%s in a frame: it shows %s, want the browser's own error", short(page), short(got))
		}
	}
}

// framed answers what the page's one frame of another site really shows.
func (p *person) framed() string {
	p.t.Helper()
	var at string
	eventually(p.t, "the frame has loaded", func() bool {
		all, err := chromedp.Targets(p.ctx)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, i := range all {
			if i.Type != "iframe" {
				continue
			}
			ctx, stop := chromedp.NewContext(p.ctx, chromedp.WithTargetID(i.TargetID))
			at, _ = chromedp.Run(ctx, chromedp.Evaluate[string](`document.readyState === "complete" ? location.href : ""`))
			p.t.Cleanup(stop) // not before: it closes the page
			if at != "" && at != "about:blank" {
				return true
			}
		}
		return false
	})
	return at
}
