package web_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"vestibule/web"
)

// event writes one event as an EventSource reads it.
func event(name, data string) string {
	return "event: " + name + "\ndata: " + strings.ReplaceAll(data, "\n", "\ndata: ") + "\n\n"
}

func (d *door) at(t *testing.T, path string, p web.Page) {
	d.mux.HandleFunc("GET "+path, func(w http.ResponseWriter, r *http.Request) { d.write(t, w, r, p) })
}

// alone returns the one POST there was.
func (d *door) alone(ctx context.Context, t *testing.T) string {
	t.Helper()
	until(ctx, t, `document.body.innerText.includes("POST")`)
	posts := d.posted()
	if len(posts) != 1 {
		t.Fatalf("posts = %q, want one", posts)
	}
	return posts[0]
}

func TestWaitingFollowsTheHostAndEnters(t *testing.T) {
	d := newDoor(t)
	states := d.stream("/a/live/events")
	w := waitingPage()
	w.Admission, w.Position = "live", 3
	d.at(t, "/a/live", w)
	ctx := browse(t)
	do(ctx, t, chromedp.Navigate(d.URL+"/a/live?lang=en"))

	states <- event("state", `{"state":"waiting","host":true,"position":2}`)
	until(ctx, t, `document.getElementById("wait-say").textContent.includes("knows you are here")`)
	if got := eval[string](ctx, t, `document.getElementById("wait-turn").textContent`); got != "1 person before you" {
		t.Errorf("turn = %q", got)
	}
	states <- event("state", `{"state":"waiting","host":false,"position":7}`)
	until(ctx, t, `document.getElementById("wait-turn").textContent === "6 people before you"`)
	if got := d.posted(); len(got) != 0 {
		t.Fatalf("the page posted by itself: %q", got)
	}
	states <- event("state", `{"state":"admitted","host":true,"position":0}`)
	until(ctx, t, `document.title.startsWith("You can go in") && document.getElementById("enter").checkVisibility()`)
	if got, want := d.alone(ctx, t), "/a/live/enter?attempt=attempt-1&csrf=csrf-of-this-reader"; got != want {
		t.Errorf("entering posted %q, want %q", got, want)
	}
}

func TestWaitingRecoversByItself(t *testing.T) {
	d := newDoor(t)
	states := d.stream("/a/live/events")
	w := waitingPage()
	w.Admission = "live"
	d.at(t, "/a/live", w)
	ctx := browse(t)
	do(ctx, t, chromedp.Navigate(d.URL+"/a/live?lang=en"))
	states <- "gone"
	until(ctx, t, `document.getElementById("wait-lost").checkVisibility()`)
	states <- event("state", `{"state":"waiting","host":true,"position":1}`)
	until(ctx, t, `!document.getElementById("wait-lost").checkVisibility() && document.getElementById("wait-say").textContent.includes("knows")`)
}

// What the host says appears in the page; an answer that is being typed stays,
// and so does the focus. What is new is read out.
func TestWaitingHearsTheHostAndKeepsWhatIsTyped(t *testing.T) {
	d := newDoor(t)
	states := d.stream("/a/live/events")
	w := waitingPage()
	w.Admission, w.Rev = "live", "1"
	w.Question, w.Asks = "What is your first name?", 1
	var mu sync.Mutex
	d.mux.HandleFunc("GET /a/live", func(rw http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		d.write(t, rw, r, w)
	})
	ctx := browse(t)
	do(ctx, t, chromedp.Navigate(d.URL+"/a/live?lang=en"))
	until(ctx, t, `document.title.startsWith("A question for you")`)
	eval[any](ctx, t, `window.field = document.getElementById("reply"); field.focus(); field.value = "Je"; null`)
	mu.Lock()
	w.Held, w.Message, w.Rev, w.Asked = true, "Five minutes, please.", "2", true
	mu.Unlock()
	states <- event("state", `{"state":"waiting","host":true,"position":1,"rev":"2"}`)
	until(ctx, t, `document.getElementById("said").textContent.includes("Five minutes, please.")`)
	if !eval[bool](ctx, t, `field.isConnected && field.value === "Je" && document.activeElement === field`) {
		t.Error("what was typed, or the focus, is lost")
	}
	if !eval[bool](ctx, t, `document.querySelector('form[action="/a/live/stay"]').checkVisibility() && document.getElementById("said").textContent.includes("Are you still there?")`) {
		t.Error("the page does not ask whether one is still there")
	}
	do(ctx, t, chromedp.SendKeys("#reply", "anne\r"))
	if got, want := d.alone(ctx, t), "/a/live/reply?attempt=attempt-1&csrf=csrf-of-this-reader&reply=Jeanne&to=1"; got != want {
		t.Errorf("answering posted %q, want %q", got, want)
	}
}

