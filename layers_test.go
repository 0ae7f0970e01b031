package vestibule_test

import (
	"fmt"
	"path"
	"strings"
	"testing"
)

// floors is the table of docs/ARCHITECTURE.md: an import goes down, never
// sideways. A package gets its line in the commit that brings it.
const floors = `
0  meeting  web/locale  web/room  cert
1  policy  audit  auth  store  turn  conference  mail  web  dialin/media  dialin/h323/per
2  lobby  conference/livekit  conference/jitsi  conference/bigbluebutton  conference/galene  dialin/h323
3  gateway  dialin  dialin/sip  store/storetest  conference/conferencetest
4  config  deploy/demo/*
5  cmd/*  deploy  deploy/demo  e2e
`

// cages names, for each library that must not spread, the one package that
// may know it. The demo and e2e are not the product: they may know them all.
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
github.com/livekit               conference/livekit
github.com/goccy/go-yaml         config
github.com/spf13/cobra           cmd/vestibule
github.com/wneessen/go-mail      mail
github.com/arran4/golang-ical    mail
`

func floorOf(pkg string) (int, bool) {
	for line := range strings.Lines(floors) {
		var floor int
		rooms := strings.Fields(line)
		if len(rooms) == 0 {
			continue
		}
		if _, err := fmt.Sscan(rooms[0], &floor); err != nil {
			panic(err)
		}
		for _, room := range rooms[1:] {
			if ok, _ := path.Match(room, pkg); ok {
				return floor, true
			}
		}
	}
	return 0, false
}

// Tests may import what they like: a contract is run by the packages below it.
func TestImportsGoDown(t *testing.T) {
	for _, s := range product(t) {
		from, ok := floorOf(s.pkg)
		if !ok {
			t.Errorf("%s: package %s has no floor in layers_test.go", s.path, s.pkg)
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
			library, home, _ := strings.Cut(strings.TrimSpace(line), " ")
			home = strings.TrimSpace(home)
			for _, imp := range s.imports() {
				if (imp == library || strings.HasPrefix(imp, library+"/")) && s.pkg != home {
					t.Errorf("%s: imports %s, which lives in %s alone", s.path, imp, home)
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
