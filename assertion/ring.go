package assertion

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// ring is the keys of one rotation: one that signs and three that are
// published. The last one stays up a whole rotation after it signed, which is
// longer than its assertions and any cache live, and the next one a whole
// rotation before it signs: a backend that holds keys of the last hour, or a
// node whose clock is hours off, never meets a key it cannot know.
type ring struct {
	rotation  int64
	signer    jose.Signer
	published []byte // a JWK set
}

// at answers the ring of now. The caller holds mu.
func (s *Signer) at(now time.Time) (*ring, error) {
	n := now.Unix() / int64(Rotation/time.Second)
	if s.ring != nil && s.ring.rotation == n {
		return s.ring, nil
	}
	var set jose.JSONWebKeySet
	r := &ring{rotation: n}
	for i := n - 1; i <= n+1; i++ {
		k, err := s.key(i)
		if err != nil {
			return nil, err
		}
		set.Keys = append(set.Keys, k.Public())
		if i != n {
			continue
		}
		r.signer, err = jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: k}, (&jose.SignerOptions{}).WithType(Type))
		if err != nil {
			return nil, fmt.Errorf("preparing to sign assertions: %w", err)
		}
	}
	var err error
	if r.published, err = json.Marshal(set); err != nil {
		return nil, fmt.Errorf("encoding keys: %w", err)
	}
	s.ring = r
	return r, nil
}

// key derives the key of a rotation.
//
// It is derived and not kept: every node has the site's secret, so all agree
// without asking the store, also while it is away, and no private key lies in
// Redis or its backups. Who has the secret has the keys of all rotations, and
// every link and session with them; rotation bounds what a single key that got
// out is worth.
func (s *Signer) key(rotation int64) (jose.JSONWebKey, error) {
	n := elliptic.P256().Params().N
	// FIPS 186-5 A.2.1: 64 bits more than n has, modulo n-1, plus 1; the bias
	// is below 2^-64.
	seed, err := hkdf.Key(sha256.New, s.c.Secret, nil, fmt.Sprintf("vestibule assertion key %d", rotation), 40)
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("deriving a key: %w", err)
	}
	d := new(big.Int).SetBytes(seed)
	d.Mod(d, new(big.Int).Sub(n, big.NewInt(1)))
	d.Add(d, big.NewInt(1))
	private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d.FillBytes(make([]byte, 32)))
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("deriving a key: %w", err)
	}
	k := jose.JSONWebKey{Key: private, Algorithm: string(jose.ES256), Use: "sig"}
	thumb, err := k.Thumbprint(crypto.SHA256) // RFC 7638
	if err != nil {
		return jose.JSONWebKey{}, fmt.Errorf("naming a key: %w", err)
	}
	k.KeyID = base64.RawURLEncoding.EncodeToString(thumb)
	return k, nil
}
