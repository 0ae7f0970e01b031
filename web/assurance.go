package web

import "slices"

// Word is a word of a provider's: a key of the catalogue where a host can be
// told in theirs, else the provider's own.
type Word struct{ Key, Raw string }

// Zero reports whether the provider said nothing.
func (w Word) Zero() bool { return w == Word{} }

// levelOf puts an authentication context (acr) into words. The levels are those
// of eIDAS (Regulation (EU) 910/2014 Article 8); everything else means what its
// provider says it means.
func levelOf(acr string) Word {
	switch acr {
	case "":
		return Word{}
	case "eidas1", "http://eidas.europa.eu/LoA/low":
		return Word{Key: "low"}
	case "eidas2", "http://eidas.europa.eu/LoA/substantial":
		return Word{Key: "substantial"}
	case "eidas3", "http://eidas.europa.eu/LoA/high":
		return Word{Key: "high"}
	default:
		return Word{Raw: acr}
	}
}

// meansOf puts authentication methods (amr) into words, each once.
func meansOf(amr []string) []Word {
	var all []Word
	for _, a := range amr {
		if w := meanOf(a); !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// meanOf knows the words of RFC 8176 and those that ProConnect and Entra use
// beside them.
func meanOf(amr string) Word {
	switch amr {
	case "pwd", "hwk", "swk", "sc", "pin", "kba", "pop", "mail":
		return Word{Key: amr}
	case "rsa": // Entra's word for a certificate, and for a key on the device
		return Word{Key: "pop"}
	case "otp", "totp", "hotp":
		return Word{Key: "otp"}
	case "sms", "tel":
		return Word{Key: "phone"}
	case "mfa", "mca", "ngcmfa":
		return Word{Key: "mfa"}
	case "fido":
		return Word{Key: "hwk"}
	case "face", "fpt", "iris", "retina", "vbm":
		return Word{Key: "bio"}
	case "wia":
		return Word{Key: "device"}
	default:
		return Word{Raw: amr}
	}
}
