package lobby_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vestibule/lobby"
	"vestibule/meeting"
)

func TestReadList(t *testing.T) {
	two := []lobby.Line{{N: 2, Text: "Élodie <e@exemple.fr>"}, {N: 3, Text: "Paul <p@exemple.fr>", Role: meeting.Host}}
	for _, c := range []struct {
		name, list string
		want       []lobby.Line
	}{
		{"semicolons", "Nom;Courriel;Rôle\r\nÉlodie;e@exemple.fr;\r\nPaul;p@exemple.fr;hôte\r\n", two},
		{"commas and a mark", "\ufeffname,mail,role\nÉlodie,e@exemple.fr,guest\nPaul,p@exemple.fr,host", two},
		{"tabs, in another order", "role\tservice\temail\tname\n\tcardio\te@exemple.fr\tÉlodie\nhost\t\tp@exemple.fr\tPaul", two},
		{"Windows-1252", "nom;mail;role\n\xc9lodie;e@exemple.fr\nPaul;p@exemple.fr;host", two},
		{"quotes", "nom;mail\n\"Dupont; Jeanne\";j@exemple.fr\n", []lobby.Line{{N: 2, Text: "Dupont; Jeanne <j@exemple.fr>"}}},
		{"no header", "Jeanne;j@exemple.fr\np@exemple.fr\nLise;+33 6 12 34 56 78\n", []lobby.Line{
			{N: 1, Text: "Jeanne <j@exemple.fr>"}, {N: 2, Text: "<p@exemple.fr>"}, {N: 3, Text: "Lise +33 6 12 34 56 78"},
		}},
		{"claims", "nom;mail;identité\nJeanne;j@exemple.fr;RPPS:8\nPaul;;sub:p@psc\n", []lobby.Line{
			{N: 2, Text: "Jeanne <j@exemple.fr> RPPS:8"}, {N: 3, Text: "Paul sub:p@psc"},
		}},
		{"a number at home without a header", "Jeanne;j@x.fr;;06 12 34 56 42\n", []lobby.Line{{N: 1, Text: "Jeanne <j@x.fr> 06 12 34 56 42"}}},
		{"claims without a header", "Jeanne;sub:j@psc\nCorp;@corp.fr\n", []lobby.Line{{N: 1, Text: "Jeanne sub:j@psc"}, {N: 2, Text: "Corp @corp.fr"}}},
		{"bad lines come back", "nom;mail\nJeanne;a@b@c\n\nPaul;\n", []lobby.Line{{N: 2, Text: "Jeanne <a@b@c>"}, {N: 4, Text: "Paul"}}},
		{"a quote never closed", "nom;mail\nJeanne \"x;j@exemple.fr\n", []lobby.Line{{N: 2, Text: "Jeanne \"x <j@exemple.fr>"}}},
		{"nothing", "", nil},
	} {
		got, err := lobby.ReadList([]byte(c.list))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
	for name, list := range map[string]string{"a picture": "\x89PNG\x00\x00", "endless": strings.Repeat("x;y@z.fr\n", 20000)} {
		if _, err := lobby.ReadList([]byte(list)); !errors.Is(err, lobby.ErrList) {
			t.Errorf("%s: %v, want no list", name, err)
		}
	}
}

func FuzzReadList(f *testing.F) {
	f.Add([]byte("nom;mail\nJeanne;j@exemple.fr"))
	f.Fuzz(func(t *testing.T, b []byte) {
		lines, _ := lobby.ReadList(b)
		for _, l := range lines {
			if strings.ContainsAny(l.Text, "\r\n") {
				t.Errorf("line %q is more than one", l.Text)
			}
		}
	})
}
