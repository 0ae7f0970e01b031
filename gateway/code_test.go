package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"vestibule/mail"
)

// Five digits are no code: that is told in its own words, with the tries that
// there really are, and spends none.
func TestCodeOfFiveDigits(t *testing.T) {
	t.Parallel()
	s := open(t)
	m := s.host(doctor()).meet(nil, "Jane Doe")
	g := s.visit()
	code := s.ask(g, m, "Jane Doe")
	verify := m.links["Jane Doe"] + "/verify"
	says := func(code, want string) {
		t.Helper()
		page := read(g.want(g.post(verify, url.Values{"code": {code}}), http.StatusUnprocessableEntity, "no code"))
		if !strings.Contains(strings.ReplaceAll(page, "\u00a0", " "), want) {
			t.Errorf("%d digits are answered\n%s", len(code), page)
		}
	}
	says(code[:5], "A code has six digits. You have 5 tries left.")
	says(other(code, 0), "You have 4 tries left.")
	says("", "A code has six digits. You have 4 tries left.")
	g.want(g.post(verify, url.Values{"code": {code}}), http.StatusSeeOther, "the right code")
}

// A code that came goes on working where another could not be sent, or is not
// sent any more: its field stays.
func TestCodeFieldStaysWhileACodeWorks(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	jane := url.Values{"invitees": {"Jane <jane@patient.example>"}}
	m := h.meet(jane)
	link := m.links["Jane"]
	g := s.visit()
	g.get(link)
	settle := func() { s.rewrite(m, "Jane", `("sent":\[)[^\]]*`, `$1"2020-01-01T00:00:00Z"`) } // long ago
	field := func(page answer) bool { return strings.Contains(page.body, `action="`+link+`/verify"`) }

	s.box.fail(&mail.Fault{Kind: mail.Down, Code: 0})
	if page := g.want(g.post(link+"/code", nil), http.StatusServiceUnavailable, "no mail server"); field(page) {
		t.Error("a field for a code that nobody has")
	}
	s.box.fail(nil)
	settle()
	g.want(g.post(link+"/code", nil), http.StatusSeeOther, "the mail server is back")
	code := s.box.code("jane@patient.example")
	if code == "" {
		t.Fatal("no code came")
	}
	// The mail server is gone again.
	s.box.fail(&mail.Fault{Kind: mail.Down, Code: 0})
	settle()
	if page := g.want(g.post(link+"/code", nil), http.StatusServiceUnavailable, "no mail server"); !field(page) || !strings.Contains(read(page), "still works") {
		t.Error("the code that came before has no field any more")
	}
	s.box.fail(nil)
	// Other meetings spend what the mailbox may be sent in an hour.
	for range 3 {
		o := h.meet(jane)
		v := s.visit()
		v.get(o.links["Jane"])
		v.post(o.links["Jane"]+"/code", nil)
	}
	settle()
	page := g.want(g.post(link+"/code", nil), http.StatusTooManyRequests, "one code too many")
	if !field(page) || !strings.Contains(read(page), "Too many codes") {
		t.Errorf("the code that came before has no field any more\n%s", read(page))
	}
	g.want(g.post(link+"/verify", url.Values{"code": {code}}), http.StatusSeeOther, "the code that came before")
}
