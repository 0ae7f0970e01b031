// Package authtest is an identity provider that can be told to misbehave, so
// that a test can show what the door does then.
//
// It refuses to be a real one: it knows one person, asks for no password and
// listens on no port. Tests only.
package authtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// Claims is a JSON object.
type Claims = map[string]any

// Provider is a provider of one person. Its hooks may be changed between
// requests; a nil hook changes nothing.
type Provider struct {
	Issuer       string
	ClientID     string
	ClientSecret string
	ClientKey    crypto.PublicKey // in place of the secret: private_key_jwt
	Person       Claims           // what is known of the person, sub among it
	Keys         []Key            // published; the first one signs

	Discovery func(Claims)           // changes what is told of itself
	Asked     func(url.Values) error // refuses what the browser brings to sign in
	AskedOut  func(url.Values) error // the same to sign out
	// Tells changes the claims of whichever of both is being made, by what was
	// asked for.
	Tells    func(asked url.Values, idToken, userInfo Claims)
	IDToken  func(Claims)                // changes the ID token's claims, after Tells
	Sign     func(Claims) string         // replaces the signature of the ID token
	UserInfo func(Claims)                // changes the userinfo claims
	Signed   bool                        // userinfo is a JWT
	Token    http.HandlerFunc            // replaces the token endpoint
	Answer   func(url.Values)            // changes what the browser brings back
	Instead  map[string]http.HandlerFunc // replaces any other path

	mu    sync.Mutex // guards the rest
	codes map[string]grant
	hits  map[string]int
	jtis  map[string]bool // of assertions seen
}

type grant struct {
	request url.Values
	access  string
}

// Key is a signing key.
type Key struct {
	ID     string
	Alg    jose.SignatureAlgorithm
	Signer crypto.Signer
	Hidden bool // not published
	Use    string
	Issuer string // whose tokens it signs, as Entra says it
}

// New returns a provider that behaves and signs with the key.
func New(issuer string, key Key) *Provider {
	return &Provider{
		Issuer:       issuer,
		ClientID:     "door",
		ClientSecret: "a secret: with & odd=characters",
		Person: Claims{
			"sub": "u-1", "name": "Ada Martin", "email": "ada@hospital.example", "email_verified": true,
		},
		Keys: []Key{key},
	}
}

// NewKey returns a fresh key of the given kind.
func NewKey(id string, alg jose.SignatureAlgorithm) Key {
	k := Key{ID: id, Alg: alg}
	var err error
	if alg == jose.ES256 {
		k.Signer, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	} else {
		k.Signer, err = rsa.GenerateKey(rand.Reader, 2048)
	}
	if err != nil {
		panic(err)
	}
	return k
}

// JWT signs claims.
func (k Key) JWT(typ string, c Claims) string {
	opts := &jose.SignerOptions{}
	if typ != "" {
		opts = opts.WithType(jose.ContentType(typ))
	}
	s, err := jose.NewSigner(jose.SigningKey{Algorithm: k.Alg, Key: jose.JSONWebKey{Key: k.Signer, KeyID: k.ID}}, opts)
	if err != nil {
		panic(err)
	}
	jws, err := s.Sign(encode(c))
	if err != nil {
		panic(err)
	}
	out, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return out
}

// RoundTrip implements http.RoundTripper without a network.
func (p *Provider) RoundTrip(r *http.Request) (*http.Response, error) {
	return Net{host(p.Issuer): p}.RoundTrip(r)
}

// Net is several providers by their host, without a network.
type Net map[string]http.Handler

