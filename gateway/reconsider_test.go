package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"vestibule/meeting"
)

// A refusal by mistake is taken back in the console: the guest waits again on the
// page they have, or is let in from there.
func TestRefusalTakenBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	g := s.visit()
	a := g.knock(m, "Jane Doe")
	refuse := func() {
		t.Helper()
		h.want(h.post(m.path("/answer"), url.Values{"admission": {a}, "answer": {"refuse"}, "why": {"unknown"}}), http.StatusSeeOther, "refusing")
		if page := read(g.get("/a/" + a)); !strings.Contains(page, "did not let you in") {
			t.Fatalf("after the refusal the guest reads\n%s", page)
		}
	}
	row := func() string {
		_, row, _ := strings.Cut(h.get(m.path("")).body, `<li data-key="r-`+a+`">`)
		row, _, _ = strings.Cut(row, "</li>")
		return row
	}
	refuse()
	if r := row(); !strings.Contains(r, "Jane Doe") || !strings.Contains(r, m.path("/reconsider")) || !strings.Contains(r, `value="admit"`) {
		t.Fatalf("the console shows of who was refused\n%s", r)
	}
	x := s.host(surgeon())
	x.want(x.post(m.path("/reconsider"), url.Values{"admission": {a}}), http.StatusNotFound, "another host")
	h.want(h.post(m.path("/reconsider"), url.Values{"admission": {a}}), http.StatusSeeOther, "taking it back")
	if m.state(a) != meeting.Waiting || row() != "" {
		t.Error("who waits again is still among the refused")
	}
	if page := read(g.get("/a/" + a)); strings.Contains(page, "did not let you in") || !strings.Contains(page, "Dr Claire Martin") {
		t.Errorf("the guest reads\n%s", page)
	}
	if b := g.knockAs(m, "Jane Doe", "Jane Doe"); b != a {
		t.Error("their link leads elsewhere than to their place")
	}
	refuse()
	h.want(h.post(m.path("/answer"), url.Values{"admission": {a}, "answer": {"admit"}, "name": {"Jane Doe"}}), http.StatusSeeOther, "admitting after all")
	desk := h.opens(m)
	defer desk.leave()
	g.enters(a)
	if !strings.Contains(read(h.get(m.path(""))), "You let Jane Doe wait again") {
		t.Error("the log does not tell of it")
	}
	// Who was put out stays out.
	h.expels(m, a)
	if got := h.post(m.path("/reconsider"), url.Values{"admission": {a}}); got.status < 400 || m.state(a) != meeting.Expelled {
		t.Errorf("taking back an expulsion = %d, and they are %v", got.status, m.state(a))
	}
}
