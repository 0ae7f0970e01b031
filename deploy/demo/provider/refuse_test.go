package provider_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"

	"vestibule/deploy/demo/provider"
)

// TestAuthorizeRefuses changes one thing of a flawless request.
func TestAuthorizeRefuses(t *testing.T) {
	h := open(t)
	for _, c := range []struct {
		key, value string
		want       string // the error sent back; empty: none may be
	}{
		{"client_id", "nobody", ""},
		{"client_id", "", ""},
		{"redirect_uri", back + "/", ""},
		{"redirect_uri", back + "?x=1", ""},
		{"redirect_uri", strings.ToUpper(back[:5]) + back[5:], ""},
		{"redirect_uri", "https://evil.example/back", ""},
		{"redirect_uri", "", ""},
		{"response_type", "", "invalid_request"},
		{"response_type", "token", "unsupported_response_type"},
		{"response_type", "code id_token", "unsupported_response_type"},
		{"response_mode", "fragment", "invalid_request"},
		{"scope", "", "invalid_scope"},
		{"scope", "profile", "invalid_scope"},
		{"code_challenge", "", "invalid_request"},
		{"code_challenge", "short", "invalid_request"},
		{"code_challenge", verifier + "=", "invalid_request"},
		{"code_challenge_method", "", "invalid_request"},
		{"code_challenge_method", "plain", "invalid_request"},
		{"prompt", "none login", "invalid_request"},
		{"prompt", "whatever", "invalid_request"},
		{"prompt", "none", "login_required"},
		{"max_age", "-1", "invalid_request"},
		{"max_age", "soon", "invalid_request"},
		{"request", "eyJ", "request_not_supported"},
		{"request_uri", "https://evil.example/", "request_uri_not_supported"},
	} {
		res, page := h.get(t, "/authorize", ask(c.key, c.value))
		if c.want == "" {
			if res.StatusCode != http.StatusBadRequest || res.Header.Get("Location") != "" || try(page) != "" {
				t.Errorf("%s=%q: status %d to %q, want a page and no redirect", c.key, c.value, res.StatusCode, res.Header.Get("Location"))
			}
			continue
		}
		got := answer(t, res)
		if got.Get("error") != c.want || got.Get("state") != "st&te" || got.Get("iss") != h.url || got.Get("code") != "" {
			t.Errorf("%s=%q: answered %v, want error %s with state and iss", c.key, c.value, got, c.want)
		}
	}
	for key, sure := range map[string]bool{"client_id": false, "redirect_uri": false, "nonce": true, "code_challenge": true} {
		q := ask()
		q[key] = append(q[key], q[key][0])
		res, _ := h.get(t, "/authorize", q)
		if sent := res.Header.Get("Location") != ""; sent != sure || sent && answer(t, res).Get("error") != "invalid_request" {
			t.Errorf("%s twice: %d to %q", key, res.StatusCode, res.Header.Get("Location"))
		}
	}
}

// TestTokenRefuses changes one thing of a flawless exchange; each wrong
// showing also kills the code.
func TestTokenRefuses(t *testing.T) {
	h := open(t)
	for _, c := range []struct {
		name    string
		changes []string
		want    string
		dead    bool
	}{
		{"a wrong secret", []string{"client_secret", "x"}, "invalid_client", false},
		{"no secret", []string{"client_secret", ""}, "invalid_client", false},
		{"no client", []string{"client_id", "", "client_secret", ""}, "invalid_client", false},
		{"an unknown client", []string{"client_id", "nobody", "client_secret", ""}, "invalid_client", false},
		{"another grant", []string{"grant_type", "password"}, "unsupported_grant_type", false},
		{"another code", []string{"code", "x"}, "invalid_grant", false},
		{"another client", []string{"client_id", "other", "client_secret", "other"}, "invalid_grant", true},
		{"a public client", []string{"client_id", "public", "client_secret", ""}, "invalid_grant", true},
		{"another address", []string{"redirect_uri", back + "/"}, "invalid_grant", true},
		{"no address", []string{"redirect_uri", ""}, "invalid_grant", true},
		{"no verifier", []string{"code_verifier", ""}, "invalid_grant", true},
		{"another verifier", []string{"code_verifier", strings.Repeat("v", 43)}, "invalid_grant", true},
		{"the challenge as verifier", []string{"code_verifier", oauth2.S256ChallengeFromVerifier(verifier)}, "invalid_grant", true},
		{"a short verifier", []string{"code_verifier", "v"}, "invalid_grant", true},
	} {
		code := h.choose(t, 0, ask()).Get("code")
		status, got := h.exchange(t, code, c.changes...)
		if want := http.StatusBadRequest; got["error"] != c.want || c.want != "invalid_client" && status != want || c.want == "invalid_client" && status != http.StatusUnauthorized {
			t.Errorf("%s: %d %v, want %s", c.name, status, got, c.want)
		}
		if status, _ := h.exchange(t, code); (status != http.StatusOK) != c.dead {
			t.Errorf("%s, then the right way: %d, want the code dead: %v", c.name, status, c.dead)
		}
	}
}

