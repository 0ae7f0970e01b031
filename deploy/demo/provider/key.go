package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// key signs for the provider: ES256, made at start, never written down.
type key struct {
	private jose.JSONWebKey
}

func newKey() (key, error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return key{}, fmt.Errorf("making the signing key: %w", err)
	}
	j := jose.JSONWebKey{Key: k, Algorithm: string(jose.ES256), Use: "sig"}
	thumb, err := j.Thumbprint(crypto.SHA256)
	if err != nil {
		return key{}, fmt.Errorf("naming the signing key: %w", err)
	}
	j.KeyID = base64.RawURLEncoding.EncodeToString(thumb)
	return key{private: j}, nil
}

// public is the key set applications fetch.
func (k key) public() jose.JSONWebKeySet {
	return jose.JSONWebKeySet{Keys: []jose.JSONWebKey{k.private.Public()}}
}

// sign makes a token of the given type.
func (k key) sign(typ string, claims map[string]any) (string, error) {
	opts := (&jose.SignerOptions{}).WithType(jose.ContentType(typ))
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k.private}, opts)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	signed, err := signer.Sign(b)
	if err != nil {
		return "", fmt.Errorf("signing a token: %w", err)
	}
	return signed.CompactSerialize()
}

// hint is what an ID token given back at logout still says.
type hint struct {
	Issuer   string `json:"iss"`
	Subject  string `json:"sub"`
	Audience string `json:"aud"` // ours always have one
	Session  string `json:"sid"`
}

// read opens a token we signed ourselves. Its expiry does not matter at
// logout (RP-Initiated Logout §2); its type does, or a logout token would
// pass for an ID token.
func (k key) read(raw string) (hint, error) {
	t, err := jose.ParseSignedCompact(raw, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return hint{}, fmt.Errorf("reading a token: %w", err)
	}
	b, err := t.Verify(k.private.Public())
	if err != nil {
		return hint{}, fmt.Errorf("reading a token: %w", err)
	}
	if t.Signatures[0].Header.ExtraHeaders[jose.HeaderType] != "JWT" {
		return hint{}, errors.New("reading a token: not an ID token")
	}
	var h hint
	if err := json.Unmarshal(b, &h); err != nil {
		return hint{}, fmt.Errorf("reading a token: %w", err)
	}
	return h, nil
}

// half is the left half of a SHA-256 (OpenID Connect Core §3.1.3.6).
func half(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:len(sum)/2])
}
