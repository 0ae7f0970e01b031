package auth_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"vestibule/auth"
	"vestibule/auth/authtest"
	"vestibule/meeting"
)

const (
	issuer   = "https://id.hospital.example"
	callback = "https://door.example/oidc/callback/"
)

// hospital returns a sign-in at one provider.
func hospital(t *testing.T, op *authtest.Provider, edit func(*auth.Provider)) *auth.OIDC {
	t.Helper()
	p := auth.Provider{
		ID: "hospital", Name: "Hôpital Saint-Jean", Issuer: op.Issuer,
		ClientID: op.ClientID, ClientSecret: op.ClientSecret, Logout: []string{"rp", "backchannel"},
	}
	if edit != nil {
		edit(&p)
	}
	o, err := auth.New(auth.Config{Providers: []auth.Provider{p}, Callback: callback, Transport: op})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// signIn is one person's whole way through a provider.
func signIn(ctx context.Context, o *auth.OIDC, op *authtest.Provider) (meeting.Person, auth.Session, error) {
	redirect, tx, err := o.Start(ctx, "hospital")
	if err != nil {
		return meeting.Person{}, auth.Session{}, err
	}
	back, err := op.Authorize(redirect)
	if err != nil {
		return meeting.Person{}, auth.Session{}, err
	}
	return o.Finish(ctx, "hospital", back, tx)
}

// outcome says in a word what became of a sign-in.
func outcome(err error) string {
	var (
		d *auth.Doubt
		u *auth.Unavailable
		r *meeting.Refusal
	)
	switch {
	case err == nil:
		return "accepted"
	case errors.As(err, &d):
		if !errors.As(err, &r) {
			return "a doubt without a refusal"
		}
		return d.Check
	case errors.As(err, &u):
		return "unavailable"
	default:
		return "fault"
	}
}

// silent fails the test when an error could carry what must not be logged.
func silent(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range []string{"ada@", "Ada", "secret words", "odd=characters", "eyJ", "u-1"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error holds %q: %v", secret, err)
		}
	}
}

