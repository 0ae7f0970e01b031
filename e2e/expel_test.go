package e2e_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/chromedp"
)

// sight is what a page noted of one track.
type sight struct {
	Frames int     `json:"frames"`
	At     int     `json:"at"`     // when the count last rose, in ms
	Worst  int     `json:"worst"`  // the longest it did not rise, in ms
	Lost   int     `json:"lost"`   // packets
	First  int     `json:"first"`  // packets lost before
	Packet float64 `json:"packet"` // when the last packet came, in ms
}

// TestT37ExpelledReplaysEverything records all that a guest of a real meeting
// ever receives, puts them out, and tries all of it again.
func TestT37ExpelledReplaysEverything(t *testing.T) {
	h := openHouse(t)
	host, desk, guest, third := gather(t, h)
	stays := third.admission()
	host.admits(stays)
	third.joins()
	desk.sees(stays, 10)

	had := everything(guest, guest.identity())
	expelledAtOnce(t, host, desk, guest, third)
	had.replay(t, guest)
	desk.sees(stays, 10)
	third.sees(desk.identity(), 10)
	for _, p := range []*person{host, guest, third} {
		if n := checkCookies(t, h, p.rec.took().Cookies); len(n) < 3 {
			t.Errorf("%s was given only %v", p.name, n)
		}
	}
	noToken(t, host, guest, third)
}

// expelledAtOnce presses the button and times what it does: the frames of the
// expelled stop at the host, and nobody else loses one.
func expelledAtOnce(t *testing.T, host, desk, guest, third *person) {
	out, stays := guest.identity(), third.identity()
	gone, kept := eval[string](desk, `spy.track("`+out+`")`), eval[string](desk, `spy.track("`+stays+`")`)
	peers := func() string {
		return fmt.Sprint(eval[int](desk, `pcs.length`), eval[int](third, `pcs.length`), len(third.rec.took().Sockets))
	}
	before := peers()
	for _, p := range []*person{desk, third} {
		eval[any](p, `spy.clock()`)
		p.until(`Object.values(seen).length > 0`)
	}
	host.expels(out)
	guest.until(`location.host.startsWith("door.") && document.querySelector("h1").innerText.startsWith("Vous avez été retiré")`)
	desk.until(`!spy.video("` + out + `") && Date.now() - seen["` + gone + `"].at > 1000`)

	clicked := eval[int](host, `window.clicked`)
	last := eval[sight](desk, `seen["`+gone+`"]`)
	t.Logf("last frame of the expelled at the host: %d ms after the click", last.At-clicked)
	t.Logf("its last packet at the host: %d ms after the click", int(last.Packet)-clicked)
	if last.At-clicked > int(bound.Milliseconds()) {
		t.Errorf("the host decoded frames of the expelled for %d ms after the click", last.At-clicked)
	}
	left := eval[sight](desk, `seen["`+kept+`"]`)
	t.Logf("the one who stays, at the host: longest time without a frame %d ms, %d packets lost", left.Worst, left.Lost-left.First)
	if left.Worst > int(bound.Milliseconds()) || left.Lost > left.First || peers() != before {
		t.Errorf("the one who stays was disturbed: %+v, connections %s, want %s", left, peers(), before)
	}
	if n := eval[int](guest, `document.querySelectorAll("a.button, form[action$='/enter']").length`); n > 0 {
		t.Errorf("the expelled one's page offers %d ways back", n)
	}
	host.until(`document.querySelector(".cuts")`)
	report := eval[string](host, `document.querySelector(".cuts").innerText`)
	t.Logf("the host reads: %s", strings.ReplaceAll(report, "\n", "; "))
	for _, what := range []string{"son et image coupés", "connexions coupées", "relais fermé", "lien et code annulés"} {
		if !strings.Contains(report, what) {
			t.Errorf("the host is not told %q", what)
		}
	}
	host.picture("console-cuts")
	guest.picture("removed")
}

