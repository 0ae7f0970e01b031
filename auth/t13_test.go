package auth_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-jose/go-jose/v4"

	"vestibule/auth"
	"vestibule/auth/authtest"
)

func query(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}

// misdeed is one way for a provider to misbehave.
type misdeed struct {
	name string // the module of the OpenID Foundation's test plan, or ours
	want string // "accepted", the check that refuses, "unavailable" or "fault"
	site func(*auth.Provider)
	do   func(*authtest.Provider)
}

func token(f func(authtest.Claims)) func(*authtest.Provider) {
	return func(p *authtest.Provider) { p.IDToken = f }
}

func set(k string, v any) func(*authtest.Provider) {
	return token(func(c authtest.Claims) { c[k] = v })
}

func unset(k string) func(*authtest.Provider) {
	return token(func(c authtest.Claims) { delete(c, k) })
}

func ago(d time.Duration) int64 { return time.Now().Add(-d).Unix() }

// keys are made once; RSA takes its time.
type keyring struct{ rsa2, es1, es2 authtest.Key }

func newKeyring() keyring {
	return keyring{
		rsa2: authtest.NewKey("k2", jose.RS256),
		es1:  authtest.NewKey("e1", jose.ES256),
		es2:  authtest.NewKey("e2", jose.ES256),
	}
}

func tokenModules(k keyring) []misdeed {
	return []misdeed{
		{name: "plain", want: "accepted"},
		{name: "invalid-iss", want: "iss", do: set("iss", "https://evil.example")},
		{name: "missing-iss", want: "iss", do: unset("iss")},
		{name: "missing-sub", want: "sub", do: unset("sub")},
		{name: "empty-sub", want: "sub", do: set("sub", "")},
		{name: "sub-spelt-with-a-long-s", want: "sub", do: set("\u017fub", "u-2")},
		{name: "invalid-aud", want: "aud", do: set("aud", "another")},
		{name: "missing-aud", want: "aud", do: unset("aud")},
		{name: "missing-iat", want: "iat_missing", do: unset("iat")},
		{name: "future-iat", want: "iat_future", do: token(func(c authtest.Claims) { c["iat"] = ago(-time.Hour) })},
		{name: "old-iat", want: "iat_old", do: token(func(c authtest.Claims) { c["iat"] = ago(365 * 24 * time.Hour) })},
		{name: "expired", want: "exp", do: token(func(c authtest.Claims) { c["exp"] = ago(2 * time.Minute) })},
		{name: "expired-within-skew", want: "accepted", do: token(func(c authtest.Claims) { c["exp"] = ago(30 * time.Second) })},
		{name: "missing-exp", want: "exp", do: unset("exp")},
		{name: "nonce-invalid", want: "nonce", do: set("nonce", "another")},
		{name: "nonce-missing", want: "nonce", do: unset("nonce")},
		{name: "azp-missing-with-two-aud", want: "azp", do: set("aud", []string{"door", "other"})},
		{name: "azp-of-another", want: "azp", do: set("azp", "other")},
		{name: "azp-ours-with-two-aud", want: "accepted", do: token(func(c authtest.Claims) {
			c["aud"], c["azp"] = []string{"other", "door"}, "door"
		})},
		{name: "invalid-athash", want: "at_hash", do: set("at_hash", "AAAAAAAAAAAAAAAAAAAAAA")},
		{name: "missing-athash", want: "accepted", do: unset("at_hash")},
		{name: "id-token-missing", want: "id_token_missing", do: func(p *authtest.Provider) {
			p.Sign = func(authtest.Claims) string { return "" }
		}},
		{name: "idtoken-sig-rs256", want: "accepted", do: func(p *authtest.Provider) { p.Keys = []authtest.Key{k.rsa2} }},
		{name: "idtoken-sig-es256", want: "accepted", do: func(p *authtest.Provider) { p.Keys = []authtest.Key{k.es1} }},
		{name: "idtoken-sig-none", want: "alg", do: func(p *authtest.Provider) { p.Sign = authtest.None }},
		{name: "invalid-sig-rs256", want: "signature", do: flipSignature},
		{name: "invalid-sig-es256", want: "signature", do: func(p *authtest.Provider) {
			p.Keys = []authtest.Key{k.es1}
			flipSignature(p)
		}},
		{name: "invalid-sig-hs256", want: "alg", do: signWithPublicKey},
		{name: "alg-not-listed", want: "alg", do: func(p *authtest.Provider) {
			p.Keys = []authtest.Key{k.es1}
			p.Discovery = func(c authtest.Claims) { c["id_token_signing_alg_values_supported"] = []string{"RS256"} }
		}},
		{name: "kid-absent-single-jwks", want: "accepted", do: func(p *authtest.Provider) { withoutKid(p) }},
		{name: "kid-absent-multiple-jwks", want: "kid", do: func(p *authtest.Provider) {
			p.Keys = append(p.Keys, k.rsa2)
			withoutKid(p)
		}},
		{name: "kid-absent-one-fits", want: "accepted", do: func(p *authtest.Provider) {
			enc := k.rsa2
			enc.Use = "enc"
			p.Keys = append(p.Keys, k.es1, enc)
			withoutKid(p)
		}},
		{name: "key-of-nobody", want: "kid", do: func(p *authtest.Provider) {
			p.Sign = func(c authtest.Claims) string { return k.es2.JWT("", c) }
		}},
	}
}

