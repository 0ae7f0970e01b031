package provider_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/oauth2"

	"vestibule/deploy/demo/provider"
)

const (
	back = "https://door.localhost:8443/back" // where the door wants its answers
	bye  = "https://door.localhost:8443/bye"
)

// house is a provider behind a real TLS server, and a browser before it.
type house struct {
	url      string
	browser  *http.Client
	logouts  chan string // logout tokens the door was told
	provider *provider.Provider
}

func open(t *testing.T) *house {
	t.Helper()
	h := &house{logouts: make(chan string, 10)}
	door := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		h.logouts <- r.PostFormValue("logout_token")
	}))
	t.Cleanup(door.Close)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.provider.ServeHTTP(w, r) }))
	s.StartTLS()
	t.Cleanup(s.Close)
	h.url = s.URL
	var err error
	h.provider, err = provider.New(provider.Config{Issuer: s.URL, Language: "en", Clients: []provider.Client{
		{ID: "door", Name: "The door", Secret: "s:e c%ret", RedirectURIs: []string{back}, PostLogoutURIs: []string{bye}, BackChannelURI: door.URL},
		{ID: "other", Secret: "other", RedirectURIs: []string{back}},
		{ID: "public", RedirectURIs: []string{back}},
		{ID: "old", Secret: "old", RedirectURIs: []string{back}, DangerouslyWithoutPKCE: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	h.browser = h.newBrowser(t, s)
	return h
}

func (h *house) newBrowser(t *testing.T, s *httptest.Server) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{
		Transport:     s.Client().Transport,
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ask are the parameters of a flawless request.
func ask(changes ...string) url.Values {
	q := url.Values{
		"client_id": {"door"}, "redirect_uri": {back}, "response_type": {"code"}, "scope": {"openid profile email"},
		"state": {"st&te"}, "nonce": {"n"}, "code_challenge": {oauth2.S256ChallengeFromVerifier(verifier)}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
	}
	return q
}

const verifier = "dBjftJeZ4CVP-mBqGj-lk_aFk2xTqzkFfSdoqhGVbvM"

func (h *house) get(t *testing.T, path string, q url.Values) (*http.Response, string) {
	t.Helper()
	res, err := h.browser.Get(h.url + path + "?" + q.Encode())
	return read(t, res, err)
}

func (h *house) post(t *testing.T, path string, q url.Values) (*http.Response, string) {
	t.Helper()
	res, err := h.browser.PostForm(h.url+path, q)
	return read(t, res, err)
}

func read(t *testing.T, res *http.Response, err error) (*http.Response, string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

// try finds the secret of the page's form.
func try(page string) string {
	m := regexp.MustCompile(`name="try" value="(\w+)"`).FindStringSubmatch(page)
	if m == nil {
		return ""
	}
	return m[1]
}

// choose signs person number i in and returns the answer's parameters.
func (h *house) choose(t *testing.T, i int, q url.Values) url.Values {
	t.Helper()
	_, page := h.get(t, "/authorize", q)
	res, _ := h.post(t, "/login", url.Values{"try": {try(page)}, "person": {provider.People()[i].Subject}})
	return answer(t, res)
}

// answer reads a redirect back to the door.
func answer(t *testing.T, res *http.Response) url.Values {
	t.Helper()
	u, err := res.Location()
	if err != nil || !strings.HasPrefix(u.String(), back+"?") {
		t.Fatalf("status %d to %v (%v), want a redirect to %s", res.StatusCode, u, err, back)
	}
	return u.Query()
}

// exchange posts to the token endpoint as client door, unless changed.
func (h *house) exchange(t *testing.T, code string, changes ...string) (int, map[string]any) {
	t.Helper()
	q := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {back}, "code_verifier": {verifier},
		"client_id": {"door"}, "client_secret": {"s:e c%ret"},
	}
	for i := 0; i < len(changes); i += 2 {
		q.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			q.Del(changes[i])
		}
	}
	res, body := h.post(t, "/token", q)
	var m map[string]any
	if err := json.Unmarshal([]byte(body), &m); err != nil {
		t.Fatalf("the answer is no JSON: %v: %s", err, body)
	}
	return res.StatusCode, m
}

// TestSignIn walks the whole way with the libraries the door uses.
func TestSignIn(t *testing.T) {
	h := open(t)
	ctx := oidc.ClientContext(t.Context(), h.browser)
	op, err := oidc.NewProvider(ctx, h.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, style := range []oauth2.AuthStyle{oauth2.AuthStyleInHeader, oauth2.AuthStyleInParams} {
		endpoint := op.Endpoint()
		endpoint.AuthStyle = style
		client := oauth2.Config{ClientID: "door", ClientSecret: "s:e c%ret", Endpoint: endpoint, RedirectURL: back, Scopes: []string{"openid", "email", "profile"}}
		u, err := url.Parse(client.AuthCodeURL("st&te", oauth2.S256ChallengeOption(verifier), oidc.Nonce("n")))
		if err != nil {
			t.Fatal(err)
		}
		got := h.choose(t, 0, u.Query())
		if got.Get("state") != "st&te" || got.Get("iss") != h.url {
			t.Errorf("state %q and iss %q, want st&te and %s", got.Get("state"), got.Get("iss"), h.url)
		}
		token, err := client.Exchange(ctx, got.Get("code"), oauth2.VerifierOption(verifier))
		if err != nil {
			t.Fatal(err)
		}
		checkToken(t, h, op, token)
	}
}

func checkToken(t *testing.T, h *house, op *oidc.Provider, token *oauth2.Token) {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), h.browser)
	id, err := op.Verifier(&oidc.Config{ClientID: "door", SupportedSigningAlgs: []string{"ES256"}}).Verify(ctx, token.Extra("id_token").(string))
	if err != nil {
		t.Fatal(err)
	}
	if err := id.VerifyAccessToken(token.AccessToken); err != nil {
		t.Errorf("at_hash: %v", err)
	}
	var got map[string]any
	if err := id.Claims(&got); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"iat", "exp", "auth_time", "sid", "at_hash"} {
		if got[k] == nil || got[k] == "" {
			t.Errorf("the ID token lacks %s", k)
		}
		delete(got, k)
	}
	claire := provider.People()[0]
	want := map[string]any{
		"iss": h.url, "sub": claire.Subject, "aud": "door", "azp": "door", "nonce": "n",
		"acr": "eidas2", "amr": []any{"pwd", "otp", "mfa"},
		"name": claire.Name, "given_name": "Claire", "family_name": "Martin", "organization": "hopital.example",
		"email": claire.Email, "email_verified": true,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("ID token (-want +got):\n%s", d)
	}
	info, err := op.UserInfo(ctx, oauth2.StaticTokenSource(token))
	if err != nil {
		t.Fatal(err)
	}
	if info.Subject != claire.Subject || info.Email != claire.Email || !info.EmailVerified {
		t.Errorf("userinfo %+v, want Claire's", info)
	}
}

func TestScopesLimitWhatIsTold(t *testing.T) {
	h := open(t)
	_, got := h.exchange(t, h.choose(t, 2, ask("scope", "openid")).Get("code"))
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, h.url+"/userinfo", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+got["access_token"].(string))
	res, err := h.browser.Do(req)
	_, body := read(t, res, err)
	if want := `{"sub":"` + provider.People()[2].Subject + `"}`; strings.TrimSpace(body) != want {
		t.Errorf("userinfo for scope openid: %s, want %s", body, want)
	}
}

