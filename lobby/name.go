package lobby

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxName bounds a display name, in characters.
const MaxName = 60

// maxMarks bounds the marks on one letter. Hebrew with cantillation needs
// three; more is a tower that covers the lines above and below.
const maxMarks = 4

// CleanText returns s in NFC without control, format and bidirectional
// characters, without what is there and not seen, with single spaces, cut to
// limit characters (T21, T68).
func CleanText(s string, limit int) string {
	// More than this cannot be left over; NFC of what was sent would be work
	// for nothing.
	if most := 16 * (limit + 1) * 4; len(s) > most {
		s = s[:most]
	}
	var b strings.Builder
	space, marks := false, 0
	for _, r := range norm.NFD.String(strings.ToValidUTF8(s, "")) {
		switch {
		case unicode.IsSpace(r):
			space, marks = b.Len() > 0, 0
			continue
		case !seen(r):
			continue
		case unicode.Is(unicode.M, r):
			if marks++; marks > maxMarks || b.Len() == 0 || space {
				continue // no letter to stand on
			}
		default:
			marks = 0
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	r := []rune(norm.NFC.String(b.String()))
	return strings.TrimSpace(string(r[:min(len(r), limit)]))
}

// seen reports whether a character shows. Not graphic are the controls, the
// bidi overrides and zero-width marks (Cf), private use and what is not assigned;
// the rest is graphic by its category and invisible all the same.
func seen(r rune) bool {
	return unicode.IsGraphic(r) && r != unicode.ReplacementChar && r != '\u2800' &&
		!unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// Resembles reports whether two names could be taken for one another by a host
// who glances: same letters after case, accents, spacing, order of the words,
// titles and the commonest look-alikes of other scripts are folded away
// (UTS #39 §4, a small part).
func Resembles(a, b string) bool {
	x, y := words(a), words(b)
	if len(x) == 0 || len(y) == 0 {
		return false
	}
	if strings.Join(x, "") == strings.Join(y, "") {
		return true
	}
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// Abbreviates reports whether one of two names may be a shorter way to write the
// other: it leaves words out, or writes them as initials.
func Abbreviates(a, b string) bool {
	x, y := words(a), words(b)
	if len(x) > len(y) {
		x, y = y, x
	}
	if len(x) == 0 || Resembles(a, Initials(b)) || Resembles(Initials(a), b) {
		return len(x) > 0
	}
	// Whole words first, so that no initial takes the word of another.
	for _, same := range []func(v, w string) bool{
		func(v, w string) bool { return v == w },
		func(v, w string) bool {
			return utf8.RuneCountInString(v) == 1 && strings.HasPrefix(w, v) || utf8.RuneCountInString(w) == 1 && strings.HasPrefix(v, w)
		},
	} {
		x = slices.DeleteFunc(x, func(v string) bool {
			i := slices.IndexFunc(y, func(w string) bool { return same(v, w) })
			if i >= 0 {
				y = slices.Delete(y, i, i+1)
			}
			return i >= 0
		})
	}
	return len(x) == 0
}

// words returns the skeletons of a name's words. A title makes nobody another
// person, unless there is nothing else.
func words(s string) []string {
	var all, named []string
	for w := range strings.FieldsFuncSeq(s, func(r rune) bool { return unicode.IsSpace(r) || r == '.' || r == ',' }) {
		w = skeleton(w)
		if w == "" {
			continue
		}
		all = append(all, w)
		if !title(w) {
			named = append(named, w)
		}
	}
	if len(named) == 0 {
		return all
	}
	return named
}

// title reports whether a skeleton is a title. There, l stands as i.
func title(w string) bool {
	switch w {
	case "dr", "dre", "docteur", "docteure", "doctor", "pr", "pre", "prof", "professeur", "professeure", "professor",
		"m", "mr", "mrs", "ms", "mme", "miie", "monsieur", "madame":
		return true
	}
	return false
}

// skeleton returns the letters and digits of a word as they look.
func skeleton(s string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(norm.NFKD.String(strings.ToLower(s))) {
		r = looksLike(r)
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// looksLike returns the small Latin letter that a small letter is taken for.
func looksLike(r rune) rune {
	switch r {
	case 'а', 'α', 'ɑ': // Cyrillic a, Greek alpha, Latin alpha
		return 'a'
	case 'в', 'β', 'ь': // Cyrillic ve, Greek beta, Cyrillic soft sign
		return 'b'
	case 'с', 'ς': // Cyrillic es, Greek final sigma, which the lunate one becomes
		return 'c'
	case 'ԁ', 'đ':
		return 'd'
	case 'е', 'ε': // Cyrillic ie, Greek epsilon
		return 'e'
	case 'ɡ', 'ց': // Latin script g, Armenian co
		return 'g'
	case 'н', 'һ', 'η', 'հ': // Cyrillic en and shha, Greek eta, Armenian ho
		return 'h'
	case '1', 'l', '|', 'і', 'ı', 'ι', 'ł', 'ӏ': // also Ukrainian i, dotless i, Greek iota, palochka
		return 'i'
	case 'ј', 'ϳ':
		return 'j'
	case 'к', 'κ':
		return 'k'
	case 'м', 'μ':
		return 'm'
	case 'ո', 'п', 'ν': // Armenian vo; Cyrillic pe; Greek nu, whose capital is an N
		return 'n'
	case '0', 'о', 'ο', 'ø', 'օ', 'σ': // also Cyrillic o, Greek omicron, Armenian oh
		return 'o'
	case 'р', 'ρ': // Cyrillic er, Greek rho
		return 'p'
	case 'ԛ':
		return 'q'
	case 'г': // Cyrillic ghe
		return 'r'
	case 'ѕ', '5':
		return 's'
	case 'т', 'τ':
		return 't'
	case 'υ', 'ս': // Greek upsilon, Armenian seh
		return 'u'
	case 'ѵ':
		return 'v'
	case 'ԝ', 'ω':
		return 'w'
	case 'х', 'χ':
		return 'x'
	case 'у', 'ү', 'γ': // Cyrillic u and straight u, Greek gamma
		return 'y'
	case 'ζ':
		return 'z'
	}
	return r
}

// MixedScripts reports whether a word of a name mixes scripts that are not used
// together in one word.
func MixedScripts(s string) bool {
	alone := [...]*unicode.RangeTable{
		unicode.Latin, unicode.Cyrillic, unicode.Greek, unicode.Armenian, unicode.Georgian, unicode.Cherokee,
		unicode.Hebrew, unicode.Arabic,
	}
	for word := range strings.FieldsSeq(s) {
		first := -1
		for _, r := range word {
			i := slices.IndexFunc(alone[:], func(t *unicode.RangeTable) bool { return unicode.Is(t, r) })
			if i >= 0 && first >= 0 && i != first {
				return true
			}
			if i >= 0 {
				first = i
			}
		}
	}
	return false
}
