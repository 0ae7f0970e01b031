package gateway_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"vestibule/auth/authtest"
	"vestibule/gateway"
)

// tell posts a logout token as the provider's server does: no cookie, no
// Origin, no form token.
func (s *site) tell(token string) answer {
	s.t.Helper()
	v := s.visit()
	r := v.request(http.MethodPost, "/oidc/backchannel", strings.NewReader(url.Values{"logout_token": {token}}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	a := v.send(r)
	if a.header.Get("Set-Cookie") != "" || a.header.Get("Cache-Control") != "no-store" {
		s.t.Errorf("the provider is answered Set-Cookie %q, Cache-Control %q", a.header["Set-Cookie"], a.header["Cache-Control"])
	}
	return a
}

// token is a logout token of the provider for somebody.
func (s *site) token(edit func(authtest.Claims)) string {
	s.id.mu.Lock()
	defer s.id.mu.Unlock()
	s.id.Person = doctor()
	return s.id.LogoutToken(edit)
}

func bySID(sub, sid string) func(authtest.Claims) {
	return func(c authtest.Claims) {
		delete(c, "sub")
		delete(c, "sid")
		if sub != "" {
			c["sub"] = sub
		}
		if sid != "" {
			c["sid"] = sid
		}
	}
}

// TestBackChannelLogout has the provider end sign-ins: one by its session
// there, all of a person's by the subject, nobody else's.
func TestBackChannelLogout(t *testing.T) {
	t.Parallel()
	s := open(t)
	at := func(who authtest.Claims, sid string) *visitor {
		who["sid"] = sid
		return s.host(who)
	}
	desk, phone, other := at(doctor(), "desk"), at(doctor(), "phone"), at(surgeon(), "other")
	m := desk.meet(nil, "Jane Doe")
	console := desk.listen(m.path("/events"))
	console.until(t, "event: console")
	still := phone.listen(m.path("/events"))
	still.until(t, "event: console")
	signedIn := func(v *visitor, want bool, who string) {
		t.Helper()
		if got := v.get("/meetings").status == http.StatusOK; got != want {
			t.Errorf("%s signed in: %v, want %v", who, got, want)
		}
	}
	desk.want(s.tell(s.token(bySID("", "desk"))), http.StatusOK, "a token for one session")
	signedIn(desk, false, "the desk")
	signedIn(phone, true, "the phone")
	signedIn(other, true, "another host")
	console.over(t)
	desk.want(desk.post(m.path("/lock"), nil), http.StatusUnauthorized, "locking after the sign-out")

	// Signing in again works, the old session stays dead.
	again := at(doctor(), "desk")
	signedIn(again, true, "the desk again")
	signedIn(desk, false, "the old desk")
	select {
	case <-still.ended:
		t.Error("the phone's stream ended with the desk's sign-in")
	default:
	}
	desk.want(s.tell(s.token(bySID("dr-1", ""))), http.StatusOK, "a token for a person")
	signedIn(phone, false, "the phone")
	signedIn(again, false, "the desk again")
	signedIn(other, true, "another host")
	still.over(t)
}

// TestBackChannelLogoutDoubts sends what no provider of ours would.
func TestBackChannelLogoutDoubts(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	good := s.token(bySID("dr-1", "sid-dr-1"))
	set := func(k string, v any) func(authtest.Claims) { return func(c authtest.Claims) { c[k] = v } }
	for name, token := range map[string]string{
		"nothing": "", "no token": "x", "no signature": authtest.None(s.id.LogoutClaims(nil)), "a bit flipped": good[:len(good)-8] + "AAAAAAAA",
		"another issuer": s.token(set("iss", "https://evil.example")), "another client": s.token(set("aud", "x")), "no event": s.token(set("events", map[string]any{})),
		"a nonce": s.token(set("nonce", "n")), "old": s.token(set("iat", time.Now().Add(-time.Hour).Unix())), "large": good + strings.Repeat("A", 20<<10),
	} {
		if a := s.tell(token); a.status != http.StatusBadRequest || strings.Contains(a.body, "<html") {
			t.Errorf("%s = %d %s, want 400 without a page", name, a.status, head(a.body))
		}
	}
	v := s.visit()
	r := v.request(http.MethodPost, "/oidc/backchannel?logout_token="+good, nil)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	v.want(v.send(r), http.StatusBadRequest, "a token in the address")
	v.want(v.get("/oidc/backchannel?logout_token="+good), http.StatusNotFound, "GET")
	h.want(h.get("/meetings"), http.StatusOK, "the host after all of them")
	h.want(s.tell(good), http.StatusOK, "the good one")
	h.want(h.get("/meetings"), http.StatusUnauthorized, "the host after the good one")
	h.want(s.tell(good), http.StatusBadRequest, "the good one again")
	s.valve.shut.Store(true)
	h.want(s.tell(s.token(nil)), http.StatusServiceUnavailable, "with the store away")
	none := openWith(t, setup{codesOnly: true})
	h.want(none.tell(good), http.StatusBadRequest, "where there is no provider")
}

// exit is where the form of a page that leaves goes, and what it says there.
func exit(a answer) (to string, told url.Values) {
	told = url.Values{}
	if m := regexp.MustCompile(`<form method="post" action="(https://[^"]+)" data-go`).FindStringSubmatch(a.body); m != nil {
		to = html.UnescapeString(m[1])
		for _, f := range regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)">`).FindAllStringSubmatch(a.body, -1) {
			told.Set(f[1], html.UnescapeString(f[2]))
		}
	}
	return to, told
}

