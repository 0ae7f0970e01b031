package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// Fault is one thing that is wrong with the file, and what to do about it.
type Fault struct {
	File      string
	Line, Col int
	Key       string
	// What is wrong, with the value where it is no secret, and the bound.
	What string
	Hint string
}

// Error implements error: file:line:col: key: what (hint).
func (f *Fault) Error() string {
	s := fmt.Sprintf("%s:%d:%d: ", f.File, f.Line, f.Col)
	if f.Key != "" {
		s += f.Key + ": "
	}
	s += f.What
	if f.Hint != "" {
		s += " (" + f.Hint + ")"
	}
	return s
}

type position struct{ line, col int }

// decoder fills a File from a syntax tree. The library's own strict decoding
// stops at the first fault; an administrator wants them all.
type decoder struct {
	name   string
	where  map[string]position
	faults []*Fault
}

func (d *decoder) fault(p position, key, what, hint string) {
	d.faults = append(d.faults, &Fault{File: d.name, Line: p.line, Col: p.col, Key: key, What: what, Hint: hint})
}

// decode reads src into f as far as it can, and answers whether it is YAML at
// all.
func (d *decoder) decode(src []byte, f *File) (readable bool) {
	file, err := parser.ParseBytes(src, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		d.syntax(err)
		return false
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		d.fault(position{1, 1}, "", "the file is empty", "start from the example: vestibule check --example")
		return false
	}
	if len(file.Docs) > 1 {
		d.fault(place(file.Docs[1].Body), "", "a second document", "one file, one configuration: remove ---")
	}
	d.node(file.Docs[0].Body, reflect.ValueOf(f).Elem(), "")
	return true
}

// syntax tells of text that is no YAML.
func (d *decoder) syntax(err error) {
	p := position{1, 1}
	what, _, _ := strings.Cut(err.Error(), "\n")
	// The parser writes [line:col] first.
	if rest, ok := strings.CutPrefix(what, "["); ok {
		at, text, _ := strings.Cut(rest, "] ")
		l, c, _ := strings.Cut(at, ":")
		p.line, _ = strconv.Atoi(l)
		p.col, _ = strconv.Atoi(c)
		what = text
	}
	d.fault(p, "", "not YAML: "+what, "")
}

func place(n ast.Node) position {
	var t *token.Token
	if n != nil {
		t = n.GetToken()
	}
	if t == nil || t.Position == nil {
		return position{1, 1}
	}
	return position{t.Position.Line, t.Position.Column}
}

// node decodes one value.
func (d *decoder) node(n ast.Node, v reflect.Value, key string) {
	if _, ok := d.where[key]; !ok {
		d.where[key] = place(n)
	}
	switch t := n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode, *ast.TagNode:
		d.fault(place(n), key, "anchors, aliases and tags are not understood here", "write the value out")
		return
	case *ast.NullNode:
		d.fault(place(n), key, "has no value", "write one, or remove the line")
		return
	case *ast.MappingValueNode:
		d.mapping([]*ast.MappingValueNode{t}, n, v, key)
		return
	case *ast.MappingNode:
		d.mapping(t.Values, n, v, key)
		return
	case *ast.SequenceNode:
		d.sequence(t, v, key)
		return
	}
	d.scalar(n, v, key)
}

func (d *decoder) mapping(pairs []*ast.MappingValueNode, n ast.Node, v reflect.Value, key string) {
	seen := map[string]bool{}
	for _, p := range pairs {
		name := p.Key.GetToken().Value
		full := name
		if key != "" {
			full = key + "." + name
		}
		if seen[name] {
			d.fault(place(p.Key), full, "is said twice", "keep one")
			continue
		}
		seen[name] = true
		d.where[full] = place(p.Key)
		switch v.Kind() {
		case reflect.Struct:
			field, known := fieldOf(v, name)
			if !known {
				d.fault(place(p.Key), full, "is not a setting", meant(v, name))
				continue
			}
			d.node(p.Value, field, full)
		case reflect.Map:
			if v.IsNil() {
				v.Set(reflect.MakeMap(v.Type()))
			}
			var s string
			d.node(p.Value, reflect.ValueOf(&s).Elem(), full)
			v.SetMapIndex(reflect.ValueOf(name), reflect.ValueOf(s))
		default:
			d.fault(place(n), key, "takes no settings of its own", "")
			return
		}
	}
}

func (d *decoder) sequence(t *ast.SequenceNode, v reflect.Value, key string) {
	if v.Kind() != reflect.Slice {
		d.fault(place(t), key, "is one value, not a list", "")
		return
	}
	list := reflect.MakeSlice(v.Type(), len(t.Values), len(t.Values))
	for i, e := range t.Values {
		d.node(e, list.Index(i), fmt.Sprintf("%s[%d]", key, i))
	}
	v.Set(list)
}

func (d *decoder) scalar(n ast.Node, v reflect.Value, key string) {
	text := n.GetToken().Value
	if block, ok := n.(*ast.LiteralNode); ok {
		// The token of a block is its sign, | or >; no setting wants the line's
		// end that a block keeps.
		text = strings.TrimRight(block.Value.Value, "\n")
	}
	at := place(n)
	switch p := v.Addr().Interface().(type) {
	case *Secret:
		*p = Secret(text)
		if text != "" && !p.wellFormed() {
			// The value itself may be the secret: it is not repeated.
			d.fault(at, key, "is not where a secret is kept", "write file:PATH, env:NAME or cred:NAME")
			*p = ""
		}
	case *string:
		*p = text
	case *bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.fault(at, key, quoted(text)+" is neither true nor false", "")
			return
		}
		*p = b.Value
	case *int:
		i, err := strconv.Atoi(text)
		if err != nil {
			d.fault(at, key, quoted(text)+" is not a whole number", "")
			return
		}
		*p = i
	case *time.Duration:
		t, err := time.ParseDuration(text)
		if err != nil {
			d.fault(at, key, quoted(text)+" is not a length of time", "write 90s, 10m or 2h")
			return
		}
		*p = t
	default:
		d.fault(at, key, "must hold settings of its own", "indent them below")
	}
}

func quoted(s string) string { return "«" + s + "»" }

func fieldOf(v reflect.Value, name string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag != "" && tag == name {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// meant guesses which setting was meant.
func meant(v reflect.Value, name string) string {
	best, least := "", 4
	var all []string
	for i := range v.NumField() {
		tag := v.Type().Field(i).Tag.Get("yaml")
		if tag == "" {
			continue
		}
		all = append(all, tag)
		if n := distance(name, tag); n < least {
			best, least = tag, n
		}
	}
	if best != "" {
		return "did you mean " + best + "?"
	}
	slices.Sort(all)
	return "known here: " + strings.Join(all, ", ")
}

// distance is the Levenshtein distance.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		last := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			last, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, last+cost)
		}
	}
	return row[len(b)]
}
