package e2e_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"vestibule/store/storetest"
)

// findings are where secrets stand in a text, by what they are. A code of a few
// digits counts where it stands alone, not inside a longer number.
func findings(where, text string, secrets map[string]string) (found []string) {
	for value, what := range secrets {
		for rest := text; ; {
			i := strings.Index(rest, value)
			if i < 0 {
				break
			}
			after := rest[i+len(value):]
			digit := func(s string, at int) bool { return at >= 0 && at < len(s) && s[at] >= '0' && s[at] <= '9' }
			if len(value) > 10 || !digit(rest, i-1) && !digit(after, 0) {
				found = append(found, what+" in "+where)
				break
			}
			rest = after
		}
	}
	return found
}

// contents are all keys and values of a redis-server, readable.
func contents(t *testing.T, s *storetest.Server) string {
	t.Helper()
	var b strings.Builder
	for _, k := range s.Do(t, "KEYS", "*") {
		read := map[string][]string{
			"string": {"GET", k}, "hash": {"HGETALL", k}, "stream": {"XRANGE", k, "-", "+"}, "set": {"SMEMBERS", k},
			"zset": {"ZRANGE", k, "0", "-1", "WITHSCORES"}, "list": {"LRANGE", k, "0", "-1"},
		}[s.Do(t, "TYPE", k)[0]]
		if read == nil {
			t.Fatalf("a key of a kind that is not read")
		}
		fmt.Fprintf(&b, "%s %q\n", k, s.Do(t, read...))
	}
	return b.String()
}

// history is every address that a tab keeps for the way back.
func (p *person) history() string {
	p.t.Helper()
	var r page.GetNavigationHistoryResult
	if err := chromedp.Do(p.ctx, chromedp.Func(func(ctx context.Context, target *chromedp.Target) (err error) {
		r, err = cdp.Call(ctx, target, page.GetNavigationHistory, cdp.Empty{})
		return err
	})); err != nil {
		p.t.Fatal(err)
	}
	var all []string
	for _, e := range r.Entries {
		all = append(all, e.URL)
	}
	return strings.Join(all, "\n")
}

// haul is what was minted on a walk, by value, and says what each is.
type haul struct {
	secrets map[string]string // open something
	links   map[string]string // are addresses
	persons map[string]string // name somebody
	spent   map[string]string // a provider's answers
	past    string            // the browsers' histories
	guest   string            // the guest's ticket
}

// mints notes every secret that a browser was given so far.
func (u *haul) mints(p *person) {
	p.t.Helper()
	had := possessions{took: p.rec.took(), cookies: p.cookies()}
	u.secrets[had.ticket()] = "a ticket of " + p.name
	for name, value := range had.cookies {
		if name != "__Host-lang" {
			u.secrets[value] = "the cookie " + name + " of " + p.name
		}
	}
	for _, a := range had.Asked {
		if at, err := url.Parse(a.URL); err == nil && strings.HasPrefix(at.Path, "/oidc/callback/") {
			u.spent[at.Query().Get("code")], u.spent[at.Query().Get("state")] = "a provider's code", "a provider's state"
		}
	}
}

// relays notes the relay credential of a page in the room.
func (u *haul) relays(p *person) {
	p.t.Helper()
	u.secrets[eval[iceServer](p, myRelay).Credential] = "a relay credential of " + p.name
}

// wholeWay goes every way there is: by mail, by SMS, by sign-in, by telephone and
// by program, into the room, out of it by the host's hand, and signs out.
func wholeWay(t *testing.T, h *house) *haul {
	u := &haul{secrets: map[string]string{}, links: map[string]string{}, persons: map[string]string{}, spent: map[string]string{}}
	host := hostSignsIn(t, h)
	guest := guestWaits(t, h, "J. D.", jeanne, "fr")
	u.secrets[h.code(t, jeanne)] = "a mailed code"
	phone := newBaresip(t, callerHertz)
	phone.do("dial", "sip:"+h.Dialin.Meeting+"."+h.Dialin.Code+"@"+h.Dialin.SIP)
	phone.waits("CALL_ESTABLISHED", 10*time.Second)
	host.until(`document.querySelectorAll(".knock").length === 2`)
	texted := h.visitor(t).open(h.link(t, "M. L."))
	texted.submit("/code", one("by", "sms"))
	sms := h.code(t, number)
	u.secrets[sms] = "a texted code"
	texted.submit("/verify", one("code", sms)).knocks("M. L.")
	colleague := h.visitor(t).open(h.link(t, "Dr Hugo Bernard"))
	colleague.submit("/signin", one("provider", "demo")).signsIn(hugo).knocks("H. B.")
	host.until(`document.body.innerText.includes("A prouvé le téléphone +33")`)
	for _, path := range []string{"/api/v1/meetings", "/api/v1/meetings/" + h.Meeting} {
		program := h.visitor(t)
		if program.ask(http.MethodGet, h.Door+path, nil, http.Header{"Authorization": {"Bearer " + h.Key}}); program.code != http.StatusOK {
			t.Errorf("%s with the key answers %d, want 200", path, program.code)
		}
	}
	id := guest.admission()
	desk := host.opens()
	desk.joins()
	host.admits(id)
	guest.joins()
	desk.sees(id, 5)
	u.relays(guest)
	u.relays(desk)
	u.mints(guest)
	u.mints(host)
	u.guest = possessions{took: guest.rec.took()}.ticket()
	for _, v := range []*visitor{texted, colleague} {
		for _, jar := range v.jar {
			for name, value := range jar {
				u.secrets[value] = "the cookie " + name
			}
		}
		for _, at := range v.given {
			u.past += at.From + "\n"
		}
	}
	host.expels(id)
	guest.until(`location.host.startsWith("door.")`)
	u.past += guest.history() + desk.history() + host.history()
	host.at(h.Door + "/meetings")
	host.press(`form[action="/signout"] button`, `location.host.startsWith("id.") || location.pathname === "/"`)
	u.mints(host)
	u.past += host.history() + guest.quits() + host.quits()
	return u
}