func personModules() []misdeed {
	return []misdeed{
		{name: "scope-userinfo-claims", want: "accepted", site: func(p *auth.Provider) { p.ClaimsFrom = "userinfo" }},
		{name: "userinfo-invalid-sub", want: "userinfo_sub", do: userinfo("sub", "u-2")},
		{name: "userinfo-missing-sub", want: "userinfo_sub", do: userinfo("sub", nil)},
		{name: "userinfo-signed", want: "accepted", do: signed("", nil)},
		{name: "userinfo-signed-wrong-iss", want: "userinfo_iss", do: signed("iss", "https://evil.example")},
		{name: "userinfo-signed-no-iss", want: "userinfo_iss", do: signed("iss", nil)},
		{name: "userinfo-signed-wrong-aud", want: "userinfo_aud", do: signed("aud", "another")},
		{name: "userinfo-signed-no-aud", want: "userinfo_aud", do: signed("aud", nil)},
		{name: "userinfo-signed-expired", want: "userinfo_exp", do: signed("exp", 1)},
		{name: "userinfo-signed-wrong-sub", want: "userinfo_sub", do: signed("sub", "u-2")},
		{name: "userinfo-unsigned-jwt", want: "userinfo_alg", do: func(p *authtest.Provider) {
			p.Instead = instead("/userinfo", func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/jwt")
				_, _ = w.Write([]byte(authtest.None(authtest.Claims{"sub": "u-1", "iss": issuer, "aud": "door"})))
			})
		}},
		{name: "userinfo-401", want: "userinfo_status", do: status("/userinfo", http.StatusUnauthorized)},
		{name: "userinfo-500", want: "unavailable", do: status("/userinfo", http.StatusInternalServerError)},
		{name: "email-unverified", want: "email_verified", do: person("email_verified", false)},
		{name: "email-verified-missing", want: "email_verified", do: person("email_verified", nil)},
		{name: "email-verified-as-string", want: "accepted", do: person("email_verified", "true")},
		{name: "email-verified-as-number", want: "email_verified", do: person("email_verified", 1)},
		{name: "email-verified-in-userinfo-only", want: "accepted", do: func(p *authtest.Provider) {
			p.IDToken = func(c authtest.Claims) { delete(c, "email_verified") }
		}},
		{name: "email-verified-for-another-address", want: "email_verified", do: func(p *authtest.Provider) {
			p.IDToken = func(c authtest.Claims) { delete(c, "email") }
			p.UserInfo = func(c authtest.Claims) { c["email"] = "eve@evil.example"; delete(c, "email_verified") }
		}},
		{name: "email-denied-by-one-source", want: "email_verified", do: func(p *authtest.Provider) {
			p.IDToken = func(c authtest.Claims) { c["email_verified"] = false }
		}},
		{name: "email-assumed", want: "accepted", do: person("email_verified", nil), site: func(p *auth.Provider) { p.EmailVerified = "assume" }},
		{name: "email-assumed-but-denied", want: "email_verified", do: person("email_verified", false), site: func(p *auth.Provider) { p.EmailVerified = "assume" }},
		{name: "email-with-two-ats", want: "email", do: person("email", "a@evil.example@hospital.example")},
		{name: "email-with-newline", want: "email", do: person("email", "a@hospital.example\r\nBcc: b@evil.example")},
		{name: "max-age-missing", want: "auth_time_missing", site: maxAge},
		{name: "max-age-old", want: "auth_time_old", site: maxAge, do: token(func(c authtest.Claims) { c["auth_time"] = ago(2 * time.Hour) })},
		{name: "max-age-future", want: "auth_time_future", site: maxAge, do: token(func(c authtest.Claims) { c["auth_time"] = ago(-2 * time.Hour) })},
		{name: "max-age-fresh", want: "accepted", site: maxAge, do: token(func(c authtest.Claims) { c["auth_time"] = ago(time.Minute) })},
		{name: "acr-missing", want: "acr", site: strong},
		{name: "acr-weak", want: "acr", site: strong, do: set("acr", "eidas1")},
		{name: "amr-weak", want: "amr", site: strong, do: token(func(c authtest.Claims) { c["acr"], c["amr"] = "eidas2", []string{"pwd"} })},
		{name: "amr-in-userinfo-only", want: "amr", site: strong, do: func(p *authtest.Provider) {
			p.IDToken = func(c authtest.Claims) { c["acr"] = "eidas2" }
			p.UserInfo = func(c authtest.Claims) { c["amr"] = []string{"mfa"} }
		}},
		{name: "acr-and-amr", want: "accepted", site: strong, do: token(func(c authtest.Claims) { c["acr"], c["amr"] = "eidas2", []string{"pwd", "mfa"} })},
		{name: "not-allowed", want: "allow", site: func(p *auth.Provider) {
			p.Allow = []auth.Rule{{Claim: "idp_id", Values: []string{"ours"}}}
		}, do: person("idp_id", "theirs")},
		{name: "subject-claim-missing", want: "subject_claim", site: func(p *auth.Provider) { p.ClaimMap.Subject = "tid oid" }, do: person("tid", "t")},
		{name: "subject-claim-ambiguous", want: "subject_claim", site: func(p *auth.Provider) { p.ClaimMap.Subject = "tid oid" }, do: func(p *authtest.Provider) {
			p.Person["tid"], p.Person["oid"] = "t/o", "x"
		}},
	}
}

