package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// SignInLife is how long a person may take at the provider.
const SignInLife = 10 * time.Minute

// Transaction ties an answer to the browser that asked. The gateway seals it
// into a __Host- cookie of SignInLife and deletes it when it is used.
type Transaction struct {
	Provider string    `json:"provider"`
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier,omitempty"` // of PKCE
	Started  time.Time `json:"started"`
}

// Start returns where to send the person, and what to remember until they
// come back. A provider that does not answer is *Unavailable.
func (o *OIDC) Start(ctx context.Context, provider string) (redirect string, tx Transaction, err error) {
	p, ok := o.provider(provider)
	if !ok {
		return "", Transaction{}, fmt.Errorf("starting sign-in: no provider %q", provider)
	}
	m, err := p.learn(ctx)
	if err != nil {
		return "", Transaction{}, err
	}
	tx = Transaction{Provider: p.ID, State: secret(), Nonce: secret(), Started: time.Now()}
	if p.pkce(m) {
		tx.Verifier = oauth2.GenerateVerifier()
	}
	return p.oauth(m).AuthCodeURL(tx.State, p.request(tx)...), tx, nil
}

// request returns the parameters that not every provider is asked.
func (p *provider) request(tx Transaction) []oauth2.AuthCodeOption {
	opts := []oauth2.AuthCodeOption{oidc.Nonce(tx.Nonce)}
	add := func(k, v string) {
		if v != "" {
			opts = append(opts, oauth2.SetAuthURLParam(k, v))
		}
	}
	if tx.Verifier != "" {
		opts = append(opts, oauth2.S256ChallengeOption(tx.Verifier))
	}
	add("prompt", p.Prompt)
	add("claims", p.Claims)
	if !p.Terse {
		add("acr_values", strings.Join(p.ACR, " "))
		if p.MaxAge > 0 {
			add("max_age", strconv.Itoa(int(p.MaxAge/time.Second)))
		}
	}
	for k, v := range p.ExtraParams {
		add(k, v)
	}
	return opts
}

// secret returns 256 random bits in 43 characters; some providers ask for 32
// characters at least.
func secret() string {
	b := make([]byte, 32)
	_, _ = rand.Read(b) // crypto/rand.Read never fails since Go 1.24.
	return base64.RawURLEncoding.EncodeToString(b)
}
