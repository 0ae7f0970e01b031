package vestibule_test

import (
	"flag"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tests found into docs/THREATS.md")

// testNames returns every function of the test files, each with its package.
func testNames(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	for _, s := range sources(t) {
		for _, d := range s.file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && s.isTest() && f.Recv == nil {
				names[f.Name.Name] = s.pkg
			}
		}
	}
	return names
}

// A test named in the documents is a promise to whoever reads them.
func TestDocsNameTestsThatExist(t *testing.T) {
	exist := testNames(t)
	name := regexp.MustCompile("`((?:Test|Benchmark|Fuzz)[A-Z][A-Za-z0-9]+)`")
	docs, _ := filepath.Glob("docs/*.md")
	top, _ := filepath.Glob("*.md")
	for _, doc := range slices.Concat(docs, top) {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range name.FindAllSubmatch(text, -1) {
			if exist[string(m[1])] == "" {
				t.Errorf("%s names %s, which is not in the tree", doc, m[1])
			}
		}
	}
}

// The last column of docs/THREATS.md is what the tree holds, no more and no
// less. Write it anew with: make threats.
func TestThreatsListTheirTests(t *testing.T) {
	const doc = "docs/THREATS.md"
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	proofs := map[string][]string{}
	threat := regexp.MustCompile(`^Test(T[0-9]{2})[A-Z]`)
	for name, pkg := range testNames(t) {
		if m := threat.FindStringSubmatch(name); m != nil {
			proofs[m[1]] = append(proofs[m[1]], pkg+": `"+name+"`")
		}
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if id := strings.TrimSpace(cells[min(1, len(cells)-1)]); len(cells) == 5 && regexp.MustCompile(`^T[0-9]{2}$`).MatchString(id) {
			slices.Sort(proofs[id])
			tests := strings.Join(proofs[id], "<br>")
			if tests == "" {
				tests = "none yet"
			}
			line = "|" + cells[1] + "|" + cells[2] + "| " + tests + " |\n"
			delete(proofs, id)
		}
		out.WriteString(line)
	}
	for id, tests := range proofs {
		t.Errorf("%s has no row for %s, which is tested by %v", doc, id, tests)
	}
	if out.String() == string(text) {
		return
	}
	if !*update {
		t.Fatalf("%s does not name the tests in the tree: run make threats", doc)
	}
	if err := os.WriteFile(doc, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
