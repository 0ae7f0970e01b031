package meeting

import (
	"net/mail"
	"strings"
	"unicode/utf8"
)

// Address reports whether s is a plain mailbox: one @, ASCII, nothing quoted
// and no name around it. What programs read in different ways, such as
// a@evil.example@corp.fr, is nobody's address here.
func Address(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || len(s) > 254 { // RFC 5321 §4.5.3.1.
		return false
	}
	for _, r := range s {
		if r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) {
			return false
		}
	}
	if strings.Contains(domain, "@") || !strings.Contains(domain, ".") && domain != "localhost" {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Name == "" && a.Address == s
}

// Phone returns a telephone number in the one form in which it is kept and
// compared (ITU-T E.164: + and 7 to 15 digits, the first not 0), without the
// spaces, dots, dashes and brackets people write; empty where s is no such
// number. A national number, 06 …, is refused rather than guessed at: it is
// somebody else's in the next country.
func Phone(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 40 || !strings.HasPrefix(s, "+") {
		return ""
	}
	n := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\u00a0', '\u202f', '.', '-', '\u2011', '(', ')', '/':
			return -1
		default:
			return r
		}
	}, s[1:])
	if len(n) < 7 || len(n) > 15 || n[0] == '0' || strings.Trim(n, "0123456789") != "" {
		return ""
	}
	return "+" + n
}

// MaskAddress shows enough of an address for its owner to know it, and too
// little for anybody else to learn it: "j•••@exemple.fr". What is no address
// shows nothing.
func MaskAddress(a string) string {
	local, domain, ok := strings.Cut(a, "@")
	if !ok || local == "" || domain == "" {
		return ""
	}
	first, _ := utf8.DecodeRuneInString(local)
	return string(first) + "•••@" + domain
}
