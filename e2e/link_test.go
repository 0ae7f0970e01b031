package e2e_test

import (
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"vestibule/store/storetest"
)

// dump fingerprints everything a redis-server holds, and when each key ends.
func dump(t *testing.T, s *storetest.Server) string {
	t.Helper()
	keys := s.Do(t, "KEYS", "*")
	slices.Sort(keys)
	h := sha256.New()
	for _, k := range keys {
		fmt.Fprintf(h, "%q %q %q\n", k, s.Do(t, "DUMP", k), s.Do(t, "PEXPIRETIME", k))
	}
	return fmt.Sprintf("%d keys, %x", len(keys), h.Sum(nil))
}

// scanners are what looks at links in mails before the person does.
func scanners() []string {
	return []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64; Microsoft Outlook SafeLinks Scanner)",
		"Mimecast-URL-Protect/1.0",
		"BarracudaCentral/1.0 (+http://www.barracudacentral.org)",
		"Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
		"WhatsApp/2.23.20.0 A",
		"facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)",
		"TelegramBot (like TwitterBot)",
	}
}

// TestT01ScannersChangeNothing lets scanners look at a link, and then compares
// all that redis-server holds.
func TestT01ScannersChangeNothing(t *testing.T) {
	t.Parallel()
	redis := storetest.StartRedis(t)
	h := openHouse(t, "--redis", redis.URL())
	host := h.asHost(t)
	eventually(t, "the invitations are mailed", func() bool {
		return strings.Count(host.open(host.at.String()).words(), "envoyée") == len(h.Invitations)
	})
	before := dump(t, redis)
	asked := 0
	for _, agent := range scanners() {
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodOptions} {
			for _, path := range []string{"", "?utm_source=mail", "/code", "/name"} {
				h.visitor(t).ask(method, h.link(t, "J. D.")+path, nil, http.Header{"User-Agent": {agent}})
				asked++
			}
		}
	}
	if after := dump(t, redis); after != before {
		t.Errorf("%d looks at a link changed the store: %s, want %s", asked, after, before)
	}
	h.guest(t, "J. D.", jeanne).want(200, "Vous êtes bien arrivé")
	if after := dump(t, redis); after == before {
		t.Error("a knock left no trace: the comparison compares nothing")
	}
}

// TestT03SecondBrowserWaits opens one link in two browsers: the second is told
// and waits although it proves the same person, and the host sees both.
func TestT03SecondBrowserWaits(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	console := h.Door + "/m/" + h.Meeting
	host := h.asHost(t)
	host.submit("/enter", nil).submit("/-/enter", nil)
	link := h.link(t, "Dr Hugo Bernard")
	signIn := func(name, lang string) *person {
		p := newPerson(t, h, name, lang)
		p.at(link)
		return p
	}
	first := signIn("first", "fr")
	first.provesByProvider(hugo)
	first.knocks("H. B.")
	host.open(console)
	if n := strings.Count(host.words(), "Lien ouvert sur deux appareils"); n != 0 {
		t.Errorf("the first browser's card carries %d warnings of a second one", n)
	}
	host.answers(console, first.admission(), "admit")
	first.until(`location.host.startsWith("room.")`)

	second := signIn("second", "en")
	second.until(`document.body.innerText.includes("already opened on another device")`)
	second.provesByProvider(hugo)
	second.knocks("Hugo")
	second.until(`document.getElementById("wait").dataset.state === "waiting"`)
	host.open(console)
	words := host.words()
	if !strings.Contains(words, "En attente (1)") || !strings.Contains(words, "Lien ouvert sur deux appareils") {
		t.Errorf("the host is not told of the second browser:\n%s", words)
	}
	if !strings.Contains(words, "H. B.") || strings.Count(words, "depuis") == 0 {
		t.Errorf("the host does not see both, with since when:\n%s", words)
	}
	all := host.form("/lock")
	all.Action = console + "/admit-verified"
	if host.post(all); !strings.Contains(host.words(), "En attente (1)") {
		t.Error("admit all who are verified let a second browser in")
	}
	if got := eval[string](first, `location.host.split(".")[0]`); got != "room" {
		t.Errorf("the first browser is at %s, want its room", got)
	}
}
