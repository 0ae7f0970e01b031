package auth_test

import (
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"vestibule/auth"
	"vestibule/auth/authtest"
)

const (
	ours   = "11111111-1111-1111-1111-111111111111"
	ours2  = "22222222-2222-2222-2222-222222222222"
	theirs = "99999999-9999-9999-9999-999999999999"
	shared = "https://login.microsoftonline.com/organizations/v2.0"
)

// entra is a sign-in at the endpoint that all organisations share.
func entra(t *testing.T, op *authtest.Provider) *auth.OIDC {
	t.Helper()
	o, err := auth.New(auth.Config{
		Callback: callback, Transport: authtest.Net{"login.microsoftonline.com": op, "graph.microsoft.com": op},
		Providers: []auth.Provider{{
			ID: "hospital", Name: "Microsoft", Issuer: op.Issuer, ClientID: op.ClientID, ClientSecret: op.ClientSecret,
			IssuerTemplate: "https://login.microsoftonline.com/{tenantid}/v2.0", Tenants: []string{ours, ours2},
			ClaimsFrom: "id_token", Logout: []string{"backchannel"},
			Member: auth.Rule{Claim: "tid", Values: []string{ours}},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// One provider of many institutions: a person is of the institution that their
// token names in both places, and of one that is let in.
func TestT13Tenants(t *testing.T) {
	key := authtest.NewKey("k1", jose.ES256)
	iss := func(tid string) string { return "https://login.microsoftonline.com/" + tid + "/v2.0" }
	for _, c := range []struct {
		name, tenant, want string
		edit               func(authtest.Claims)
		signs              string // whose tokens the key says it signs
	}{
		{name: "ours", tenant: ours, want: "accepted"},
		{name: "our other one", tenant: ours2, want: "accepted"},
		{name: "another institution", tenant: theirs, want: "iss"},
		{name: "the template itself", tenant: "{tenantid}", want: "iss"},
		{name: "another institution's tid in our issuer", tenant: ours, want: "tid", edit: func(c authtest.Claims) { c["tid"] = theirs }},
		{name: "our other tid in our issuer", tenant: ours, want: "tid", edit: func(c authtest.Claims) { c["tid"] = ours2 }},
		{name: "no tid", tenant: ours, want: "tid", edit: func(c authtest.Claims) { delete(c, "tid") }},
		{name: "our tid in another institution's issuer", tenant: ours, want: "iss", edit: func(c authtest.Claims) { c["iss"] = iss(theirs) }},
		{name: "the issuer of discovery", tenant: ours, want: "iss", edit: func(c authtest.Claims) { c["iss"] = shared }},
		{name: "jwks-issuer-template", tenant: ours2, want: "accepted", signs: iss("{tenantid}")},
		{name: "jwks-issuer-ours", tenant: ours2, want: "accepted", signs: iss(ours2)},
		{name: "jwks-issuer-wrong", tenant: ours, want: "kid", signs: iss(theirs)},
		{name: "jwks-issuer-of-our-other-one", tenant: ours, want: "kid", signs: iss(ours2)},
		{name: "jwks-issuer-elsewhere", tenant: ours, want: "kid", signs: "https://login.example/{tenantid}/v2.0"},
		{name: "no oid", tenant: ours, want: "subject_claim", edit: func(c authtest.Claims) { delete(c, "oid") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			key := key
			key.Issuer = c.signs
			op := authtest.Entra(c.tenant, key)
			op.IDToken = c.edit
			person, s, err := signIn(t.Context(), entra(t, op), op)
			if got := outcome(err); got != c.want {
				t.Fatalf("outcome = %s, want %s: %v", got, c.want, err)
			}
			if err != nil {
				return
			}
			if person.Issuer != iss(c.tenant) || s.Issuer != person.Issuer || person.Subject != c.tenant+"/00000000-0000-0000-66f3-3332eca7ea81" {
				t.Errorf("the person is %s of %s, want tid and oid of the institution's issuer", person.Subject, person.Issuer)
			}
			if person.Evidence.EmailVerified || person.Evidence.Member != (c.tenant == ours) {
				t.Errorf("EmailVerified = %v, Member = %v", person.Evidence.EmailVerified, person.Evidence.Member)
			}
		})
	}
}

// A sign-out there ends the sign-in of the institution it names.
func TestTenantsBackChannel(t *testing.T) {
	op := authtest.Entra(ours2, authtest.NewKey("k1", jose.ES256))
	o := entra(t, op)
	for tenant, want := range map[string]string{ours2: "accepted", theirs: "iss"} {
		iss := "https://login.microsoftonline.com/" + tenant + "/v2.0"
		l, err := o.BackChannel(t.Context(), op.LogoutToken(func(c authtest.Claims) { c["iss"] = iss }))
		if got := outcome(err); got != want || err == nil && l.Issuer != iss {
			t.Errorf("%s: outcome = %s of %q, want %s", tenant, got, l.Issuer, want)
		}
	}
}

func TestNewRefusesATemplateForEverybody(t *testing.T) {
	p := auth.Provider{
		ID: "a", Name: "A", Issuer: shared, ClientID: "c", ClientSecret: "s",
		IssuerTemplate: "http://login.example/v2.0", Tenants: nil, EmailVerified: "assume",
	}
	_, err := auth.New(auth.Config{Callback: callback, Providers: []auth.Provider{p}})
	for _, want := range []string{"issuer_template: want https", "issuer_template: want {tenantid}", "tenants: missing", "email_verified: only ignore"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("New does not name %q: %v", want, err)
		}
	}
	p.Tenants = []string{"common/x", ""}
	if _, err := auth.New(auth.Config{Callback: callback, Providers: []auth.Provider{p}}); err == nil || strings.Count(err.Error(), "tenants: \"") != 2 {
		t.Errorf("New takes tenants that are no ids: %v", err)
	}
	p.IssuerTemplate, p.EmailVerified = "", ""
	if _, err := auth.New(auth.Config{Callback: callback, Providers: []auth.Provider{p}}); err == nil || !strings.Contains(err.Error(), "tenants: they need") {
		t.Errorf("New takes tenants without a template: %v", err)
	}
}
