package auth

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"vestibule/meeting"
)

const maxSkew = 5 * time.Minute

// Check returns every fault of the provider by itself, each as "field: what".
func (p Provider) Check() error {
	_, err := p.complete()
	return err
}

// complete returns the provider with its defaults, and every fault in it.
func (p Provider) complete() (Provider, error) {
	def(&p.ClientAuth, "auto")
	def(&p.PKCE, "auto")
	def(&p.ClaimsFrom, "both")
	if p.IssuerTemplate != "" {
		def(&p.ClaimMap.Subject, "tid oid")
		def(&p.EmailVerified, "ignore")
	}
	def(&p.EmailVerified, "require")
	def(&p.ClaimMap.Subject, "sub")
	def(&p.ClaimMap.Email, "email")
	if p.Skew == 0 {
		p.Skew = time.Minute
	}
	p.Scopes = scopes(p.Scopes)
	return p, errors.Join(
		p.checkName(),
		p.checkAddresses(),
		p.checkTenants(),
		p.checkKey(),
		oneOf("client_auth", p.ClientAuth, "auto", "basic", "post", "private_key_jwt"),
		oneOf("pkce", p.PKCE, "auto", "on", "off"),
		oneOf("claims_from", p.ClaimsFrom, "both", "id_token", "userinfo"),
		oneOf("email_verified", p.EmailVerified, "require", "assume", "ignore"),
		allOf("logout", p.Logout, "rp", "rp_get", "backchannel"),
		allOf("algorithms", p.Algorithms, algorithms()...),
		p.checkRequest(),
		p.checkRules(),
	)
}

func def(s *string, v string) {
	if *s == "" {
		*s = v
	}
}

func scopes(s []string) []string {
	if len(s) == 0 {
		return []string{"openid", "profile", "email"}
	}
	if slices.Contains(s, "openid") {
		return s
	}
	return append([]string{"openid"}, s...)
}

func (p Provider) checkName() error {
	var faults []error
	id := strings.Trim(p.ID, "abcdefghijklmnopqrstuvwxyz0123456789-")
	if p.ID == "" || len(p.ID) > 32 || id != "" {
		faults = append(faults, errors.New("id: want 1 to 32 of a-z, 0-9 and dash"))
	}
	if p.Name == "" {
		faults = append(faults, errors.New("name: what stands on the button?"))
	}
	if p.ClientID == "" {
		faults = append(faults, errors.New("client_id: missing"))
	}
	if p.public() && p.PKCE == "off" {
		faults = append(faults, errors.New("pkce: a client without a secret needs it"))
	}
	if p.Skew < 0 || p.Skew > maxSkew {
		faults = append(faults, fmt.Errorf("skew: want at most %v", maxSkew))
	}
	return errors.Join(faults...)
}

func (p Provider) checkAddresses() error {
	faults := []error{p.address("issuer", p.Issuer)}
	if strings.ContainsAny(p.Issuer, "?#|") {
		// Discovery §2: no query and no fragment. The bar divides a person's key.
		faults = append(faults, errors.New("issuer: must hold no ?, # or |"))
	}
	for _, e := range []struct{ name, url string }{
		{"authorization", p.Endpoints.Authorization},
		{"token", p.Endpoints.Token},
		{"jwks", p.Endpoints.JWKS},
		{"userinfo", p.Endpoints.UserInfo},
		{"end_session", p.Endpoints.EndSession},
	} {
		if e.url != "" {
			faults = append(faults, p.address(e.name, e.url))
		}
	}
	n := 0
	for _, u := range []string{p.Endpoints.Authorization, p.Endpoints.Token, p.Endpoints.JWKS} {
		if u != "" {
			n++
		}
	}
	if n != 0 && n != 3 {
		faults = append(faults, errors.New("endpoints: authorization, token and jwks go together"))
	}
	return errors.Join(faults...)
}

// address refuses what is not an absolute https URL.
func (p Provider) address(name, s string) error {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Host == "", u.User != nil:
		return fmt.Errorf("%s: want an absolute URL", name)
	case u.Scheme == "https", u.Scheme == "http" && p.DangerouslyAllowPlainHTTP:
		return nil
	default:
		return fmt.Errorf("%s: want https", name)
	}
}

func (p Provider) checkRequest() error {
	var faults []error
	if p.Claims != "" {
		var v map[string]any
		if json.Unmarshal([]byte(p.Claims), &v) != nil {
			faults = append(faults, errors.New("claims: want a JSON object"))
		}
	}
	ours := []string{
		"client_id", "client_secret", "redirect_uri", "response_type", "response_mode",
		"scope", "state", "nonce", "code_challenge", "code_challenge_method",
		"prompt", "max_age", "acr_values", "claims", "request", "request_uri",
	}
	for _, k := range slices.Sorted(maps.Keys(p.ExtraParams)) {
		if k == "" || slices.Contains(ours, k) {
			faults = append(faults, fmt.Errorf("extra_params: %q is not for you to set", k))
		}
	}
	return errors.Join(faults...)
}

func (p Provider) checkRules() error {
	var faults []error
	if p.Member.Claim != "" || len(p.Member.Values) > 0 {
		faults = append(faults, p.Member.check("member"))
	}
	for _, r := range p.Allow {
		faults = append(faults, r.check("allow"))
	}
	return errors.Join(faults...)
}

func (r Rule) check(name string) error {
	if r.Claim == "" || len(r.Values) == 0 || slices.Contains(r.Values, "") {
		return fmt.Errorf("%s: want a claim and the values it may have", name)
	}
	for _, v := range r.Values {
		// Addresses are ASCII once they are checked: another spelling would
		// hold nobody, and the site would not know why.
		if r.Claim == "email" && v != "*" && !meeting.Address(v) && !meeting.Address("x"+v) {
			return fmt.Errorf("%s: %q is neither an address nor a domain like @hospital.example (an international one as @xn--…)", name, v)
		}
	}
	return nil
}

func oneOf(name, got string, want ...string) error {
	if slices.Contains(want, got) {
		return nil
	}
	return fmt.Errorf("%s: %q is none of %s", name, got, strings.Join(want, ", "))
}

func allOf(name string, got []string, want ...string) error {
	var faults []error
	for _, g := range got {
		faults = append(faults, oneOf(name, g, want...))
	}
	return errors.Join(faults...)
}
