package mail

import (
	"strings"
	"unicode"
)

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
