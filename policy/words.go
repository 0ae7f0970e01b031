package policy

import (
	"slices"
	"strings"
)

// words notes every name in the rule that the schema does not have, and
// returns them. Cedar's own check stops at the first in an expression, knows
// no positions, and takes "has" with a misspelt name for a false condition.
func (c *check) words(s statement) []string {
	var unknown []string
	note := func(at token, word, format string, args ...any) {
		unknown = append(unknown, word)
		c.fault(at, format, args...)
	}
	for i := range s {
		if names := attributesOf(s[i].text); names != nil {
			if at, name := s.attribute(i); name != "" && !slices.Contains(names, name) {
				note(at, name, "%s has no attribute %q; it has %s", s[i].text, name, strings.Join(names, ", "))
			}
			c.spelling(s, i)
		}
		if at, kind := s.entityType(i); kind != "" && !slices.Contains([]string{"Person", "Meeting", "Action"}, kind) {
			note(at, kind, "no entity type %q; there are Person and Meeting", kind)
			continue
		}
		if s.word(i+1) != "::" {
			continue
		}
		id, _ := s.token(i + 2).quoted()
		switch s[i].text {
		case "Action":
			if id != "admit" && id != "wait" {
				note(s.token(i+2), id, "no action %q; there are admit and wait", id)
			}
		case "Person", "Meeting":
			note(s[i], id, "a rule cannot name one %s; it is about what is proved of them", strings.ToLower(s[i].text))
		}
	}
	return unknown
}

// attributesOf returns what a variable of a rule has; nil for what is none.
func attributesOf(variable string) []string {
	var as attributes
	switch variable {
	case "principal":
		as = personAttributes()
	case "resource":
		as = meetingAttributes()
	case "context":
		as = contextAttributes()
	}
	var names []string
	for _, a := range as {
		names = append(names, a.name)
	}
	return names
}

func (s statement) token(i int) token {
	if i < 0 || i >= len(s) {
		return token{}
	}
	return s[i]
}

func (s statement) word(i int) string { return s.token(i).text }

// attribute returns the name that is asked of the variable at i:
// principal.name, principal["name"], principal has name.
func (s statement) attribute(i int) (token, string) {
	at := s.token(i + 2)
	switch s.word(i + 1) {
	case ".", "has":
		if name, ok := at.quoted(); ok {
			return at, name
		}
		return at, at.text
	case "[":
		name, _ := at.quoted()
		return at, name
	}
	return token{}, ""
}

// entityType returns the entity type at i: Type::"id", x is Type.
func (s statement) entityType(i int) (token, string) {
	switch {
	case s.word(i+1) == "::":
		return s[i], s[i].text
	case s[i].text == "is":
		return s.token(i + 1), s.word(i + 1)
	}
	return token{}, ""
}

// spelling notes a text that the attribute at i can never be: compared with
// ==, with !=, or listed in front of .contains(...).
func (c *check) spelling(s statement, i int) {
	at, name := s.attribute(i)
	words := spellings(name)
	if words == nil {
		return
	}
	var texts []token
	for _, side := range [...][2]int{{i - 1, i - 2}, {i + 3, i + 4}} {
		if sign := s.word(side[0]); sign == "==" || sign == "!=" {
			texts = append(texts, s.token(side[1]))
		}
	}
	if s.word(i-1) == "(" && s.word(i-2) == "contains" && s.word(i-4) == "]" {
		for j := i - 5; j >= 0 && s[j].text != "["; j-- {
			texts = append(texts, s[j])
		}
	}
	for _, t := range texts {
		if text, ok := t.quoted(); ok && !slices.Contains(words, text) {
			c.fault(t, "%s is never %q; it is %s", at.text, text, strings.Join(words, " or "))
		}
	}
}