func TestTokenRefusesForms(t *testing.T) {
	h := open(t)
	code := h.choose(t, 0, ask()).Get("code")
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {back}, "code_verifier": {verifier}, "client_id": {"door"}, "client_secret": {"s:e c%ret"}}
	res, err := h.browser.Post(h.url+"/token?"+form.Encode(), "application/x-www-form-urlencoded", nil)
	if res, _ := read(t, res, err); res.StatusCode == http.StatusOK {
		t.Error("the code was taken from the address")
	}
	res, err = h.browser.Post(h.url+"/token", "text/plain", strings.NewReader(form.Encode()))
	if res, _ := read(t, res, err); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a form of another type: %d, want 400", res.StatusCode)
	}
	form["code"] = append(form["code"], "x")
	if res, _ := h.post(t, "/token", form); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a code twice: %d, want 400", res.StatusCode)
	}
	if res, _ := h.get(t, "/token", form); res.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("GET /token: %d, want 405", res.StatusCode)
	}
	if res, _ := h.post(t, "/token", url.Values{"code": {strings.Repeat("x", 70<<10)}}); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a form of 70 KiB: %d, want 400", res.StatusCode)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/token", strings.NewReader("client_secret=s"))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("door", "s")
	res, err = h.browser.Do(req)
	if _, body := read(t, res, err); !strings.Contains(body, "invalid_request") {
		t.Errorf("two ways of authenticating: %s, want invalid_request", body)
	}
}

// TestCodeTwiceRevokes shows a redeemed code again.
func TestCodeTwiceRevokes(t *testing.T) {
	h := open(t)
	code := h.choose(t, 0, ask()).Get("code")
	_, got := h.exchange(t, code)
	info := func() int {
		res, _ := h.post(t, "/userinfo", url.Values{"access_token": {got["access_token"].(string)}})
		return res.StatusCode
	}
	if s := info(); s != http.StatusOK {
		t.Fatalf("userinfo: %d, want 200", s)
	}
	if status, _ := h.exchange(t, code); status != http.StatusBadRequest {
		t.Errorf("the code again: %d, want 400", status)
	}
	if s := info(); s != http.StatusUnauthorized {
		t.Errorf("userinfo after the code came back: %d, want 401", s)
	}
}

func TestPublicAndOldClients(t *testing.T) {
	h := open(t)
	code := h.choose(t, 0, ask("client_id", "public")).Get("code")
	if status, got := h.exchange(t, code, "client_id", "public", "client_secret", ""); status != http.StatusOK {
		t.Errorf("a public client: %d %v, want 200", status, got)
	}
	bare := ask("client_id", "old")
	bare.Del("code_challenge")
	bare.Del("code_challenge_method")
	code = h.choose(t, 0, bare).Get("code")
	if status, got := h.exchange(t, code, "client_id", "old", "client_secret", "old", "code_verifier", ""); status != http.StatusOK {
		t.Errorf("a client that may leave PKCE out: %d %v, want 200", status, got)
	}
	code = h.choose(t, 0, bare).Get("code")
	if status, _ := h.exchange(t, code, "client_id", "old", "client_secret", "old"); status != http.StatusBadRequest {
		t.Errorf("a verifier without a challenge: %d, want 400", status)
	}
	code = h.choose(t, 0, ask("client_id", "old")).Get("code")
	if status, _ := h.exchange(t, code, "client_id", "old", "client_secret", "old", "code_verifier", ""); status != http.StatusBadRequest {
		t.Errorf("a challenge without a verifier: %d, want 400", status)
	}
}

