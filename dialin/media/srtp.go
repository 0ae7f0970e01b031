package media

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

// KeySize is how many bytes of master key and salt the profile takes; 0 for
// an unknown one.
func (p Profile) KeySize() int {
	switch p {
	case AES80, AES32:
		return 16 + 14
	case GCM128:
		return 16 + 12
	case GCM256:
		return 32 + 12
	}
	return 0
}
