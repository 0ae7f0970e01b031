package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"math/big"
	"strings"
	"unicode"
)

// Digits is how many a code has. What may be done with one is in package
// meeting.
const Digits = 6

// Codes makes one-time codes and the HMACs that are stored in their place.
// It holds no state: whose code is open, and how many tries are left, lives
// in the invitation and changes with it in one transaction.
type Codes struct {
	// Key is the site's secret, at least 32 bytes. A shorter key makes every
	// MAC nil, and a nil MAC fits no code.
	Key []byte
}

// New returns a fresh code of Digits digits, each as likely as any other.
func (c Codes) New() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		panic(err) // crypto/rand has not failed since Go 1.24; guessing a code would be worse.
	}
	s := n.String()
	return strings.Repeat("0", Digits-len(s)) + s
}

// MAC returns what is stored for a code. It is bound to ONE invitation of one
// meeting, because a code that is looked up among all open ones would be
// guessed a thousand times faster; and to the address or number it was sent
// to, because that is what it proves.
func (c Codes) MAC(meeting, invitation, to, code string) []byte {
	if len(c.Key) < sha256.Size {
		return nil
	}
	h := hmac.New(sha256.New, c.Key)
	for _, part := range []string{"vestibule one-time code", meeting, invitation, to, code} {
		// The length goes first, so that no two lists write the same bytes.
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return h.Sum(nil)
}

// Equal reports whether two MACs are the same, in constant time. Nothing
// equals a missing one.
func (c Codes) Equal(a, b []byte) bool {
	return len(a) == sha256.Size && hmac.Equal(a, b)
}

// Clean returns the Digits ASCII digits that a person meant, or "". People
// paste codes with spaces and dashes, and type them with the digits of their
// own keyboard: full-width, Arabic, Persian, Devanagari.
func Clean(input string) string {
	if len(input) > 256 {
		return ""
	}
	var b strings.Builder
	for _, r := range input {
		d, ok := digit(r)
		switch {
		case ok:
			b.WriteByte('0' + d)
		case unicode.IsSpace(r), unicode.Is(unicode.Pd, r), unicode.Is(unicode.Cf, r), r == '.', r == '\u2212':
			// What programs put between and around digits: spaces, dashes,
			// a minus sign, and the invisible marks of right-to-left text.
		default:
			return ""
		}
	}
	if b.Len() != Digits {
		return ""
	}
	return b.String()
}

// digit returns the value of a decimal digit in any of the scripts people
// here type in.
func digit(r rune) (byte, bool) {
	for _, zero := range []rune{'0', '٠', '۰', '०', '০', '０'} {
		if r >= zero && r <= zero+9 {
			return byte(r - zero), true
		}
	}
	return 0, false
}
