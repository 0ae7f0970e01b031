package gateway_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// route is one line of the door's or the room's mux.
type route struct{ origin, method, path string }

// takesList reports whether the route is of the form that may bring a file.
func (r route) takesList() bool { return r.path == "/meetings" || r.path == "/m/{meeting}/change" }

// fill puts real ids into the path.
func (r route) fill(ids map[string]string) string {
	return r.origin + regexp.MustCompile(`\{[^}]*\}`).ReplaceAllStringFunc(strings.TrimSuffix(r.path, "{$}"), func(name string) string {
		return ids[strings.Trim(name, "{}")]
	})
}

// routes reads every route out of the package's own source, so that a new one
// is tried by the tests of this package the day it is written.
func routes(t *testing.T) []route {
	t.Helper()
	fset := token.NewFileSet()
	names, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	named := map[string]string{}
	var all []route
	for range 2 { // constants first
		all = nil
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.ValueSpec:
					for i, name := range n.Names {
						if i < len(n.Values) {
							if s, ok := word(n.Values[i], named); ok {
								named[name.Name] = s
							}
						}
					}
				case *ast.FuncDecl:
					for _, p := range handles(n, named) {
						all = append(all, routeOf(n.Name.Name, p))
					}
				}
				return true
			})
		}
	}
	if len(all) < 30 {
		t.Fatalf("only %d routes were found in the source", len(all))
	}
	return all
}

// handles finds the patterns of m.Handle and m.HandleFunc in a function.
func handles(f *ast.FuncDecl, named map[string]string) []string {
	var all []string
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 2 {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || sel.Sel.Name != "Handle" && sel.Sel.Name != "HandleFunc" {
			return true
		}
		if p, ok := word(call.Args[0], named); ok {
			all = append(all, p)
		}
		return true
	})
	return all
}

func word(e ast.Expr, named map[string]string) (string, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		s, err := strconv.Unquote(e.Value)
		return s, err == nil && e.Kind == token.STRING
	case *ast.Ident:
		s, ok := named[e.Name]
		return s, ok
	}
	return "", false
}

func routeOf(function, pattern string) route {
	r := route{origin: doorOrigin, method: "GET", path: pattern}
	if strings.HasPrefix(function, "room") {
		r.origin = roomOrigin
	}
	if m, p, ok := strings.Cut(pattern, " "); ok {
		r.method, r.path = m, p
	}
	return r
}
