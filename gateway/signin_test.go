package gateway_test

import (
	"net/http"
	"net/url"
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
