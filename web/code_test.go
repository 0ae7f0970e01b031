package web_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// A code is typed in the digits of the reader's own keyboard, and with what
// stands between them.
func TestCodeInTheReadersDigits(t *testing.T) {
	d := newDoor(t)
	ctx := browse(t)
	for typed, want := range map[string]string{
		"٠١٢٣٤٥": "012345", "۴۵۶۷۸۹": "456789", "०१२ ३४५": "012345", "৬৭৮৯০১": "678901", "５６７－８９０": "567890",
		"12 34-56": "123456", "123456789": "123456", "12a": "12",
	} {
		do(ctx, t, chromedp.Navigate(d.URL+"/x/code?lang=en"), chromedp.SendKeys("#code", typed))
		until(ctx, t, `document.getElementById("code").value === "`+want+`"`)
	}
}

// sms stands in for a telephone: what is asked of it is noted, and the test says
// what it answers. So is whatever sends a form.
const sms = `
	window.OTPCredential = class {};
	navigator.credentials.get = (o) => {
		window.asked = o;
		o.signal.addEventListener("abort", () => { sessionStorage.aborted = "yes"; });
		return new Promise((come, decline) => Object.assign(window, { come, decline }));
	};
	window.sent = [];
	addEventListener("submit", () => sent.push("event"), true);
	for (const how of ["submit", "requestSubmit"]) HTMLFormElement.prototype[how] = () => sent.push(how);
	addEventListener("unhandledrejection", (e) => sent.push("fault " + e.reason));`

// A code that came to the telephone itself is filled in where the person lets it,
// over nothing that they typed, and is sent by their click alone.
func TestT02FilledCodeWaitsForAPerson(t *testing.T) {
	d := newDoor(t)
	ctx := browse(t)
	do(ctx, t, beforehand(sms), chromedp.Navigate(d.URL+"/x/code?lang=en"))
	until(ctx, t, `document.readyState === "complete"`)
	if eval[bool](ctx, t, `"asked" in window`) {
		t.Error("a mailed code is looked for among the messages")
	}
	open := func() {
		t.Helper()
		do(ctx, t, chromedp.Navigate(d.URL+"/x/code-sms?lang=en"))
		until(ctx, t, `"asked" in window`)
	}
	value := func() string { return eval[string](ctx, t, `document.getElementById("code").value`) }
	// Whatever the answer set off has run after this.
	settled := `new Promise((done) => setTimeout(done, 100)).then(() => sent.join())`

	open()
	eval[any](ctx, t, `decline(new Error("no")); null`)
	if got := eval[string](ctx, t, settled); got != "" || value() != "" {
		t.Errorf("declining: %s, the field holds %q", got, value())
	}
	open()
	do(ctx, t, chromedp.SendKeys("#code", "65"))
	eval[any](ctx, t, `come({ code: "123456" }); null`)
	if got := eval[string](ctx, t, settled); got != "" || value() != "65" {
		t.Errorf("typing meanwhile: %s, the field holds %q, want what was typed", got, value())
	}
	open()
	if got := eval[string](ctx, t, `asked.otp.transport.join()`); got != "sms" {
		t.Errorf("the code is asked for by %q", got)
	}
	eval[any](ctx, t, `come({ code: "123456" }); null`)
	until(ctx, t, `document.getElementById("code").value === "123456"`)
	if got := eval[string](ctx, t, settled); got != "" || len(d.posted()) != 0 {
		t.Fatalf("a code that was filled in is sent by itself: %s %q", got, d.posted())
	}
	do(ctx, t, chromedp.Click(`form[action$="/verify"] button`))
	if got := d.alone(ctx, t); !strings.Contains(got, "/verify?") || !strings.Contains(got, "code=123456") {
		t.Errorf("the click posted %q", got)
	}
	if !eval[bool](ctx, t, `sessionStorage.aborted === "yes"`) {
		t.Error("the telephone is still asked after the form was sent")
	}
}