// A state that has a page of its own is shown by that page.
func TestWaitingShowsWhatTheDoorDecided(t *testing.T) {
	d := newDoor(t)
	states := d.stream("/a/live/events")
	w := waitingPage()
	w.Admission = "live"
	first := true
	d.mux.HandleFunc("GET /a/live", func(rw http.ResponseWriter, r *http.Request) {
		if first {
			first = false
			d.write(t, rw, r, w)
			return
		}
		d.write(t, rw, r, web.Done{Frame: frame("/a/live"), Kind: web.WasRefused})
	})
	ctx := browse(t)
	do(ctx, t, chromedp.Navigate(d.URL+"/a/live?lang=en"))
	states <- event("state", `{"state":"refused","host":true,"position":0}`)
	until(ctx, t, `document.title.startsWith("You were not let in")`)
}

func TestEnteringCarriesTheTicketAlone(t *testing.T) {
	d := newDoor(t)
	d.at(t, "/go", web.Entering{Frame: frame("/go"), Action: "/-/enter", Ticket: "tick3t"})
	ctx := browse(t)
	do(ctx, t, chromedp.Navigate(d.URL+"/go"))
	if got, want := d.alone(ctx, t), "/-/enter?ticket=tick3t"; got != want {
		t.Errorf("entering posted %q, want %q", got, want)
	}
}

// Whatever runs scripts over a mailed link gets no further than the page.
func TestInvitationPostsNothingByItself(t *testing.T) {
	d := newDoor(t)
	ctx := browse(t)
	for _, e := range guestExamples() {
		if e.name == "entering" || e.name == "waiting-admitted" {
			continue
		}
		do(ctx, t, chromedp.Navigate(d.URL+"/x/"+e.name))
		eval[any](ctx, t, `new Promise((done) => setTimeout(done, 100))`)
	}
	if got := d.posted(); len(got) != 0 {
		t.Errorf("looking posted %q", got)
	}
}

// liveConsole opens a console whose knocks the test sends.
func liveConsole(t *testing.T) (*door, context.Context, func(web.Console)) {
	t.Helper()
	d := newDoor(t)
	events := d.stream("/m/live/events")
	c := consolePage()
	c.Meeting, c.Waiting = "live", cards()[:2]
	d.at(t, "/m/live", c)
	ctx := browse(t)
	do(ctx, t, look("light", 1280, 900), chromedp.Navigate(d.URL+"/m/live?lang=en"))
	return d, ctx, func(next web.Console) {
		t.Helper()
		next.Meeting = "live"
		next.Attempt += "-again"
		b, err := d.pages.Fragment("en", web.ConsoleLive(next))
		if err != nil {
			t.Fatal(err)
		}
		events <- event("console", string(b))
	}
}

