package auth

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"vestibule/meeting"
)

// maxAccessToken bounds an access token, in bytes.
const maxAccessToken = 8 << 10

// Access is what an access token of a provider allows a program to do.
type Access struct {
	Client string   // the program, by its id at the provider
	Scopes []string // as granted
}

// Access checks an access token that a program got from a provider for itself
// (RFC 6749 §4.4), in the form of RFC 9068. Its audience must be exactly this
// door's own, so that neither an ID token nor a token for another service is
// taken for one. A token that is no JWT says nothing here and is refused.
func (o *OIDC) Access(ctx context.Context, provider, audience, token string) (Access, error) {
	return o.access(ctx, provider, audience, token, time.Now())
}

func (o *OIDC) access(ctx context.Context, provider, audience, token string, now time.Time) (Access, error) {
	p, ok := o.provider(provider)
	if !ok || audience == "" || audience == p.ClientID {
		return Access{}, &Doubt{Provider: "?", Check: "provider", Refusal: meeting.Refuse(meeting.SignIn)}
	}
	doubt := func(check string) (Access, error) { return Access{}, p.doubt(meeting.SignIn, check) }
	if check := accessForm(p, token); check != "" {
		return doubt(check) // before the provider is asked for anything
	}
	m, err := p.learn(ctx)
	if err != nil {
		return Access{}, err
	}
	view := p.keys.forAccess()
	t, err := p.verifier(token, view, audience, m.Algorithms, now).Verify(ctx, token)
	if err != nil {
		return Access{}, p.distrust(view, err, "")
	}
	var body json.RawMessage
	if t.Claims(&body) != nil {
		return doubt("format")
	}
	c, err := decode(body)
	if err != nil {
		return doubt("format")
	}
	// RFC 9068 §2.2: client_id. Some providers write azp alone.
	client, _ := c["client_id"].(string)
	if azp, ok := c["azp"].(string); ok && client == "" {
		client = azp
	}
	nbf, hasNBF := c.time("nbf")
	switch {
	case client == "" || len(client) > 255:
		return doubt("client_id")
	case c["nonce"] != nil || c["at_hash"] != nil:
		return doubt("typ") // an ID token
	case c["exp"] == nil:
		return doubt("exp")
	case t.IssuedAt.IsZero() || c["iat"] == nil:
		return doubt("iat_missing")
	case t.IssuedAt.After(now.Add(p.Skew)):
		return doubt("iat_future")
	case hasNBF && nbf.After(now.Add(p.Skew)):
		return doubt("nbf")
	}
	scope, _ := c["scope"].(string)
	return Access{Client: client, Scopes: strings.Fields(scope)}, nil
}

// accessForm refuses what cannot be an access token of the provider by its
// looks alone.
func accessForm(p *provider, token string) string {
	parts := strings.Split(token, ".")
	if len(token) > maxAccessToken || len(parts) != 3 {
		return "format"
	}
	var head struct {
		Typ string `json:"typ"`
	}
	var body claims
	if !unpack(parts[0], &head) || !unpack(parts[1], &body) {
		return "format"
	}
	// RFC 9068 §2.1 asks for at+jwt; Keycloak and others write JWT.
	if !slices.Contains([]string{"at+jwt", "application/at+jwt", "jwt"}, strings.ToLower(head.Typ)) {
		return "typ"
	}
	if iss, _ := body["iss"].(string); !slices.Contains(p.issuers(), iss) {
		return "iss"
	}
	return ""
}
