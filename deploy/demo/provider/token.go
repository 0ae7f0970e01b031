package provider

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// access is what an access token opens: the claims of one person.
type access struct {
	person *Person
	scopes []string
	sid    string
}

// token exchanges a code (RFC 6749 §4.1.3, RFC 7636 §4.6). The steps are in
// the order in which a wrong caller learns the least.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Pragma", "no-cache") // RFC 6749 §5.1
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" || r.ParseForm() != nil {
		fail(w, http.StatusBadRequest, "invalid_request")
		return
	}
	get, once := one(r.PostForm)
	if !once {
		fail(w, http.StatusBadRequest, "invalid_request")
		return
	}
	c, fault := p.authenticate(r, get)
	if fault != "" {
		status := http.StatusBadRequest
		if fault == "invalid_client" {
			w.Header().Set("WWW-Authenticate", `Basic realm="token"`)
			status = http.StatusUnauthorized
		}
		fail(w, status, fault)
		return
	}
	if get("grant_type") != "authorization_code" {
		fail(w, http.StatusBadRequest, "unsupported_grant_type")
		return
	}
	now, raw := time.Now(), rand.Text()+rand.Text()
	g := p.redeem(c, get, raw, now)
	if g == nil {
		p.c.Logger.InfoContext(r.Context(), "code refused", slog.String("client", c.ID))
		fail(w, http.StatusBadRequest, "invalid_grant")
		return
	}
	id, err := p.key.sign("JWT", p.idToken(g, raw, now))
	if err != nil {
		p.c.Logger.ErrorContext(r.Context(), "signing an id token", slog.Any("error", err))
		fail(w, http.StatusInternalServerError, "server_error")
		return
	}
	write(w, http.StatusOK, map[string]any{
		"access_token": raw, "token_type": "Bearer", "expires_in": int(tokenLife.Seconds()),
		"id_token": id, "scope": strings.Join(g.try.scopes, " "),
	})
}

// authenticate finds the client behind a token request: by Basic or by form,
// not by both (RFC 6749 §2.3).
func (p *Provider) authenticate(r *http.Request, get func(string) string) (*Client, string) {
	id, secret := get("client_id"), get("client_secret")
	if user, pass, ok := r.BasicAuth(); ok {
		if secret != "" {
			return nil, "invalid_request"
		}
		// §2.3.1: both halves are form-encoded before they are joined.
		u, err := url.QueryUnescape(user)
		if err != nil || id != "" && id != u {
			return nil, "invalid_client"
		}
		if secret, err = url.QueryUnescape(pass); err != nil {
			return nil, "invalid_client"
		}
		id = u
	}
	c := p.client(id)
	if c == nil || !same(c.Secret, secret) {
		return nil, "invalid_client"
	}
	return c, ""
}

// redeem spends a code on the access token raw. A code is dead once it is
// shown, to whomever and with whatever: the honest client has no need to
// show it twice, and a second showing revokes what the first one got (RFC
// 6749 §4.1.2).
func (p *Provider) redeem(c *Client, get func(string) string, raw string, now time.Time) *grant {
	p.mu.Lock()
	defer p.mu.Unlock()
	g, ok := p.codes.get(get("code"), now)
	if !ok {
		return nil
	}
	if g.spent {
		p.tokens.take(g.access, now)
		return nil
	}
	g.spent = true
	p.codes.put(get("code"), g, now.Add(tokenLife), now) // to be known again while its token lives
	_, alive := p.sessions.get(g.sid, now)
	if !alive || g.try.client != c || g.try.redirect != get("redirect_uri") || !proves(get("code_verifier"), g.try.challenge) {
		return nil
	}
	if !p.tokens.put(raw, access{g.person, g.try.scopes, g.sid}, now.Add(tokenLife), now) {
		return nil
	}
	g.access = raw
	return g
}

// proves is RFC 7636 §4.6. Without a challenge there must be no verifier
// either, or leaving the challenge out would pass for a downgrade (RFC 9700
// §4.8.2).
func proves(verifier, challenge string) bool {
	if challenge == "" {
		return verifier == ""
	}
	if len(verifier) < 43 || len(verifier) > 128 {
		return false
	}
	sum := sha256.Sum256([]byte(verifier))
	return same(base64.RawURLEncoding.EncodeToString(sum[:]), challenge)
}

// idToken is OpenID Connect Core §2.
func (p *Provider) idToken(g *grant, raw string, now time.Time) map[string]any {
	c := g.person.claims(g.try.scopes)
	c["iss"], c["aud"], c["azp"] = p.c.Issuer, g.try.client.ID, g.try.client.ID
	c["iat"], c["exp"] = now.Unix(), now.Add(tokenLife).Unix()
	c["auth_time"], c["sid"] = g.since.Unix(), g.sid
	c["acr"], c["amr"] = g.person.ACR, g.person.AMR
	c["at_hash"] = half(raw)
	if g.try.nonce != "" {
		c["nonce"] = g.try.nonce
	}
	return c
}

// userinfo tells the bearer of an access token what its scopes allow
// (OpenID Connect Core §5.3, RFC 6750).
func (p *Provider) userinfo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	p.mu.Lock()
	a, ok := p.tokens.get(bearer(r), time.Now())
	p.mu.Unlock()
	if !ok {
		w.Header().Set("WWW-Authenticate", `Bearer realm="userinfo", error="invalid_token"`)
		fail(w, http.StatusUnauthorized, "invalid_token")
		return
	}
	write(w, http.StatusOK, a.person.claims(a.scopes))
}

// bearer reads a token from the header or the form, never from the address.
func bearer(r *http.Request) string {
	if kind, raw, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(kind, "Bearer") {
		return strings.TrimSpace(raw)
	}
	if r.Method == http.MethodPost && r.ParseForm() == nil {
		return r.PostForm.Get("access_token")
	}
	return ""
}

func fail(w http.ResponseWriter, status int, code string) {
	write(w, status, map[string]string{"error": code})
}

// same compares secrets in constant time.
func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// cut takes the cookie's "sid.secret" apart.
func cut(v string) (sid, secret string, ok bool) { return strings.Cut(v, ".") }

// allowed is whether c may be returned to at uri after a logout.
func (c *Client) allowed(uri string) bool { return slices.Contains(c.PostLogoutURIs, uri) }
