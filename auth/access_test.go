package auth_test

import (
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"vestibule/auth"
	"vestibule/auth/authtest"
)

const audience = "https://door.example/api/v1"

// accessClaims are an access token's, changed by edit.
func accessClaims(edit func(authtest.Claims)) authtest.Claims {
	now := time.Now().Unix()
	c := authtest.Claims{
		"iss": issuer, "aud": audience, "iat": now, "exp": now + 300, "jti": "1",
		"sub": "agenda", "client_id": "agenda", "scope": "meetings:read meetings:write",
	}
	if edit != nil {
		edit(c)
	}
	return c
}

func TestAccess(t *testing.T) {
	key := authtest.NewKey("k1", jose.ES256)
	op := authtest.New(issuer, key)
	o := hospital(t, op, nil)
	got, err := o.Access(t.Context(), "hospital", audience, key.JWT("at+jwt", accessClaims(nil)))
	want := auth.Access{Client: "agenda", Scopes: []string{"meetings:read", "meetings:write"}}
	if d := cmp.Diff(want, got); d != "" || err != nil {
		t.Errorf("Access = %v, %v (-want +got):\n%s", got, err, d)
	}
	// Keycloak's form: typ JWT, azp, several audiences.
	got, err = o.Access(t.Context(), "hospital", audience, key.JWT("JWT", accessClaims(func(c authtest.Claims) {
		delete(c, "client_id")
		c["azp"], c["aud"] = "agenda", []string{"account", audience}
	})))
	if err != nil || got.Client != "agenda" {
		t.Errorf("Access = %v, %v; want agenda", got, err)
	}
}

// T13: every access token that is none, each with the check that refuses it.
func TestT13AccessTokens(t *testing.T) {
	key, other := authtest.NewKey("k1", jose.ES256), authtest.NewKey("k1", jose.ES256)
	op := authtest.New(issuer, key)
	o := hospital(t, op, nil)
	edit := func(f func(authtest.Claims)) string { return key.JWT("at+jwt", accessClaims(f)) }
	now := time.Now().Unix()
	cases := []struct{ name, token, want string }{
		{"opaque", "0123456789abcdef", "format"},
		{"alg none", authtest.None(accessClaims(nil)), "typ"},
		{"another key", other.JWT("at+jwt", accessClaims(nil)), "signature"},
		{"another issuer", edit(func(c authtest.Claims) { c["iss"] = "https://evil.example" }), "iss"},
		{"another audience", edit(func(c authtest.Claims) { c["aud"] = "https://other.example" }), "aud"},
		{"no audience", edit(func(c authtest.Claims) { delete(c, "aud") }), "aud"},
		{"an ID token", edit(func(c authtest.Claims) { c["aud"] = op.ClientID }), "aud"},
		{"an ID token for both", edit(func(c authtest.Claims) { c["aud"], c["nonce"] = []string{op.ClientID, audience}, "n" }), "typ"},
		{"a logout token", key.JWT("logout+jwt", accessClaims(nil)), "typ"},
		{"expired", edit(func(c authtest.Claims) { c["exp"] = now - 3600 }), "exp"},
		{"without end", edit(func(c authtest.Claims) { delete(c, "exp") }), "exp"},
		{"from the future", edit(func(c authtest.Claims) { c["iat"] = now + 3600 }), "iat_future"},
		{"without iat", edit(func(c authtest.Claims) { delete(c, "iat") }), "iat_missing"},
		{"not yet", edit(func(c authtest.Claims) { c["nbf"] = now + 200 }), "nbf"},
		{"nobody's", edit(func(c authtest.Claims) { delete(c, "client_id") }), "client_id"},
		{"huge", edit(func(c authtest.Claims) { c["scope"] = string(make([]byte, 9000)) }), "format"},
	}
	for _, c := range cases {
		_, err := o.Access(t.Context(), "hospital", audience, c.token)
		if got := outcome(err); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		silent(t, err)
	}
	for _, a := range []string{"", op.ClientID} {
		if _, err := o.Access(t.Context(), "hospital", a, edit(func(c authtest.Claims) { c["aud"] = a })); err == nil {
			t.Errorf("audience %q is taken", a)
		}
	}
	if _, err := o.Access(t.Context(), "elsewhere", audience, edit(nil)); err == nil {
		t.Error("a provider that is not configured is taken")
	}
}

// T15: forged access tokens do not make the door ask for keys again and again,
// nor use up the fetch that a person's sign-in may need.
func TestT15ForgedAccessFlood(t *testing.T) {
	op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
	o := hospital(t, op, nil)
	forged := authtest.NewKey("k9", jose.ES256)
	for range 100 {
		if _, err := o.Access(t.Context(), "hospital", audience, forged.JWT("at+jwt", accessClaims(nil))); err == nil {
			t.Fatal("a forged token is taken")
		}
	}
	if n := op.Hits("/jwks"); n != 1 {
		t.Errorf("%d fetches of keys, want 1", n)
	}
	op.Keys = []authtest.Key{authtest.NewKey("k2", jose.ES256)}
	if _, _, err := signIn(t.Context(), o, op); err != nil {
		t.Errorf("a sign-in behind the flood: %v", err)
	}
}
