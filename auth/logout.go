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

// Exit is how a browser is sent to a provider to be signed out there too: to an
// address, by a form where there are Fields. They hold the ID token, which so
// stands in no address, history or log. An address holds it with Terse alone.
type Exit struct {
	To     string
	Fields url.Values
	State  string // to remember until they come back
}

// Exit returns where to send a person so that they are signed out at the
// provider too, who sends them back to the given address. It is empty where the
// provider offers no such thing.
func (o *OIDC) Exit(ctx context.Context, s Session, after string) (Exit, error) {
	p, ok := o.provider(s.Provider)
	if !ok || !slices.Contains(p.Logout, "rp") && !slices.Contains(p.Logout, "rp_get") {
		return Exit{}, nil
	}
	m, err := p.learn(ctx)
	if err != nil || m.EndSession == "" {
		return Exit{}, err
	}
	e := Exit{To: m.EndSession, State: secret()}
	q := url.Values{"post_logout_redirect_uri": {after}, "state": {e.State}} // RP-Initiated Logout §2.
	if p.hints() && s.IDToken != "" {
		q.Set("id_token_hint", s.IDToken)
	}
	if !p.Terse || !q.Has("id_token_hint") { // who has the hint knows the client
		q.Set("client_id", p.ClientID)
	}
	if slices.Contains(p.Logout, "rp") {
		e.Fields = q
		return e, nil
	}
	u, err := url.Parse(m.EndSession)
	if err != nil {
		return Exit{}, p.unavailable(err)
	}
	for k, v := range u.Query() {
		q[k] = append(q[k], v...)
	}
	u.RawQuery = q.Encode()
	e.To = u.String()
	return e, nil
}

// hints reports whether signing out takes the ID token along. Into an address it
// goes only where nothing else may name the client.
func (p *provider) hints() bool {
	return slices.Contains(p.Logout, "rp") || slices.Contains(p.Logout, "rp_get") && p.Terse
}

// LoggedOut checks that a person comes back from the sign-out that Exit began.
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
