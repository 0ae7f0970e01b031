package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Every line of a list that cannot be used is told by its number, without the
// person; nothing is asked of the door.
func TestInviteListTellsEveryLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "liste.csv")
	list := "nom;mail;role\nJeanne;j@exemple.fr;\nEve;a@b@c;\nPaul;;host\nJ.;J@exemple.fr;\n"
	if err := os.WriteFile(path, []byte(list), 0o600); err != nil {
		t.Fatal(err)
	}
	_, _, err := run(t, "invite", "--server", "https://127.0.0.1:1", "--key", "env:NONE", "--title", "x", "--csv", path)
	if err == nil {
		t.Fatal("a list with faults is taken")
	}
	for _, want := range []string{"line 3: the address", "line 4: a host needs", "line 5: is on line 2"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error lacks %q: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "Eve") {
		t.Errorf("the error names a person: %v", err)
	}
}

// A line may say what the sign-in must show in place of an address, or besides.
func TestInviteReadsClaims(t *testing.T) {
	for line, want := range map[string]invitation{
		"J. D. <j@exemple.fr> RPPS:899": {Name: "J. D.", Email: "j@exemple.fr", Match: &claim{Claim: "RPPS", Value: "899"}},
		"Paul sub:p@x.fr@psc":           {Name: "Paul", Match: &claim{Claim: "sub", Value: "p@x.fr", Provider: "psc"}},
		"@corp.fr":                      {Name: "corp.fr", Match: &claim{Claim: "domain", Value: "corp.fr"}},
		"RPPS:899700":                   {Name: "RPPS …00", Match: &claim{Claim: "RPPS", Value: "899700"}},
		"j@exemple.fr +33612345678":     {Email: "j@exemple.fr", Phone: "+33612345678"},
	} {
		got, ok := readInvitee(line)
		if d := cmp.Diff(want, got); d != "" || !ok {
			t.Errorf("%q = %v (-want +got):\n%s", line, ok, d)
		}
	}
}
