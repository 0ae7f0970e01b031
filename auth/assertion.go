package auth

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/oauth2"
)

// assertionLife is how long an assertion is good. RFC 7523 §3 asks for an end;
// it is used at once.
const assertionLife = time.Minute

// ParseKey reads the private key for Provider.Key from PEM: PKCS #8, PKCS #1 or
// SEC 1. Its errors repeat nothing of it.
func ParseKey(text []byte) (crypto.Signer, error) {
	block, rest := pem.Decode(text)
	for block != nil && block.Type == "EC PARAMETERS" { // as openssl ecparam -genkey writes
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil, errors.New("holds no PEM")
	}
	var key any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		key, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return nil, errors.New("holds no private key that is not encrypted")
	}
	signer, ok := key.(crypto.Signer)
	if err != nil || !ok {
		return nil, errors.New("holds no private key")
	}
	_, err = keyAlgorithm(signer)
	return signer, err
}

// keyAlgorithm is what a key signs with.
func keyAlgorithm(k crypto.Signer) (jose.SignatureAlgorithm, error) {
	switch k := k.(type) {
	case *rsa.PrivateKey:
		if k.N.BitLen() < 2048 { // RFC 7518 §3.3.
			return "", errors.New("an RSA key needs 2048 bits")
		}
		return jose.RS256, nil
	case *ecdsa.PrivateKey:
		switch k.Curve {
		case elliptic.P256():
			return jose.ES256, nil
		case elliptic.P384():
			return jose.ES384, nil
		case elliptic.P521():
			return jose.ES512, nil
		}
	case ed25519.PrivateKey:
		return jose.EdDSA, nil
	}
	return "", errors.New("want RSA, P-256, P-384, P-521 or Ed25519")
}

// checkKey refuses a way to prove the client that is not whole.
func (p Provider) checkKey() error {
	if p.Key == nil {
		if p.ClientAuth == "private_key_jwt" {
			return errors.New("client_key: private_key_jwt needs one")
		}
		return nil
	}
	var faults []error
	if p.ClientSecret != "" || p.ClientAuth != "auto" && p.ClientAuth != "private_key_jwt" {
		faults = append(faults, errors.New("client_key: the client is proved by a secret already"))
	}
	if _, err := keyAlgorithm(p.Key); err != nil {
		faults = append(faults, fmt.Errorf("client_key: %w", err))
	}
	return errors.Join(faults...)
}

// public reports whether the client has nothing to prove itself with.
func (p Provider) public() bool { return p.ClientSecret == "" && p.Key == nil }

// assertion proves the client by its key (RFC 7523 §2.2, Core §9).
func (p *provider) assertion(now time.Time) ([]oauth2.AuthCodeOption, error) {
	if p.Key == nil {
		return nil, nil
	}
	audience := p.ClientAudience
	if audience == "" {
		audience = p.Issuer
	}
	body, err := json.Marshal(map[string]any{
		"iss": p.ClientID, "sub": p.ClientID, "aud": audience, // §3: 1 to 3
		"exp": now.Add(assertionLife).Unix(), "iat": now.Unix(), "nbf": now.Unix(), // 4 to 6
		"jti": rand.Text(), // 7
	})
	if err != nil {
		return nil, fmt.Errorf("encoding assertion: %w", err)
	}
	alg, err := keyAlgorithm(p.Key)
	if err != nil {
		return nil, err
	}
	s, err := jose.NewSigner(jose.SigningKey{
		Algorithm: alg, Key: jose.JSONWebKey{Key: p.Key, KeyID: p.KeyID},
	}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return nil, fmt.Errorf("signing assertion: %w", err)
	}
	jws, err := s.Sign(body)
	if err != nil {
		return nil, fmt.Errorf("signing assertion: %w", err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		return nil, fmt.Errorf("signing assertion: %w", err)
	}
	return []oauth2.AuthCodeOption{
		oauth2.SetAuthURLParam("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
		oauth2.SetAuthURLParam("client_assertion", token),
	}, nil
}
