package gateway_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestT16EachFault has the provider answer in every wrong way when somebody
// comes back from it. Each is told clearly and within the limits, and whoever is
// inside stays.
func TestT16EachFault(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe", "John Roe")
	h.opens(m)
	c, _ := h.inside(m, "John Roe")
	live := c.joins()
	link := m.links["Jane Doe"]
	for name, fault := range map[string]http.HandlerFunc{
		"slow": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"huge": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, 2<<20)) },
		"html": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>secret words")) },
		"500":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, issuer+"/elsewhere", http.StatusTemporaryRedirect)
		},
	} {
		s.id.Instead = map[string]http.HandlerFunc{"/token": fault}
		g := s.visit()
		g.get(link)
		a := g.want(g.signIn(link+"/signin", stranger()), http.StatusServiceUnavailable, name)
		if !strings.Contains(a.body, "This sign-in does not answer") || !strings.Contains(a.body, `href="`+link+`"`) || strings.Contains(a.body, "secret words") {
			t.Errorf("%s: the page says %s", name, head(a.body))
		}
		if !live.ping(t) {
			t.Errorf("%s: somebody inside was lost", name)
		}
	}
	if s.id.Hits("/elsewhere") != 0 {
		t.Error("a redirect was followed")
	}
}
