package web_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"golang.org/x/text/unicode/norm"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/web"
)

const impersonated = "Claire Martin"

// hostile are names that would run, or hide what they are.
func hostile() []string {
	var all []string
	for _, run := range []string{"pwned()", "window.pwned()", "top.pwned()", "setTimeout(pwned)", "(0,eval)('pwned()')", "pwned?.()"} {
		for _, form := range []string{
			"<script>%s</script>", "\"><script>%s</script>", "</title><script>%s</script>", "'-%s-'", "</bdi><svg onload=%s>",
			"<img src=x onerror=%s>", "\"><img src=x onerror=%s>", "\" onfocus=%s autofocus x=\"", "<svg/onload=%s>", "<details open ontoggle=%s>",
			"javascript:%s", "<a href=javascript:%s>x</a>", "{{%s}}", "${%s}", "<style onload=%s>", "<iframe srcdoc=\"<script>parent.%s</script>\">",
		} {
			all = append(all, fmt.Sprintf(form, run))
		}
	}
	all = append(all, "\x00", "a\x00b", strings.Repeat("x", 10_240), strings.Repeat("\u202e", 10_240), strings.Repeat("e\u0301", 5_000), "\xff\xfe", "\r\n", "\u2028")
	// What looks like the host: an unseen character at each place, and the
	// look-alikes of each letter.
	for _, unseen := range []string{"\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\u202e", "\u2066", "\u061c"} {
		for i := 0; i < len(impersonated); i += 2 {
			all = append(all, impersonated[:i]+unseen+impersonated[i:])
		}
	}
	for latin, others := range map[string]string{"C": "СϹ", "a": "аɑ", "i": "іı", "e": "е", "M": "МΜ", "r": "г", "t": "т", "l": "ӏIі1|", "n": "ո"} {
		for _, r := range others {
			all = append(all, strings.ReplaceAll(impersonated, latin, string(r)), strings.Replace(impersonated, latin, string(r), 1))
		}
	}
	return append(all, "\u202enitraM erialC", "Сlаіrе Маrtіn", impersonated, "Claire\u00a0Martin", "Claire\u2003Martin", " Claire  Martin ")
}

// TestT21NamesInABrowser puts more than 200 names before a host, in a real
// browser: none runs, none is drawn as the host's is without a warning, and those
// of Arabic, Hebrew and Breton readers stand as they were written. What is drawn
// is compared as a picture.
func TestT21NamesInABrowser(t *testing.T) {
	honest := []string{"أمينة بن علي", "محمد عبد الرحمٰن", "שָׁלוֹם כֹּהֵן", "יוסף בן־דוד", "Gwenaël Le Goff", "Fañch ar C’hoadoù", "Añ-Mari C'hoarzh"}
	names := slices.Concat(hostile(), honest)
	if len(names) < 200 {
		t.Errorf("there are %d names, want 200", len(names))
	}
	console := consolePage()
	console.Waiting = nil
	for i, n := range names {
		a := meeting.Admission{ID: fmt.Sprintf("n%d", i), Invitation: "i", State: meeting.Waiting, Name: lobby.CleanText(n, lobby.MaxName)}
		snap := &lobby.Snapshot{Meeting: meeting.Meeting{Owner: meeting.Contact{Key: "https://id|claire", Name: impersonated}}, Admissions: []meeting.Admission{a}}
		c := web.Card{Admission: a.ID, Invited: "J. D.", Name: a.Name}
		for _, w := range snap.Warnings(&a) {
			c.Warnings = append(c.Warnings, web.Warning(w))
		}
		console.Waiting = append(console.Waiting, c)
	}
	d := newDoor(t)
	d.mux.HandleFunc("GET /names", func(w http.ResponseWriter, r *http.Request) { d.write(t, w, r, console) })
	ctx := browse(t)
	do(ctx, t, beforehand(`window.ran = 0; window.pwned = () => { window.ran++; }`), chromedp.Navigate(d.URL+"/names?lang=en"))
	got := eval[struct {
		Ran     int
		Refused []string
		Cards   int
		Drawn   map[string]bool // as the host's name is; and whether a warning stands by it
		Shown   []string
	}](ctx, t, `(async () => {
		const draw = (text) => {
			const c = new OffscreenCanvas(900, 60), x = c.getContext("2d");
			x.font = "32px " + getComputedStyle(document.body).fontFamily;
			x.fillText(text, 10, 40);
			return x.getImageData(0, 0, 900, 60).data.join();
		};
		const host = draw("`+impersonated+`"), out = { Ran: 0, Refused: [], Cards: 0, Drawn: {}, Shown: [] };
		for (const card of document.querySelectorAll('li[data-key^="a-n"]')) {
			out.Cards++;
			const flagged = /resembles a host|mixes alphabets/.test(card.querySelector(".warnings")?.innerText ?? "");
			for (const b of card.querySelectorAll("bdi")) {
				out.Shown.push(b.innerText);
				if (draw(b.innerText) === host) out.Drawn[card.dataset.key] = flagged;
			}
		}
		await new Promise((done) => requestAnimationFrame(() => setTimeout(done))); // what would run late
		out.Ran = window.ran; out.Refused = window.refused;
		return out;
	})()`)
	if got.Ran != 0 || len(got.Refused) != 0 || got.Cards != len(names) {
		t.Errorf("%d scripts ran, the browser refused %v, %d cards of %d", got.Ran, got.Refused, got.Cards, len(names))
	}
	for _, c := range console.Waiting {
		if flagged, drawn := got.Drawn["a-"+c.Admission]; drawn && !flagged {
			t.Errorf("%q is drawn as the host's name, without a warning", c.Name)
		}
	}
	if len(got.Drawn) < 50 {
		t.Errorf("only %d names are drawn as the host's: the pictures do not compare", len(got.Drawn))
	}
	shown := strings.Join(got.Shown, "\n") + "\n"
	for _, n := range honest {
		if !strings.Contains(shown, norm.NFC.String(n)+"\n") {
			t.Errorf("%q does not stand as it was written", n)
		}
	}
}
