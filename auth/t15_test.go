package auth_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vestibule/auth"
	"vestibule/auth/authtest"
)

// T15: keys that change while somebody signs in.
func TestT15RotationMidLogin(t *testing.T) {
	rotates(t)
}

// The same are modules of T13.
func TestT13KeyRotation(t *testing.T) {
	t.Run("signing-key-rotation", rotates)
	t.Run("signing-key-rotation-just-before-signing", rotatesBeforeSigning)
}

// rotatesBeforeSigning has new keys between the person's yes and the token.
func rotatesBeforeSigning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := authtest.New(issuer, authtest.NewKey("k0", jose.ES256))
		o := hospital(t, op, nil)
		if _, _, err := signIn(t.Context(), o, op); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		redirect, tx, err := o.Start(t.Context(), "hospital")
		if err != nil {
			t.Fatal(err)
		}
		back, err := op.Authorize(redirect)
		if err != nil {
			t.Fatal(err)
		}
		op.Keys = []authtest.Key{authtest.NewKey("k1", jose.ES256)}
		if _, _, err := o.Finish(t.Context(), "hospital", back, tx); err != nil {
			t.Errorf("Finish = %v", err)
		}
	})
}

func rotates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := authtest.New(issuer, authtest.NewKey("k0", jose.ES256))
		o := hospital(t, op, nil)
		for i, id := range []string{"k1", "k2"} { // signing-key-rotation, and again at once
			if _, _, err := signIn(t.Context(), o, op); err != nil {
				t.Fatalf("before rotation %d: %v", i, err)
			}
			op.Keys = []authtest.Key{authtest.NewKey(id, jose.ES256)}
			time.Sleep(16 * time.Second)
		}
		if _, _, err := signIn(t.Context(), o, op); err != nil {
			t.Errorf("signing-key-rotation-just-before-signing: %v", err)
		}
	})
}

// T15: a withdrawn key is believed for an hour at most.
func TestT15WithdrawnKey(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old := authtest.NewKey("k1", jose.ES256)
		op := authtest.New(issuer, old)
		o := hospital(t, op, nil)
		if _, _, err := signIn(t.Context(), o, op); err != nil {
			t.Fatal(err)
		}
		op.Keys = []authtest.Key{authtest.NewKey("k2", jose.ES256)}
		op.Sign = func(c authtest.Claims) string { return old.JWT("", c) }
		time.Sleep(time.Hour + time.Second)
		_, _, err := signIn(t.Context(), o, op)
		if got := outcome(err); got != "kid" {
			t.Errorf("outcome = %s, want kid", got)
		}
		op.Sign = nil
		if _, _, err := signIn(t.Context(), o, op); err != nil {
			t.Errorf("the next honest sign-in: %v", err)
		}
	})
}

// T15: keys that cannot be fetched leave the known ones in their place.
func TestT15KeysGoneForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
		o := hospital(t, op, nil)
		if _, _, err := signIn(t.Context(), o, op); err != nil {
			t.Fatal(err)
		}
		status("/jwks", http.StatusServiceUnavailable)(op)
		if _, err := o.BackChannel(t.Context(), forged(op)); err == nil {
			t.Error("a forged token is believed")
		}
		if _, _, err := signIn(t.Context(), o, op); err != nil {
			t.Errorf("with the known key: %v", err)
		}
	})
}

func forged(op *authtest.Provider) string {
	return authtest.NewKey("x", jose.ES256).JWT("logout+jwt", op.LogoutClaims(nil))
}

// T15: forged logout tokens, which anybody can send, cost the provider two
// fetches at most and take nothing from those who sign in.
func TestT15ForgedLogoutFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
		o := hospital(t, op, nil)
		evil := authtest.NewKey("x", jose.ES256)
		for i := range 1000 {
			k := evil
			k.ID += string(rune('a' + i%26))
			_, err := o.BackChannel(t.Context(), k.JWT("logout+jwt", op.LogoutClaims(nil)))
			if got := outcome(err); got != "kid" {
				t.Fatalf("forged token %d: outcome = %s, want kid", i, got)
			}
		}
		if n := op.Hits("/jwks"); n > 2 {
			t.Errorf("%d fetches of keys, want at most 2", n)
		}
		op.Keys = []authtest.Key{authtest.NewKey("k2", jose.ES256)}
		if _, _, err := signIn(t.Context(), o, op); err != nil {
			t.Errorf("a sign-in with a new key in the middle of it: %v", err)
		}
		if _, err := o.BackChannel(t.Context(), op.LogoutToken(nil)); err != nil {
			t.Errorf("an honest logout token: %v", err)
		}
		if n := op.Hits("/jwks"); n > 3 {
			t.Errorf("%d fetches of keys, want at most 3", n)
		}
	})
}

