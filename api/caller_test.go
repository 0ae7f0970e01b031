package api_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vestibule/api"
	"vestibule/auth"
	"vestibule/auth/authtest"
	"vestibule/store"
)

func TestCredentials(t *testing.T) {
	s := open(t, nil)
	good := s.keys["all"]
	head, secret, _ := strings.Cut(good, "all_")
	cases := []struct {
		name, header string
		status       int
	}{
		{"the key", "Bearer " + good, 200},
		{"in another case", "bearer " + good, 200},
		{"none", "", 401},
		{"another scheme", "Basic " + good, 401},
		{"no scheme", good, 401},
		{"cut short", "Bearer " + good[:len(good)-1], 401},
		{"too long", "Bearer " + good + "A", 401},
		{"another's secret", "Bearer " + head + "other_" + secret, 401},
		{"an unknown id", "Bearer " + head + "nobody_" + secret, 401},
		{"no secret", "Bearer " + head + "all_", 401},
		{"the hash", "Bearer " + head + "all_sha256:" + strings.Repeat("0", 64), 401},
		{"a token, where no client is known", "Bearer eyJ.eyJ.x", 401},
		{"two", "Bearer " + good + ", Bearer " + good, 401},
	}
	for _, c := range cases {
		r := s.request("GET", "/meetings", "")
		if c.header != "" {
			r.Header.Set("Authorization", c.header)
		}
		got := s.send(r)
		if got.status != c.status {
			t.Errorf("%s: %d, want %d", c.name, got.status, c.status)
		}
		if c.status == 401 && !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") {
			t.Errorf("%s: no challenge", c.name)
		}
	}
	r := s.request("GET", "/meetings?access_token="+good, "")
	if got := s.send(r); got.status != 401 {
		t.Errorf("a key in the address = %d, want 401", got.status)
	}
	r = s.request("GET", "/meetings", "")
	r.Header.Add("Authorization", "Bearer "+good)
	r.Header.Add("Authorization", "Bearer "+good)
	if got := s.send(r); got.status != 401 {
		t.Errorf("two headers = %d, want 401", got.status)
	}
}