func discoveryModules(k keyring) []misdeed {
	const discovery, jwks = "/.well-known/openid-configuration", "/jwks"
	return []misdeed{
		{name: "discovery-openid-config", want: "accepted"},
		{name: "discovery-jwks-uri-keys", want: "accepted", do: func(p *authtest.Provider) { p.Keys = append(p.Keys, k.rsa2, k.es1) }},
		{name: "discovery-issuer-mismatch", want: "unavailable", do: func(p *authtest.Provider) {
			p.Discovery = func(c authtest.Claims) { c["issuer"] = issuer + "/" }
		}},
		{name: "discovery-plain-http-token", want: "unavailable", do: func(p *authtest.Provider) {
			p.Discovery = func(c authtest.Claims) { c["token_endpoint"] = "http://id.hospital.example/token" }
		}},
		{name: "discovery-500", want: "unavailable", do: status(discovery, 500)},
		{name: "discovery-html", want: "unavailable", do: status(discovery, 200)},
		{name: "discovery-huge", want: "unavailable", do: padded(discovery)},
		{name: "jwks-huge", want: "unavailable", do: padded(jwks)},
		{name: "userinfo-huge", want: "unavailable", do: padded("/userinfo")},
		{name: "jwks-500", want: "unavailable", do: status(jwks, 500)},
		{name: "jwks-html", want: "unavailable", do: status(jwks, 200)},
	}
}

