package room_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func catalogue(t *testing.T, lang string) map[string]string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("locale", lang+".json"))
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]string{}
	if err := json.Unmarshal(raw, &words); err != nil {
		t.Fatalf("%s.json: %v", lang, err)
	}
	return words
}

func sorted(words map[string]string) []string { return slices.Sorted(maps.Keys(words)) }

func TestCataloguesAgree(t *testing.T) {
	fr, en := catalogue(t, "fr"), catalogue(t, "en")
	if diff := cmp.Diff(sorted(en), sorted(fr)); diff != "" {
		t.Errorf("keys differ (-en +fr):\n%s", diff)
	}
	hole := regexp.MustCompile(`\{\w*\}`)
	for key, words := range en {
		want, got := hole.FindAllString(words, -1), hole.FindAllString(fr[key], -1)
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: placeholders differ (-en +fr):\n%s", key, diff)
		}
		if strings.TrimSpace(words) == "" || strings.TrimSpace(fr[key]) == "" {
			t.Errorf("%s is empty in a language", key)
		}
	}
}

// Words stand in the sources as whole keys, never put together from pieces, so
// that this can find them.
func TestEveryWordIsUsedAndEveryUsedWordExists(t *testing.T) {
	en := catalogue(t, "en")
	sources, err := filepath.Glob("src/*.ts*")
	if err != nil || len(sources) == 0 {
		t.Fatalf("no sources found: %v", err)
	}
	used := map[string]string{}
	key := regexp.MustCompile(`"([a-z]+\.[a-zA-Z]+)"`)
	for _, file := range append(sources, "room.go") {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range key.FindAllStringSubmatch(string(raw), -1) {
			used[m[1]] = file
		}
	}
	for _, k := range sorted(en) {
		if used[k] == "" {
			t.Errorf("%s is in the catalogues and used nowhere", k)
		}
	}
	for k, file := range used {
		known := k == "vestibule.chat" || k == "room.html" || k == "manifest.json"
		if _, ok := en[k]; !ok && !known {
			t.Errorf("%s: %q is not in the catalogues", file, k)
		}
	}
}
