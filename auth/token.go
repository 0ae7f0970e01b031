package auth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"vestibule/meeting"
)

// identity is what was checked of an answer.
type identity struct {
	raw      string // the ID token
	issuer   string
	subject  string
	token    claims
	userinfo claims
}

// identify checks the ID token (Core §3.1.3.7). go-oidc looks at the
// signature, the issuer, the audience and the expiry; the rest is here.
func (p *provider) identify(ctx context.Context, m *metadata, t *oauth2.Token, tx Transaction, now time.Time) (identity, error) {
	raw, _ := t.Extra("id_token").(string)
	if raw == "" {
		return identity{}, p.doubt(meeting.Unverified, "id_token_missing")
	}
	view := p.keys.forLogin()
	token, err := p.verifier(raw, view, p.ClientID, m.Algorithms, now).Verify(ctx, raw)
	if err != nil {
		return identity{}, p.distrust(view, err, "")
	}
	var body json.RawMessage
	if token.Claims(&body) != nil {
		return identity{}, p.doubt(meeting.Unverified, "id_token")
	}
	c, err := decode(body)
	if err != nil {
		return identity{}, p.doubt(meeting.Unverified, "id_token")
	}
	if check := p.check(c, token, t.AccessToken, tx, now); check != "" {
		return identity{}, p.doubt(meeting.Unverified, check)
	}
	return identity{raw: raw, issuer: p.issuer(raw), subject: token.Subject, token: c}, nil
}

// check returns the word of the first check that fails, or "".
func (p *provider) check(c claims, t *oidc.IDToken, access string, tx Transaction, now time.Time) string {
	sub, _ := c["sub"].(string)
	nonce, _ := c["nonce"].(string)
	azp, _ := c["azp"].(string)
	_, hasAZP := c["azp"]
	tid, _ := c["tid"].(string)
	switch {
	// encoding/json matches keys without case, so what the library read may
	// be another claim than the one of that name.
	case sub == "" || sub != t.Subject || len(sub) > 255:
		return "sub"
	case p.IssuerTemplate != "" && (!slices.Contains(p.Tenants, tid) || c["iss"] != p.tenant(tid)):
		return "tid"
	case !same(nonce, tx.Nonce): // step 11.
		return "nonce"
	case t.IssuedAt.IsZero(), c["iat"] == nil:
		return "iat_missing"
	case t.IssuedAt.After(now.Add(p.Skew)):
		return "iat_future"
	case t.IssuedAt.Before(tx.Started.Add(-p.Skew)): // step 10: issued before it was asked for.
		return "iat_old"
	case hasAZP && azp != p.ClientID, !hasAZP && len(t.Audience) > 1: // steps 4 and 5.
		return "azp"
	case c["at_hash"] != nil && t.VerifyAccessToken(access) != nil: // Core §3.1.3.8.
		return "at_hash"
	default:
		return p.strength(c, now)
	}
}

// strength checks how the person signed in: steps 12 and 13.
func (p *provider) strength(c claims, now time.Time) string {
	if p.MaxAge > 0 {
		at, ok := c.time("auth_time")
		switch {
		case !ok:
			return "auth_time_missing"
		case at.Before(now.Add(-p.MaxAge - p.Skew)):
			return "auth_time_old"
		case at.After(now.Add(p.Skew)):
			return "auth_time_future"
		}
	}
	if len(p.ACR) > 0 {
		acr, _ := c["acr"].(string)
		if acr == "" || !slices.Contains(p.ACR, acr) {
			return "acr"
		}
	}
	if len(p.AMR) > 0 && !slices.ContainsFunc(c.all("amr"), func(a string) bool { return slices.Contains(p.AMR, a) }) {
		return "amr"
	}
	return ""
}

// distrust sorts an error of go-oidc. Its text holds parts of the token, so
// only a word of it goes on.
func (p *provider) distrust(v *view, err error, prefix string) error {
	var down *Unavailable
	if errors.As(v.err, &down) {
		return down
	}
	check := "id_token"
	var expired *oidc.TokenExpiredError
	text := err.Error()
	switch {
	case v.err != nil:
		check = v.err.Error()
	case errors.As(err, &expired):
		check = "exp"
	case strings.Contains(text, "by a different provider"):
		check = "iss"
	case strings.Contains(text, "audience"):
		check = "aud"
	case strings.Contains(text, "malformed jwt"):
		check = "alg"
	}
	return p.doubt(meeting.Unverified, prefix+check)
}

// userinfo asks for the person's claims (Core §5.3). They count only for the
// subject of the ID token, and, when signed, only if signed for us.
func (p *provider) userinfo(ctx context.Context, m *metadata, access, subject string, now time.Time) (claims, error) {
	body, ct, status, err := p.get(ctx, "userinfo", m.UserInfo, access, "application/json, application/jwt")
	switch {
	case err != nil:
		return nil, p.unavailable(err)
	case status >= http.StatusInternalServerError:
		return nil, p.unavailable(errors.New("userinfo: " + http.StatusText(status)))
	case status != http.StatusOK:
		return nil, p.doubt(meeting.Unverified, "userinfo_status")
	}
	if mt, _, _ := mime.ParseMediaType(ct); mt == "application/jwt" {
		if body, err = p.signed(ctx, m, bytes.TrimSpace(body), now); err != nil {
			return nil, err
		}
	}
	c, err := decode(body)
	if err != nil {
		return nil, p.unavailable(errors.New("userinfo: it is not a JSON object"))
	}
	// Core §5.3.2: sub MUST match exactly, else the answer MUST NOT be used.
	if sub, _ := c["sub"].(string); !same(sub, subject) {
		return nil, p.doubt(meeting.Unverified, "userinfo_sub")
	}
	return c, nil
}

// signed checks a userinfo JWT. go-oidc would look at the signature only.
func (p *provider) signed(ctx context.Context, m *metadata, jwt []byte, now time.Time) ([]byte, error) {
	view := p.keys.forLogin()
	listed := m.UserInfoAlgs
	if len(listed) == 0 {
		listed = m.Algorithms
	}
	token, err := oidc.NewVerifier(p.issuer(string(jwt)), view, &oidc.Config{
		ClientID:             p.ClientID,
		SupportedSigningAlgs: p.believed(listed),
		SkipExpiryCheck:      true, // exp is not required there; see below.
	}).Verify(ctx, string(jwt))
	if err != nil {
		return nil, p.distrust(view, err, "userinfo_")
	}
	if !token.Expiry.IsZero() && token.Expiry.Before(now.Add(-p.Skew)) {
		return nil, p.doubt(meeting.Unverified, "userinfo_exp")
	}
	var body json.RawMessage
	if token.Claims(&body) != nil {
		return nil, p.doubt(meeting.Unverified, "userinfo")
	}
	return body, nil
}
