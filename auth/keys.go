package auth

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// keyPause is the time in which one more fetch of a provider's keys becomes
// allowed. Without it each forged token would cause one.
const keyPause = 30 * time.Second

var (
	errSignature = errors.New("signature")
	errKey       = errors.New("kid")
)

// keys are a provider's public keys, fetched when a token names one that is
// not known, and again after an hour, so that a withdrawn key is forgotten.
type keys struct {
	provider *provider
	turn     chan struct{} // held by whoever fetches

	mu      sync.Mutex // guards the rest
	address string
	set     []published
	fetched time.Time
	// Budgets of their own, so that forged logout and access tokens, which
	// anybody can send, do not use up the fetch of a person who signs in while
	// keys rotate.
	login, logout, machine budget
}

func newKeys(p *provider) *keys {
	return &keys{
		provider: p,
		turn:     make(chan struct{}, 1),
		login:    budget{most: 2},
		logout:   budget{most: 1},
		machine:  budget{most: 1},
	}
}

// published is a key as its provider publishes it.
type published struct {
	jose.JSONWebKey
	// issuer is whose tokens it signs, as Entra says beside it; with tenantMark it
	// is any institution's. Empty: it does not say.
	issuer string
}

// at sets where the keys are published.
func (k *keys) at(address string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.address != address {
		k.address, k.set, k.fetched = address, nil, time.Time{}
	}
}

// view is the keys as one verification sees them: it implements oidc.KeySet
// and keeps the cause, which go-oidc turns into text.
type view struct {
	keys   *keys
	budget *budget
	err    error
}

func (k *keys) forLogin() *view  { return &view{keys: k, budget: &k.login} }
func (k *keys) forLogout() *view { return &view{keys: k, budget: &k.logout} }
func (k *keys) forAccess() *view { return &view{keys: k, budget: &k.machine} }

// VerifySignature implements oidc.KeySet.
func (v *view) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := v.verify(ctx, jwt)
	v.err = err
	return payload, err
}

func (v *view) verify(ctx context.Context, jwt string) ([]byte, error) {
	var algs []jose.SignatureAlgorithm
	for _, a := range algorithms() {
		algs = append(algs, jose.SignatureAlgorithm(a))
	}
	jws, err := jose.ParseSignedCompact(jwt, algs)
	if err != nil || len(jws.Signatures) != 1 {
		return nil, errSignature
	}
	set, fetched := v.keys.current(time.Now())
	issuer := v.keys.provider.issuer(jwt)
	payload, err := verify(jws, v.keys.provider.signing(set, issuer))
	if err == nil {
		return payload, nil
	}
	// OpenID Connect Core §10.1.1: an unknown key may be a new one.
	newer, fetchErr := v.keys.fetch(ctx, v.budget, fetched)
	switch {
	case fetchErr != nil:
		return nil, fetchErr
	case newer == nil:
		return nil, err // None is allowed just now.
	default:
		return verify(jws, v.keys.provider.signing(newer, issuer))
	}
}

// verify checks a signature against the keys it may be from.
func verify(jws *jose.JSONWebSignature, set []jose.JSONWebKey) ([]byte, error) {
	h := jws.Signatures[0].Header
	var fit []jose.JSONWebKey
	for _, key := range set {
		if fits(key, h) {
			fit = append(fit, key)
		}
	}
	// Core §10.1: without a kid there must be one key only to choose from.
	if len(fit) == 0 || h.KeyID == "" && len(fit) > 1 {
		return nil, errKey
	}
	for i := range fit {
		if payload, err := jws.Verify(&fit[i]); err == nil {
			return payload, nil
		}
	}
	return nil, errSignature
}

func fits(key jose.JSONWebKey, h jose.Header) bool {
	if !key.IsPublic() || key.Use == "enc" {
		return false
	}
	if h.KeyID != "" && key.KeyID != h.KeyID {
		return false
	}
	if key.Algorithm != "" && key.Algorithm != h.Algorithm {
		return false
	}
	r, isRSA := key.Key.(*rsa.PublicKey)
	if isRSA && r.N.BitLen() < 2048 { // RFC 7518 §3.3.
		return false
	}
	return isRSA == (h.Algorithm[0] == 'R' || h.Algorithm[0] == 'P')
}

// current returns the keys, or none once they are too old.
func (k *keys) current(now time.Time) ([]published, time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if now.After(k.fetched.Add(refresh)) {
		return nil, k.fetched
	}
	return k.set, k.fetched
}

// fetch returns keys newer than those seen at the given time; nil when the
// budget does not allow to ask for them.
func (k *keys) fetch(ctx context.Context, b *budget, seen time.Time) ([]published, error) {
	select {
	case k.turn <- struct{}{}:
		defer func() { <-k.turn }()
	case <-ctx.Done():
		return nil, k.provider.unavailable(ctx.Err())
	}
	k.mu.Lock()
	set, fetched, address := k.set, k.fetched, k.address
	switch {
	case fetched.After(seen):
		k.mu.Unlock()
		return set, nil // Somebody else just fetched them.
	case !b.take(time.Now()):
		k.mu.Unlock()
		return nil, nil
	}
	k.mu.Unlock()
	set, err := k.download(context.WithoutCancel(ctx), address)
	if err != nil {
		return nil, k.provider.unavailable(err) // The old ones stay for their hour.
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.set, k.fetched = set, time.Now()
	return set, nil
}

func (k *keys) download(ctx context.Context, address string) ([]published, error) {
	body, _, status, err := k.provider.get(ctx, "keys", address, "", "application/jwk-set+json, application/json")
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("keys: status %d", status)
	}
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if json.Unmarshal(body, &raw) != nil {
		return nil, errors.New("keys: they are not JSON")
	}
	var set []published
	for _, r := range raw.Keys {
		var key jose.JSONWebKey
		var said struct {
			Issuer string `json:"issuer"`
		}
		// RFC 7517 §5: keys of a kind that is not understood are ignored.
		if json.Unmarshal(r, &key) == nil && key.Valid() && json.Unmarshal(r, &said) == nil {
			set = append(set, published{key, said.Issuer})
		}
	}
	if len(set) == 0 {
		return nil, errors.New("keys: there are none")
	}
	return set, nil
}

// budget allows so many fetches at once and one more each keyPause.
type budget struct {
	most  int
	spent int
	since time.Time
}

func (b *budget) take(now time.Time) bool {
	if n := int(now.Sub(b.since) / keyPause); n > 0 {
		b.spent = max(0, b.spent-n)
		b.since = b.since.Add(time.Duration(n) * keyPause)
	}
	if b.spent == 0 {
		b.since = now
	}
	if b.spent >= b.most {
		return false
	}
	b.spent++
	return true
}
