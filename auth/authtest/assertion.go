package authtest

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// assertion checks the proof of a client by its key as RFC 7523 §3 asks.
func (p *Provider) assertion(r *http.Request) error {
	if r.PostFormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || r.PostFormValue("client_secret") != "" {
		return errors.New("no assertion alone")
	}
	jws, err := jose.ParseSignedCompact(r.PostFormValue("client_assertion"), []jose.SignatureAlgorithm{
		jose.RS256, jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
	})
	if err != nil {
		return err
	}
	body, err := jws.Verify(p.ClientKey)
	if err != nil {
		return err
	}
	var c struct {
		Issuer   string `json:"iss"`
		Subject  string `json:"sub"`
		Audience string `json:"aud"`
		ID       string `json:"jti"`
		Expiry   int64  `json:"exp"`
		IssuedAt int64  `json:"iat"`
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return err
	}
	now := time.Now().Unix()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case jws.Signatures[0].Header.KeyID != "door-1":
		return errors.New("kid")
	case c.Issuer != p.ClientID || c.Subject != p.ClientID:
		return errors.New("iss, sub")
	case c.Audience != p.Issuer:
		return errors.New("aud")
	case c.Expiry <= now || c.Expiry > now+60 || c.IssuedAt > now+1:
		return errors.New("exp, iat")
	case len(c.ID) < 16 || p.jtis[c.ID]:
		return errors.New("jti")
	}
	if p.jtis == nil {
		p.jtis = map[string]bool{}
	}
	p.jtis[c.ID] = true
	return nil
}
