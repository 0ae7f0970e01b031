package web_test

import (
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
