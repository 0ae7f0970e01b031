package media

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pion/srtp/v3"
)

// Profile is a suite of RFC 4568 and RFC 7714. The zero value is refused.
type Profile uint8

// The suites, named in an SDP crypto line as their comments say.
const (
	NoProfile Profile = iota
	AES80             // AES_CM_128_HMAC_SHA1_80
	AES32             // AES_CM_128_HMAC_SHA1_32
	GCM128            // AEAD_AES_128_GCM
	GCM256            // AEAD_AES_256_GCM
)

// Keys are what an SDP offer and answer carry for one call (SDES): master key
// and salt in one, as decoded from the inline parameter.
type Keys struct {
	Profile Profile
	// Local encrypts what we send, Remote decrypts what the caller sends.
	Local, Remote []byte
}

// sizes are the lengths of master key and salt.
func (p Profile) sizes() (key, salt int, suite srtp.ProtectionProfile) {
	switch p {
	case AES80:
		return 16, 14, srtp.ProtectionProfileAes128CmHmacSha1_80
	case AES32:
		return 16, 14, srtp.ProtectionProfileAes128CmHmacSha1_32
	case GCM128:
		return 16, 12, srtp.ProtectionProfileAeadAes128Gcm
	case GCM256:
		return 32, 12, srtp.ProtectionProfileAeadAes256Gcm
	}
	return 0, 0, 0
}

// KeySize is how many bytes of master key and salt the profile takes; 0 for
// an unknown one.
func (p Profile) KeySize() int {
	key, salt, _ := p.sizes()
	return key + salt
}

func (k *Keys) check() error {
	if k == nil {
		return nil
	}
	n := k.Profile.KeySize()
	if n == 0 {
		return errors.New("media: keys of no known profile")
	}
	if len(k.Local) != n || len(k.Remote) != n {
		return fmt.Errorf("media: keys of %d and %d bytes, want %d", len(k.Local), len(k.Remote), n)
	}
	return nil
}

// sealsAs and opensAs report whether one half is what it was. Then its context
// goes on: a new one would count from zero, and what is counted twice under one
// key is encrypted with the same bytes (RFC 3711 §9.1).
func (k *Keys) sealsAs(o *Keys) bool {
	if k == nil || o == nil {
		return k == o
	}
	return k.Profile == o.Profile && bytes.Equal(k.Local, o.Local)
}

func (k *Keys) opensAs(o *Keys) bool {
	if k == nil || o == nil {
		return k == o
	}
	return k.Profile == o.Profile && bytes.Equal(k.Remote, o.Remote)
}

// seals returns what encrypts; nil keys return nil: in the clear.
func (k *Keys) seals() (*srtp.Context, error) {
	if k == nil {
		return nil, nil
	}
	return k.context(k.Local)
}

// cage returns what decrypts; nil keys return nil: in the clear.
func (k *Keys) cage() (*cage, error) {
	if k == nil {
		return nil, nil
	}
	sound, err := k.opens()
	if err != nil {
		return nil, err
	}
	reports, err := k.opens()
	if err != nil {
		return nil, err
	}
	return &cage{keys: k, sound: sound, reports: reports}, nil
}

// opens returns one half of a cage, which refuses what was heard before.
func (k *Keys) opens() (*srtp.Context, error) {
	return k.context(k.Remote, srtp.SRTPReplayProtection(128), srtp.SRTCPReplayProtection(128))
}

func (k *Keys) context(master []byte, opts ...srtp.ContextOption) (*srtp.Context, error) {
	key, _, suite := k.Profile.sizes()
	c, err := srtp.CreateContext(master[:key], master[key:], suite, opts...)
	if err != nil {
		return nil, fmt.Errorf("preparing media encryption: %w", err)
	}
	return c, nil
}