// number is the telephone of M. L.
const number = "+33612345642"

// TestT23SecretsStayWhereTheyBelong goes every way there is, and then looks for
// every secret that was minted on it in the logs at debug level, in all that
// redis-server holds, in all that the door said to the conference server, and in
// what the browsers remember and wrote to disk.
func TestT23SecretsStayWhereTheyBelong(t *testing.T) {
	redis := storetest.StartRedis(t)
	tap := filepath.Join(t.TempDir(), "tap")
	h := openHouse(t, "--redis", redis.URL(), "--tap", tap)
	u := wholeWay(t, h)
	u.secrets[h.Dialin.Code], u.secrets[h.Key] = "a dial-in code", "a program's key"
	for _, a := range []string{jeanne, marc, h.Host.Email, number, number[1:]} {
		u.persons[a] = "an address or number"
	}
	for _, i := range h.Invitations {
		at, err := url.Parse(i.Link)
		if err != nil {
			t.Fatal(err)
		}
		u.links[strings.TrimPrefix(at.Path, "/i/")] = "a personal link"
		u.persons[i.Email] = "an address"
	}
	for _, list := range []map[string]string{u.secrets, u.spent} {
		delete(list, "")
	}
	if len(u.secrets) < 12 || len(u.spent) < 2 || u.guest == "" {
		t.Errorf("only %d secrets and %d answers of a provider were collected", len(u.secrets), len(u.spent))
	}
	said, err := os.ReadFile(tap)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	look := func(where, text, holds string, lists ...map[string]string) {
		if !strings.Contains(text, holds) || len(text) < 1000 {
			t.Errorf("there is too little of %s to look in: %d bytes", where, len(text))
		}
		n := 0
		for _, list := range lists {
			n += len(list)
			found = append(found, findings(where, text, list)...)
		}
		t.Logf("looked for %d secrets in %d bytes of %s", n, len(text), where)
	}
	look("the log", logged(h), "level=DEBUG", u.secrets, u.spent, u.links, u.persons)
	look("the conference server", opened(string(said)), `"video"`, u.secrets, u.spent, u.links, u.persons)
	// Addresses and numbers are kept for as long as the meeting (docs/PRIVACY.md).
	look("the store", contents(t, redis), h.Meeting, u.secrets, u.spent, u.links)
	// The link is an address, and stands in its own reader's history. So does a
	// provider's answer (RFC 6749 §4.1.2), which works once and in that browser.
	look("the history", u.past, h.Room, u.secrets, u.persons)
	// Signing out at the provider takes its own token back to it, by a form.
	for where, text := range map[string]string{"the history": u.past, "the store": contents(t, redis), "the log": logged(h)} {
		if signed.MatchString(text) {
			found = append(found, "a signed token in "+where)
		}
	}
	for _, f := range found {
		t.Errorf("%s", f)
	}
	// The search finds what is there.
	for value, what := range u.secrets {
		if got := findings("a text", "x"+strings.Repeat(" ", 9)+value+" y", u.secrets); !slices.Contains(got, what+" in a text") {
			t.Errorf("%s is not found where it stands", what)
		}
	}
}

// logged is what the house logged; what it prints for the person at the keyboard
// is no log.
func logged(h *house) string {
	var b strings.Builder
	for l := range strings.Lines(h.log.String()) {
		if strings.HasPrefix(l, "time=") {
			b.WriteString(l)
		}
	}
	return b.String()
}

var signed = regexp.MustCompile(`eyJ[A-Za-z0-9_-]+\.(eyJ[A-Za-z0-9_-]+)\.`)

// opened is a text with what the tokens in it say.
func opened(text string) string {
	for _, m := range signed.FindAllStringSubmatch(text, -1) {
		if b, err := base64.RawURLEncoding.DecodeString(m[1]); err == nil {
			text += "\n" + string(b)
		}
	}
	return text
}
