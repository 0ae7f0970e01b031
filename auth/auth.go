// Package auth proves who somebody is before the host sees them: by a sign-in
// at their own institution, or by a one-time code sent to their mailbox.
//
// It refuses to believe: every claim is checked, a name that is typed proves
// nothing, and a provider that does not answer admits nobody. It keeps no
// sessions, sends no mail and decides about no meeting.
package auth

import (
	"crypto"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"time"
)

// Config is what the sign-in needs to know.
type Config struct {
	// Providers are the identity providers, in the order of their buttons.
	Providers []Provider
	// Callback is the door's address before a provider's id, such as
	// "https://visio.example.org/oidc/callback/". Each provider has a redirect
	// URI of its own, so that a code meant for one never reaches another.
	Callback string
	// Logger tells operators of providers that fail; nil discards.
	Logger *slog.Logger
	// Transport replaces the network, in tests. The limits still apply.
	Transport http.RoundTripper
}

// Provider is one identity provider and how far it is believed.
type Provider struct {
	ID     string // of the redirect URI: a-z, 0-9 and dash, at most 32
	Name   string // in words, as shown on the button and to the host
	Issuer string // exactly as the provider writes it
	// IssuerTemplate is for one provider of many institutions, whose tokens
	// each name the institution's own issuer:
	// "https://login.microsoftonline.com/{tenantid}/v2.0" (Entra). Issuer then
	// is where discovery is found. A token must name the issuer of its tid.
	IssuerTemplate string
	// Tenants are the institutions let in by IssuerTemplate, by their tid.
	Tenants []string
	// ClientID and ClientSecret are what the provider registered. An empty
	// secret is a public client, which needs PKCE.
	ClientID     string
	ClientSecret string
	// ClientAuth is how the secret is sent: "auto" (as discovery says),
	// "basic" or "post"; or "private_key_jwt", as auto is with a Key. Default
	// auto.
	ClientAuth string
	// Key proves the client in place of a secret (RFC 7523), KeyID names it to
	// the provider.
	Key   crypto.Signer
	KeyID string
	// ClientAudience is who the proof by Key is for. Default the issuer; Entra
	// wants its token endpoint.
	ClientAudience string
	// Endpoints replaces discovery where the first four are given.
	Endpoints Endpoints
	// Algorithms are the signatures that are believed. Default: those that
	// discovery lists, never "none" and never one with a shared secret.
	Algorithms []string
	// Scopes asked for. Default openid, profile, email; openid is always asked.
	Scopes []string
	// PKCE is "auto" (when discovery lists S256), "on" or "off". Default auto.
	PKCE string
	// Prompt, as in OpenID Connect Core §3.1.2.1: "login", "select_account".
	Prompt string
	// MaxAge asks for a sign-in no older than this and checks it. Zero asks
	// nothing.
	MaxAge time.Duration
	// ACR are the assurance levels of which one is required; none if empty.
	ACR []string
	// AMR are the methods of which one is required; none if empty.
	AMR []string
	// Terse leaves acr_values and max_age out of the request, for providers
	// that refuse what they do not list (ProConnect: Y000400). The answer is
	// checked all the same.
	Terse bool
	// Claims is the JSON of the claims parameter (Core §5.5), or empty.
	Claims string
	// ClaimsFrom is where the person's claims are read: "both", "id_token" or
	// "userinfo". Default both, as far as there is a userinfo endpoint.
	ClaimsFrom string
	// ClaimMap says which claim is what.
	ClaimMap ClaimMap
	// Organisations are words for values of the organisation claim that say
	// nothing to a host: "13002526500013" is a ministry.
	Organisations map[string]string
	// EmailVerified is "require" (an address must be said to be verified),
	// "assume" (the institution gives out its own addresses) or "ignore" (no
	// address is ever taken for verified). Default require.
	EmailVerified string
	// Member says who is of the site's own institution and may create
	// meetings. Zero: nobody.
	Member Rule
	// Allow must all hold, or the sign-in is refused. Empty allows everybody.
	Allow []Rule
	// ExtraParams are added to the authorization request.
	ExtraParams map[string]string
	// Keep are the claims kept as evidence, for invitations that match them.
	Keep []string
	// RootCAs signs the provider's certificate; nil means the system's.
	RootCAs *x509.CertPool
	// Proxy is the HTTP proxy towards the provider; nil means none.
	Proxy *url.URL
	// Skew is how far the provider's clock may be off. Default 1m; at most 5m.
	Skew time.Duration
	// Logout lists what is honoured: "rp" (signing out here signs out there), or
	// "rp_get" where the provider takes no POST: then, unless Terse, without the
	// ID token, which would stand in an address,
	// and "backchannel" (signing out there signs out here).
	Logout []string
	// DangerouslyAllowPlainHTTP lets the provider be reached without TLS:
	// whoever is on the line can then be anybody.
	DangerouslyAllowPlainHTTP bool
}

// Endpoints are a provider's addresses. Discovery gives them, unless they are
// configured.
type Endpoints struct {
	Authorization string
	Token         string
	JWKS          string
	UserInfo      string
	EndSession    string
}

// ClaimMap says which claims hold what. A name may be a path through objects
// and lists ("realm_access.roles"); several names separated by spaces are
// joined ("given_name usual_name").
type ClaimMap struct {
	// Subject is by default sub, and "tid oid" with IssuerTemplate, whose
	// sub differs from client to client. The ID token's sub is checked in any
	// case.
	Subject      string
	Name         string // default name, else given_name and family_name
	Email        string // default email
	Organisation string // default none
}

// Rule asks that a claim has one of the values. "*" stands for any value that
// is not empty. For the claim "email", which must then be verified, a value
// such as "@hospital.example" stands for all addresses there.
type Rule struct {
	Claim  string
	Values []string
}

// Choice is a way to sign in, for a button.
type Choice struct{ ID, Name string }

// OIDC is the sign-in at any number of providers. It is safe for concurrent
// use and starts no goroutine.
type OIDC struct {
	providers []*provider
	done      once // states of finished transactions and ids of logout tokens
	log       *slog.Logger
}

// New checks the configuration and returns the sign-in. It reaches no
// provider: one that is down must not keep the door from opening.
func New(c Config) (*OIDC, error) {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	o := &OIDC{log: c.Logger}
	var faults []error
	if u, err := url.Parse(c.Callback); err != nil || u.Host == "" || c.Callback[len(c.Callback)-1] != '/' {
		faults = append(faults, errors.New("callback: want an absolute URL that ends in a slash"))
	}
	ids, clients := map[string]bool{}, map[[2]string]bool{}
	for i, p := range c.Providers {
		where := fmt.Sprintf("provider %d (%s)", i+1, p.ID)
		p, err := p.complete()
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", where, err))
		}
		client := [2]string{p.Issuer, p.ClientID}
		if ids[p.ID] || clients[client] {
			faults = append(faults, fmt.Errorf("%s: the id, or issuer and client id, is there twice", where))
		}
		ids[p.ID], clients[client] = true, true
		o.providers = append(o.providers, newProvider(p, c))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return o, nil
}

// Providers returns the ways to sign in, in the configured order.
func (o *OIDC) Providers() []Choice {
	cs := make([]Choice, len(o.providers))
	for i, p := range o.providers {
		cs[i] = Choice{ID: p.ID, Name: p.Name}
	}
	return cs
}

func (o *OIDC) provider(id string) (*provider, bool) {
	for _, p := range o.providers {
		if p.ID == id {
			return p, true
		}
	}
	return nil, false
}