func TestStrangerIsNotVouchedFor(t *testing.T) {
	people := provider.People()
	unverified := slices.IndexFunc(people, func(p provider.Person) bool { return !p.EmailVerified })
	if unverified != 2 || people[0].Organisation != people[1].Organisation || people[1].Organisation == people[2].Organisation {
		t.Errorf("People() = %+v, want two of one organisation and an unverified stranger", people)
	}
}

// TestPagesInBothLanguages also sees that nothing on them needs a policy
// looser than theirs.
func TestPagesInBothLanguages(t *testing.T) {
	h := open(t)
	h.choose(t, 1, ask())
	for lang, words := range map[string]string{"fr": "Qui êtes-vous ?", "en": "Who are you?"} {
		q := ask("lang", lang)
		res, page := h.get(t, "/authorize", q)
		if !strings.Contains(page, words) || !strings.Contains(page, `<html lang="`+lang+`">`) {
			t.Errorf("the sign-in page in %s lacks %q:\n%s", lang, words, page)
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "form-action 'self' https://door.localhost:8443") {
			t.Errorf("Content-Security-Policy %q would stop the redirect after the form", csp)
		}
		pages := map[string]string{"sign-in": page}
		_, pages["home"] = h.get(t, "/", url.Values{"lang": {lang}})
		_, pages["leave"] = h.get(t, "/logout", url.Values{"lang": {lang}})
		_, pages["refused"] = h.get(t, "/authorize", url.Values{"lang": {lang}, "client_id": {"nobody"}})
		for name, page := range pages {
			if strings.Contains(page, "<script") || strings.Contains(page, "style=") || !strings.Contains(page, "<h1>") {
				t.Errorf("the page %s in %s has inline code or no heading:\n%s", name, lang, page)
			}
		}
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := provider.New(provider.Config{
		Issuer: "http://id.example/path", Language: "de", People: []provider.Person{{}},
		Clients: []provider.Client{
			{ID: "loose", DangerouslyWithoutPKCE: true, RedirectURIs: []string{"/relative"}, PostLogoutURIs: []string{"https://*.example/"}, BackChannelURI: "http://door.example/"},
			{Secret: "x"},
		},
	})
	if err == nil {
		t.Fatal("New accepted it")
	}
	for _, want := range []string{`"http://id.example/path" is not https`, "more than an origin", `"de"`, "person 0", "neither secret nor PKCE", `"/relative"`, `"https://*.example/"`, `"http://door.example/"`, "without ID", "no redirect URI"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New: %v, want %s named", err, want)
		}
	}
}

// TestOneOfManyRedeems shows one code fifty times at once.
func TestOneOfManyRedeems(t *testing.T) {
	h := open(t)
	code := h.choose(t, 0, ask()).Get("code")
	var wg sync.WaitGroup
	statuses := make([]int, 50)
	for i := range statuses {
		wg.Go(func() { statuses[i], _ = h.exchange(t, code) })
	}
	wg.Wait()
	won := 0
	for _, s := range statuses {
		if s == http.StatusOK {
			won++
		}
	}
	if won != 1 {
		t.Errorf("%d of 50 redeemed the code, want 1", won)
	}
}
