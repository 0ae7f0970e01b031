package api_test

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"vestibule/api"
	"vestibule/meeting"
)

// document is the OpenAPI document, as any program would read it.
type document struct{ root map[string]any }

func read(t *testing.T) *document {
	t.Helper()
	d := &document{}
	if err := json.Unmarshal(api.Document, &d.root); err != nil {
		t.Fatal(err)
	}
	return d
}

func dict(v any) map[string]any {
	m, _ := v.(map[string]any)
	return m
}

func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func word(v any) string {
	s, _ := v.(string)
	return s
}

// follow goes through a $ref, if there is one.
func (d *document) follow(v any) map[string]any {
	m := dict(v)
	ref, ok := m["$ref"].(string)
	if !ok {
		return m
	}
	var at any = d.root
	for step := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		at = dict(at)[strings.NewReplacer("~1", "/", "~0", "~").Replace(step)]
	}
	return d.follow(at)
}

// each calls f for every operation with its method and path.
func (d *document) each(f func(method, path string, item, op map[string]any)) {
	for path, item := range dict(d.root["paths"]) {
		for _, method := range []string{"get", "post", "patch", "put", "delete"} {
			if op := dict(dict(item)[method]); op != nil {
				f(strings.ToUpper(method), path, dict(item), op)
			}
		}
	}
}

func TestDocumentIsOpenAPI(t *testing.T) {
	d := read(t)
	if v := word(d.root["openapi"]); !regexp.MustCompile(`^3\.1\.\d+$`).MatchString(v) {
		t.Errorf("openapi = %q, want 3.1.x", v)
	}
	known := []string{"openapi", "info", "jsonSchemaDialect", "servers", "paths", "webhooks", "components", "security", "tags", "externalDocs"}
	for k := range d.root {
		if !slices.Contains(known, k) {
			t.Errorf("key %q is not OpenAPI's", k)
		}
	}
	if info := dict(d.root["info"]); word(info["title"]) == "" || word(info["version"]) == "" {
		t.Error("info needs title and version")
	}
	var walk func(v any, at string)
	walk = func(v any, at string) {
		if ref, ok := dict(v)["$ref"].(string); ok && (!strings.HasPrefix(ref, "#/") || len(d.follow(v)) == 0) {
			t.Errorf("%s: %s leads nowhere", at, ref)
		}
		for k, x := range dict(v) {
			walk(x, at+"/"+k)
		}
		for i, x := range list(v) {
			walk(x, fmt.Sprint(at, "/", i))
		}
	}
	walk(d.root, "")
	for name, s := range dict(dict(d.root["components"])["schemas"]) {
		for _, f := range d.schemaFaults(s, name) {
			t.Error(f)
		}
	}
}

func TestDocumentOperations(t *testing.T) {
	d := read(t)
	ids := map[string]bool{}
	schemes := dict(dict(d.root["components"])["securitySchemes"])
	check := func(method, path string, item, op map[string]any) {
		at := method + " " + path
		id := word(op["operationId"])
		if id == "" || ids[id] {
			t.Errorf("%s: operationId %q is missing or there twice", at, id)
		}
		ids[id] = true
		if word(op["summary"]) == "" || len(dict(op["responses"])) == 0 || op["security"] == nil {
			t.Errorf("%s: needs summary, responses and security", at)
		}
		for _, sec := range list(op["security"]) {
			for name, scopes := range dict(sec) {
				if schemes[name] == nil {
					t.Errorf("%s: security scheme %q is not defined", at, name)
				}
				for _, s := range list(scopes) {
					if !slices.Contains(api.Scopes(), word(s)) {
						t.Errorf("%s: scope %v is not one", at, s)
					}
				}
			}
		}
		for status, r := range dict(op["responses"]) {
			if word(d.follow(r)["description"]) == "" || !regexp.MustCompile(`^([1-5]\d\d|[1-5]XX|default)$`).MatchString(status) {
				t.Errorf("%s: response %s is none", at, status)
			}
		}
		var params []string
		for _, p := range append(list(item["parameters"]), list(op["parameters"])...) {
			p := d.follow(p)
			if p["in"] == "path" {
				params = append(params, word(p["name"]))
			}
			if p["in"] == "path" && p["required"] != true || dict(p["schema"]) == nil {
				t.Errorf("%s: parameter %v needs a schema, and required in a path", at, p["name"])
			}
		}
		var holes []string
		for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(path, -1) {
			holes = append(holes, m[1])
		}
		if !slices.Equal(params, holes) {
			t.Errorf("%s: path parameters %v, want %v", at, params, holes)
		}
	}
	d.each(check)
	for _, hook := range dict(d.root["webhooks"]) {
		check("POST", "", dict(hook), dict(dict(hook)["post"]))
	}
}