func TestSignIn(t *testing.T) {
	op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
	op.Person["acr"], op.Person["amr"] = "eidas2", []string{"pwd", "totp"}
	op.Person["org"] = map[string]any{"units": []any{map[string]any{"name": "Cardiologie", "code": 12}}}
	o := hospital(t, op, func(p *auth.Provider) {
		p.ACR, p.AMR = []string{"eidas2", "eidas3"}, []string{"totp"}
		p.ClaimMap.Organisation = "org.units[].name"
		p.Keep = []string{"org.units[].code", "missing"}
		p.Member = auth.Rule{Claim: "email", Values: []string{"@Hospital.example"}}
	})
	before := time.Now()
	got, s, err := signIn(t.Context(), o, op)
	if err != nil {
		t.Fatal(err)
	}
	if got.Evidence.At.Before(before) {
		t.Errorf("At = %v, want now", got.Evidence.At)
	}
	got.Evidence.At = time.Time{}
	want := meeting.Person{
		Issuer: issuer, Subject: "u-1", Name: "Ada Martin", Email: "ada@hospital.example",
		Evidence: meeting.Evidence{
			Method: meeting.OIDC, Provider: "Hôpital Saint-Jean", ProviderID: "hospital", Organisation: "Cardiologie",
			EmailVerified: true, Member: true, ACR: "eidas2", AMR: []string{"pwd", "totp"},
			Claims: map[string][]string{"org.units[].code": {"12"}},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("person (-want +got):\n%s", d)
	}
	if s.IDToken == "" {
		t.Error("the session holds no ID token")
	}
	s.IDToken = ""
	if want := (auth.Session{Provider: "hospital", Issuer: issuer, Subject: "u-1", SID: "s-1"}); s != want {
		t.Errorf("session = %+v, want %+v", s, want)
	}
}

// An address makes a member only if it is verified.
func TestMember(t *testing.T) {
	domain := auth.Rule{Claim: "email", Values: []string{"@hospital.example"}}
	for _, c := range []struct {
		name string
		rule auth.Rule
		edit func(*authtest.Provider)
		mail string
		want bool
	}{
		{name: "no rule", want: false},
		{name: "domain", rule: domain, want: true},
		{name: "domain, address not verified", rule: domain, mail: "ignore", want: false},
		{name: "longer domain", rule: domain, want: false, edit: person("email", "ada@evil-hospital.example")},
		{name: "sub-domain", rule: domain, want: false, edit: person("email", "ada@x.hospital.example")},
		{name: "address", rule: auth.Rule{Claim: "email", Values: []string{"Ada@hospital.example"}}, want: true},
		{name: "list", rule: auth.Rule{Claim: "groups", Values: []string{"doctors"}}, edit: person("groups", []string{"a", "doctors"}), want: true},
		{name: "part of a value", rule: auth.Rule{Claim: "groups", Values: []string{"doctors"}}, edit: person("groups", "doctors2"), want: false},
		{name: "object", rule: auth.Rule{Claim: "groups", Values: []string{"*"}}, edit: person("groups", authtest.Claims{"a": "b"}), want: false},
		{name: "everybody there", rule: auth.Rule{Claim: "sub", Values: []string{"*"}}, want: true},
		{name: "empty", rule: auth.Rule{Claim: "hd", Values: []string{"*"}}, edit: person("hd", ""), want: false},
	} {
		t.Run(c.name, func(t *testing.T) {
			op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
			if c.edit != nil {
				c.edit(op)
			}
			o := hospital(t, op, func(p *auth.Provider) { p.Member, p.EmailVerified = c.rule, c.mail })
			got, _, err := signIn(t.Context(), o, op)
			if err != nil {
				t.Fatal(err)
			}
			if got.Evidence.Member != c.want {
				t.Errorf("Member = %v, want %v", got.Evidence.Member, c.want)
			}
		})
	}
}

// Addresses that programs read in different ways, or that only look like the
// institution's, make nobody a member; most do not even sign in.
func TestMemberAddresses(t *testing.T) {
	for address, want := range map[string]string{
		"ada@hospital.example": "member", "ADA@HOSPITAL.EXAMPLE": "member", "ada+x@Hospital.Example": "member",
		"a@hospital.example.evil.com": "signed in", "a@x.hospital.example": "signed in", "a@hospitalxexample.com": "signed in",
		"hospital.example@evil.com": "signed in", "a%hospital.example@evil.com": "signed in", "a@xn--hspital-n4a.example": "signed in",
		"a@evil.com@hospital.example": "refused", `"a@evil.com"@hospital.example`: "refused", "a@hospital.example.": "refused",
		"a@hospital.example>": "refused", "a@evil.com,b@hospital.example": "refused", "a@evil.com b@hospital.example": "refused",
		"a@evil.com\x00@hospital.example": "refused", "a@hôspital.example": "refused", "a@hospitaⅼ.example": "refused",
		"a@\u200bhospital.example": "refused", "a@hospital。example": "refused", "@hospital.example": "refused",
	} {
		op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
		op.Person["email"] = address
		o := hospital(t, op, func(p *auth.Provider) {
			p.Member = auth.Rule{Claim: "email", Values: []string{"@hospital.example"}}
		})
		p, _, err := signIn(t.Context(), o, op)
		got := "signed in"
		switch {
		case err != nil:
			got = "refused"
		case p.Evidence.Member:
			got = "member"
		}
		if got != want {
			t.Errorf("%q is %s, want %s", address, got, want)
		}
	}
}

// A rule about addresses that could hold nobody is told, not kept.
func TestMemberRuleIsRead(t *testing.T) {
	for value, want := range map[string]bool{
		"@hospital.example": true, "@xn--hpital-sxa.example": true, "ada@hospital.example": true, "*": true,
		"hospital.example": false, "@hôpital.example": false, "@*.hospital.example": false, "@hospital.example.": false, "@": false,
	} {
		err := auth.Provider{Member: auth.Rule{Claim: "email", Values: []string{value}}}.Check()
		if told := strings.Contains(fmt.Sprint(err), "member:"); told == want {
			t.Errorf("%q: %v, want a fault: %v", value, err, !want)
		}
	}
}

func person(k string, v any) func(*authtest.Provider) {
	return func(p *authtest.Provider) { p.Person[k] = v }
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		claims authtest.Claims
		rule   string
		want   string
	}{
		{authtest.Claims{"name": "Ada Martin"}, "", "Ada Martin"},
		{authtest.Claims{"given_name": "Ada", "family_name": "Martin"}, "", "Ada Martin"},
		{authtest.Claims{"given_name": "Ada", "usual_name": "Martin"}, "", "Ada Martin"}, // ProConnect
		{authtest.Claims{"name": "x", "cn": []string{"Ada Martin", "A. Martin"}}, "cn", "Ada Martin"},
		{authtest.Claims{"name": " Ada\r\n\u202eMar\u200btin\x00\t! "}, "", "Ada Martin !"},
		{authtest.Claims{"name": "E\u0301mile"}, "", "Émile"},
		{authtest.Claims{"name": strings.Repeat("é", 500)}, "", strings.Repeat("é", 120)},
		{authtest.Claims{"name": 7}, "", "7"},
		{authtest.Claims{}, "", ""},
	} {
		op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
		op.Person = c.claims
		op.Person["sub"] = "u-1"
		o := hospital(t, op, func(p *auth.Provider) { p.ClaimMap.Name = c.rule })
		got, _, err := signIn(t.Context(), o, op)
		if err != nil {
			t.Fatal(err)
		}
		if got.Name != c.want {
			t.Errorf("%v: Name = %q, want %q", c.claims, got.Name, c.want)
		}
	}
}