// TestT14ForeignForm submits the sign-in page from where it was not shown.
func TestT14ForeignForm(t *testing.T) {
	h := open(t)
	claire := provider.People()[0].Subject
	_, page := h.get(t, "/authorize", ask())
	form := url.Values{"try": {try(page)}, "person": {claire}}

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url+"/login", strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "cross-site")
	res, err := h.browser.Do(req)
	if res, _ := read(t, res, err); res.StatusCode != http.StatusForbidden {
		t.Errorf("a form of another site: %d, want 403", res.StatusCode)
	}

	stranger := *h.browser
	stranger.Jar = nil
	res, err = stranger.PostForm(h.url+"/login", form)
	if res, _ := read(t, res, err); res.StatusCode != http.StatusBadRequest || res.Header.Get("Location") != "" {
		t.Errorf("another browser: %d to %q, want 400", res.StatusCode, res.Header.Get("Location"))
	}
	if res, _ := h.post(t, "/login", form); res.Header.Get("Location") != "" {
		t.Error("the page still works after another browser used it")
	}
	if got := h.choose(t, 0, ask()); got.Get("code") == "" {
		t.Errorf("the next honest sign-in: %v, want a code", got)
	}
}

func TestSignInCancelled(t *testing.T) {
	h := open(t)
	_, page := h.get(t, "/authorize", ask())
	res, _ := h.post(t, "/login", url.Values{"try": {try(page)}, "person": {""}})
	if got := answer(t, res); got.Get("error") != "access_denied" || got.Get("state") != "st&te" {
		t.Errorf("cancelled: %v, want access_denied with the state", got)
	}
	_, page = h.get(t, "/authorize", ask())
	if res, _ := h.post(t, "/login", url.Values{"try": {try(page)}, "person": {"nobody"}}); res.StatusCode != http.StatusBadRequest {
		t.Errorf("a person who is not on the page: %d, want 400", res.StatusCode)
	}
}

func TestSilentSignIn(t *testing.T) {
	h := open(t)
	h.choose(t, 1, ask())
	res, _ := h.get(t, "/authorize", ask("prompt", "none"))
	status, got := h.exchange(t, answer(t, res).Get("code"))
	if status != http.StatusOK || got["id_token"] == nil {
		t.Errorf("prompt=none while signed in: %d %v, want tokens", status, got)
	}
}

// TestThingsExpire works on a clock of its own, without a network.
func TestThingsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, err := provider.New(provider.Config{Issuer: "https://id.localhost", Clients: []provider.Client{{ID: "public", RedirectURIs: []string{back}}}})
		if err != nil {
			t.Fatal(err)
		}
		b := &recorder{p: p}
		signIn := func(wait time.Duration) url.Values {
			page := b.do(http.MethodGet, "/authorize?"+ask("client_id", "public").Encode(), nil).Body.String()
			time.Sleep(wait)
			u, _ := b.do(http.MethodPost, "/login", url.Values{"try": {try(page)}, "person": {provider.People()[0].Subject}}).Result().Location()
			if u == nil {
				return nil
			}
			return u.Query()
		}
		redeem := func(code string) int {
			return b.do(http.MethodPost, "/token", url.Values{"grant_type": {"authorization_code"}, "client_id": {"public"}, "redirect_uri": {back}, "code_verifier": {verifier}, "code": {code}}).Code
		}
		silent := func(maxAge string) string {
			u, err := b.do(http.MethodGet, "/authorize?"+ask("client_id", "public", "prompt", "none", "max_age", maxAge).Encode(), nil).Result().Location()
			if err != nil {
				t.Fatal(err)
			}
			return u.Query().Get("error")
		}
		if signIn(10*time.Minute) != nil {
			t.Error("a sign-in page open for ten minutes still works")
		}
		code := signIn(9 * time.Minute).Get("code")
		time.Sleep(30 * time.Second)
		if got := redeem(code); got != http.StatusBadRequest {
			t.Errorf("a code after 30 s: %d, want 400", got)
		}
		code = signIn(0).Get("code")
		time.Sleep(29 * time.Second)
		if got := redeem(code); got != http.StatusOK {
			t.Errorf("a code after 29 s: %d, want 200", got)
		}
		if got := silent("60"); got != "" {
			t.Errorf("max_age=60 after 29 s: %s, want none", got)
		}
		if got := silent("10"); got != "login_required" {
			t.Errorf("max_age=10 after 29 s: %q, want login_required", got)
		}
		time.Sleep(12 * time.Hour)
		if got := silent(""); got != "login_required" {
			t.Errorf("after twelve hours: %q, want login_required", got)
		}
	})
}

// recorder is a browser without a network.
type recorder struct {
	p       *provider.Provider
	cookies map[string]*http.Cookie
}

func (b *recorder) do(method, target string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	w := httptest.NewRecorder()
	b.p.ServeHTTP(w, r)
	if b.cookies == nil {
		b.cookies = map[string]*http.Cookie{}
	}
	for _, c := range w.Result().Cookies() {
		b.cookies[c.Name] = c
	}
	return w
}
