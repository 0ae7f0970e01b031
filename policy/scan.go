package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// token is one word, text or sign of a rule file and where it stands. Cedar's
// own tree keeps no positions below the rule, and a fault without its line is
// of no use to whoever has to mend it.
type token struct {
	text         string
	offset       int
	line, column int // from 1; columns count characters
}

func (t token) end() int { return t.offset + len(t.text) }

// quoted returns the text between quotation marks.
func (t token) quoted() (string, bool) {
	if len(t.text) < 2 || t.text[0] != '"' || t.text[len(t.text)-1] != '"' {
		return "", false
	}
	return t.text[1 : len(t.text)-1], true
}

// scan splits a rule file. What Cedar does not know comes back as it stands:
// it is Cedar's to refuse.
func scan(src []byte) []token {
	var tokens []token
	text, line, column := string(src), 1, 1
	for at := 0; at < len(text); {
		n := width(text[at:])
		piece := text[at : at+n]
		if !isSpace(piece) && !strings.HasPrefix(piece, "//") {
			tokens = append(tokens, token{text: piece, offset: at, line: line, column: column})
		}
		if i := strings.LastIndexByte(piece, '\n'); i >= 0 {
			line += strings.Count(piece, "\n")
			column = 1 + utf8.RuneCountInString(piece[i+1:])
		} else {
			column += utf8.RuneCountInString(piece)
		}
		at += n
	}
	return tokens
}

func isSpace(piece string) bool { return strings.TrimSpace(piece) == "" }

// width returns the length of the token that s begins with.
func width(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	switch {
	case unicode.IsSpace(r):
		return n
	case strings.HasPrefix(s, "//"):
		if i := strings.IndexByte(s, '\n'); i >= 0 {
			return i
		}
		return len(s)
	case r == '"':
		return stringWidth(s)
	case isWord(r):
		if i := strings.IndexFunc(s, func(r rune) bool { return !isWord(r) }); i >= 0 {
			return i
		}
		return len(s)
	}
	for _, sign := range [...]string{"::", "==", "!=", "<=", ">=", "&&", "||"} {
		if strings.HasPrefix(s, sign) {
			return len(sign)
		}
	}
	return n
}

func isWord(r rune) bool {
	return r == '_' || r < utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

func stringWidth(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}

// statement is the text of one rule, up to its semicolon.
type statement []token

func statements(tokens []token) []statement {
	var all []statement
	begin := 0
	for i, t := range tokens {
		if t.text == ";" || i == len(tokens)-1 {
			all = append(all, statement(tokens[begin:i+1]))
			begin = i + 1
		}
	}
	return all
}

// text is the rule as it stands in the file.
func (s statement) text(src []byte) []byte { return src[s[0].offset:s[len(s)-1].end()] }

// shift turns a position within the rule's text into one of the file.
func (s statement) shift(line, column int) token {
	if line == 1 {
		column += s[0].column - 1
	}
	return token{line: s[0].line + line - 1, column: column}
}

// before returns the last token that stands before the position.
func (s statement) before(at token) token {
	last := s[0]
	for _, t := range s {
		if t.line > at.line || t.line == at.line && t.column >= at.column {
			break
		}
		last = t
	}
	return last
}

// annotation returns the value of @key and where it stands; at is the start of
// the rule where there is none.
func (s statement) annotation(key string) (value string, at token) {
	for i := 0; i+1 < len(s) && s[i].text != "permit" && s[i].text != "forbid"; i++ {
		if s[i].text != "@" || s[i+1].text != key {
			continue
		}
		if s.word(i+2) != "(" {
			return "", s[i+1]
		}
		value, _ = s.token(i + 3).quoted()
		return value, s.token(i + 3)
	}
	return "", s[0]
}
