package gateway_test

import (
	"net/http"
	"net/url"
	"testing"
)

// TestT14TwoProvidersCrossed brings one provider's answer to the other's address,
// its code, its state and its issuer: each is refused, and neither provider sees
// a token request. The next honest sign-in works.
func TestT14TwoProvidersCrossed(t *testing.T) {
	s := openWith(t, setup{town: true, unsound: true})
	begin := func(v *visitor, provider string) url.Values {
		t.Helper()
		v.get("/")
		a := v.want(v.post("/signin", url.Values{"provider": {provider}}), http.StatusOK, "signing in at "+provider)
		at := s.id.Provider
		if provider == "town" {
			at = s.town
		}
		back, err := at.Authorize(a.to())
		if err != nil {
			t.Fatal(err)
		}
		return back
	}
	foreign := begin(s.visit(), "hospital")
	for name, c := range map[string]struct {
		at   string
		swap func(url.Values)
	}{
		"the other's address": {"hospital", func(url.Values) {}},
		"the other's code":    {"town", func(q url.Values) { q["code"], q["iss"] = foreign["code"], foreign["iss"] }},
		"the other's state":   {"town", func(q url.Values) { q["state"] = foreign["state"] }},
		"the other's issuer":  {"town", func(q url.Values) { q.Set("iss", issuer) }},
		"the other's answer": {"town", func(q url.Values) {
			q["code"], q["state"], q["iss"] = foreign["code"], foreign["state"], foreign["iss"]
		}},
	} {
		v := s.visit()
		back := begin(v, "town")
		c.swap(back)
		if a := v.get("/oidc/callback/" + c.at + "?" + back.Encode()); a.status != http.StatusBadRequest {
			t.Errorf("%s = %d, want 400", name, a.status)
		}
		if n := s.id.Hits("/token") + s.town.Hits("/token"); n != 0 {
			t.Fatalf("%s: %d token requests, want none", name, n)
		}
	}
	v := s.visit()
	v.want(v.get("/oidc/callback/town?"+begin(v, "town").Encode()), http.StatusSeeOther, "the next honest sign-in")
	if s.id.Hits("/token") != 0 || s.town.Hits("/token") != 1 {
		t.Errorf("%d and %d token requests, want 0 and 1", s.id.Hits("/token"), s.town.Hits("/token"))
	}
}
