package policy

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"

	"vestibule/meeting"
)

// check collects every fault of a rule file.
type check struct {
	name    string
	schema  *validate.Validator
	faults  []fault
	permits bool // some rule permits something
}

type fault struct {
	line, column int
	text         string
}

func newCheck(name string) (*check, error) {
	var s schema.Schema
	if err := s.UnmarshalCedar(schemaText); err != nil {
		return nil, fmt.Errorf("reading the schema of the rules: %w", err)
	}
	resolved, err := s.Resolve()
	if err != nil {
		return nil, fmt.Errorf("resolving the schema of the rules: %w", err)
	}
	return &check{name: name, schema: validate.New(resolved)}, nil
}

func (c *check) fault(at token, format string, args ...any) {
	f := fault{at.line, at.column, fmt.Sprintf(format, args...)}
	if !slices.Contains(c.faults, f) {
		c.faults = append(c.faults, f)
	}
}

func (c *check) err() error {
	slices.SortStableFunc(c.faults, func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.column, b.column))
	})
	errs := make([]error, len(c.faults))
	for i, f := range c.faults {
		errs[i] = fmt.Errorf("%s:%d:%d: %s", c.name, f.line, f.column, f.text)
	}
	return errors.Join(errs...)
}

// rule reads one rule and notes its faults. It returns nil for what is no rule.
func (c *check) rule(s statement, src []byte) *rule {
	known := c.words(s)
	p := &cedar.Policy{}
	if err := p.UnmarshalCedar(s.text(src)); err != nil {
		at, text := misread(s, err)
		c.fault(at, "%s", text)
		return nil
	}
	r := &rule{policy: p, forbids: p.Effect() == cedar.Forbid, reason: meeting.NotInvited}
	c.permits = c.permits || !r.forbids
	r.name, _ = s.annotation("id")
	if r.name == "" {
		r.name = fmt.Sprintf("%s:%d", c.name, s[0].line)
	}
	c.annotations(s, r)
	for _, err := range flatten(c.schema.Policy("", (*ast.Policy)(p.AST()))) {
		// Cedar says the same of a word that is already found wanting, and
		// that nothing applies once one is.
		if len(known) > 0 && (strings.HasPrefix(err.Error(), "unable to find an applicable action") || mentions(err, known)) {
			continue
		}
		c.fault(locate(s, err), "%s", err)
	}
	return r
}

func (c *check) annotations(s statement, r *rule) {
	for key := range r.policy.Annotations() {
		value, at := s.annotation(string(key))
		switch key {
		case "id":
			if value == "" {
				c.fault(at, "an @id must not be empty")
			}
		case "reason":
			var ok bool
			if r.reason, ok = reason(value); !ok {
				c.fault(at, "no reason %q; there are %s", value, strings.Join(reasons(), ", "))
			} else if !r.forbids {
				c.fault(at, "a @reason belongs to forbid: what is permitted needs none")
			}
		default:
			c.fault(at, "no annotation @%s; there are @id and @reason", key)
		}
	}
}

// reasons are the audit words that a rule may give, in order.
func reasons() []string {
	var words []string
	for r := meeting.NotFound; ; r++ {
		if r > meeting.NotFound && r.String() == meeting.NotFound.String() {
			return words
		}
		words = append(words, r.String())
	}
}

func reason(word string) (meeting.Reason, bool) {
	i := slices.Index(reasons(), word)
	return meeting.Reason(max(i, 0)), i >= 0
}

// misread says in our words what Cedar's parser could not read, and where. It
// reports the position after the word it stumbled over; we want the word.
func misread(s statement, err error) (at token, text string) {
	m := regexp.MustCompile(`^(parse error at )?<input>:(\d+):(\d+):? ?("(?:[^"\\]|\\.)*":)? ?(.*)$`).FindStringSubmatch(err.Error())
	if m == nil {
		return s[0], err.Error()
	}
	line, _ := strconv.Atoi(m[2])
	column, _ := strconv.Atoi(m[3])
	at, text = s.shift(line, column), m[5]
	ended := m[4] == `"":`
	if m[1] != "" && !ended {
		at = s.before(at)
	}
	if want := regexp.MustCompile(`^exact got .* want (.+)$`).FindStringSubmatch(text); want != nil {
		text = fmt.Sprintf("expected %q", want[1])
	}
	text = strings.NewReplacer("expected ident", "expected a name", "expected string", "expected a text",
		"invalid primary", "expected a value", "unexpected effect:", "expected permit or forbid, found").Replace(text)
	switch {
	case ended:
		text += ", found the end of the file"
	case at.text != "" && !strings.Contains(text, at.text):
		text += fmt.Sprintf(", found %q", at.text)
	}
	return at, text
}

func flatten(err error) []error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, flatten(e)...)
		}
		return all
	}
	return []error{err}
}

func mentions(err error, words []string) bool {
	return slices.ContainsFunc(words, func(w string) bool {
		return strings.Contains(err.Error(), "`"+w+"`") || strings.Contains(err.Error(), `"`+w+`"`)
	})
}

// locate finds the word that Cedar's message puts in back quotes; failing that
// it is the rule itself.
func locate(s statement, err error) token {
	for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(err.Error(), -1) {
		for _, t := range s {
			if t.text == m[1] {
				return t
			}
		}
	}
	return s[0]
}