// possessions is everything a guest was ever given.
type possessions struct {
	took
	admission string
	cookies   map[string]string // name to value, of every origin
	relay     iceServer
}

// quotaReached is what the relay says to who may have a relay and has as many
// as one may (RFC 8656 §19). A page that is in the room has: two connections
// that each ask by UDP and by TCP. Whose credential does not fit is told 401.
const quotaReached = 486

// everything collects what a guest holds, and checks that it opens what it
// should: a key that never fitted proves nothing.
func everything(p *person, admission string) possessions {
	p.t.Helper()
	had := possessions{took: p.rec.took(), admission: admission, cookies: p.cookies(), relay: eval[iceServer](p, myRelay)}
	if had.cookies["__Host-room"] == "" || had.cookies["__Host-door"] == "" || len(had.Sockets) == 0 || had.ticket() == "" {
		p.t.Fatalf("recorded %d cookies, %d web sockets, ticket %t: not everything", len(had.cookies), len(had.Sockets), had.ticket() != "")
	}
	if code, _ := had.again(p.t, p.h, asked{Method: http.MethodGet, URL: p.h.Room + "/-/pass"}); code != http.StatusOK {
		p.t.Fatalf("the pass answers %d while admitted, want 200", code)
	}
	p.checkPath()
	if got := eval[relays](p, `spy.relays({...`+myRelay+`, urls: `+myRelay+`.urls.filter((u) => u.includes("udp"))})`); got.Relays == 0 && !slices.Contains(got.Refusals, quotaReached) {
		p.t.Fatalf("the relay credential opens nothing while admitted: %+v", got)
	}
	return had
}

// ticket is the one that led into the room.
func (h possessions) ticket() string {
	for _, a := range h.Asked {
		if v, err := url.ParseQuery(string(a.Body)); err == nil && strings.HasSuffix(a.URL, "/-/enter") {
			return v.Get("ticket")
		}
	}
	return ""
}

// again makes a recorded request once more, with every cookie of its origin.
// It answers the status and where it leads or what it says.
func (h possessions) again(t *testing.T, house *house, a asked) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, a.Method, a.URL, strings.NewReader(string(a.Body)))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range a.Header {
		if !strings.HasPrefix(k, ":") {
			req.Header[k] = v
		}
	}
	for name, value := range h.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	res, err := house.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", a.Method, a.URL, err)
	}
	defer res.Body.Close()
	for _, c := range res.Cookies() {
		if c.Name == "__Host-room" && c.MaxAge >= 0 {
			t.Errorf("%s %s hands out a room cookie", a.Method, a.URL)
		}
	}
	if to := res.Header.Get("Location"); to != "" {
		return res.StatusCode, to
	}
	if strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
		return res.StatusCode, firstEvent(res.Body)
	}
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func firstEvent(r io.Reader) string {
	for s := bufio.NewScanner(r); s.Scan(); {
		if d, ok := strings.CutPrefix(s.Text(), "data: "); ok {
			return d
		}
	}
	return ""
}

// replay tries everything again after the expulsion.
func (h possessions) replay(t *testing.T, p *person) {
	n := 0
	for _, a := range h.Asked {
		room, door := strings.HasPrefix(a.URL, p.h.Room+"/"), strings.HasPrefix(a.URL, p.h.Door+"/")
		if !room && !door || strings.HasPrefix(a.URL, p.h.Door+"/static/") {
			continue
		}
		n++
		code, says := h.again(t, p.h, a)
		if fault := h.opens(p.h, a, room, code, says); fault != "" {
			t.Errorf("%s %s answers %d to the expelled: %s", a.Method, short(a.URL), code, fault)
		}
	}
	for _, s := range h.Sockets {
		if code := h.dial(t, p.h, s); code != http.StatusForbidden && code != http.StatusUnauthorized {
			t.Errorf("a web socket of the expelled answers %d, want 401 or 403", code)
		}
	}
	got := eval[relays](p, fmt.Sprintf(`spy.relays({urls: %s, username: %q, credential: %q})`, list(h.relay.URLs), h.relay.Username, h.relay.Credential))
	if got.Relays > 0 || len(got.Refusals) == 0 || slices.Contains(got.Refusals, quotaReached) {
		t.Errorf("the relay gave the expelled %+v, want refusals", got)
	}
	if n < 10 || h.Frames == 0 {
		t.Errorf("only %d requests and %d frames were recorded", n, h.Frames)
	}
	t.Logf("replayed %d requests, %d web sockets, a ticket and a relay credential (refused: %v)", n, len(h.Sockets), got.Refusals)
}

