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

// CutPhone takes an international number out of a line that somebody wrote, and
// answers what is left of it; no number, where there is none.
func CutPhone(line string) (rest, number string) {
	for i, r := range line {
		if r != '+' || i > 0 && !strings.ContainsRune(" \t\u00a0,;:<(", lastRune(line[:i])) {
			continue // the + of a tag in an address
		}
		n := strings.IndexFunc(line[i+1:], func(r rune) bool {
			return (r < '0' || r > '9') && !strings.ContainsRune(" \u00a0\u202f.-\u2011()/", r)
		})
		end := len(line)
		if n >= 0 {
			end = i + 1 + n
		}
		if number = Phone(line[i:end]); number != "" {
			return strings.TrimSpace(strings.TrimRight(line[:i], " ,;<(") + " " + strings.TrimLeft(line[end:], ">) ,;")), number
		}
	}
	return line, ""
}

func lastRune(s string) rune {
	r, _ := utf8.DecodeLastRuneInString(s)
	return r
}

// NearlyPhone reports whether a line holds what looks like a telephone number
// and is not an international one, such as 06 12 34 56 42.
func NearlyPhone(line string) bool {
	n := 0
	for _, r := range line {
		switch {
		case r >= '0' && r <= '9':
			if n++; n >= 8 {
				return true
			}
		case strings.ContainsRune(" \u00a0\u202f.-\u2011()/", r):
		default:
			n = 0
		}
	}
	return false
}

// MaskPhone is the same for a telephone number, for whoever holds a link:
// "•• •• •• 42".
func MaskPhone(number string) string {
	if len(number) < 6 {
		return ""
	}
	return "••\u00a0••\u00a0••\u00a0" + number[len(number)-2:]
}

// CountryPhone shows a host where a number is at home as well: "+33 … 42".
func CountryPhone(number string) string {
	if len(number) < 6 {
		return ""
	}
	return number[:1+callingCode(number[1:])] + "\u00a0…\u00a0" + number[len(number)-2:]
}

// callingCode is how many digits the country has (ITU-T E.164, list of assigned
// country codes: one for zones 1 and 7, two for those below, else three).
func callingCode(digits string) int {
	switch {
	case digits[0] == '1' || digits[0] == '7':
		return 1
	case strings.Contains(" 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 93 94 95 98 ", " "+digits[:2]+" "):
		return 2
	default:
		return 3
	}
}
