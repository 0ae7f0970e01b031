package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

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

// TestT23SecretsStayWhereTheyBelong goes the whole way, by mail, by SMS and by
// sign-in, into the room and out of it, and then looks for every secret that was
// minted on it in the logs at debug level, in all that redis-server holds, and
// in the browser's history.
func TestT23SecretsStayWhereTheyBelong(t *testing.T) {
	redis := storetest.StartRedis(t)
	h := openHouse(t, "--redis", redis.URL())
	host := hostSignsIn(t, h)
	guest := guestWaits(t, h, "J. D.", jeanne, "fr")
	const number = "+33612345642"
	texted := h.visitor(t).open(h.link(t, "M. L."))
	texted.submit("/code", one("by", "sms"))
	sms := h.code(t, number)
	texted.submit("/verify", one("code", sms))
	texted.knocks("M. L.")
	colleague := h.visitor(t).open(h.link(t, "Dr Hugo Bernard"))
	colleague.submit("/signin", one("provider", "demo")).signsIn(hugo).knocks("H. B.")
	host.until(`document.querySelector(".knock") && document.body.innerText.includes("A prouvé le téléphone +33")`)
	id := guest.admission()
	desk := host.opens()
	desk.joins()
	host.admits(id)
	guest.joins()
	had := possessions{took: guest.rec.took(), relay: eval[iceServer](guest, myRelay)}
	desk.sees(id, 5)

	secrets := map[string]string{
		h.code(t, jeanne): "a mailed code", sms: "a texted code", had.ticket(): "a ticket",
		had.relay.Credential: "a relay credential", h.Dialin.Code: "a dial-in code",
	}
	for name, value := range guest.cookies() {
		if name != "__Host-lang" {
			secrets[value] = "the cookie " + name
		}
	}
	for _, v := range []*visitor{texted, colleague} {
		for _, jar := range v.jar {
			for name, value := range jar {
				secrets[value] = "the cookie " + name
			}
		}
	}
	persons := map[string]string{jeanne: "an address", marc: "an address", number: "a number", h.Host.Email: "an address"}
	links := map[string]string{}
	for _, i := range h.Invitations {
		u, err := url.Parse(i.Link)
		if err != nil {
			t.Fatal(err)
		}
		links[strings.TrimPrefix(u.Path, "/i/")] = "a personal link"
	}
	if delete(secrets, ""); len(secrets) < 9 || had.ticket() == "" || had.relay.Credential == "" {
		t.Errorf("only %d secrets were collected", len(secrets))
	}
	before := contents(t, redis)
	host.expels(id)
	past := guest.history() + "\n" + desk.history() + "\n" + host.history()
	for _, u := range texted.given {
		past += "\n" + u.From
	}

	var log strings.Builder // what the door logs; what it prints for the person at the keyboard is no log
	for l := range strings.Lines(h.log.String()) {
		if strings.HasPrefix(l, "time=") {
			log.WriteString(l)
		}
	}
	all, anywhere := map[string]string{}, maps.Clone(secrets)
	maps.Copy(anywhere, links)
	maps.Copy(all, anywhere)
	maps.Copy(all, persons)
	var found []string
	found = append(found, findings("the log", log.String(), all)...)
	// Addresses and numbers are kept for as long as the meeting (docs/PRIVACY.md).
	found = append(found, findings("the store", before+contents(t, redis), anywhere)...)
	// The link is an address, and stands in its own reader's history.
	found = append(found, findings("the history", past, secrets)...)
	found = append(found, findings("the history", past, persons)...)
	for _, f := range found {
		t.Errorf("%s", f)
	}
	t.Logf("looked for %d secrets in %d bytes of log, %d of store, %d of history", len(all), log.Len(), len(before), len(past))
	if log.Len() < 1000 || len(before) < 1000 || !strings.Contains(past, "/-/") && !strings.Contains(past, h.Room) {
		t.Error("there is too little to look in: the comparison compares nothing")
	}
	// The search finds what is there.
	for value, what := range all {
		if got := findings("a text", "x"+strings.Repeat(" ", 9)+value+" y", all); !slices.Contains(got, what+" in a text") {
			t.Errorf("%s is not found where it stands", what)
		}
	}
}
