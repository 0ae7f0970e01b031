package e2e_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// network takes the browser's network away, that of its media too, or gives it
// back.
func (p *person) network(on bool) {
	p.t.Helper()
	all := []*network.Conditions{}
	if !on {
		all = append(all, &network.Conditions{Offline: true, PacketLoss: 100, DownloadThroughput: -1, UploadThroughput: -1})
	}
	if err := chromedp.Do(p.ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		if _, err := cdp.Call(ctx, t, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: all}); err != nil {
			return err
		}
		_, err := cdp.Call(ctx, t, network.OverrideNetworkState, network.OverrideNetworkStateParams{Offline: !on, DownloadThroughput: -1, UploadThroughput: -1})
		return err
	})); err != nil {
		p.t.Fatal(err)
	}
}

// locks turns the key.
func (p *person) locks() {
	p.t.Helper()
	p.decides(`button.switch`, `document.querySelector("button.switch")?.ariaChecked === "true"`)
}

// TestT40RejoinWhileLocked locks a meeting: who was admitted and lost the
// network, or closed the page, comes back without the host; a newcomer and the
// expelled do not.
func TestT40RejoinWhileLocked(t *testing.T) {
	h := openHouse(t)
	host, desk, guest, waits := gather(t, h)
	id := guest.identity()
	host.locks()

	guest.network(false)
	guest.until(`document.querySelector("#room").dataset.state === "reconnecting"`)
	guest.network(true)
	start := time.Now()
	guest.until(`document.querySelector("#room").dataset.state === "connected"`)
	desk.sees(id, 10)
	guest.sees(desk.identity(), 10)
	t.Logf("back in the meeting %v after the network", time.Since(start).Round(time.Millisecond))

	guest.at("about:blank")
	host.until(`document.querySelector('[data-key="i-` + id + `"] .state.bad')`)
	guest.at(h.link(t, "J. D."))
	guest.press(`a.button[href^="/a/"]`, `location.host.startsWith("room.")`)
	guest.joins()
	desk.sees(id, 10)

	v := h.visitor(t)
	v.open(h.link(t, "Dr Hugo Bernard")).submit("/signin", one("provider", "demo")).signsIn(hugo).knocks("H. B.")
	v.want(http.StatusForbidden, "La réunion est fermée")
	// Who knocked before it was locked may still be let in by the host.
	host.until(`document.querySelector('li[data-key="a-` + waits.admission() + `"] button[value=admit]')`)

	host.expels(id)
	guest.until(`location.host.startsWith("door.")`)
	removed := `location.host.startsWith("door.") && document.querySelector("h1").innerText.startsWith("Vous avez été retiré")`
	for _, way := range []string{h.link(t, "J. D."), h.Room + "/-/room", h.Door + "/a/" + id} {
		guest.at(way)
		guest.until(removed + ` && !document.querySelector("a.button")`)
	}
	h.visitor(t).open(h.link(t, "J. D.")).want(http.StatusNotFound, "Ce lien n’est plus valable")
}

// TestT42HostReturns locks a meeting, has the host drop out of it altogether,
// and times the way back.
func TestT42HostReturns(t *testing.T) {
	h := openHouse(t)
	host, desk, guest, _ := gather(t, h)
	me := desk.identity()
	host.locks()
	desk.at("about:blank")
	guest.until(`!document.querySelector('[data-participant="` + me + `"]')`)
	host.at("about:blank")

	start := time.Now()
	desk.at(h.Door + "/m/" + url.PathEscape(h.Meeting))
	eval[any](desk, `addEventListener("submit", (e) => e.target.removeAttribute("target"), true)`)
	desk.press(`form[action$="/enter"] button`, `location.host.startsWith("room.")`)
	desk.joins()
	took := time.Since(start)
	guest.sees(desk.identity(), 5)
	t.Logf("the host was back in the locked meeting in %v", took.Round(time.Millisecond))
	if took > 5*bound { // two pages, a browser's permissions, and LiveKit
		t.Errorf("the host was back after %v", took)
	}
}
