package locale_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"vestibule/web/locale"
)

// forms returns every form of every text, by key, as the file holds them.
func forms(t *testing.T, lang string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile(lang + ".json")
	if err != nil {
		t.Fatal(err)
	}
	var raw map[string]json.RawMessage
	if err := json.Unmarshal(b, &raw); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for k, v := range raw {
		var one string
		var two struct{ One, Other string }
		if json.Unmarshal(v, &one) == nil {
			all[k] = []string{one}
		} else if err := json.Unmarshal(v, &two); err != nil {
			t.Errorf("%s in %s: %v", k, lang, err)
		} else {
			all[k] = []string{two.One, two.Other}
		}
	}
	return all
}

func placeholders(forms []string) []string {
	found := regexp.MustCompile(`\{[a-z]*\}`).FindAllString(strings.Join(forms, " "), -1)
	slices.Sort(found)
	return slices.Compact(found)
}

func TestCataloguesHaveTheSameKeysAndPlaceholders(t *testing.T) {
	fr, en := forms(t, "fr"), forms(t, "en")
	for k := range fr {
		if _, ok := en[k]; !ok {
			t.Errorf("%s is missing in English", k)
		}
	}
	for k := range en {
		if _, ok := fr[k]; !ok {
			t.Errorf("%s is missing in French", k)
			continue
		}
		if d := cmp.Diff(placeholders(fr[k]), placeholders(en[k])); d != "" {
			t.Errorf("%s has other placeholders in English (-fr +en):\n%s", k, d)
		}
		if len(fr[k]) != len(en[k]) {
			t.Errorf("%s has %d forms in French, %d in English", k, len(fr[k]), len(en[k]))
		}
		for _, s := range append(fr[k], en[k]...) {
			if strings.TrimSpace(s) == "" || strings.ContainsAny(s, "<>&'") && !strings.Contains(s, "@") {
				t.Errorf("%s is empty, holds markup or a typewriter's apostrophe: %q", k, s)
			}
		}
	}
}

// A French colon alone at the start of a line looks like a mistake, because it
// is one.
func TestFrenchSpaces(t *testing.T) {
	// An ordinary space, or none, where one that does not break belongs.
	wrong := regexp.MustCompile(`[^\x{00a0}\x{202f}]([:;!?»])|«[^\x{00a0}]|\.\.\.`)
	typed := regexp.MustCompile(`\pL+:\pL+`) // what somebody is to write as it stands
	for k, all := range forms(t, "fr") {
		for _, s := range all {
			s = typed.ReplaceAllString(s, "")
			if m := wrong.FindString(s); m != "" {
				t.Errorf("%s: %q in %q", k, m, s)
			}
		}
	}
}

// Words that belong to the workshop, not to the door.
func TestNoJargon(t *testing.T) {
	jargon := regexp.MustCompile(`(?i)\b(token|jeton|session|oidc|denied|login|jwt|openid|admission)\b`)
	for _, lang := range locale.Langs() {
		for k, all := range forms(t, lang) {
			if m := jargon.FindString(strings.Join(all, " ")); m != "" {
				t.Errorf("%s in %s says %q", k, lang, m)
			}
		}
	}
}

func TestText(t *testing.T) {
	for _, c := range []struct {
		lang, key string
		args      []any
		want      string
	}{
		{"en", "waiting.before", []any{"n", 0}, "0 people before you"},
		{"en", "waiting.before", []any{"n", 1}, "1 person before you"},
		{"fr", "waiting.before", []any{"n", 0}, "0\u00a0personne avant vous"},
		{"fr", "waiting.before", []any{"n", 2}, "2\u00a0personnes avant vous"},
		{"en", "waiting.away", []any{"host", "{host}"}, "{host} is not here yet. This page will open by itself."},
		{"en", "way.provider", []any{"provider", "\u202eevil"}, "Continue with \u2068\u202eevil\u2069"},
	} {
		c1, err := locale.Open(c.lang)
		if err != nil {
			t.Fatal(err)
		}
		got, err := c1.Text(c.key, c.args...)
		if err != nil || got != c.want {
			t.Errorf("Text(%s, %v) in %s = %q, %v, want %q", c.key, c.args, c.lang, got, err, c.want)
		}
	}
}

func TestHTMLEscapesWhatOthersWrote(t *testing.T) {
	en, err := locale.Open("en")
	if err != nil {
		t.Fatal(err)
	}
	got, err := en.HTML("way.provider", "provider", `<b>"&`)
	if want := "Continue with <bdi>&lt;b&gt;&#34;&amp;</bdi>"; err != nil || string(got) != want {
		t.Errorf("HTML = %q, %v, want %q", got, err, want)
	}
}

func TestWhatIsMissingIsAnError(t *testing.T) {
	en, err := locale.Open("en")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := en.Text("no.such.key"); !errors.Is(err, locale.ErrUnknown) {
		t.Errorf("a missing key: %v", err)
	}
	for _, args := range [][]any{nil, {"host"}, {1, 2}, {"guest", "x"}} {
		if s, err := en.Text("waiting.away", args...); err == nil {
			t.Errorf("Text with %v = %q, want an error", args, s)
		}
	}
	if _, err := locale.Open("de"); !errors.Is(err, locale.ErrUnknown) {
		t.Errorf("a missing language: %v", err)
	}
	if _, err := locale.Open("../fr"); err == nil {
		t.Error("a path was taken for a language")
	}
}
