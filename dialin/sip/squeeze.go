package sip

import (
	"bytes"
	"strings"
)

// squeeze takes the optional white space out of the headers that name the
// ends of a call, and unfolds them (RFC 3261 §7.3.1). Some old devices write
// it, and the library would take it for part of a name or value.
func squeeze(b []byte) []byte {
	head, body, ok := bytes.Cut(b, []byte("\r\n\r\n"))
	if !ok || !spaced(head) {
		return b
	}
	text := strings.NewReplacer("\r\n ", " ", "\r\n\t", " ").Replace(string(head))
	lines := strings.Split(text, "\r\n")
	for i, l := range lines[1:] {
		name, value, ok := strings.Cut(l, ":")
		switch strings.ToLower(strings.TrimSpace(name)) {
		case "from", "f", "to", "t", "via", "v", "contact", "m", "cseq":
			if ok {
				lines[i+1] = strings.TrimSpace(name) + ": " + tighten(value)
			}
		}
	}
	return append([]byte(strings.Join(lines, "\r\n")+"\r\n\r\n"), body...)
}

func spaced(head []byte) bool {
	for _, s := range []string{"\r\n ", "\r\n\t", " ;", "; ", " =", "= ", "/ ", " /"} {
		if bytes.Contains(head, []byte(s)) {
			return true
		}
	}
	return false
}

// tighten drops white space beside ; = / and , and makes the rest single, but
// not within quotes or angle brackets.
func tighten(s string) string {
	var b strings.Builder
	var quoted, bracketed, space bool
	last := byte(';')
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case quoted:
			b.WriteByte(c)
			if c == '\\' && i+1 < len(s) {
				i++
				b.WriteByte(s[i])
			}
			quoted = c != '"'
			last = c
			continue
		case !bracketed && (c == ' ' || c == '\t'):
			space = true
			continue
		}
		if space && !strings.ContainsRune(";=/,", rune(c)) && !strings.ContainsRune(";=/,", rune(last)) {
			b.WriteByte(' ')
		}
		space = false
		quoted = c == '"' && !bracketed
		bracketed = c == '<' || bracketed && c != '>'
		b.WriteByte(c)
		last = c
	}
	return b.String()
}