func TestConsoleAnnouncesAKnockAndStealsNothing(t *testing.T) {
	_, ctx, send := liveConsole(t)
	c := consolePage()
	eval[any](ctx, t, `document.querySelector('[data-key="x-ad11"]').open = true`)
	eval[any](ctx, t, `window.held = document.querySelector('[data-key="a-ad02"] button'); held.focus(); null`)
	if got, want := eval[string](ctx, t, `document.title`), "(2) Consultation J. M. · Hôpital Saint-Jean"; got != want {
		t.Errorf("title = %q, want %q", got, want)
	}

	c.Waiting = cards()[:3]
	send(c)
	until(ctx, t, `document.title.startsWith("(3) ")`)
	if got, want := eval[string](ctx, t, `document.getElementById("said").textContent`), "A. R. is knocking. Identity verified."; got != want {
		t.Errorf("said %q, want %q", got, want)
	}
	if !eval[bool](ctx, t, `document.activeElement === held && held.isConnected`) {
		t.Error("the refresh took the focus away")
	}
	if !eval[bool](ctx, t, `document.querySelector('[data-key="x-ad11"]').open`) {
		t.Error("the refresh closed what was open")
	}
	if got := eval[string](ctx, t, `held.form.elements.attempt.value`); got != "attempt-1-again" {
		t.Errorf("attempt = %q: a form kept the old one", got)
	}

	// An answer to the host's question is heard as a knock is.
	c.Waiting = cards()[:3]
	c.Waiting[1].Talk.Reply = "Paulette"
	send(c)
	until(ctx, t, `document.getElementById("said").textContent === "P. L. answers: Paulette"`)

	// The card that has the focus goes: the focus stays near.
	c.Waiting = []web.Card{cards()[0], cards()[2]}
	send(c)
	until(ctx, t, `document.title.startsWith("(2) ")`)
	if got := eval[string](ctx, t, `document.activeElement.textContent`); got != "Waiting (2)" {
		t.Errorf("the focus went to %q", got)
	}
	c.Waiting = nil
	send(c)
	until(ctx, t, `document.title.startsWith("Consultation")`)
	c.Waiting = cards()
	send(c)
	until(ctx, t, `[...document.querySelectorAll(".knock")].map((e) => e.dataset.key).join() === "a-ad01,a-ad02,a-ad03,a-ad04,a-ad05"`)
}

// Each button of a card does what it says, with a script as without: the words
// go where the button leads, and an admission names the name that was seen.
func TestConsoleButtonsLeadWhereTheySay(t *testing.T) {
	d, ctx, _ := liveConsole(t)
	for _, c := range []struct{ press, want string }{
		{`[data-key="a-ad01"] button[value=admit]`, "/m/live/answer?admission=ad01&answer=admit&attempt=attempt-1&csrf=csrf-of-this-reader&name=Jeanne+Moreau"},
		{`[data-key="a-ad01"] button[formaction="/m/live/hold"]`, "/m/live/hold?admission=ad01&attempt=attempt-1&csrf=csrf-of-this-reader&name=Jeanne+Moreau"},
		{`[data-key="q-ad01"] button`, "/m/live/ask?admission=ad01&attempt=attempt-1&csrf=csrf-of-this-reader&message=Hm&why="},
		{`[data-key="q-ad01"] button[formaction="/m/live/hold"]`, "/m/live/hold?admission=ad01&attempt=attempt-1&csrf=csrf-of-this-reader&message=Hm&why="},
		{`[data-key="q-ad01"] button[value=refuse]`, "/m/live/answer?admission=ad01&answer=refuse&attempt=attempt-1&csrf=csrf-of-this-reader&message=Hm&why="},
		{`[data-key="n-ad01"] button`, "/m/live/rename?admission=ad01&attempt=attempt-1&csrf=csrf-of-this-reader&name=J."},
	} {
		before := len(d.posted())
		eval[any](ctx, t, `document.querySelectorAll('[data-key="a-ad01"] details').forEach((d) => { d.open = true; });
			document.querySelector('[data-key="q-ad01"] input[name=message]').value = "Hm";
			document.querySelector('[data-key="n-ad01"] input[name=name]').value = "J.";
			document.querySelector('`+c.press+`').click(); null`)
		until(ctx, t, `[...document.querySelectorAll("form")].every((f) => f.ariaBusy !== "true")`)
		if got := d.posted(); len(got) != before+1 || got[before] != c.want {
			t.Errorf("%s posted %q, want %q", c.press, got[before:], c.want)
		}
	}
}