func transportModules() []misdeed {
	answer := func(edit func(url.Values)) func(*authtest.Provider) {
		return func(p *authtest.Provider) { p.Answer = edit }
	}
	endpoint := func(h http.HandlerFunc) func(*authtest.Provider) {
		return func(p *authtest.Provider) { p.Token = h }
	}
	fails := func(e string, status int) func(*authtest.Provider) {
		return endpoint(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(`{"error":"` + e + `","error_description":"secret words"}`))
		})
	}
	return []misdeed{
		{name: "client-secret-basic", want: "accepted", do: func(p *authtest.Provider) {
			p.Discovery = func(c authtest.Claims) { c["token_endpoint_auth_methods_supported"] = []string{"client_secret_basic"} }
		}},
		{name: "client-secret-post", want: "accepted", do: func(p *authtest.Provider) {
			p.Discovery = func(c authtest.Claims) { c["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"} }
		}},
		{name: "form-post-error", want: "access_denied", do: answer(func(q url.Values) {
			q.Del("code")
			q.Set("error", "access_denied")
		})},
		{name: "error-unknown", want: "fault", do: answer(func(q url.Values) { q.Set("error", "Y000400") })},
		{name: "error-temporarily-unavailable", want: "unavailable", do: answer(func(q url.Values) { q.Set("error", "temporarily_unavailable") })},
		{name: "code-missing", want: "no_code", do: answer(func(q url.Values) { q.Del("code") })},
		{name: "code-foreign", want: "invalid_grant", do: answer(func(q url.Values) { q.Set("code", "another") })},
		{name: "state-missing", want: "state", do: answer(func(q url.Values) { q.Del("state") })},
		{name: "state-foreign", want: "state", do: answer(func(q url.Values) { q.Set("state", strings.Repeat("x", 43)) })},
		{name: "state-twice", want: "parameter_twice", do: answer(func(q url.Values) { q.Add("state", "another") })},
		{name: "iss-wrong", want: "iss_parameter", do: answer(func(q url.Values) { q.Set("iss", "https://evil.example") })},
		{name: "iss-missing-though-announced", want: "iss_missing", do: answer(func(q url.Values) { q.Del("iss") })},
		{name: "iss-missing-not-announced", want: "accepted", do: func(p *authtest.Provider) {
			p.Answer = func(q url.Values) { q.Del("iss") }
			p.Discovery = func(c authtest.Claims) { delete(c, "authorization_response_iss_parameter_supported") }
		}},
		{name: "token-500", want: "unavailable", do: fails("", 500)},
		{name: "token-html", want: "unavailable", do: endpoint(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>secret words")) })},
		{name: "token-redirect", want: "unavailable", do: endpoint(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, issuer+"/elsewhere", http.StatusTemporaryRedirect)
		})},
		{name: "token-slow", want: "unavailable", do: endpoint(func(_ http.ResponseWriter, r *http.Request) {
			<-r.Context().Done()
		})},
		{name: "token-huge", want: "unavailable", do: endpoint(huge)},
		{name: "token-type-mac", want: "token_type", do: endpoint(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"access_token":"x","token_type":"mac","id_token":"x"}`))
		})},
		{name: "token-invalid-client", want: "fault", do: fails("invalid_client", 401)},
		{name: "token-invalid-grant", want: "invalid_grant", do: fails("invalid_grant", 400)},
	}
}

// T13: each module of the test plan has its exact answer, and whatever the
// provider did, the next honest person signs in.
func TestT13MisbehavingProvider(t *testing.T) {
	ring, honest := newKeyring(), authtest.NewKey("k1", jose.RS256)
	modules := append(tokenModules(ring), personModules()...)
	modules = append(modules, discoveryModules(ring)...)
	modules = append(modules, transportModules()...)
	if len(modules) < 80 {
		t.Errorf("there are %d modules, want all of them", len(modules))
	}
	for _, m := range modules {
		t.Run(m.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				op := authtest.New(issuer, honest)
				o := hospital(t, op, m.site)
				if m.do != nil {
					m.do(op)
				}
				began := time.Now()
				_, _, err := signIn(t.Context(), o, op)
				if got := outcome(err); got != m.want {
					t.Errorf("outcome = %s, want %s: %v", got, m.want, err)
				}
				silent(t, err)
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("the person waited %v", took)
				}
				if n := op.Hits("/elsewhere"); n != 0 {
					t.Error("the redirect was followed")
				}
				time.Sleep(time.Second) // the pause after a discovery that failed
				next(t, o, op, honest, m.site != nil)
			})
		})
	}
}

// next is an honest person after the misdeed.
func next(t *testing.T, o *auth.OIDC, op *authtest.Provider, k authtest.Key, strict bool) {
	t.Helper()
	fresh := authtest.New(issuer, k)
	op.Person, op.Keys = fresh.Person, []authtest.Key{k}
	op.Discovery, op.IDToken, op.Sign, op.UserInfo = nil, nil, nil, nil
	op.Signed, op.Token, op.Answer, op.Instead = false, nil, nil, nil
	if strict {
		op.Person["acr"], op.Person["amr"], op.Person["auth_time"] = "eidas2", []string{"mfa"}, time.Now().Unix()
		op.Person["idp_id"], op.Person["tid"], op.Person["oid"] = "ours", "t", "o"
	}
	if _, _, err := signIn(t.Context(), o, op); err != nil {
		t.Errorf("the next honest sign-in: %v", err)
	}
}

func userinfo(k string, v any) func(*authtest.Provider) {
	return func(p *authtest.Provider) {
		p.UserInfo = func(c authtest.Claims) {
			if v == nil {
				delete(c, k)
			} else {
				c[k] = v
			}
		}
	}
}

func signed(k string, v any) func(*authtest.Provider) {
	return func(p *authtest.Provider) {
		p.Signed = true
		if k != "" {
			userinfo(k, v)(p)
		}
	}
}

func maxAge(p *auth.Provider) { p.MaxAge = time.Hour }

func strong(p *auth.Provider) { p.ACR, p.AMR = []string{"eidas2", "eidas3"}, []string{"mfa", "totp"} }

func instead(path string, h http.HandlerFunc) map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{path: h}
}

func status(path string, code int) func(*authtest.Provider) {
	return func(p *authtest.Provider) {
		p.Instead = instead(path, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(code)
			_, _ = w.Write([]byte("<html>secret words"))
		})
	}
}

func huge(w http.ResponseWriter, _ *http.Request) {
	_, _ = w.Write([]byte(`{"access_token":"`))
	for range 1 << 10 {
		_, _ = w.Write([]byte(strings.Repeat("a", 2<<10)))
	}
	_, _ = w.Write([]byte(`"}`))
}

// padded makes a good reply too large.
func padded(path string) func(*authtest.Provider) {
	return func(p *authtest.Provider) {
		p.Instead = instead(path, func(w http.ResponseWriter, r *http.Request) {
			delete(p.Instead, path)
			p.ServeHTTP(w, r)
			_, _ = w.Write(bytes.Repeat([]byte{' '}, 1<<20))
		})
	}
}

func flipSignature(p *authtest.Provider) {
	p.Sign = func(c authtest.Claims) string {
		parts := strings.Split(p.Keys[0].JWT("", c), ".")
		sig, err := base64.RawURLEncoding.DecodeString(parts[2])
		if err != nil {
			panic(err)
		}
		sig[len(sig)/2] ^= 1
		return parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(sig)
	}
}

// signWithPublicKey signs with HMAC, the published key being the secret.
func signWithPublicKey(p *authtest.Provider) {
	der, err := x509.MarshalPKIXPublicKey(p.Keys[0].Signer.Public())
	if err != nil {
		panic(err)
	}
	secret := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	p.Sign = func(c authtest.Claims) string { return hs256(secret, p.Keys[0].ID, c) }
}

func hs256(secret []byte, kid string, c authtest.Claims) string {
	s, err := jose.NewSigner(jose.SigningKey{
		Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: secret, KeyID: kid},
	}, nil)
	if err != nil {
		panic(err)
	}
	body, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	jws, err := s.Sign(body)
	if err != nil {
		panic(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return out
}

func withoutKid(p *authtest.Provider) {
	p.Sign = func(c authtest.Claims) string {
		k := p.Keys[0]
		k.ID = ""
		return k.JWT("", c)
	}
}