// RoundTrip implements http.RoundTripper.
func (n Net) RoundTrip(r *http.Request) (*http.Response, error) {
	h, ok := n[r.URL.Host]
	if !ok {
		return nil, fmt.Errorf("dialing %s: no such host", r.URL.Host)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	in.Host = r.URL.Host
	if in.Body == nil {
		in.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return w.Result(), nil
}

// Hits returns how often a path was asked for.
func (p *Provider) Hits(path string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hits[path]
}

// ServeHTTP implements http.Handler.
func (p *Provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	if p.hits == nil {
		p.hits = map[string]int{}
	}
	p.hits[r.URL.Path]++
	p.mu.Unlock()
	if h := p.Instead[r.URL.Path]; h != nil {
		h(w, r)
		return
	}
	switch strings.TrimPrefix(r.URL.Path, path(p.Issuer)) {
	case "/.well-known/openid-configuration":
		reply(w, http.StatusOK, p.discovery())
	case "/jwks":
		reply(w, http.StatusOK, p.jwks())
	case "/token":
		if p.Token != nil {
			p.Token(w, r)
			return
		}
		p.token(w, r)
	case "/userinfo":
		p.userinfo(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *Provider) discovery() Claims {
	c := Claims{
		"issuer":                                p.Issuer,
		"authorization_endpoint":                p.Issuer + "/authorize",
		"token_endpoint":                        p.Issuer + "/token",
		"userinfo_endpoint":                     p.Issuer + "/userinfo",
		"jwks_uri":                              p.Issuer + "/jwks",
		"end_session_endpoint":                  p.Issuer + "/logout?from=discovery",
		"id_token_signing_alg_values_supported": []string{"none", "HS256", "RS256", "ES256"},
		"code_challenge_methods_supported":      []string{"S256"},
		"authorization_response_iss_parameter_supported": true,
	}
	if p.Discovery != nil {
		p.Discovery(c)
	}
	return c
}

func (p *Provider) jwks() Claims {
	var set []any
	for _, k := range p.Keys {
		if !k.Hidden {
			set = append(set, k.published())
		}
	}
	// One of a kind that nobody knows, as RFC 7517 §5 allows.
	set = append(set, Claims{"kty": "moon", "kid": "odd"})
	return Claims{"keys": set}
}

// published is the key as the set has it.
func (k *Key) published() any {
	jwk := jose.JSONWebKey{Key: k.Signer.Public(), KeyID: k.ID, Use: k.Use}
	if k.Issuer == "" {
		return jwk
	}
	var c Claims
	b, _ := jwk.MarshalJSON() // a key of ours
	_ = json.Unmarshal(b, &c)
	c["issuer"] = k.Issuer
	return c
}

// Authorize is the browser's way through the provider: it takes the address
// the door sent it to and returns what it comes back with.
func (p *Provider) Authorize(address string) (url.Values, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	q := u.Query()
	switch {
	case u.Scheme+"://"+u.Host+u.Path != p.discovery()["authorization_endpoint"]:
		return nil, fmt.Errorf("sent to %s%s", u.Host, u.Path)
	case q.Get("client_id") != p.ClientID || q.Get("response_type") != "code":
		return nil, fmt.Errorf("odd request: %v", q)
	case len(q.Get("state")) < 32 || len(q.Get("nonce")) < 32:
		return nil, fmt.Errorf("state or nonce of less than 32 characters: %v", q)
	}
	if p.Asked != nil {
		if err := p.Asked(q); err != nil {
			return nil, err
		}
	}
	code, access := random(), random()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.codes == nil {
		p.codes = map[string]grant{}
	}
	p.codes[code] = grant{request: q, access: access}
	back := url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.Issuer}}
	if p.Answer != nil {
		p.Answer(back)
	}
	return back, nil
}

func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, basic := r.BasicAuth()
	id, _ = url.QueryUnescape(id) // RFC 6749 §2.3.1.
	secret, _ = url.QueryUnescape(secret)
	if !basic {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if p.ClientKey != nil {
		secret, p.ClientSecret = "", ""
		if err := p.assertion(r); err != nil {
			reply(w, http.StatusUnauthorized, Claims{"error": "invalid_client", "error_description": err.Error()})
			return
		}
	}
	ways, told := p.discovery()["token_endpoint_auth_methods_supported"].([]string)
	if basic && told && !slices.Contains(ways, "client_secret_basic") || id != p.ClientID || secret != p.ClientSecret {
		reply(w, http.StatusUnauthorized, Claims{"error": "invalid_client", "error_description": "secret words"})
		return
	}
	p.mu.Lock()
	g, ok := p.codes[r.PostFormValue("code")]
	delete(p.codes, r.PostFormValue("code"))
	if ok {
		p.codes["access "+g.access] = g
	}
	p.mu.Unlock()
	challenge := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	wants := g.request.Get("code_challenge")
	if !ok || r.PostFormValue("redirect_uri") != g.request.Get("redirect_uri") ||
		wants != "" && wants != base64.RawURLEncoding.EncodeToString(challenge[:]) ||
		wants == "" && r.PostFormValue("code_verifier") != "" {
		reply(w, http.StatusBadRequest, Claims{"error": "invalid_grant", "error_description": "secret words"})
		return
	}
	reply(w, http.StatusOK, Claims{
		"access_token": g.access, "token_type": "Bearer", "expires_in": 60, "id_token": p.idToken(g),
	})
}

func (p *Provider) idToken(g grant) string {
	now := time.Now().Unix()
	sum := sha256.Sum256([]byte(g.access))
	c := Claims{
		"iss": p.Issuer, "aud": p.ClientID, "iat": now, "exp": now + 300,
		"nonce": g.request.Get("nonce"), "sid": "s-1",
		"at_hash": base64.RawURLEncoding.EncodeToString(sum[:16]),
	}
	maps.Copy(c, p.Person)
	if p.Tells != nil {
		p.Tells(g.request, c, Claims{})
	}
	if p.IDToken != nil {
		p.IDToken(c)
	}
	if p.Sign != nil {
		return p.Sign(c)
	}
	return p.Keys[0].JWT("", c)
}

func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	g, ok := p.codes["access "+trimBearer(r.Header.Get("Authorization"))]
	p.mu.Unlock()
	if !ok {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	c := maps.Clone(p.Person)
	if p.Signed {
		maps.Copy(c, Claims{"iss": p.Issuer, "aud": p.ClientID, "exp": time.Now().Unix() + 60})
	}
	if p.Tells != nil {
		p.Tells(g.request, Claims{}, c)
	}
	if p.UserInfo != nil {
		p.UserInfo(c)
	}
	if !p.Signed {
		reply(w, http.StatusOK, c)
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = w.Write([]byte(p.Keys[0].JWT("", c)))
}

// LogoutToken returns a logout token, changed by edit.
func (p *Provider) LogoutToken(edit func(Claims)) string {
	return p.Keys[0].JWT("logout+jwt", p.LogoutClaims(edit))
}

// LogoutClaims returns the claims of a logout token, changed by edit.
func (p *Provider) LogoutClaims(edit func(Claims)) Claims {
	now := time.Now().Unix()
	c := Claims{
		"iss": p.Issuer, "aud": p.ClientID, "iat": now, "exp": now + 120, "jti": random(),
		"sub": p.Person["sub"], "sid": "s-1",
		"events": Claims{"http://schemas.openid.net/event/backchannel-logout": Claims{}},
	}
	if edit != nil {
		edit(c)
	}
	return c
}

// None returns claims as an unsigned JWT.
func None(c Claims) string { return head(Claims{"alg": "none"}) + "." + b64(encode(c)) + "." }

func head(c Claims) string { return b64(encode(c)) }

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func reply(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(encode(v))
}

func random() string { return rand.Text() }

func host(issuer string) string { return parse(issuer).Host }

func path(issuer string) string { return parse(issuer).Path }

func parse(issuer string) *url.URL {
	u, err := url.Parse(issuer)
	if err != nil {
		panic(err)
	}
	return u
}

func trimBearer(s string) string {
	const scheme = "Bearer "
	if len(s) > len(scheme) && s[:len(scheme)] == scheme {
		return s[len(scheme):]
	}
	return ""
}
