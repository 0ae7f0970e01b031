package authtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
)

// The providers that sites have, each as far as it differs from others. They
// answer at their real addresses, without a network.

// Keycloak tells of itself as a realm does. It leaves amr out.
func Keycloak(issuer string, key Key) *Provider {
	p := New(issuer, key)
	p.Person = Claims{
		"sub": "f:1:ada", "name": "Ada Martin", "given_name": "Ada", "family_name": "Martin", "preferred_username": "ada",
		"email": "ada@example.org", "email_verified": true, "acr": "1",
		"realm_access": Claims{"roles": []string{"default-roles", "visio"}},
	}
	p.Discovery = func(c Claims) {
		at := issuer + "/protocol/openid-connect"
		c["authorization_endpoint"], c["end_session_endpoint"] = at+"/auth", at+"/logout"
		c["id_token_signing_alg_values_supported"] = []string{"PS256", "RS256", "ES256", "HS256"}
		c["token_endpoint_auth_methods_supported"] = []string{"private_key_jwt", "client_secret_basic", "client_secret_post"}
	}
	p.Tells = func(_ url.Values, _, userInfo Claims) { delete(userInfo, "acr") }
	return p
}

// Entra is the tenant's view of the endpoint that all organisations share.
func Entra(tenant string, key Key) *Provider {
	const at = "https://login.microsoftonline.com"
	p := New(at+"/organizations/v2.0", key)
	p.Person = Claims{
		"sub": "pairwise-1", "oid": "00000000-0000-0000-66f3-3332eca7ea81", "tid": tenant, "name": "Ada Martin",
		"preferred_username": "ada@contoso.example",
		"email":              "admin@example.org", // what the tenant's administrator likes
	}
	p.Discovery = func(c Claims) {
		c["issuer"] = at + "/{tenantid}/v2.0"
		c["userinfo_endpoint"] = "https://graph.microsoft.com/oidc/userinfo"
		c["token_endpoint_auth_methods_supported"] = []string{"client_secret_post", "private_key_jwt", "client_secret_basic"}
		delete(c, "authorization_response_iss_parameter_supported")
		delete(c, "code_challenge_methods_supported") // though it takes S256
	}
	p.Answer = func(q url.Values) { q.Del("iss") }
	p.Tells = func(_ url.Values, idToken, _ Claims) {
		idToken["iss"] = at + "/" + tenant + "/v2.0"
		idToken["ver"] = "2.0"
	}
	return p
}

// Google has its endpoints on three hosts and no sign-out.
func Google(domain string, key Key) *Provider {
	p := New("https://accounts.google.com", key)
	p.Person = Claims{"sub": "10769150350006150715113082367", "name": "Ada Martin", "email": "ada@" + domain, "email_verified": true, "hd": domain}
	p.Discovery = func(c Claims) {
		c["authorization_endpoint"] = "https://accounts.google.com/o/oauth2/v2/auth"
		c["token_endpoint"], c["userinfo_endpoint"] = "https://oauth2.googleapis.com/token", "https://openidconnect.googleapis.com/userinfo"
		c["jwks_uri"] = "https://www.googleapis.com/jwks"
		delete(c, "end_session_endpoint")
		delete(c, "authorization_response_iss_parameter_supported")
	}
	p.Answer = func(q url.Values) { q.Del("iss") }
	p.Tells = func(_ url.Values, _, userInfo Claims) { delete(userInfo, "hd") }
	return p
}

