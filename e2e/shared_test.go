package e2e_test

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestSharedCode has a host open a code in the console and read it out: who
// calls with it is seen as nobody verified, and is let in by the host.
func TestSharedCode(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	host := h.asHost(t)
	console := host.at.String()
	host.submit("/share", nil)
	code := regexp.MustCompile(`Code téléphonique partagé.*?code partagé\D*(\d{4})\D?(\d{4})`).FindStringSubmatch(strings.ReplaceAll(host.words(), "\n", " "))
	if code == nil {
		t.Fatalf("the console shows no shared code:\n%s", host.words())
	}
	phone := newBaresip(t, callerHertz)
	phone.do("dial", "sip:"+h.Dialin.Meeting+"."+code[1]+code[2]+"@"+h.Dialin.SIP)
	phone.waits("CALL_ESTABLISHED", 10*time.Second)
	eventually(t, "the caller waits", func() bool { return host.waits(console, "salle1") })
	card := host.open(console).words()
	for _, w := range []string{"Identité non vérifiée", "SIP", "127.0.0.1"} {
		if !strings.Contains(card, w) {
			t.Errorf("the card lacks %q:\n%s", w, card)
		}
	}
	admission := host.form("/answer").Values.Get("admission")
	host.answers(console, admission, "refuse")
	phone.waits("CALL_CLOSED", 20*time.Second)
}
