package auth

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
)

// tenantMark is where a template names the institution.
const tenantMark = "{tenantid}"

// issuers returns every issuer whose tokens are believed.
func (p Provider) issuers() []string {
	if p.IssuerTemplate == "" {
		return []string{p.Issuer}
	}
	all := make([]string, len(p.Tenants))
	for i, t := range p.Tenants {
		all[i] = p.tenant(t)
	}
	return all
}

// tenant returns the issuer of one institution.
func (p Provider) tenant(id string) string {
	return strings.ReplaceAll(p.IssuerTemplate, tenantMark, id)
}

// issuer returns the one of ours that a token must be from. The token says it
// itself and is not believed yet; a stranger's is compared with one of ours,
// and refused by that.
func (p Provider) issuer(raw string) string {
	all := p.issuers()
	if parts := strings.Split(raw, "."); len(parts) == 3 && len(all) > 1 {
		var body claims
		_ = unpack(parts[1], &body)
		if iss, _ := body["iss"].(string); slices.Contains(all, iss) {
			return iss
		}
	}
	return all[0]
}

// signing returns the keys that may sign for an issuer. Where many institutions
// share a provider, a key may be of one alone, and must not vouch for another's
// (Microsoft identity platform, "Validate the signing key issuer").
func (p Provider) signing(set []published, issuer string) []jose.JSONWebKey {
	var tenant string
	for _, t := range p.Tenants {
		if p.tenant(t) == issuer {
			tenant = t
		}
	}
	var fit []jose.JSONWebKey
	for _, key := range set {
		if p.IssuerTemplate == "" || key.issuer == "" || strings.ReplaceAll(key.issuer, tenantMark, tenant) == issuer {
			fit = append(fit, key.JSONWebKey)
		}
	}
	return fit
}

// verifier looks at the signature, the issuer, the audience and the expiry of
// one token.
func (p *provider) verifier(raw string, v *view, audience string, algs []string, now time.Time) *oidc.IDTokenVerifier {
	return oidc.NewVerifier(p.issuer(raw), v, &oidc.Config{
		ClientID:             audience,
		SupportedSigningAlgs: p.believed(algs),
		Now:                  func() time.Time { return now.Add(-p.Skew) },
	})
}

// checkTenants refuses a template that would let anybody's institution in.
func (p Provider) checkTenants() error {
	if p.IssuerTemplate == "" {
		if len(p.Tenants) > 0 {
			return errors.New("tenants: they need issuer_template")
		}
		return nil
	}
	faults := []error{p.address("issuer_template", strings.ReplaceAll(p.IssuerTemplate, tenantMark, "x"))}
	if strings.Count(p.IssuerTemplate, tenantMark) != 1 || strings.ContainsAny(p.IssuerTemplate, "?#|") {
		faults = append(faults, fmt.Errorf("issuer_template: want %s in it, once, and no ?, # or |", tenantMark))
	}
	if len(p.Tenants) == 0 {
		faults = append(faults, errors.New("tenants: missing; without them everybody who has an account anywhere could sign in"))
	}
	for _, t := range p.Tenants {
		if t == "" || strings.Trim(t, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			faults = append(faults, fmt.Errorf("tenants: %q: want the id as tokens write it, of a-z, 0-9 and dash", t))
		}
	}
	if p.EmailVerified != "ignore" {
		faults = append(faults, errors.New("email_verified: only ignore: with issuer_template each institution writes the addresses it likes"))
	}
	return errors.Join(faults...)
}
