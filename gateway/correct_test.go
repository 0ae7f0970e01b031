package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestHostCorrectsAnAddress has a host who mistyped an address send the console's
// form with another one, as a browser without scripts does.
func TestHostCorrectsAnAddress(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "John Roe")
	m.settles()
	old, wrong, right := m.links["Jane Doe"], m.mails["Jane Doe"], "jane@right.example"

	_, form, ok := strings.Cut(h.row(m, "Jane Doe"), `<form method="post" action="`+m.path("/correct")+`"`)
	if !ok {
		t.Fatal("the console offers no correction")
	}
	form, _, _ = strings.Cut(form, "</form>")
	f := fields(form)
	if f.Get("name") != "Jane Doe" || f.Get("email") != wrong {
		t.Fatalf("the form holds %v, want what is to be corrected", f)
	}
	f.Set("email", "jane@")
	h.want(h.post(m.path("/correct"), f), http.StatusUnprocessableEntity, "an address that is none")
	f.Set("email", right)
	eve := s.host(stranger())
	eve.want(eve.post(m.path("/correct"), url.Values{"invitation": f["invitation"], "name": f["name"], "email": f["email"]}), http.StatusNotFound, "a correction by a stranger")
	h.want(h.post(m.path("/correct"), f), http.StatusSeeOther, "a correction")
	eventually(t, "the right address is invited, and the wrong one is told", func() bool {
		_, n := s.box.mailed(right)
		return n == 1 && s.box.cancelled(wrong) == 1
	})
	g := s.visit()
	g.want(g.get(old), http.StatusNotFound, "the old link")
	g.want(g.post(old+"/code", nil), http.StatusNotFound, "a code for the old link")
	last, _ := s.box.mailed(right)
	s.seen.hide("link", last.Link[strings.LastIndex(last.Link, "/")+1:])
	m.links["Jane Doe"], m.mails["Jane Doe"] = strings.TrimPrefix(last.Link, doorOrigin), right
	s.visit().knock(m, "Jane Doe")
	if s.box.code(wrong) != "" {
		t.Error("a code went to the wrong address")
	}
	if s.box.cancelled(m.mails["John Roe"]) != 0 {
		t.Error("John Roe was told of a correction that was not his")
	}
}

// cancelled counts the withdrawals mailed to an address.
func (b *box) cancelled(to string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.cancels {
		if b.cancels[i].To == to {
			n++
		}
	}
	return n
}
