package lobby

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// MaxName bounds a display name, in characters.
const MaxName = 60

// CleanText returns s in NFC without control, format and bidirectional
// characters and with single spaces, cut to limit characters (T21, T68).
func CleanText(s string, limit int) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range norm.NFC.String(strings.ToValidUTF8(s, "")) {
		if unicode.IsSpace(r) {
			space = b.Len() > 0
			continue
		}
		// Cf holds the bidi overrides and zero-width marks that make one
		// name look like another's.
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs) || r == unicode.ReplacementChar {
			continue
		}
		if space {
			b.WriteByte(' ')
			n, space = n+1, false
		}
		if n++; n > limit {
			break
		}
		b.WriteRune(r)
	}
	return strings.TrimSpace(b.String())
}

// Resembles reports whether two names could be taken for one another by a host
// who glances: same letters after case, accents, spacing and the commonest
// look-alikes of other scripts are folded away (UTS #39 §4, a small part).
func Resembles(a, b string) bool {
	x, y := skeleton(a), skeleton(b)
	return x != "" && x == y
}

// MixedScripts reports whether a name mixes scripts that are not used together
// in one word.
func MixedScripts(s string) bool {
	for word := range strings.FieldsSeq(s) {
		var latin, cyrillic, greek bool
		for _, r := range word {
			latin = latin || unicode.Is(unicode.Latin, r)
			cyrillic = cyrillic || unicode.Is(unicode.Cyrillic, r)
			greek = greek || unicode.Is(unicode.Greek, r)
		}
		if latin && (cyrillic || greek) || cyrillic && greek {
			return true
		}
	}
	return false
}

func skeleton(s string) string {
	var b strings.Builder
	for _, r := range norm.NFKD.String(strings.ToLower(s)) {
		if l, ok := lookalike(r); ok {
			r = l
		}
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(r)
		}
	}
	t := b.String()
	for _, title := range []string{"dr", "docteur", "doctor", "pr", "professeur", "prof", "mme", "mr", "m"} {
		// A title makes nobody another person.
		if rest, ok := strings.CutPrefix(strings.ToLower(s), title+" "); ok && rest != "" {
			return skeleton(rest)
		}
		if rest, ok := strings.CutPrefix(strings.ToLower(s), title+". "); ok && rest != "" {
			return skeleton(rest)
		}
	}
	return t
}

// lookalike maps a letter to the Latin letter it is taken for.
func lookalike(r rune) (rune, bool) {
	const from = "аеорсухкмтнвіјѕԁοαρνικτυχε01l"
	const to = "aeopcyxkmthbijsdoapviktuxeoii"
	i := 0
	for _, f := range from {
		if f == r {
			return []rune(to)[i], true
		}
		i++
	}
	return r, false
}
