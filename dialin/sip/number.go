package sip

import (
	"slices"
	"strings"
)

// asserted is the caller's number as a trunk vouches for it, else as it says;
// empty where it is withheld. What is private counts for limits and is shown to
// nobody (RFC 3325 §7, §9.3): the host is outside of whom the trunk trusts.
func (r *request) asserted() (number string, private bool) {
	number = claimed(r.header("P-Asserted-Identity"))
	private = r.nameless() || r.asksPrivacy()
	if from := &r.From().Address; number == "" {
		number = numberOf(from.User, from.Host)
	}
	return number, private
}

// claimed is the number in a P-Asserted-Identity. A display name is not looked at:
// it is the caller's own word.
func claimed(v string) string {
	v = v[strings.LastIndexByte(v, '<')+1:]
	scheme, rest, _ := strings.Cut(strings.TrimSpace(v), ":")
	if i := strings.IndexAny(rest, ";>"); i >= 0 {
		rest = rest[:i]
	}
	switch strings.ToLower(scheme) {
	case "sip", "sips":
		if user, host, ok := strings.Cut(rest, "@"); ok {
			return numberOf(user, host)
		}
	case "tel":
		return numberOf(rest, "")
	}
	return ""
}

// numberOf is who a URI names; empty where nobody: so says whoever withholds
// their number (RFC 3323 §4.1.1.3, and what trunks write instead).
func numberOf(user, host string) string {
	if !tokens([]string{user}) || strings.EqualFold(host, "anonymous.invalid") {
		return ""
	}
	if slices.Contains([]string{"anonymous", "restricted", "unavailable", "unknown"}, strings.ToLower(user)) {
		return ""
	}
	return user
}

// nameless reports whether the caller themselves says to be nobody.
func (r *request) nameless() bool {
	from := &r.From().Address
	return from.User != "" && numberOf(from.User, from.Host) == ""
}

// asksPrivacy reports whether the caller is to be told of to nobody (RFC 3323
// §4.2, RFC 3325 §9.3).
func (r *request) asksPrivacy() bool {
	for _, h := range r.GetHeaders("Privacy") {
		for w := range strings.FieldsFuncSeq(h.Value(), func(c rune) bool { return strings.ContainsRune(";, \t", c) }) {
			if slices.Contains([]string{"id", "header", "user"}, strings.ToLower(w)) {
				return true
			}
		}
	}
	return false
}