// The first of two who wait goes, the second slides under the finger: the
// press that follows at once is not taken for the second.
func TestConsoleTakesNoPressOnACardThatJustMoved(t *testing.T) {
	d, ctx, send := liveConsole(t)
	const press = `[...document.querySelectorAll('[data-key="a-ad02"] button')][0].dispatchEvent(new MouseEvent("click", {bubbles: true, cancelable: true, detail: 1}))`
	c := consolePage()
	c.Waiting = cards()[1:2]
	send(c)
	until(ctx, t, `document.title.startsWith("(1) ") && !`+press)
	if got := d.posted(); len(got) != 0 {
		t.Fatalf("the press was taken: %q", got)
	}
	time.Sleep(600 * time.Millisecond) // as long as a host looks before pressing again
	eval[any](ctx, t, press+"; null")
	deadline := time.Now().Add(10 * time.Second)
	for len(d.posted()) == 0 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	want := "/m/live/answer?admission=ad02&answer=admit&attempt=attempt-1-again&csrf=csrf-of-this-reader&name=P.+L."
	if got := d.posted(); len(got) != 1 || got[0] != want {
		t.Errorf("posted %q, want %q", got, want)
	}
	// The example answers with a page that is no console: it is told, not lost.
	until(ctx, t, `document.getElementById("lost").textContent.includes("A problem on our side")`)
}

// Nothing swaps while a button is held down.
func TestConsoleWaitsForTheFinger(t *testing.T) {
	_, ctx, send := liveConsole(t)
	eval[any](ctx, t, `document.querySelector(".knock button").dispatchEvent(new PointerEvent("pointerdown", {bubbles: true})); null`)
	c := consolePage()
	c.Waiting = nil
	send(c)
	c.Waiting = cards()[:1]
	send(c)
	eval[any](ctx, t, `new Promise((done) => setTimeout(done, 200))`)
	if got := eval[int](ctx, t, `document.querySelectorAll(".knock").length`); got != 2 {
		t.Errorf("%d cards while the button was held, want the 2 there were", got)
	}
	eval[any](ctx, t, `dispatchEvent(new PointerEvent("pointerup")); null`)
	until(ctx, t, `document.querySelectorAll(".knock").length === 1`)
}

// While an answer is under way, what arrives changes neither the form's attempt nor
// that it takes no second press: both would be another wish.
func TestConsoleTakesOnePressAtATime(t *testing.T) {
	d, ctx, send := liveConsole(t)
	answer := make(chan struct{})
	var presses atomic.Int32
	d.mux.HandleFunc("POST /m/live/answer", func(w http.ResponseWriter, _ *http.Request) {
		presses.Add(1)
		<-answer
		w.WriteHeader(http.StatusServiceUnavailable)
	})
	const admit = `document.querySelector('[data-key="a-ad01"] button[value=admit]')`
	eval[any](ctx, t, `window.form = `+admit+`.form; `+admit+`.click(); null`)
	c := consolePage()
	c.Waiting = cards()[:3]
	send(c)
	until(ctx, t, `document.title.startsWith("(3) ")`)
	if got := eval[string](ctx, t, `form.ariaBusy + " " + form.elements.attempt.value`); got != "true attempt-1" {
		t.Errorf("under way the form is %q", got)
	}
	eval[any](ctx, t, admit+`.click(); null`)
	eval[any](ctx, t, `new Promise((done) => setTimeout(done, 200))`)
	close(answer)
	until(ctx, t, `form.ariaBusy === "false"`)
	if n := presses.Load(); n != 1 {
		t.Errorf("%d presses were sent, want 1", n)
	}
}

// A time zone that this browser does not know takes nothing else of the script.
func TestUnknownZoneLeavesTheRest(t *testing.T) {
	d := newDoor(t)
	ctx := browse(t)
	do(ctx, t, beforehand(`document.addEventListener("readystatechange", () => {
		for (const time of document.querySelectorAll("time[data-zone]")) time.dataset.zone = "Mars/Olympus";
	})`))
	do(ctx, t, chromedp.Navigate(d.URL+"/x/created"))
	if eval[bool](ctx, t, `[...document.querySelectorAll("[data-copy]")].some((b) => b.hidden)`) {
		t.Error("there are no buttons to copy links")
	}
}
