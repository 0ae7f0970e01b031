package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// How long what a provider says about itself is believed, and how long it is
// left alone after it failed to say it.
const (
	refresh    = time.Hour
	firstPause = time.Second
	longPause  = time.Minute
)

// algorithms are the signatures that can be believed at all. "none" and those
// with a shared secret are not: a public key is no secret.
func algorithms() []string {
	return []string{
		oidc.RS256, oidc.RS384, oidc.RS512, oidc.ES256, oidc.ES384,
		oidc.ES512, oidc.PS256, oidc.PS384, oidc.PS512, oidc.EdDSA,
	}
}

// provider is one provider at work.
type provider struct {
	Provider
	redirect string
	client   *http.Client
	keys     *keys
	log      *slog.Logger

	// turn is held by whoever asks the provider about itself.
	turn chan struct{}

	mu      sync.Mutex // guards the rest
	known   *metadata
	asked   time.Time // when known was learnt
	next    time.Time // not to be asked again before
	pause   time.Duration
	trouble error // why known could not be learnt
}

// metadata is what discovery tells of a provider (Discovery §3).
type metadata struct {
	Issuer        string   `json:"issuer"`
	Authorization string   `json:"authorization_endpoint"`
	Token         string   `json:"token_endpoint"`
	UserInfo      string   `json:"userinfo_endpoint"`
	JWKS          string   `json:"jwks_uri"`
	EndSession    string   `json:"end_session_endpoint"`
	Algorithms    []string `json:"id_token_signing_alg_values_supported"`
	UserInfoAlgs  []string `json:"userinfo_signing_alg_values_supported"`
	TokenAuth     []string `json:"token_endpoint_auth_methods_supported"`
	PKCE          []string `json:"code_challenge_methods_supported"`
	IssInResponse bool     `json:"authorization_response_iss_parameter_supported"`
}

func newProvider(p Provider, c Config) *provider {
	q := &provider{
		Provider: p,
		redirect: c.Callback + p.ID,
		client:   client(p, c.Transport),
		log:      c.Logger.With(slog.String("provider", p.ID)),
		turn:     make(chan struct{}, 1),
	}
	q.keys = newKeys(q)
	return q
}

// learn returns what the provider says about itself, asking it if need be.
// One request goes out at a time, and after a failure none for a while.
func (p *provider) learn(ctx context.Context) (*metadata, error) {
	if m, err, ok := p.learnt(time.Now()); ok {
		return m, err
	}
	select {
	case p.turn <- struct{}{}:
		defer func() { <-p.turn }()
	case <-ctx.Done():
		return nil, p.unavailable(ctx.Err())
	}
	if m, err, ok := p.learnt(time.Now()); ok {
		return m, err // Somebody else just asked.
	}
	// One who goes away does not spoil it for those who wait behind them.
	m, err := p.discover(context.WithoutCancel(ctx))
	return p.remember(ctx, m, err)
}

func (p *provider) learnt(now time.Time) (*metadata, error, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.known != nil && (now.Before(p.asked.Add(refresh)) || now.Before(p.next)):
		return p.known, nil, true
	case p.known == nil && now.Before(p.next):
		return nil, p.unavailable(p.trouble), true
	default:
		return nil, nil, false
	}
}

func (p *provider) remember(ctx context.Context, m *metadata, err error) (*metadata, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if err == nil {
		p.known, p.asked, p.next, p.pause, p.trouble = m, now, time.Time{}, 0, nil
		p.keys.at(m.JWKS)
		return m, nil
	}
	p.pause = min(max(2*p.pause, firstPause), longPause)
	p.next, p.trouble = now.Add(p.pause), err
	p.log.WarnContext(ctx, "provider does not tell of itself", slog.Any("error", err))
	if p.known != nil {
		return p.known, nil
	}
	return nil, p.unavailable(err)
}

// discover asks the provider about itself (Discovery §4), or takes what is
// configured.
func (p *provider) discover(ctx context.Context) (*metadata, error) {
	if p.DangerouslyAllowPlainHTTP {
		p.log.WarnContext(ctx, "provider is allowed without tls")
	}
	if p.Endpoints.Token != "" {
		return &metadata{
			Issuer:        p.Issuer,
			Authorization: p.Endpoints.Authorization,
			Token:         p.Endpoints.Token,
			UserInfo:      p.Endpoints.UserInfo,
			JWKS:          p.Endpoints.JWKS,
			EndSession:    p.Endpoints.EndSession,
		}, nil
	}
	address := strings.TrimSuffix(p.Issuer, "/") + "/.well-known/openid-configuration"
	body, _, status, err := p.get(ctx, "discovery", address, "", "application/json")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("discovery: status %d", status)
	}
	var m metadata
	if json.Unmarshal(body, &m) != nil {
		return nil, errors.New("discovery: it is not JSON")
	}
	return &m, p.accept(&m)
}

// accept refuses a provider that does not tell of itself what is needed, or
// not about itself.
func (p *provider) accept(m *metadata) error {
	want := p.Issuer
	if p.IssuerTemplate != "" {
		want = p.IssuerTemplate
	}
	if m.Issuer != want { // Discovery §4.3: MUST be identical.
		return errors.New("discovery: it names another issuer")
	}
	faults := []error{
		p.address("authorization_endpoint", m.Authorization),
		p.address("token_endpoint", m.Token),
		p.address("jwks_uri", m.JWKS),
	}
	if m.UserInfo != "" {
		faults = append(faults, p.address("userinfo_endpoint", m.UserInfo))
	}
	if m.EndSession != "" {
		faults = append(faults, p.address("end_session_endpoint", m.EndSession))
	}
	if m.UserInfo == "" && p.ClaimsFrom == "userinfo" {
		faults = append(faults, errors.New("userinfo_endpoint: missing"))
	}
	if err := errors.Join(faults...); err != nil {
		return fmt.Errorf("discovery: %w", err)
	}
	return nil
}

// believed returns the signatures believed on a token: those configured, else
// those listed, else the one that every provider has (Core §15.1).
func (p *provider) believed(listed []string) []string {
	if len(p.Algorithms) > 0 {
		return p.Algorithms
	}
	var algs []string
	for _, a := range listed {
		if slices.Contains(algorithms(), a) {
			algs = append(algs, a)
		}
	}
	if len(algs) == 0 {
		return []string{oidc.RS256}
	}
	return algs
}

// pkce reports whether the code is bound to us by RFC 7636.
func (p *provider) pkce(m *metadata) bool {
	switch {
	case p.PKCE == "on", p.public():
		return true
	case p.PKCE == "off":
		return false
	default:
		return slices.Contains(m.PKCE, "S256")
	}
}

// oauth returns the authorization code flow towards the provider. The way the
// secret is sent is settled here: left to guess, the library tries both and
// sends the code twice.
func (p *provider) oauth(m *metadata) *oauth2.Config {
	style := oauth2.AuthStyleInHeader // Core §9: the default.
	switch {
	case p.ClientSecret == "", p.ClientAuth == "post":
		style = oauth2.AuthStyleInParams
	case p.ClientAuth == "auto" && len(m.TokenAuth) > 0 && !slices.Contains(m.TokenAuth, "client_secret_basic"):
		style = oauth2.AuthStyleInParams
	}
	return &oauth2.Config{
		ClientID:     p.ClientID,
		ClientSecret: p.ClientSecret,
		Endpoint:     oauth2.Endpoint{AuthURL: m.Authorization, TokenURL: m.Token, AuthStyle: style},
		RedirectURL:  p.redirect,
		Scopes:       p.Scopes,
	}
}
