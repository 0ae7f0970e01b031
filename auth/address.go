package auth

import (
	"net/mail"
	"strings"
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
