package provider_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"

	"vestibule/deploy/demo/provider"
)

// TestLogout has an application send the browser away, with its proof.
func TestLogout(t *testing.T) {
	h := open(t)
	_, got := h.exchange(t, h.choose(t, 0, ask()).Get("code"))
	waiting := h.choose(t, 0, ask()).Get("code") // not yet redeemed when the session ends
	id := got["id_token"].(string)

	res, _ := h.get(t, "/logout", url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye}, "state": {"a&b"}})
	if l := res.Header.Get("Location"); res.StatusCode != http.StatusSeeOther || l != bye+"?state=a%26b" {
		t.Errorf("logout: %d to %q, want a redirect with the state", res.StatusCode, l)
	}
	h.toldOf(t, id)
	if res, _ := h.post(t, "/userinfo", url.Values{"access_token": {got["access_token"].(string)}}); res.StatusCode != http.StatusUnauthorized {
		t.Errorf("userinfo after the logout: %d, want 401", res.StatusCode)
	}
	if status, _ := h.exchange(t, waiting); status != http.StatusBadRequest {
		t.Errorf("a code of the ended session: %d, want 400", status)
	}
	res, _ = h.get(t, "/authorize", ask("prompt", "none"))
	if e := answer(t, res).Get("error"); e != "login_required" {
		t.Errorf("prompt=none after the logout: %q, want login_required", e)
	}
	// Again: the session is gone, the answer is the same, nobody is told.
	res, _ = h.get(t, "/logout", url.Values{"id_token_hint": {id}, "post_logout_redirect_uri": {bye}})
	if l := res.Header.Get("Location"); l != bye || len(h.logouts) != 0 {
		t.Errorf("logout again: to %q with %d told, want %q and none", l, len(h.logouts), bye)
	}
}

// toldOf reads the door's logout token with the door's library, and wants it
// to be about the session of the ID token id.
func (h *house) toldOf(t *testing.T, id string) {
	t.Helper()
	ctx := oidc.ClientContext(t.Context(), h.browser)
	op, err := oidc.NewProvider(ctx, h.url)
	if err != nil {
		t.Fatal(err)
	}
	v := op.Verifier(&oidc.Config{ClientID: "door"})
	token, err := v.Verify(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	var claims struct{ Sid string }
	if err := token.Claims(&claims); err != nil {
		t.Fatal(err)
	}
	if len(h.logouts) != 1 {
		t.Fatalf("the door was told of %d logouts, want 1", len(h.logouts))
	}
	raw := <-h.logouts
	told, err := v.VerifyLogout(ctx, raw)
	if err != nil {
		t.Fatal(err)
	}
	if told.SessionID != claims.Sid || told.Subject != token.Subject || told.TokenID == "" {
		t.Errorf("told %+v, want session %s of %s", told, claims.Sid, token.Subject)
	}
	res, _ := h.get(t, "/logout", url.Values{"id_token_hint": {raw}})
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("a logout token as hint: %d, want 400", res.StatusCode)
	}
}

// TestLogoutAsks: without proof, or with another session's, somebody else's
// page may have sent the browser.
func TestLogoutAsks(t *testing.T) {
	h := open(t)
	_, first := h.exchange(t, h.choose(t, 0, ask()).Get("code"))
	h.choose(t, 1, ask()) // another person, another session
	for name, q := range map[string]url.Values{
		"no hint":                {"client_id": {"door"}, "post_logout_redirect_uri": {bye}},
		"another session's hint": {"id_token_hint": {first["id_token"].(string)}, "post_logout_redirect_uri": {bye}},
	} {
		res, page := h.get(t, "/logout", q)
		if res.StatusCode != http.StatusOK || try(page) == "" || len(h.logouts) != 0 {
			t.Fatalf("%s: %d, %d told, want to be asked", name, res.StatusCode, len(h.logouts))
		}
		if !strings.Contains(page, "Hugo Bernard") {
			t.Errorf("%s: the page does not say who:\n%s", name, page)
		}
		h.choose(t, 1, ask())
		res, _ = h.post(t, "/leave", url.Values{"try": {try(page)}})
		if l := res.Header.Get("Location"); l != bye || len(h.logouts) != 1 {
			t.Errorf("%s, confirmed: to %q, %d told, want %q and 1", name, l, len(h.logouts), bye)
		}
		<-h.logouts
		h.choose(t, 1, ask())
	}
}

func TestLogoutRefuses(t *testing.T) {
	h := open(t)
	_, got := h.exchange(t, h.choose(t, 0, ask()).Get("code"))
	id := got["id_token"].(string)
	for name, q := range map[string]url.Values{
		"an address not registered":    {"id_token_hint": {id}, "post_logout_redirect_uri": {"https://evil.example/"}},
		"another client's address":     {"client_id": {"other"}, "post_logout_redirect_uri": {bye}},
		"an address and no client":     {"post_logout_redirect_uri": {bye}},
		"a hint of another client":     {"id_token_hint": {id}, "client_id": {"other"}},
		"a hint with a bent signature": {"id_token_hint": {id[:len(id)-6] + "AAAAAA"}},
		"a hint that is no token":      {"id_token_hint": {"x"}},
		"a parameter twice":            {"state": {"a", "b"}},
	} {
		res, _ := h.get(t, "/logout", q)
		if res.StatusCode != http.StatusBadRequest || res.Header.Get("Location") != "" {
			t.Errorf("%s: %d to %q, want 400", name, res.StatusCode, res.Header.Get("Location"))
		}
	}
	if len(h.logouts) != 0 {
		t.Errorf("%d logouts told, want none", len(h.logouts))
	}
}

// TestLeaveFromHome uses the provider's own button.
func TestLeaveFromHome(t *testing.T) {
	h := open(t)
	_, got := h.exchange(t, h.choose(t, 0, ask()).Get("code"))
	if _, page := h.get(t, "/", nil); !strings.Contains(page, provider.People()[0].Name+" is signed in") {
		t.Errorf("the first page does not say who is signed in:\n%s", page)
	}
	if res, page := h.post(t, "/leave", nil); res.StatusCode != http.StatusOK || !strings.Contains(page, "You are signed out") {
		t.Errorf("leaving: %d:\n%s", res.StatusCode, page)
	}
	h.toldOf(t, got["id_token"].(string))
	if res, _ := h.post(t, "/leave", nil); res.StatusCode != http.StatusBadRequest {
		t.Errorf("leaving again: %d, want 400", res.StatusCode)
	}
}
