package policy

import (
	_ "embed" // for the built-in rules and the schema
	"iter"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"

	"vestibule/meeting"
)

//go:embed default.cedar
var defaultRules []byte

//go:embed schema.cedarschema
var schemaText []byte

// Rules are the rules of a site, checked and ready. They never change; any
// number of goroutines may ask them. The zero value refuses all but hosts.
type Rules struct {
	rules map[cedar.PolicyID]*rule
	// admit and wait are the rules that concern each question, in the order
	// of the file, so that the same knock always names the same rule.
	admit, wait list
	// person, meeting and context are the attributes the rules look at.
	person, meeting, context attributes
	// memo holds what was decided before; nil where the rules look at times
	// or texts.
	memo *memo
}

// rule is one rule of the file.
type rule struct {
	name    string
	forbids bool
	reason  meeting.Reason // where it forbids
	policy  *cedar.Policy
}

// list implements cedar.PolicyIterator.
type list []*rule

// All implements cedar.PolicyIterator.
func (l list) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		for _, r := range l {
			if !yield(cedar.PolicyID(r.name), r.policy) {
				return
			}
		}
	}
}

// Default returns the built-in rules.
func Default() *Rules {
	r, err := Load("default.cedar", defaultRules)
	if err != nil {
		// They are part of the program and tested; without them the door
		// opens to hosts only.
		return &Rules{}
	}
	return r
}

// Load reads a site's rules. They take the place of the built-in ones. The
// error is errors.Join of every fault, each as name:line:column.
func Load(name string, src []byte) (*Rules, error) {
	c, err := newCheck(name)
	if err != nil {
		return nil, err
	}
	r := &Rules{rules: map[cedar.PolicyID]*rule{}}
	used := map[string]bool{}
	for _, s := range statements(scan(src)) {
		one := c.rule(s, src)
		if one == nil {
			continue
		}
		if r.rules[cedar.PolicyID(one.name)] != nil {
			_, at := s.annotation("id")
			c.fault(at, "a second rule with the @id %q", one.name)
		}
		r.rules[cedar.PolicyID(one.name)] = one
		if concerns(one, toAdmit()) {
			r.admit = append(r.admit, one)
		}
		if concerns(one, toWait()) {
			r.wait = append(r.wait, one)
		}
		look(one, used)
	}
	if !c.permits {
		c.fault(token{line: 1, column: 1}, "no rule permits anything: nobody but hosts would ever get in")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	r.person, r.meeting, r.context = personAttributes().pick(used), meetingAttributes().pick(used), contextAttributes().pick(used)
	r.memo = newMemo(r.person, r.meeting, r.context)
	return r, nil
}

// concerns reports whether the rule has a say in the question.
func concerns(r *rule, action cedar.EntityUID) bool {
	switch s := r.policy.AST().Action.(type) {
	case ast.ScopeTypeEq:
		return s.Entity == action
	case ast.ScopeTypeIn:
		return s.Entity == action
	case ast.ScopeTypeInSet:
		for _, e := range s.Entities {
			if e == action {
				return true
			}
		}
		return false
	default:
		return true
	}
}

// look notes which attributes the rule looks at. A rule that takes a whole
// record (context == {...}) looks at all of them.
func look(r *rule, used map[string]bool) {
	whole := 0
	for _, c := range r.policy.AST().Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			switch n := n.(type) {
			case ast.NodeTypeVariable:
				whole++
			case ast.NodeTypeAccess:
				used[string(n.Value)] = true
				if _, ok := n.Arg.(ast.NodeTypeVariable); ok {
					whole--
				}
			}
			return true
		})
	}
	if whole == 0 {
		return
	}
	for _, a := range [...]attributes{personAttributes(), meetingAttributes(), contextAttributes()} {
		for _, at := range a {
			used[at.name] = true
		}
	}
}
