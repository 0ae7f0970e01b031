package vestibule_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The sizes of the house. Tests may be long in the function (a table is one),
// never in the file.
const (
	maxFileLines = 600
	maxFuncLines = 70
)

// onceOnly may hold a sync.OnceValue: LiveKit keeps its own logger and
// counters in package variables, to be set once a process.
const onceOnly = "deploy/demo/sfu dialin/room"

// source is one Go file of any of our modules, parsed here so that the test
// cache sees each of them.
type source struct {
	path string // with slashes, from the root
	pkg  string // its folder
	fset *token.FileSet
	file *ast.File
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s source) line(p token.Pos) int { return s.fset.Position(p).Line }

func (s source) imports() []string {
	paths := make([]string, 0, len(s.file.Imports))
	for _, imp := range s.file.Imports {
		p, _ := strconv.Unquote(imp.Path.Value)
		paths = append(paths, p)
	}
	return paths
}

// sources returns every Go file in the tree.
func sources(t *testing.T) []source {
	t.Helper()
	var all []source
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(name, ".") || slices.Contains([]string{"bin", "node_modules", "testdata", "tools"}, name)) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, p, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		slashed := filepath.ToSlash(p)
		all = append(all, source{path: slashed, pkg: path.Dir(slashed), fset: fset, file: f})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// product returns the files that are not tests.
func product(t *testing.T) []source {
	t.Helper()
	files := slices.DeleteFunc(sources(t), source.isTest)
	if len(files) == 0 {
		t.Fatal("no Go file found: run this test in the root of the tree")
	}
	return files
}

func TestSizes(t *testing.T) {
	for _, s := range sources(t) {
		if n := s.line(s.file.FileEnd); n > maxFileLines {
			t.Errorf("%s: %d lines, at most %d", s.path, n, maxFileLines)
		}
		if s.isTest() {
			continue
		}
		for _, d := range s.file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			if n := s.line(f.End()) - s.line(f.Pos()) + 1; n > maxFuncLines {
				t.Errorf("%s:%d: %s has %d lines, at most %d", s.path, s.line(f.Pos()), f.Name.Name, n, maxFuncLines)
			}
		}
	}
}

// Two servers in one process, as in the tests, must not meet in a variable.
func TestNoInitAndNoGlobals(t *testing.T) {
	for _, s := range product(t) {
		for _, d := range s.file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil && d.Name.Name == "init" {
					t.Errorf("%s:%d: init is not used here: main wires", s.path, s.line(d.Pos()))
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					v, ok := spec.(*ast.ValueSpec)
					if ok && d.Tok == token.VAR && !constant(s.pkg, d, v) {
						t.Errorf("%s:%d: package variable %s: only embedded files, compiled templates and expressions, and sentinel errors may be", s.path, s.line(v.Pos()), v.Names[0].Name)
					}
				}
			}
		}
	}
}

// constant reports whether a package variable is one of those that nobody
// ever sets again.
func constant(pkg string, d *ast.GenDecl, v *ast.ValueSpec) bool {
	for _, doc := range []*ast.CommentGroup{d.Doc, v.Doc} {
		if doc != nil && slices.ContainsFunc(doc.List, func(c *ast.Comment) bool { return strings.HasPrefix(c.Text, "//go:embed ") }) {
			return true
		}
	}
	if len(v.Values) != len(v.Names) {
		return false
	}
	for i, value := range v.Values {
		if name := v.Names[i].Name; name != "_" && !compiled(pkg, value) {
			return false
		}
	}
	return true
}

// compiled reports whether the expression builds a template, a regular
// expression, a Lua script or an error. A chain is judged by its start:
// template.Must(template.New("x").Parse(s)).
func compiled(pkg string, e ast.Expr) bool {
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return false
	}
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := f.X.(*ast.Ident)
	if !ok {
		return false
	}
	name := x.Name + "." + f.Sel.Name
	if name == "sync.OnceValue" {
		return slices.Contains(strings.Fields(onceOnly), pkg)
	}
	return slices.Contains([]string{
		"errors.New", "fmt.Errorf", "regexp.MustCompile", "template.Must", "redis.NewScript",
	}, name)
}
