package gateway_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// TestT14CrossedAnswers hands the door answers of a provider that belong to
// another sign-in, another provider or another browser. None signs anybody in,
// and no code is shown to a token endpoint.
func TestT14CrossedAnswers(t *testing.T) {
	t.Parallel()
	s := open(t)
	other := s.visit()
	begun := other.post("/signin", url.Values{"provider": {"hospital"}})
	theirs := other.authorize(begun.to(), stranger())
	s.id.mu.Unlock()
	for what, cross := range map[string]func(url.Values){
		"another's state":      func(q url.Values) { q.Set("state", theirs.Get("state")) },
		"another's answer":     func(q url.Values) { q.Set("state", theirs.Get("state")); q.Set("code", theirs.Get("code")) },
		"no state":             func(q url.Values) { q.Del("state") },
		"two states":           func(q url.Values) { q.Add("state", theirs.Get("state")) },
		"another issuer":       func(q url.Values) { q.Set("iss", "https://evil.example") },
		"the issuer twice":     func(q url.Values) { q["iss"] = []string{issuer, "https://evil.example"} },
		"no code and no error": func(q url.Values) { q.Del("code") },
	} {
		v := s.visit()
		a := v.want(v.post("/signin", url.Values{"provider": {"hospital"}}), http.StatusOK, "signing in")
		back := v.authorize(a.to(), doctor())
		before := s.id.Hits("/token")
		cross(back)
		got := v.get("/oidc/callback/hospital?" + back.Encode())
		if asked := s.id.Hits("/token") - before; got.status != http.StatusBadRequest || asked != 0 {
			t.Errorf("%s: %d after %d token requests, want 400 after none", what, got.status, asked)
		}
		s.id.mu.Unlock()
		v.want(v.get("/meetings"), http.StatusUnauthorized, what)
	}
}

// TestARefusedGuestKeepsTheInvitation refuses somebody at the provider who came by
// a link: the page leads back to the link and not into the hosts' sign-in, which
// knows nothing of it. Who came without one signs in again.
func TestARefusedGuestKeepsTheInvitation(t *testing.T) {
	t.Parallel()
	s := open(t)
	m := s.host(doctor()).meet(nil, "Jane Doe")
	link := m.links["Jane Doe"]
	for _, from := range []string{link, ""} {
		for _, answer := range []string{"access_denied", "login_required", "another state"} {
			v := s.visit()
			begun := v.want(v.post(from+"/signin", url.Values{"provider": {"hospital"}}), http.StatusOK, "signing in")
			back := v.authorize(begun.to(), stranger())
			back.Del("code")
			back.Set("error", answer)
			if answer == "another state" {
				back.Set("state", "x")
			}
			got := v.get("/oidc/callback/hospital?" + back.Encode())
			s.id.mu.Unlock()
			leads, asks := strings.Contains(got.body, `href="`+link+`"`), strings.Contains(got.body, `action="/signin"`)
			if want := from != ""; got.status < 400 || leads != want || asks != (!want && answer != "another state") {
				t.Errorf("%s from %q: %d, leads back %v, asks to sign in %v", answer, from, got.status, leads, asks)
			}
		}
	}
}