func TestT13BackChannel(t *testing.T) {
	ring := newKeyring()
	del := func(k string) func(authtest.Claims) { return func(c authtest.Claims) { delete(c, k) } }
	put := func(k string, v any) func(authtest.Claims) { return func(c authtest.Claims) { c[k] = v } }
	for _, c := range []struct {
		name, want string
		edit       func(authtest.Claims)
		sign       func(*authtest.Provider, authtest.Claims) string
	}{
		{name: "logout", want: "accepted"},
		{name: "without-sub", want: "accepted", edit: del("sub")},
		{name: "without-sid", want: "accepted", edit: del("sid")},
		{name: "without-either", want: "sub", edit: func(c authtest.Claims) { delete(c, "sub"); delete(c, "sid") }},
		{name: "alg-none", want: "alg", sign: func(_ *authtest.Provider, c authtest.Claims) string { return authtest.None(c) }},
		{name: "wrong-alg", want: "alg", sign: func(p *authtest.Provider, c authtest.Claims) string {
			return hs256([]byte(p.ClientSecret+p.ClientSecret), "k1", c)
		}},
		{name: "wrong-key", want: "signature", sign: func(_ *authtest.Provider, c authtest.Claims) string {
			k := ring.es2
			k.ID = "k1"
			return k.JWT("logout+jwt", c)
		}},
		{name: "wrong-typ", want: "typ", sign: func(p *authtest.Provider, c authtest.Claims) string { return p.Keys[0].JWT("at+jwt", c) }},
		{name: "wrong-iss", want: "iss", edit: put("iss", "https://evil.example")},
		{name: "wrong-aud", want: "aud", edit: put("aud", "another")},
		{name: "no-event", want: "events", edit: del("events")},
		{name: "wrong-event", want: "events", edit: put("events", authtest.Claims{"https://evil.example/event": authtest.Claims{}})},
		{name: "event-not-an-object", want: "events", edit: put("events", authtest.Claims{"http://schemas.openid.net/event/backchannel-logout": "yes"})},
		{name: "event-null", want: "events", edit: put("events", authtest.Claims{"http://schemas.openid.net/event/backchannel-logout": nil})},
		{name: "with-nonce", want: "nonce", edit: put("nonce", "x")},
		{name: "with-null-nonce", want: "nonce", edit: put("nonce", nil)},
		{name: "no-jti", want: "jti_missing", edit: del("jti")},
		{name: "no-iat", want: "iat_missing", edit: del("iat")},
		{name: "old-iat", want: "iat_old", edit: func(c authtest.Claims) { c["iat"] = ago(time.Hour) }},
		{name: "future-iat", want: "iat_future", edit: func(c authtest.Claims) { c["iat"] = ago(-time.Hour) }},
		{name: "expired", want: "exp", edit: func(c authtest.Claims) { c["exp"] = ago(time.Hour) }},
		{name: "an-id-token", want: "events", edit: func(c authtest.Claims) { delete(c, "events"); c["nonce"] = "n" }},
	} {
		t.Run("backchannel-"+c.name, func(t *testing.T) {
			op := authtest.New(issuer, ring.es1)
			op.Keys[0].ID = "k1"
			o := hospital(t, op, nil)
			claims := op.LogoutClaims(c.edit)
			token := op.Keys[0].JWT("logout+jwt", claims)
			if c.sign != nil {
				token = c.sign(op, claims)
			}
			got, err := o.BackChannel(t.Context(), token)
			if outcome(err) != c.want {
				t.Errorf("outcome = %s, want %s: %v", outcome(err), c.want, err)
			}
			silent(t, err)
			if err == nil {
				if got.Issuer != issuer || got.Provider != "hospital" || got.Subject == "" && got.SID == "" {
					t.Errorf("BackChannel = %+v", got)
				}
				if _, err := o.BackChannel(t.Context(), token); outcome(err) != "jti" {
					t.Errorf("replayed: outcome = %s, want jti", outcome(err))
				}
			}
		})
	}
}

func TestBackChannelGarbage(t *testing.T) {
	op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
	o := hospital(t, op, func(p *auth.Provider) { p.Logout = nil })
	for _, token := range []string{"", ".", "..", "a.b.c", "e30.e30.", "bnVsbA.bnVsbA.x", op.LogoutToken(nil)} {
		if _, err := o.BackChannel(t.Context(), token); err == nil {
			t.Errorf("BackChannel(%.20q) is believed", token)
		}
	}
	if op.Hits("/jwks") != 0 {
		t.Error("a provider whose logout is not honoured was asked for keys")
	}
}

// Signing out there is asked by a form: the ID token stands in no address. A
// provider that takes none is sent to an address, without it.
func TestT13RPInitiatedLogout(t *testing.T) {
	for _, way := range []string{"rp", "rp_get"} {
		op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
		o := hospital(t, op, func(p *auth.Provider) { p.Logout = []string{way} })
		_, s, err := signIn(t.Context(), o, op)
		if err != nil {
			t.Fatal(err)
		}
		e, err := o.Exit(t.Context(), s, "https://door.example/bye")
		if err != nil {
			t.Fatal(err)
		}
		want, told := s.IDToken, e.Fields
		if way == "rp_get" {
			want, told = "", query(t, e.To)
		} else if strings.Contains(e.To, "eyJ") || want == "" || e.Fields == nil {
			t.Errorf("rp: the address holds the ID token, or nothing does")
		}
		if s.IDToken != want {
			t.Errorf("%s: an ID token is kept for nothing", way)
		}
		for k, want := range map[string]string{
			"client_id": "door", "post_logout_redirect_uri": "https://door.example/bye", "id_token_hint": want, "state": e.State,
		} {
			if got := told.Get(k); got != want {
				t.Errorf("%s: %s = %q, want %q", way, k, got, want)
			}
		}
		if got := query(t, e.To).Get("from"); got != "discovery" {
			t.Errorf("%s: the address lost its own part: %q", way, got)
		}
		for name, c := range map[string]struct {
			back, state string
			ok          bool
		}{
			"rp-init-logout":             {e.State, e.State, true},
			"rp-init-logout-no-state":    {"", e.State, false},
			"rp-init-logout-other-state": {"another", e.State, false},
			"never-began":                {"", "", false},
		} {
			t.Run(way+"/"+name, func(t *testing.T) {
				back := query(t, "https://door.example/bye?state="+c.back)
				if err := o.LoggedOut(back, c.state); (err == nil) != c.ok {
					t.Errorf("LoggedOut = %v", err)
				}
			})
		}
	}
}