// TestT23IDTokenIsSealed reads what is kept of a sign-in: the ID token, which
// signing out takes back to the provider, is there for the browser's cookie
// alone, also after the browser has got another one.
func TestT23IDTokenIsSealed(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	first := h.cookie(doorOrigin, "__Host-door")
	h.prove(m, "Jane Doe") // a new cookie
	second := h.cookie(doorOrigin, "__Host-door")
	for _, cookie := range []string{first, second} {
		kept, err := gateway.Kept(t.Context(), s.Gateway, cookie)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(kept), "eyJ") || (cookie == second) != strings.Contains(string(kept), `"hint"`) {
			t.Errorf("what is kept of a sign-in: %s", kept)
		}
	}
	if _, told := exit(h.post("/signout", nil)); !strings.HasPrefix(told.Get("id_token_hint"), "eyJ") {
		t.Error("the provider does not get its token back")
	}
}

// TestSignOut signs out here and at the provider, and comes back as the one who
// did and as somebody else.
func TestSignOut(t *testing.T) {
	t.Parallel()
	s := open(t)
	h := s.host(doctor())
	m := h.meet(nil, "Jane Doe")
	console := h.listen(m.path("/events"))
	console.until(t, "event: console")
	session := h.cookie(doorOrigin, "__Host-door")
	a := h.want(h.post("/signout", nil), http.StatusOK, "signing out")
	to, told := exit(a)
	if to != issuer+"/logout?from=discovery" || told.Get("post_logout_redirect_uri") != doorOrigin+"/" || !strings.HasPrefix(told.Get("id_token_hint"), "eyJ") {
		t.Fatalf("signing out leads to %q with %d fields", to, len(told))
	}
	if csp := a.header.Get("Content-Security-Policy"); a.to() != "" || !strings.Contains(csp, "form-action https:;") {
		t.Errorf("the page leads to %q, its forms to %q", a.to(), csp)
	}
	console.over(t)
	s.dead(session, "/meetings")
	state := url.QueryEscape(told.Get("state"))
	for _, wrong := range []string{"/?state=x", "/?state=", "/?state=" + state + "&state=x"} {
		v := s.visit()
		v.plant(doorOrigin, "__Host-signout", h.cookie(doorOrigin, "__Host-signout"))
		v.want(v.get(wrong), http.StatusUnprocessableEntity, wrong)
	}
	s.visit().get("/")
	v := s.visit()
	v.want(v.get("/?state="+state), http.StatusUnprocessableEntity, "another browser's state")
	back := h.want(h.get("/?state="+state), http.StatusSeeOther, "coming back")
	if back.to() != "/" {
		t.Errorf("coming back leads to %q", back.to())
	}
	h.want(h.get("/?state="+state), http.StatusUnprocessableEntity, "coming back twice")
	h.want(h.get("/"), http.StatusOK, "the front door")
}