func TestStartAsksForWhatIsConfigured(t *testing.T) {
	op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
	o := hospital(t, op, func(p *auth.Provider) {
		p.Scopes = []string{"email", "uid"}
		p.Prompt, p.MaxAge, p.ACR = "login", time.Hour, []string{"a", "b"}
		p.Claims = `{"id_token":{"amr":{"essential":true}}}`
		p.ExtraParams = map[string]string{"hd": "hospital.example"}
	})
	redirect, tx, err := o.Start(t.Context(), "hospital")
	if err != nil {
		t.Fatal(err)
	}
	q := query(t, redirect)
	for k, want := range map[string]string{
		"scope": "openid email uid", "prompt": "login", "max_age": "3600", "acr_values": "a b",
		"hd": "hospital.example", "claims": `{"id_token":{"amr":{"essential":true}}}`,
		"redirect_uri": callback + "hospital", "response_type": "code", "state": tx.State,
		"nonce": tx.Nonce, "code_challenge_method": "S256",
	} {
		if got := q.Get(k); got != want {
			t.Errorf("%s = %q, want %q", k, got, want)
		}
	}
	if tx.State == tx.Nonce || q.Get("code_challenge") == tx.Verifier {
		t.Error("what should differ does not")
	}
}

// ProConnect answers Y000400 to any parameter that it does not list.
func TestStartTerse(t *testing.T) {
	op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
	o := hospital(t, op, func(p *auth.Provider) {
		p.Terse, p.PKCE, p.MaxAge, p.ACR = true, "off", time.Hour, []string{"eidas1"}
	})
	redirect, tx, err := o.Start(t.Context(), "hospital")
	if err != nil {
		t.Fatal(err)
	}
	q := query(t, redirect)
	for _, k := range []string{"max_age", "acr_values", "code_challenge", "code_challenge_method", "prompt", "claims"} {
		if q.Has(k) {
			t.Errorf("the request has %s", k)
		}
	}
	if tx.Verifier != "" {
		t.Error("there is a verifier without PKCE")
	}
	if _, _, err := signIn(t.Context(), o, op); outcome(err) != "auth_time_missing" {
		t.Errorf("outcome = %s, want auth_time_missing: what is not asked for is still checked", outcome(err))
	}
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := auth.New(auth.Config{
		Callback: "door/callback",
		Providers: []auth.Provider{
			{
				ID: "A b", Issuer: "http://id.example", PKCE: "off", Prompt: "x", Claims: "[",
				ClaimsFrom: "sky", EmailVerified: "maybe", ClientAuth: "shout", Skew: time.Hour,
				Logout: []string{"loud"}, Algorithms: []string{"HS256", "none"},
				ExtraParams: map[string]string{"state": "x"},
				Member:      auth.Rule{Claim: "hd"}, Allow: []auth.Rule{{Values: []string{"x"}}},
				Endpoints: auth.Endpoints{Token: "https://id.example/token"},
			},
			{ID: "a", Name: "A", Issuer: "https://id.example?x", ClientID: "c", ClientSecret: "s"},
			{ID: "a", Name: "A", Issuer: "https://id.example", ClientID: "d", ClientSecret: "s"},
		},
	})
	if err == nil {
		t.Fatal("New accepts it")
	}
	for _, want := range []string{
		"callback:", "id:", "name:", "client_id:", "issuer: want https", "issuer: must hold", "pkce:",
		"claims:", "claims_from:", "email_verified:", "client_auth:", "skew:", "logout:", `"HS256"`, `"none"`,
		"extra_params:", "member:", "allow:", "endpoints:", "twice",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New does not name %q:\n%v", want, err)
		}
	}
}

func TestNewReachesNobody(t *testing.T) {
	op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
	op.Instead = map[string]http.HandlerFunc{}
	o := hospital(t, op, nil)
	if n := op.Hits("/.well-known/openid-configuration"); n != 0 {
		t.Errorf("New asked %d times", n)
	}
	want := []auth.Choice{{ID: "hospital", Name: "Hôpital Saint-Jean"}}
	if d := cmp.Diff(want, o.Providers()); d != "" {
		t.Error(d)
	}
}

// Whatever is sent to the back channel, without the provider's key it is
// refused and nothing breaks.
func FuzzBackChannel(f *testing.F) {
	op := authtest.New(issuer, authtest.NewKey("k1", jose.ES256))
	o, err := auth.New(auth.Config{Callback: callback, Transport: op, Providers: []auth.Provider{{
		ID: "hospital", Name: "H", Issuer: issuer, ClientID: op.ClientID, ClientSecret: "s", Logout: []string{"backchannel"},
	}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("a.b.c")
	f.Add(authtest.None(op.LogoutClaims(nil)))
	f.Add(forged(op))
	f.Fuzz(func(t *testing.T, token string) {
		if l, err := o.BackChannel(t.Context(), token); err == nil {
			t.Errorf("BackChannel(%q) = %+v", token, l)
		}
	})
}
