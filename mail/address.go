package mail

import (
	"net/mail"
	"strings"
	"unicode"
)

// plain reports whether s is one mailbox and nothing else: ASCII, one @,
// nothing quoted. What could be read in two ways, such as
// a@evil.example@corp.fr, is not written to.
func plain(s string) bool {
	local, domain, ok := strings.Cut(s, "@")
	if !ok || local == "" || len(local) > 64 || len(s) > 254 { // RFC 5321 §4.5.3.1.
		return false
	}
	for _, r := range s {
		if r <= ' ' || r > '~' || strings.ContainsRune(`"(),:;<>[\]`, r) {
			return false
		}
	}
	if strings.Contains(domain, "@") || domain == "" {
		return false
	}
	a, err := mail.ParseAddress(s)
	return err == nil && a.Name == "" && a.Address == s
}

func domain(address string) string {
	_, d, _ := strings.Cut(address, "@")
	return d
}

// longest bounds what people wrote, in characters.
const longest = 200

// clean makes one line of what somebody wrote. A line break in a name would
// be a header of their own (header injection); marks that change the
// direction of the text would let a name run over what follows.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r), unicode.IsControl(r):
			return ' '
		case r == unicode.ReplacementChar, unicode.In(r, unicode.Cf, unicode.Co, unicode.Cs):
			return -1
		default:
			return r
		}
	}, s)
	rs := []rune(strings.Join(strings.Fields(s), " "))
	if len(rs) > longest {
		rs = append(rs[:longest-1], '…')
	}
	return string(rs)
}
