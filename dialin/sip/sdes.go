package sip

import (
	"crypto/rand"
	"encoding/base64"
	"strings"

	"github.com/pion/sdp/v3"

	"vestibule/dialin/media"
)

// suites in the order in which they are chosen, the strongest first.
func suites() []struct {
	name    string
	profile media.Profile
} {
	return []struct {
		name    string
		profile media.Profile
	}{
		{"AEAD_AES_256_GCM", media.GCM256},
		{"AEAD_AES_128_GCM", media.GCM128},
		{"AES_CM_128_HMAC_SHA1_80", media.AES80},
		{"AES_CM_128_HMAC_SHA1_32", media.AES32},
	}
}

// suite chooses among the crypto lines of an m-line.
func suite(m *sdp.MediaDescription) (crypto, bool) {
	offered := map[string]crypto{}
	for _, a := range m.Attributes {
		if a.Key != "crypto" {
			continue
		}
		if c, ok := readCrypto(a.Value); ok {
			if _, twice := offered[c.suite]; !twice {
				offered[c.suite] = c
			}
		}
	}
	for _, s := range suites() {
		if c, ok := offered[s.name]; ok {
			return c, true
		}
	}
	return crypto{}, false
}

// readCrypto reads "tag suite inline:key|lifetime|MKI:length params" (RFC 4568
// §9.1). A line that asks for what we do not do, an MKI or unencrypted media,
// is passed over: to answer it would be to agree.
func readCrypto(s string) (crypto, bool) {
	f := strings.Fields(s)
	if len(f) != 3 || len(f[0]) > 9 || strings.Trim(f[0], "0123456789") != "" {
		return crypto{}, false
	}
	c := crypto{tag: f[0], suite: strings.ToUpper(f[1])}
	for _, known := range suites() {
		if known.name == c.suite {
			c.profile = known.profile
		}
	}
	key, ok := strings.CutPrefix(f[2], "inline:")
	if c.profile == media.NoProfile || !ok || strings.Contains(key, ";") {
		return crypto{}, false
	}
	key, rest, _ := strings.Cut(key, "|")
	if strings.Contains(rest, ":") {
		return crypto{}, false // an MKI
	}
	raw, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		raw, err = base64.RawStdEncoding.DecodeString(key)
	}
	c.key = raw
	return c, err == nil && len(raw) == c.profile.KeySize()
}

func inline(key []byte) string { return base64.StdEncoding.EncodeToString(key) }

// fresh makes a master key and salt.
func fresh(p media.Profile) []byte {
	b := make([]byte, p.KeySize())
	_, _ = rand.Read(b) // never fails since Go 1.24
	return b
}

// keys are both halves of an agreed crypto line; nil for plain sound.
func (o *offer) keys(local []byte) *media.Keys {
	if o.crypto.profile == media.NoProfile {
		return nil
	}
	return &media.Keys{Profile: o.crypto.profile, Local: local, Remote: o.crypto.key}
}
