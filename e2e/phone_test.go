package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The caller says this; Chromium's microphone beeps at 400 Hz for 20 ms twice
// a second.
const (
	callerHertz  = 1000
	browserHertz = 400
)

// hears is how loud the caller's tone is in what the page plays, in dB, and by
// how much it stands out of the rest.
const hears = `(() => {
	const streams = [...document.querySelectorAll("audio,video")].map((e) => e.srcObject).filter((s) => s && s.getAudioTracks().length);
	window.ears ??= new Map();
	let best = -200;
	for (const s of streams) {
		const id = s.getAudioTracks()[0].id;
		if (!ears.has(id)) {
			const c = new AudioContext(), a = c.createAnalyser();
			a.fftSize = 8192;
			a.smoothingTimeConstant = 0;
			c.createMediaStreamSource(new MediaStream([s.getAudioTracks()[0]])).connect(a);
			ears.set(id, [c, a]);
		}
		const [c, a] = ears.get(id), b = new Float32Array(a.frequencyBinCount);
		a.getFloatFrequencyData(b);
		const at = Math.round(1000 / (c.sampleRate / a.fftSize));
		best = Math.max(best, Math.max(...b.slice(at - 2, at + 3)));
	}
	return best;
})()`

// TestTelephoneAndBrowserHearEachOther is the whole way of a caller: greeting,
// number, code, waiting room, let in by the host, heard and hearing, put out.
func TestTelephoneAndBrowserHearEachOther(t *testing.T) {
	h := openHouse(t)
	if h.Dialin.Code == "" {
		t.Fatal("the house has no phone door")
	}
	host := hostSignsIn(t, h)
	phone := newBaresip(t, callerHertz)
	phone.do("dial", "sip:door@"+h.Dialin.SIP)
	up := phone.waits("CALL_ESTABLISHED", 5*time.Second).at
	time.Sleep(4 * time.Second) // some of the greeting, for the recording
	phone.types(h.Dialin.Meeting + "#")
	phone.types(h.Dialin.Code + "#")

	host.until(`document.querySelector(".knock")?.innerText.includes("` + h.Dialin.For + `")`)
	card := eval[string](host, `document.querySelector(".knock").innerText`)
	for _, w := range []string{"Code personnel composé au téléphone", "SIP", "127.0.0.1", "Appel non chiffré"} {
		if !strings.Contains(card, w) {
			t.Errorf("the card lacks %q:\n%s", w, card)
		}
	}
	host.picture("telephone-waits")
	id := eval[string](host, `document.querySelector(".knock").dataset.key.slice(2)`)
	desk := host.opens()
	desk.joins()
	time.Sleep(3 * time.Second) // of waiting, for the recording
	host.admits(id)
	in := time.Now()

	desk.untilIn(20*time.Second, hears+" > -60")
	t.Logf("the browser hears the caller's tone at %.0f dB, %v after they were let in", eval[float64](desk, hears), time.Since(in).Round(time.Millisecond))
	time.Sleep(6 * time.Second)
	host.expels(id)
	gone := phone.waits("CALL_CLOSED", 5*time.Second)
	clicked := eval[float64](host, `window.clicked`)
	took := gone.at.Sub(time.UnixMilli(int64(clicked)))
	t.Logf("the line was off %v after the host's click", took.Round(time.Millisecond))
	if took > bound {
		t.Errorf("the line was off after %v", took)
	}
	time.Sleep(300 * time.Millisecond)
	checkHeard(t, phone.heard(), in.Sub(up))

	// The code died with the expulsion.
	phone.do("dial", "sip:"+h.Dialin.Meeting+"."+h.Dialin.Code+"@"+h.Dialin.SIP)
	phone.waits("CALL_ESTABLISHED", 5*time.Second)
	time.Sleep(3 * time.Second)
	if eval[int](host, `document.querySelectorAll(".knock").length`) != 0 {
		t.Error("the expelled caller waits again")
	}
	for _, secret := range []string{h.Dialin.Meeting, h.Dialin.Code} {
		for l := range strings.Lines(h.log.String()) {
			if strings.HasPrefix(l, "time=") && strings.Contains(l, secret) {
				t.Errorf("digits stand in the log (T57): %.60s…", l)
			}
		}
	}
}

// checkHeard looks for the browser's beep in what the caller heard after they
// were let in, and for the caller's own voice, which must not come back.
func checkHeard(t *testing.T, s []float64, in time.Duration) {
	t.Helper()
	start := int((in + 2*time.Second).Seconds() * phoneRate)
	if len(s) < start+3*phoneRate {
		t.Fatalf("the recording has %d s, the caller was let in after %v", len(s)/phoneRate, in)
	}
	beeps := 0
	var own []float64
	const piece = phoneRate / 50
	last := -piece
	for i := start; i+piece <= len(s); i += piece / 2 {
		if p, share := goertzel(s[i:i+piece], browserHertz); p > 1e-5 && share > 0.3 && i-last > phoneRate/5 {
			beeps++
			last = i
		}
		p, _ := goertzel(s[i:i+piece], callerHertz)
		own = append(own, p)
	}
	// Their voice never pauses, a beep does.
	slices.Sort(own)
	echo := own[len(own)/2]
	t.Logf("the caller hears %d beeps in %d s, and of their own voice %.2g", beeps, (len(s)-start)/phoneRate, echo)
	if beeps < 4 {
		t.Errorf("the caller hears %d beeps of the browser, want at least 4", beeps)
	}
	if echo > 1e-3 {
		t.Errorf("the caller hears their own voice: %g", echo)
	}
}
