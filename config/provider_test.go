package config_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/go-cmp/cmp"

	"vestibule/auth"
	"vestibule/auth/authtest"
	"vestibule/config"
	"vestibule/meeting"
)

// readyMade is the example with the ready-made providers in use, word for word,
// and their secrets in a folder of the test.
func readyMade(t *testing.T) *config.File {
	t.Helper()
	head, rest, _ := strings.Cut(string(config.Example), "\nproviders:\n")
	section, tail, _ := strings.Cut(rest, "\nconference:\n")
	section = regexp.MustCompile(`(?m)^  # `).ReplaceAllString(section, "  ")
	dir := t.TempDir()
	for _, m := range regexp.MustCompile(`file:/etc/vestibule/(\S+)`).FindAllStringSubmatch(section, -1) {
		if err := os.WriteFile(filepath.Join(dir, m[1]), []byte("a secret: with & odd=characters\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	section = strings.ReplaceAll(section, "file:/etc/vestibule/", "file:"+dir+"/")
	f, faults := config.Parse("f", []byte(head+"\nproviders:\n"+section+"\nconference:\n"+tail))
	for _, fault := range faults {
		t.Error(fault)
	}
	return f
}

// block is a ready-made provider and what a sign-in by its text proves.
type block struct {
	op    *authtest.Provider
	hosts string // at which it answers
	want  meeting.Person
	// bad makes somebody of the person whom the block must not let in, who is
	// then refused by this check.
	bad   func(authtest.Claims)
	check string
	// out is what signing out there needs; false: it has none.
	out bool
}

func blocks() map[string]block {
	k := authtest.NewKey("k1", jose.RS256)
	const tenant = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
	evidence := func(provider string, e meeting.Evidence) meeting.Evidence {
		e.Method, e.Provider = meeting.OIDC, provider
		return e
	}
	return map[string]block{
		"keycloak": {
			op: authtest.Keycloak("https://keycloak.example.org/realms/visio", k), hosts: "keycloak.example.org", out: true,
			want: meeting.Person{
				Issuer: "https://keycloak.example.org/realms/visio", Subject: "f:1:ada", Name: "Ada Martin", Email: "ada@example.org",
				Evidence: evidence("Mon établissement", meeting.Evidence{EmailVerified: true, Member: true, ACR: "1"}),
			},
			bad: func(c authtest.Claims) { c["email_verified"] = false }, check: "email_verified",
		},
		"entra": {
			op: authtest.Entra(tenant, k), hosts: "login.microsoftonline.com graph.microsoft.com", out: true,
			want: meeting.Person{
				Issuer: "https://login.microsoftonline.com/" + tenant + "/v2.0", Subject: tenant + "/00000000-0000-0000-66f3-3332eca7ea81",
				Name: "Ada Martin", Email: "admin@example.org",
				Evidence: evidence("Microsoft", meeting.Evidence{Member: true, Claims: map[string][]string{"preferred_username": {"ada@contoso.example"}}}),
			},
			bad: func(c authtest.Claims) { c["tid"] = "ffffffff-0000-cccc-1111-dddd2222eeee" }, check: "tid",
		},
		"google": {
			op: authtest.Google("example.org", k), hosts: "accounts.google.com oauth2.googleapis.com openidconnect.googleapis.com www.googleapis.com",
			want: meeting.Person{
				Issuer: "https://accounts.google.com", Subject: "10769150350006150715113082367", Name: "Ada Martin", Email: "ada@example.org",
				Evidence: evidence("Google", meeting.Evidence{EmailVerified: true, Member: true}),
			},
			bad: func(c authtest.Claims) { delete(c, "hd") }, check: "allow",
		},
		"proconnect": {
			op: authtest.ProConnect(k), hosts: "auth.agentconnect.gouv.fr", out: true,
			want: meeting.Person{
				Issuer: "https://auth.agentconnect.gouv.fr/api/v2", Subject: "pc-1", Name: "Ada Martin", Email: "ada.martin@ministere.example",
				Evidence: evidence("ProConnect", meeting.Evidence{
					Organisation: "Ministère X", EmailVerified: true, Member: true, ACR: "eidas1", AMR: []string{"pwd", "totp", "mfa"},
					Claims: map[string][]string{"siret": {"13002526500013"}, "idp_id": {"71144ab3-ee1a-4401-b7b3-79b44f7daeeb"}},
				}),
			},
		},
		"psc": {
			op: authtest.ProSanteConnect(k), hosts: "auth.esw.esante.gouv.fr", out: true,
			want: meeting.Person{
				Issuer: "https://auth.esw.esante.gouv.fr/auth/realms/esante-wallet", Subject: "899700218896", Name: "Ada Martin",
				Evidence: evidence("Pro Santé Connect", meeting.Evidence{
					Organisation: "CABINET M MARTIN", ACR: "eidas1",
					Claims: map[string][]string{"SubjectNameID": {"899700218896"}, "SubjectRefPro.exercices[].codeProfession": {"10", "21"}},
				}),
			},
			bad: func(c authtest.Claims) { delete(c, "SubjectRefPro") }, check: "allow",
		},
	}
}

// Each ready-made block of the example signs in, as it stands there, at a
// provider that behaves like the one it is for; and keeps out whom it should.
func TestReadyMadeProviders(t *testing.T) {
	f, all := readyMade(t), blocks()
	c, err := f.OIDC()
	if err != nil {
		t.Fatal(err)
	}
	c.Transport = network(all)
	for _, p := range c.Providers[1:] {
		if b, ok := all[p.ID]; ok {
			b.op.ClientID = p.ClientID
		}
	}
	o, err := auth.New(c)
	if err != nil {
		t.Fatal(err)
	}
	for id, b := range all {
		t.Run(id, func(t *testing.T) {
			got, s, err := visit(t, o, id, b.op)
			if err != nil {
				t.Fatal(err)
			}
			got.Evidence.At, b.want.Evidence.ProviderID = time.Time{}, id
			if d := cmp.Diff(b.want, got); d != "" {
				t.Errorf("person (-want +got):\n%s", d)
			}
			e, err := o.Exit(t.Context(), s, f.Door+"/")
			if err != nil || (e.To != "") != b.out {
				t.Fatalf("Exit = %q, %v; want one: %v", e.To, err, b.out)
			}
			if b.out {
				if back, err := b.op.Logout(e.To, e.Fields); err != nil || back != f.Door+"/?state="+e.State {
					t.Errorf("signing out there: %q, %v", back, err)
				}
			}
			if b.bad == nil {
				return
			}
			b.bad(b.op.Person)
			_, _, err = visit(t, o, id, b.op)
			var d *auth.Doubt
			if !errors.As(err, &d) || d.Check != b.check {
				t.Errorf("whom the block should keep out: %v, want the check %s", err, b.check)
			}
		})
	}
}

func network(all map[string]block) authtest.Net {
	net := authtest.Net{}
	for _, b := range all {
		for h := range strings.FieldsSeq(b.hosts) {
			net[h] = b.op
		}
	}
	return net
}

func visit(t *testing.T, o *auth.OIDC, id string, op *authtest.Provider) (meeting.Person, auth.Session, error) {
	t.Helper()
	to, tx, err := o.Start(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	back, err := op.Authorize(to)
	if err != nil {
		t.Fatal(err)
	}
	return o.Finish(t.Context(), id, back, tx)
}

// Every setting of a provider reaches the sign-in.
func TestProviderSettings(t *testing.T) {
	dir := t.TempDir()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	f, faults := config.Parse("f", replaced(`providers:
  - id: a
    name: A
    issuer: https://id.example.org
    issuer_template: https://id.example.org/{tenantid}
    tenants: [t-1, t-2]
    endpoints: {authorization: "https://x.example/a", token: "https://x.example/t", jwks: "https://x.example/k", userinfo: "https://x.example/u", end_session: "https://x.example/e"}
    algorithms: [ES256, PS256]
    client_id: c
    client_key: file:`+dir+`/key
    client_key_id: k-1
    client_auth: private_key_jwt
    client_audience: https://x.example/t
    scopes: [openid, x]
    pkce: "on"
    acr: [high]
    amr: [mfa]
    email_verified: ignore
    claims_from: userinfo
    claim_map: {subject: s, name: n, email: e, organisation: o}
    organisations: {"12": Twelve}
    member: {claim: m, values: [v]}
    allow: [{claim: tid, values: [t-1]}, {claim: hd, values: [x]}]
    keep: [k]
    prompt: login
    max_age: 2h
    skew: 30s
    terse: true
    claims: '{"id_token":{}}'
    extra_params: {hd: x}
    proxy: http://proxy.example.org:3128
    logout: [rp, backchannel]
    dangerously_allow_plain_http: true
`))
	for _, fault := range faults {
		t.Error(fault)
	}
	c, err := f.OIDC()
	if err != nil {
		t.Fatal(err)
	}
	want := auth.Provider{
		ID: "a", Name: "A", Issuer: "https://id.example.org", IssuerTemplate: "https://id.example.org/{tenantid}", Tenants: []string{"t-1", "t-2"},
		Endpoints: auth.Endpoints{
			Authorization: "https://x.example/a", Token: "https://x.example/t", JWKS: "https://x.example/k",
			UserInfo: "https://x.example/u", EndSession: "https://x.example/e",
		},
		Algorithms: []string{"ES256", "PS256"}, ClientID: "c", Key: key, KeyID: "k-1", ClientAuth: "private_key_jwt", ClientAudience: "https://x.example/t",
		Scopes: []string{"openid", "x"}, PKCE: "on", ACR: []string{"high"}, AMR: []string{"mfa"}, EmailVerified: "ignore", ClaimsFrom: "userinfo",
		ClaimMap:      auth.ClaimMap{Subject: "s", Name: "n", Email: "e", Organisation: "o"},
		Organisations: map[string]string{"12": "Twelve"}, Member: auth.Rule{Claim: "m", Values: []string{"v"}},
		Allow: []auth.Rule{{Claim: "tid", Values: []string{"t-1"}}, {Claim: "hd", Values: []string{"x"}}}, Keep: []string{"k"},
		Prompt: "login", MaxAge: 2 * time.Hour, Skew: 30 * time.Second, Terse: true, Claims: `{"id_token":{}}`,
		ExtraParams: map[string]string{"hd": "x"}, Proxy: &url.URL{Scheme: "http", Host: "proxy.example.org:3128"},
		Logout: []string{"rp", "backchannel"}, DangerouslyAllowPlainHTTP: true,
	}
	if d := cmp.Diff([]auth.Provider{want}, c.Providers); d != "" {
		t.Errorf("providers (-want +got):\n%s", d)
	}
}

// replaced is the example with other providers.
func replaced(section string) []byte {
	head, rest, _ := strings.Cut(string(config.Example), "\nproviders:\n")
	_, tail, _ := strings.Cut(rest, "\nconference:\n")
	return []byte(head + "\n" + section + "\nconference:\n" + tail)
}

// What is wrong with a provider is told at its place, whichever package found
// it, and no secret is repeated.
func TestProviderFaults(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, lines := range map[string]string{
		"providers[0].client_auth: «loud»":                `client_auth: loud`,
		"providers[0].proxy: is no address":               `proxy: http://u:hunter2@x`,
		"providers[0].skew: 6m0s":                         `skew: 6m`,
		"providers[0].client_key: and client_secret":      "client_secret: file:/x\n    client_key: file:/y",
		"providers[0].client_key: holds no PEM":           `client_key: file:` + dir + `/key`,
		"providers[0].tenants: missing":                   `issuer_template: "https://id.example.org/{tenantid}"`,
		"providers[0].issuer_template: want {tenantid}":   "issuer_template: https://id.example.org\n    tenants: [x]",
		"providers[0].endpoints":                          `endpoints: {token: "https://x.example"}`,
		"providers[0].algorithms: \"none\"":               `algorithms: [none]`,
		"providers[0].allow: want a claim":                `allow: [{claim: hd, values: []}]`,
		"providers[0].extra_params: \"state\" is not for": `extra_params: {state: x}`,
	} {
		f, faults := config.Parse("f", replaced("providers:\n  - id: a\n    name: A\n    issuer: https://id.example.org\n    client_id: c\n    "+lines+"\n"))
		var all []string
		for _, fault := range faults {
			all = append(all, fault.Error())
		}
		if len(faults) == 0 {
			if _, err := f.OIDC(); err != nil {
				all = append(all, err.Error())
			}
		}
		text := strings.Join(all, "\n")
		if !strings.Contains(text, want) || strings.Contains(text, "hunter2") {
			t.Errorf("%s: no fault %q in\n%s", lines, want, text)
		}
	}
}