// What is served stands in the document with its scope, and nothing else does.
func TestDocumentIsWhatIsServed(t *testing.T) {
	s := open(t, nil)
	var want []string
	s.doc.each(func(method, path string, _, op map[string]any) {
		scope := ""
		for _, sec := range list(op["security"]) {
			for _, scopes := range dict(sec) {
				scope = word(list(scopes)[0])
			}
		}
		want = append(want, method+" "+path+" "+scope)
	})
	got := api.Served(s.Server)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("served:\n%s\ndocumented:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// operation finds the documented operation of a path.
func (d *document) operation(method, path string) (name string, op map[string]any) {
	if method == "HEAD" {
		method = "GET"
	}
	d.each(func(m, p string, _, o map[string]any) {
		pattern := regexp.MustCompile(`\{\w+\}`).ReplaceAllString(regexp.QuoteMeta(strings.NewReplacer("{", "\x01", "}", "\x02").Replace(p)), "")
		pattern = regexp.MustCompile("\x01\\w+\x02").ReplaceAllString(pattern, `[^/]+`)
		if m == method && regexp.MustCompile("^"+pattern+"$").MatchString(path) {
			name, op = word(o["operationId"]), o
		}
	})
	return name, op
}

// checkReply compares an answer with what the document promises.
func (d *document) checkReply(method, path string, r reply) (op string, faults []string) {
	name, o := d.operation(method, path)
	kind, _, _ := mime.ParseMediaType(r.header.Get("Content-Type"))
	if o == nil { // nothing there: still a problem
		problem := dict(dict(dict(d.root["components"])["schemas"])["Problem"])
		if r.status < 400 || kind != "application/problem+json" {
			faults = append(faults, "not documented")
		}
		return "", append(faults, d.fits(problem, r.body, "")...)
	}
	responses := dict(o["responses"])
	want := responses[fmt.Sprint(r.status)]
	if want == nil {
		want = responses[fmt.Sprintf("%dXX", r.status/100)]
	}
	if want == nil {
		return name, []string{"the status is not documented"}
	}
	media := dict(dict(d.follow(want)["content"])[kind])
	if media == nil {
		return name, []string{"the media type " + kind + " is not documented"}
	}
	for h := range dict(d.follow(want)["headers"]) {
		if r.header.Get(h) == "" {
			faults = append(faults, "header "+h+" is missing")
		}
	}
	return name, append(faults, d.fits(media["schema"], r.body, "")...)
}

// schemaFaults are the keywords of a schema that the checker below does not
// know: a schema must not promise what is not looked at.
func (d *document) schemaFaults(v any, at string) (faults []string) {
	known := []string{
		"$ref", "type", "description", "properties", "required", "additionalProperties", "enum", "items", "pattern", "format",
		"minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "default",
	}
	m := dict(v)
	if m == nil {
		return []string{at + ": is no schema"}
	}
	for k := range m {
		if !slices.Contains(known, k) {
			faults = append(faults, at+": keyword "+k)
		}
	}
	if m["$ref"] == nil && !slices.Contains([]string{"object", "array", "string", "integer", "boolean"}, word(m["type"])) {
		faults = append(faults, at+": type")
	}
	for name, p := range dict(m["properties"]) {
		faults = append(faults, d.schemaFaults(p, at+"/"+name)...)
	}
	for _, r := range list(m["required"]) {
		if dict(m["properties"])[word(r)] == nil {
			faults = append(faults, at+": requires "+word(r)+", which it does not have")
		}
	}
	if m["items"] != nil {
		faults = append(faults, d.schemaFaults(m["items"], at+"/items")...)
	}
	return faults
}

// fits checks a value against a schema: the part of JSON Schema 2020-12 that
// the document uses.
func (d *document) fits(schema, v any, at string) (faults []string) {
	s := d.follow(schema)
	bad := func(format string, args ...any) { faults = append(faults, at+": "+fmt.Sprintf(format, args...)) }
	if enum := list(s["enum"]); enum != nil && !slices.Contains(enum, v) {
		bad("%v is none of %v", v, enum)
	}
	switch x := v.(type) {
	case map[string]any:
		if s["type"] != "object" {
			bad("an object, want %v", s["type"])
			return faults
		}
		props := dict(s["properties"])
		for _, r := range list(s["required"]) {
			if _, ok := x[word(r)]; !ok {
				bad("%v is missing", r)
			}
		}
		for k, e := range x {
			switch more := s["additionalProperties"].(type) {
			case bool:
				if props[k] == nil && !more {
					bad("%s is not documented", k)
				}
			case map[string]any:
				if props[k] == nil {
					faults = append(faults, d.fits(more, e, at+"/"+k)...)
				}
			}
			if props[k] != nil {
				faults = append(faults, d.fits(props[k], e, at+"/"+k)...)
			}
		}
	case []any:
		if s["type"] != "array" {
			bad("a list, want %v", s["type"])
		}
		for i, e := range x {
			faults = append(faults, d.fits(s["items"], e, fmt.Sprint(at, "/", i))...)
		}
	case string:
		faults = append(faults, d.fitsText(s, x, at)...)
	case float64:
		least, hasLeast := s["minimum"].(float64)
		most, hasMost := s["maximum"].(float64)
		if s["type"] != "integer" || x != float64(int64(x)) || hasLeast && x < least || hasMost && x > most {
			bad("%v is no %v within bounds", x, s["type"])
		}
	case bool:
		if s["type"] != "boolean" {
			bad("a boolean, want %v", s["type"])
		}
	default:
		bad("%v, want %v", v, s["type"])
	}
	return faults
}

func (d *document) fitsText(s map[string]any, x, at string) (faults []string) {
	bad := func(format string, args ...any) { faults = append(faults, at+": "+fmt.Sprintf(format, args...)) }
	if s["type"] != "string" {
		bad("a text, want %v", s["type"])
	}
	if p := word(s["pattern"]); p != "" && !regexp.MustCompile(p).MatchString(x) {
		bad("%q does not match %s", x, p)
	}
	n := float64(utf8.RuneCountInString(x))
	if least, ok := s["minLength"].(float64); ok && n < least {
		bad("%q is too short", x)
	}
	if most, ok := s["maxLength"].(float64); ok && n > most {
		bad("%q is too long", x)
	}
	switch word(s["format"]) {
	case "date-time":
		if _, err := time.Parse(time.RFC3339, x); err != nil {
			bad("%q is no time", x)
		}
	case "uri":
		if u, err := url.Parse(x); err != nil || !u.IsAbs() {
			bad("%q is no address", x)
		}
	case "email":
		if !meeting.Address(x) {
			bad("%q is no mailbox", x)
		}
	}
	return faults
}