// opens says what an answer gives an expelled guest, nothing being right.
func (h possessions) opens(house *house, a asked, room bool, code int, says string) string {
	if room {
		switch {
		case code == http.StatusUnauthorized || code == http.StatusForbidden:
			return ""
		case code == http.StatusSeeOther && strings.HasPrefix(says, house.Door+"/"):
			return ""
		}
		return "the room, want 401, 403 or the door"
	}
	u, _ := url.Parse(a.URL)
	switch {
	case u.Path == "/a/"+h.admission+"/events":
		if !strings.Contains(says, `"state":"expelled"`) {
			return "events without the word expelled"
		}
		return ""
	case u.Path == "/a/"+h.admission && a.Method == http.MethodGet:
		if !strings.Contains(says, "Vous avez été retiré·e") || strings.Contains(says, "/enter") {
			return "a page that is not the one of the removed"
		}
		return ""
	case code == http.StatusSeeOther && says == "/a/"+h.admission:
		return "" // the page of the removed, which is asked for too
	case code < 400:
		return "the door, want a refusal"
	}
	return ""
}

// noToken greps all that any browser sent or received for a conference token.
func noToken(t *testing.T, people ...*person) {
	door := regexp.MustCompile(`access_token=([^&\s]*)`)
	for _, p := range people {
		k := p.rec.took()
		for _, f := range k.find(`eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}`) {
			t.Errorf("%s: a token passed in %.80s", p.name, f)
		}
		for _, f := range k.find(`eyJhbGciOi`) {
			t.Errorf("%s: the beginning of a token passed in %.80s", p.name, f)
		}
		for _, s := range k.Sockets {
			if m := door.FindStringSubmatch(s); m != nil && m[1] != "door" {
				t.Errorf("%s: a web socket was opened with another token than the word door", p.name)
			}
		}
		if len(k.find(`access_token=door`)) == 0 || k.Frames == 0 {
			t.Errorf("%s: %d web socket frames recorded and no access_token=door among them: nothing was looked at", p.name, k.Frames)
		}
		t.Logf("%s: looked through %d pieces, %d web socket frames, %d web sockets", p.name, len(k.Pieces), k.Frames, len(k.Sockets))
	}
}

// cookies of the person's browser, whatever their origin.
func (p *person) cookies() map[string]string {
	p.t.Helper()
	all, err := chromedp.Run(p.ctx, func(ctx context.Context, t *chromedp.Target) (*storage.GetCookiesResult, error) {
		r, err := cdp.Call(ctx, t, storage.GetCookies, storage.GetCookiesParams{})
		return &r, err
	})
	if err != nil {
		p.t.Fatal(err)
	}
	jar := map[string]string{}
	for _, c := range all.Cookies {
		jar[c.Name] = c.Value
	}
	return jar
}

func list(s []string) string {
	return `["` + strings.Join(s, `","`) + `"]`
}

// short is an address without what identifies anybody.
func short(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return "?"
	}
	parts := strings.Split(u.Path, "/")
	for i, s := range parts {
		if len(s) > 20 {
			parts[i] = "…"
		}
	}
	return strings.Join(parts, "/")
}
