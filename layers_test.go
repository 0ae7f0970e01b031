package vestibule_test

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// cages names, for each library that must not spread, the packages that may
// know it. The demo and e2e are not the product: they may know them all.
const cages = `
github.com/redis/go-redis        store
github.com/pion/turn             turn
github.com/pion/stun             turn
github.com/coreos/go-oidc        auth
golang.org/x/oauth2              auth
github.com/caddyserver/certmagic cert
github.com/mholt/acmez           cert
go.uber.org/zap                  cert
github.com/cedar-policy/cedar-go policy
github.com/emiago/sipgo          dialin/sip
github.com/pires/go-proxyproto   house
github.com/livekit               conference/livekit dialin/room
github.com/pion/webrtc           dialin/room
github.com/pion/opus             dialin/room
github.com/goccy/go-yaml         config
github.com/spf13/cobra           cmd/vestibule
github.com/wneessen/go-mail      mail
github.com/emersion/go-smtp      mail
github.com/arran4/golang-ical    mail
`

// floors reads the table of docs/ARCHITECTURE.md, which is the only one: lines
// that begin with a number, each with the packages of that floor. A package
// gets its place in the commit that brings it.
func floors(t *testing.T) func(pkg string) (int, bool) {
	t.Helper()
	text, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	var table [][]string
	for _, m := range regexp.MustCompile(`(?m)^([0-9])  (.+)$`).FindAllStringSubmatch(string(text), -1) {
		table = append(table, append([]string{m[1]}, strings.Fields(m[2])...))
	}
	if len(table) == 0 {
		t.Fatal("docs/ARCHITECTURE.md has no table of floors")
	}
	return func(pkg string) (int, bool) {
		for _, row := range table {
			for _, room := range row[1:] {
				if ok, _ := path.Match(room, pkg); ok {
					return int(row[0][0] - '0'), true
				}
			}
		}
		return 0, false
	}
}

// Tests may import what they like: a contract is run by the packages below it.
func TestImportsGoDown(t *testing.T) {
	floorOf := floors(t)
	for _, s := range product(t) {
		from, ok := floorOf(s.pkg)
		if !ok {
			t.Errorf("%s: package %s has no floor in docs/ARCHITECTURE.md", s.path, s.pkg)
		}
		for _, imp := range s.imports() {
			to, ours := strings.CutPrefix(imp, "vestibule/")
			if !ours {
				continue
			}
			if floor, ok := floorOf(to); !ok || floor >= from {
				t.Errorf("%s: %s (floor %d) imports %s (floor %d); an import goes down", s.path, s.pkg, from, to, floor)
			}
		}
	}
}

func TestLibrariesStayInTheirCage(t *testing.T) {
	for _, s := range product(t) {
		// A contract package is test code that several packages run.
		if s.pkg == "e2e" || strings.HasPrefix(s.pkg, "deploy/demo") || strings.HasSuffix(s.pkg, "test") {
			continue
		}
		for line := range strings.Lines(strings.TrimSpace(cages)) {
			words := strings.Fields(line)
			library, homes := words[0], words[1:]
			for _, imp := range s.imports() {
				if (imp == library || strings.HasPrefix(imp, library+"/")) && !slices.Contains(homes, s.pkg) {
					t.Errorf("%s: imports %s, which lives in %s alone", s.path, imp, strings.Join(homes, ", "))
				}
			}
		}
	}
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	said := map[string]bool{}
	for _, s := range product(t) {
		said[s.pkg] = said[s.pkg] || strings.TrimSpace(s.file.Doc.Text()) != ""
	}
	for pkg, ok := range said {
		if !ok {
			t.Errorf("package %s has no package comment", pkg)
		}
	}
}