// ProConnect is strict about what it is asked and tells who somebody is in a
// signed userinfo only.
func ProConnect(key Key) *Provider {
	p := New("https://auth.agentconnect.gouv.fr/api/v2", key)
	p.Signed = true
	p.Person = Claims{
		"sub": "pc-1", "given_name": "Ada", "usual_name": "Martin", "email": "ada.martin@ministere.example", "uid": "amartin",
		"siret": "13002526500013", "idp_id": "71144ab3-ee1a-4401-b7b3-79b44f7daeeb", "phone": "0561000000",
	}
	p.Discovery = func(c Claims) {
		c["end_session_endpoint"] = p.Issuer + "/session/end"
		c["id_token_signing_alg_values_supported"], c["userinfo_signing_alg_values_supported"] = []string{"RS256", "ES256"}, []string{"RS256", "ES256"}
		c["token_endpoint_auth_methods_supported"] = []string{"client_secret_post"}
		delete(c, "code_challenge_methods_supported")
		delete(c, "authorization_response_iss_parameter_supported")
	}
	p.Answer = func(q url.Values) { q.Del("iss") }
	p.Asked = only("response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "claims", "prompt", "login_hint", "idp_hint")
	p.AskedOut = only("id_token_hint", "state", "post_logout_redirect_uri")
	p.Tells = p.proConnectTells
	return p
}

// only refuses every parameter that is not listed.
func only(listed ...string) func(url.Values) error {
	return func(q url.Values) error {
		for k, v := range q {
			if !slices.Contains(listed, k) || len(v) != 1 {
				return fmt.Errorf("Y000400: %s", k)
			}
		}
		return nil
	}
}

func (p *Provider) proConnectTells(asked url.Values, idToken, userInfo Claims) {
	for k := range p.Person {
		if k != "sub" {
			delete(idToken, k)
			if !slices.Contains(strings.Fields(asked.Get("scope")), k) {
				delete(userInfo, k)
			}
		}
	}
	idToken["acr"] = "eidas1"
	var c struct {
		IDToken map[string]any `json:"id_token"`
	}
	if json.Unmarshal([]byte(asked.Get("claims")), &c) == nil && c.IDToken["amr"] != nil {
		idToken["amr"] = []string{"pwd", "totp", "mfa"}
	}
}

// ProSanteConnect is a Keycloak whose sign-in page stands on another host.
// Somebody who is no professional in the directory has no SubjectRefPro.
func ProSanteConnect(key Key) *Provider {
	p := Keycloak("https://auth.esw.esante.gouv.fr/auth/realms/esante-wallet", key)
	p.Person = Claims{
		"sub": "f:550dc1c8:899700218896", "given_name": "Ada", "family_name": "Martin", "preferred_username": "899700218896",
		"SubjectNameID": "899700218896", "SubjectOrganization": "CABINET M MARTIN",
		"SubjectRefPro": Claims{"codeCivilite": "M", "exercices": []any{
			Claims{"codeProfession": "10", "nomExercice": "Martin"}, Claims{"codeProfession": "21"},
		}},
	}
	tells := p.Discovery
	p.Discovery = func(c Claims) {
		tells(c)
		c["authorization_endpoint"] = "https://wallet.esw.esante.gouv.fr/auth"
	}
	p.Asked = func(q url.Values) error {
		if q.Get("acr_values") != "eidas1" || q.Get("scope") != "openid scope_all" {
			return errors.New("acr_values eidas1 and scope_all are what it takes")
		}
		return nil
	}
	p.Tells = func(_ url.Values, idToken, userInfo Claims) {
		for k := range p.Person {
			if k != "sub" {
				delete(idToken, k)
			}
		}
		idToken["acr"] = "eidas1"
		maps.DeleteFunc(userInfo, func(k string, _ any) bool { return k == "acr" })
	}
	return p
}

// Logout is the browser's way through the provider's sign-out: it takes the
// address the door sent it to and returns the one it comes back to.
func (p *Provider) Logout(address string, form url.Values) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	q := u.Query()
	maps.Copy(q, form)
	if u.Scheme+"://"+u.Host+u.Path != strings.SplitN(fmt.Sprint(p.discovery()["end_session_endpoint"]), "?", 2)[0] {
		return "", fmt.Errorf("sent to %s%s", u.Host, u.Path)
	}
	if p.AskedOut != nil {
		if err := p.AskedOut(q); err != nil {
			return "", err
		}
	}
	for _, k := range []string{"id_token_hint", "state", "post_logout_redirect_uri"} {
		if q.Get(k) == "" && (k != "id_token_hint" || form != nil) {
			return "", fmt.Errorf("no %s", k)
		}
	}
	return q.Get("post_logout_redirect_uri") + "?state=" + url.QueryEscape(q.Get("state")), nil
}
