package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"

	"vestibule/meeting"
)

// What a logout token may look like.
const (
	maxLogoutToken = 16 << 10
	logoutTokenAge = 5 * time.Minute
	logoutEvent    = "http://schemas.openid.net/event/backchannel-logout"
)

// LogoutURL returns where to send a person so that they are signed out at the
// provider too, who sends them back to the given address, and the state to
// remember until then. It is empty where the provider offers no such thing.
// The address holds the ID token: it is for the browser, not for a log.
func (o *OIDC) LogoutURL(ctx context.Context, s Session, after string) (redirect, state string, err error) {
	p, ok := o.provider(s.Provider)
	if !ok || !slices.Contains(p.Logout, "rp") {
		return "", "", nil
	}
	m, err := p.learn(ctx)
	if err != nil || m.EndSession == "" {
		return "", "", err
	}
	u, err := url.Parse(m.EndSession)
	if err != nil {
		return "", "", p.unavailable(err)
	}
	state = secret()
	q := u.Query() // RP-Initiated Logout §2.
	if !p.Terse {  // who has the hint knows the client
		q.Set("client_id", p.ClientID)
	}
	q.Set("post_logout_redirect_uri", after)
	q.Set("state", state)
	if s.IDToken != "" {
		q.Set("id_token_hint", s.IDToken)
	}
	u.RawQuery = q.Encode()
	return u.String(), state, nil
}

// LoggedOut checks that a person comes back from the sign-out that LogoutURL
// began.
func (o *OIDC) LoggedOut(query url.Values, state string) error {
	if len(query["state"]) != 1 || !same(query.Get("state"), state) {
		return meeting.Refuse(meeting.Invalid)
	}
	return nil
}

// Logout says whose sessions a provider ended: those with SID, or, where it
// is empty, all of Subject's.
type Logout struct{ Provider, Issuer, Subject, SID string }

// BackChannel checks a logout token that a provider sent (Back-Channel Logout
// §2.6). Anybody can send one, so a forged one must cost little.
func (o *OIDC) BackChannel(ctx context.Context, token string) (Logout, error) {
	l, err := o.backChannel(ctx, token, time.Now())
	if err != nil {
		return Logout{}, err
	}
	return l, nil
}

func (o *OIDC) backChannel(ctx context.Context, token string, now time.Time) (Logout, error) {
	p, check := o.addressee(token)
	if p == nil {
		return Logout{}, &Doubt{Provider: "?", Check: check, Refusal: meeting.Refuse(meeting.Invalid)}
	}
	m, err := p.learn(ctx)
	if err != nil {
		return Logout{}, err
	}
	view := p.keys.forLogout()
	t, err := p.verifier(token, view, p.ClientID, m.Algorithms, now).VerifyLogout(ctx, token)
	if err != nil {
		return Logout{}, p.distrustLogout(view, err)
	}
	if check := p.checkLogout(t, now); check != "" {
		return Logout{}, p.doubt(meeting.Invalid, check)
	}
	if !o.done.first("jti "+p.ID+" "+t.TokenID, now, now.Add(2*logoutTokenAge)) {
		return Logout{}, p.doubt(meeting.Invalid, "jti")
	}
	return Logout{Provider: p.ID, Issuer: t.Issuer, Subject: t.Subject, SID: t.SessionID}, nil
}

// addressee finds the provider and client a token claims to be from and for.
// Nothing of it is believed yet.
func (o *OIDC) addressee(token string) (*provider, string) {
	parts := strings.Split(token, ".")
	if len(token) > maxLogoutToken || len(parts) != 3 {
		return nil, "format"
	}
	var head struct {
		Typ string `json:"typ"`
	}
	if !unpack(parts[0], &head) {
		return nil, "format"
	}
	// §2.4: logout+jwt is what it should be; some write JWT or nothing.
	if !slices.Contains([]string{"", "jwt", "logout+jwt"}, strings.ToLower(head.Typ)) {
		return nil, "typ"
	}
	var body claims
	if !unpack(parts[1], &body) {
		return nil, "format"
	}
	check := "iss"
	for _, p := range o.providers {
		if iss, _ := body["iss"].(string); !slices.Contains(p.issuers(), iss) || !slices.Contains(p.Logout, "backchannel") {
			continue
		}
		check = "aud"
		if slices.Contains(body.all("aud"), p.ClientID) {
			return p, ""
		}
	}
	return nil, check
}

func unpack(part string, v any) bool {
	b, err := base64.RawURLEncoding.DecodeString(part)
	return err == nil && json.Unmarshal(b, v) == nil
}

func (p *provider) checkLogout(t *oidc.LogoutToken, now time.Time) string {
	var body struct {
		Events map[string]json.RawMessage `json:"events"`
	}
	event := claims(nil)
	if t.Claims(&body) != nil || json.Unmarshal(body.Events[logoutEvent], &event) != nil || event == nil {
		return "events"
	}
	switch {
	case t.IssuedAt.IsZero():
		return "iat_missing"
	case t.IssuedAt.After(now.Add(p.Skew)):
		return "iat_future"
	case t.IssuedAt.Before(now.Add(-logoutTokenAge - p.Skew)):
		return "iat_old"
	default:
		return ""
	}
}

func (p *provider) distrustLogout(v *view, err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "event"):
		return p.doubt(meeting.Invalid, "events")
	case strings.Contains(text, "nonce"):
		return p.doubt(meeting.Invalid, "nonce")
	case strings.Contains(text, "'jti'"):
		return p.doubt(meeting.Invalid, "jti_missing")
	case strings.Contains(text, "'sub'"):
		return p.doubt(meeting.Invalid, "sub")
	default:
		return p.distrust(v, err, "")
	}
}
