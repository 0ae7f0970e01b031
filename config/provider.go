package config

import (
	"crypto"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"vestibule/auth"
	"vestibule/house"
)

// Provider is one identity provider.
type Provider struct {
	ID             string            `yaml:"id"`
	Name           string            `yaml:"name"`
	Issuer         string            `yaml:"issuer"`
	IssuerTemplate string            `yaml:"issuer_template"`
	Tenants        []string          `yaml:"tenants"`
	Endpoints      Endpoints         `yaml:"endpoints"`
	Algorithms     []string          `yaml:"algorithms"`
	ClientID       string            `yaml:"client_id"`
	ClientSecret   Secret            `yaml:"client_secret"`
	ClientKey      Secret            `yaml:"client_key"`
	ClientKeyID    string            `yaml:"client_key_id"`
	ClientAuth     string            `yaml:"client_auth"`
	ClientAudience string            `yaml:"client_audience"`
	Scopes         []string          `yaml:"scopes"`
	PKCE           string            `yaml:"pkce"`
	ACR            []string          `yaml:"acr"`
	AMR            []string          `yaml:"amr"`
	EmailVerified  string            `yaml:"email_verified"`
	ClaimsFrom     string            `yaml:"claims_from"`
	ClaimMap       ClaimMap          `yaml:"claim_map"`
	Organisations  map[string]string `yaml:"organisations"`
	Member         Rule              `yaml:"member"`
	Allow          []Rule            `yaml:"allow"`
	Keep           []string          `yaml:"keep"`
	Prompt         string            `yaml:"prompt"`
	MaxAge         time.Duration     `yaml:"max_age"`
	Skew           time.Duration     `yaml:"skew"`
	Terse          bool              `yaml:"terse"`
	Claims         string            `yaml:"claims"`
	ExtraParams    map[string]string `yaml:"extra_params"`
	CAFile         string            `yaml:"ca_file"`
	Proxy          string            `yaml:"proxy"`
	Logout         []string          `yaml:"logout"`
	PlainHTTP      bool              `yaml:"dangerously_allow_plain_http"`
}

// Endpoints are a provider's addresses where it has no discovery.
type Endpoints struct {
	Authorization string `yaml:"authorization"`
	Token         string `yaml:"token"`
	JWKS          string `yaml:"jwks"`
	UserInfo      string `yaml:"userinfo"`
	EndSession    string `yaml:"end_session"`
}

// ClaimMap says which claims hold what.
type ClaimMap struct {
	Subject      string `yaml:"subject"`
	Name         string `yaml:"name"`
	Email        string `yaml:"email"`
	Organisation string `yaml:"organisation"`
}

// Rule asks that a claim has one of the values.
type Rule struct {
	Claim  string   `yaml:"claim"`
	Values []string `yaml:"values"`
}

// issuerOf is the issuer of the persons of a provider, where there is one only.
func (p *Provider) issuerOf() string {
	if p.IssuerTemplate == "" {
		return p.Issuer
	}
	if len(p.Tenants) == 1 {
		return strings.ReplaceAll(p.IssuerTemplate, "{tenantid}", p.Tenants[0])
	}
	return ""
}

func (c *checker) provider(p *Provider, key string) {
	c.bad(p.ID == "", key+".id", "is missing", "a short word, part of the redirect URI")
	c.bad(p.Name == "", key+".name", "is missing", "as people say it; it stands on the button")
	c.bad(p.Issuer == "", key+".issuer", "is missing", "exactly as the provider writes it")
	c.bad(p.ClientID == "", key+".client_id", "is missing", "")
	c.bad(p.ClientSecret != "" && p.ClientKey != "", key+".client_key", "and client_secret at once", "keep one")
	for _, w := range []struct {
		field, value string
		words        []string
	}{
		{"pkce", p.PKCE, []string{"auto", "on", "off"}},
		{"email_verified", p.EmailVerified, []string{"require", "assume", "ignore"}},
		{"claims_from", p.ClaimsFrom, []string{"both", "id_token", "userinfo"}},
		{"client_auth", p.ClientAuth, []string{"auto", "basic", "post", "private_key_jwt"}},
	} {
		if w.value != "" {
			c.oneOf(w.value, key+"."+w.field, w.words...)
		}
	}
	c.within(p.MaxAge, key+".max_age", 0, 365*24*time.Hour)
	c.within(p.Skew, key+".skew", 0, 5*time.Minute)
	if p.Proxy != "" {
		_, err := proxyAddress(p.Proxy)
		c.bad(err != nil, key+".proxy", "is no address of a proxy without a password", "http://proxy.example.org:3128")
	}
}

// proxyAddress reads the address of an HTTP proxy. A password in it would be a
// secret in the file.
func proxyAddress(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errors.New("is no address of a proxy")
	}
	return u, nil
}

func (b *builder) providers(h *house.Config) {
	whole := true
	for i := range b.f.Providers {
		key := fmt.Sprintf("providers[%d]", i)
		before := len(b.faults)
		p := b.provider(&b.f.Providers[i], key)
		h.OIDC.Providers = append(h.OIDC.Providers, p)
		if len(b.faults) == before { // else what follows from it would be told too
			for _, err := range leaves(p.Check()) {
				field, what, _ := strings.Cut(err.Error(), ": ")
				b.fault(key+"."+field, errors.New(what))
			}
		}
		whole = whole && len(b.faults) == before
	}
	h.OIDC.Callback = b.f.Door + "/oidc/callback/"
	if whole && len(h.OIDC.Providers) > 0 {
		_, err := auth.New(h.OIDC)
		b.fault("providers", err)
	}
}

func (b *builder) provider(p *Provider, key string) auth.Provider {
	out := auth.Provider{
		ID: p.ID, Name: p.Name, Issuer: p.Issuer, IssuerTemplate: p.IssuerTemplate, Tenants: p.Tenants,
		Endpoints: auth.Endpoints(p.Endpoints), Algorithms: p.Algorithms,
		ClientID: p.ClientID, ClientSecret: b.secret(p.ClientSecret, key+".client_secret"), ClientAuth: p.ClientAuth,
		Key: b.key(p.ClientKey, key+".client_key"), KeyID: p.ClientKeyID, ClientAudience: p.ClientAudience,
		Scopes: p.Scopes, PKCE: p.PKCE, Prompt: p.Prompt, MaxAge: p.MaxAge, ACR: p.ACR, AMR: p.AMR, Terse: p.Terse,
		Claims: p.Claims, ExtraParams: p.ExtraParams, ClaimsFrom: p.ClaimsFrom, ClaimMap: auth.ClaimMap(p.ClaimMap),
		Organisations: p.Organisations, EmailVerified: p.EmailVerified, Member: auth.Rule(p.Member), Keep: p.Keep,
		RootCAs: b.pool(p.CAFile, key+".ca_file"), Skew: p.Skew, Logout: p.Logout, DangerouslyAllowPlainHTTP: p.PlainHTTP,
	}
	for _, r := range p.Allow {
		out.Allow = append(out.Allow, auth.Rule(r))
	}
	if p.Proxy != "" {
		u, err := proxyAddress(p.Proxy)
		b.fault(key+".proxy", err)
		out.Proxy = u
	}
	return out
}

// key reads a private key.
func (b *builder) key(s Secret, at string) crypto.Signer {
	if s == "" {
		return nil
	}
	text, err := s.Read()
	b.fault(at, err)
	if err != nil {
		return nil
	}
	k, err := auth.ParseKey([]byte(text))
	b.fault(at, err)
	return k
}