// A page of another site, in the browser of a host who is signed in, sends
// their cookies and nothing else: no cell of the matrix changes anything.
func TestT18CookiesOpenNothing(t *testing.T) {
	s := open(t, nil)
	m := of(s.must(201, "all", "POST", "/meetings", form("Jeanne")).text("id"))
	a := m + "/admissions/" + s.knock(s.must(200, "all", "GET", m+"/invitations", "").text("items.0.link"), "J.")
	for _, origin := range []string{"", "null", "https://evil.example", "https://sub.door.example", "http://door.example", door} {
		for _, kind := range []string{"GET", "application/x-www-form-urlencoded", "text/plain", "application/json"} {
			for _, deed := range []string{a + "/admit", a + "/expel", m + "/lock", m + "/end"} {
				method, body := "POST", "{}"
				if kind == "GET" {
					method, body = "GET", ""
				}
				r := s.request(method, deed, body)
				r.Header.Set("Content-Type", kind)
				r.Header.Set("Cookie", "__Host-door="+strings.Repeat("s", 43)+"; __Host-device="+strings.Repeat("d", 43))
				if origin != "" {
					r.Header.Set("Origin", origin)
				}
				if got := s.send(r); got.status != 401 && got.status != 405 {
					t.Errorf("%s %s with Origin %q and %s = %d", method, deed, origin, kind, got.status)
				}
			}
		}
	}
	preflight := s.request("OPTIONS", a+"/admit", "", "Origin: https://evil.example", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization")
	if got := s.send(preflight); got.status < 400 { // send fails on any permission to go on
		t.Errorf("preflight = %d", got.status)
	}
	if r := s.must(200, "all", "GET", a, ""); r.text("state") != "waiting" {
		t.Errorf("somebody else decided: %s", r.raw)
	}
	if r := s.must(200, "all", "GET", m, ""); r.at("locked") != false || r.text("state") != "planned" {
		t.Errorf("somebody else decided: %s", r.raw)
	}
}

// Bad keys are counted against who really sends them, and no flood of them
// keeps a good key out, not even from the same address.
func TestT32BadKeysCountAgainstThePeer(t *testing.T) {
	s := open(t, nil)
	try := func(peer string, i int, key string) int {
		r := s.request("GET", "/meetings", "",
			fmt.Sprintf("X-Forwarded-For: 198.51.100.%d", i), fmt.Sprintf("Forwarded: for=198.51.100.%d", i), fmt.Sprintf("X-Real-IP: 198.51.100.%d", i))
		r.RemoteAddr = peer
		r.Header.Set("Authorization", "Bearer "+key)
		return s.send(r).status
	}
	tried := 0
	for i := range 100 {
		if try("192.0.2.1:1234", i, "vestibule_all_WRONG") == 401 {
			tried++
		}
	}
	if tried != 20 {
		t.Errorf("%d bad keys of one peer were heard, want 20", tried)
	}
	if got := try("192.0.2.1:999", 1, s.keys["all"]); got != 200 {
		t.Errorf("a good key from there = %d, want 200", got)
	}
	if got := try("192.0.2.2:1234", 1, "vestibule_all_WRONG"); got != 401 {
		t.Errorf("another peer = %d, want 401", got)
	}
	for i := range 20 {
		try(fmt.Sprintf("[2001:db8:1:2::%x]:1", i), i, "vestibule_all_WRONG")
	}
	if got := try("[2001:db8:1:2:ffff::1]:1", 1, "vestibule_all_WRONG"); got != 429 {
		t.Errorf("the same /64 = %d, want 429", got)
	}
	if got := try("[2001:db8:1:3::1]:1", 1, "vestibule_all_WRONG"); got != 401 {
		t.Errorf("another /64 = %d, want 401", got)
	}
}

func TestRateIsPerKey(t *testing.T) {
	s := open(t, func(c *api.Config) { c.Rate = 5 })
	for i := range 8 {
		r := s.ask("all", "GET", "/meetings", "")
		if want := map[bool]int{true: 200, false: 429}[i < 5]; r.status != want {
			t.Errorf("request %d = %d, want %d", i+1, r.status, want)
		}
		if r.status == 429 && r.header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	s.must(200, "other", "GET", "/meetings", "")
}

// away is a store that does not answer.
type away struct{ api.Shelf }

func (away) Count(context.Context, string, string, int, time.Duration) (bool, error) {
	return false, fmt.Errorf("counting: %w", store.ErrUnavailable)
}

func TestStoreAway(t *testing.T) {
	s := open(t, func(c *api.Config) { c.Shelf = away{c.Shelf} })
	for _, key := range []string{"all", ""} {
		r := s.request("GET", "/meetings", "")
		r.Header.Set("Authorization", "Bearer "+s.keys[key]+"x")
		if key != "" {
			r.Header.Set("Authorization", "Bearer "+s.keys[key])
		}
		if got := s.send(r); key != "" && (got.status != 503 || got.header.Get("Retry-After") == "") {
			t.Errorf("with the store away = %d, want 503", got.status)
		}
	}
}

// Programs of the institution's own provider: which may come, and what they may
// do, is said here and not by the provider alone.
func TestClients(t *testing.T) {
	key := authtest.NewKey("k1", jose.ES256)
	op := authtest.New("https://id.example", key)
	oidc, err := auth.New(auth.Config{
		Callback: door + "/oidc/callback/", Transport: op,
		Providers: []auth.Provider{{ID: "hospital", Name: "Hospital", Issuer: op.Issuer, ClientID: op.ClientID, ClientSecret: op.ClientSecret}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, func(c *api.Config) {
		c.Tokens, c.Provider = oidc, "hospital"
		c.Clients = []api.Client{
			{ID: "agenda", Scopes: []string{"meetings:read", "meetings:write"}, Owner: api.Owner{Name: "Agenda"}},
			{ID: "board", Owner: api.Owner{Name: "Board"}},
		}
	})
	token := func(client, scope, audience string) string {
		now := time.Now().Unix()
		return key.JWT("at+jwt", authtest.Claims{
			"iss": op.Issuer, "aud": audience, "iat": now, "exp": now + 60, "sub": client, "client_id": client, "scope": scope,
		})
	}
	cases := []struct {
		name, token string
		want        int
	}{
		{"its own", token("agenda", "meetings:write meetings:read", door+"/api/v1"), 201},
		{"another known one", token("board", "openid meetings:write", door+"/api/v1"), 201},
		{"without the scope", token("agenda", "meetings:read", door+"/api/v1"), 403},
		{"without any", token("agenda", "", door+"/api/v1"), 403},
		{"a client not known here", token("stranger", "meetings:write", door+"/api/v1"), 401},
		{"for another audience", token("agenda", "meetings:write", "https://other.example"), 401},
		{"opaque", "0123456789", 401},
	}
	for _, c := range cases {
		r := s.request("POST", "/meetings", form())
		r.Header.Set("Authorization", "Bearer "+c.token)
		if got := s.send(r); got.status != c.want {
			t.Errorf("%s: %d, want %d: %s", c.name, got.status, c.want, got.raw)
		}
	}
	// More than the site allows is not granted because a token names it.
	r := s.request("POST", "/meetings", form("Jeanne"))
	r.Header.Set("Authorization", "Bearer "+token("agenda", "meetings:write invitations:write", door+"/api/v1"))
	if got := s.send(r); got.status != 403 {
		t.Errorf("a scope beyond the site's = %d, want 403", got.status)
	}
}

func TestClientsWhileTheProviderIsDown(t *testing.T) {
	op := authtest.New("https://id.example", authtest.NewKey("k1", jose.ES256))
	oidc, err := auth.New(auth.Config{
		Callback: door + "/oidc/callback/", Transport: authtest.Net{},
		Providers: []auth.Provider{{ID: "hospital", Name: "Hospital", Issuer: op.Issuer, ClientID: op.ClientID, ClientSecret: op.ClientSecret}},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, func(c *api.Config) {
		c.Tokens, c.Provider = oidc, "hospital"
		c.Clients = []api.Client{{ID: "agenda", Owner: api.Owner{Name: "Agenda"}}}
	})
	now := time.Now().Unix()
	r := s.request("GET", "/meetings", "")
	r.Header.Set("Authorization", "Bearer "+op.Keys[0].JWT("at+jwt", authtest.Claims{"iss": op.Issuer, "aud": door + "/api/v1", "iat": now, "exp": now + 60, "client_id": "agenda", "scope": "meetings:read"}))
	if got := s.send(r); got.status != 503 {
		t.Errorf("a token while the provider is down = %d, want 503", got.status)
	}
	s.must(200, "all", "GET", "/meetings", "") // keys go on
}
