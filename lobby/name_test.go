package lobby_test

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"vestibule/lobby"
)

// T21: no name hides, hides in or reverses what stands beside it.
func TestT21NamesAreCleaned(t *testing.T) {
	for given, want := range map[string]string{
		"  Jeanne \t\n D.  ":                         "Jeanne D.",
		"Claire\u202eritraM":                         "ClaireritraM",
		"\u2066\u2067\u2068Cl\u2069aire\u200e\u200f": "Claire",
		"Cl\u200ba\u200ci\u200dr\u2060e\ufeff":       "Claire",
		"Claire\x00Martin\x1b[31m\x7f\u0085":         "ClaireMartin[31m",
		"a\r\nSet-Cookie: x":                         "a Set-Cookie: x",
		"a\u2028b\u2029c":                            "a b c",
		"Cla\u00adire":                               "Claire", // soft hyphen
		"\u3164":                                     "",       // Hangul filler
		"\u115f\u1160\uffa0\u2800":                   "",
		"A\ufe0f\u034f\u180b":                        "A",
		"a\U000e0041\U000e007f":                      "a",                         // tags
		"x\ue000\ufffe\ufdd0\U0010ffff":              "x",                         // private use, no characters
		"e\u200d\u0301":                              "é",                         // NFC after, not before
		"\u0301\u0302 a":                             "a",                         // marks without a letter
		"a\xff\xfeb":                                 "ab",                        // no UTF-8
		"a\ufffdb":                                   "ab",                        // nor what stands for it
		"\u00a0\u3000a\u2003b\u00a0":                 "a b",                       // spaces of every kind
		"<script>alert(1)</script>":                  "<script>alert(1)</script>", // the page escapes
		"Zoé\u0301\u0301\u0301\u0301\u0301\u0301":    "Zoé\u0301\u0301\u0301",
	} {
		if got := lobby.CleanText(given, lobby.MaxName); got != want {
			t.Errorf("CleanText(%q) = %q, want %q", given, got, want)
		}
	}
}

// T21, nothing lost: real names pass as they are.
func TestT21RealNamesAreIntact(t *testing.T) {
	for _, name := range []string{
		"Claire Martin", "Gwenaël Le Goff", "Fañch Kervern", "Nolwenn Le Bʼhan", "Añ-Mari C'hoarzh",
		"محمد عبد الرحمٰن", "مُحَمَّد", "שָׁלוֹם כֹּהֵן", "יוסף בן־דוד", "Đặng Thị Ngọc Ánh", "Łukasz Żółć", "Ólafur Þórðarson",
		"山田 太郎", "김민준", "Νίκος Παπαδόπουλος", "Ольга Іваненко", "Şükrü Öztürk", "अनिल कुमार", "O’Connor-Smith", "Jean‑Luc", "J. D.",
	} {
		if got, want := lobby.CleanText(name, lobby.MaxName), norm.NFC.String(name); got != want {
			t.Errorf("CleanText(%q) = %q, want it intact", name, got)
		}
		if lobby.MixedScripts(name) {
			t.Errorf("MixedScripts(%q) = true, want false", name)
		}
	}
}

func TestT21LongNamesAreCut(t *testing.T) {
	for _, long := range []string{
		strings.Repeat("a", 10_240), strings.Repeat("é", 10_240), strings.Repeat("a\u0301", 10_240),
		strings.Repeat("😀", 10_240), strings.Repeat("a ", 10_240), strings.Repeat("\xff", 10_240) + "a",
		"a" + strings.Repeat("\u0301", 1_000_000), strings.Repeat("ﷺ", 10_240),
	} {
		got := lobby.CleanText(long, lobby.MaxName)
		if n := utf8.RuneCountInString(got); n > lobby.MaxName || !utf8.ValidString(got) {
			t.Errorf("CleanText of %d bytes has %d characters, want at most %d", len(long), n, lobby.MaxName)
		}
	}
	if got := lobby.CleanText(strings.Repeat("a ", 10), 6); got != "a a a" {
		t.Errorf("CleanText = %q, want no space at the end", got)
	}
}

// FuzzCleanText holds the rules for what nobody has thought of, and that
// cleaning once is enough.
func FuzzCleanText(f *testing.F) {
	for _, s := range []string{"", "Jeanne", "a\u202eb", "\u3164", "e\u200d\u0301", "a\xffb", "שָׁלוֹם", "ﷺ", "\u0344\u0f73\u0f75", "가각"} {
		f.Add(s, 60)
	}
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = 1 + (limit%200+200)%200
		got := lobby.CleanText(s, limit)
		if utf8.RuneCountInString(got) > limit || !norm.NFC.IsNormalString(got) || strings.TrimSpace(got) != got || strings.Contains(got, "  ") {
			t.Errorf("CleanText(%q, %d) = %q", s, limit, got)
		}
		for _, r := range got {
			if !unicode.IsGraphic(r) || unicode.In(r, unicode.C, unicode.Bidi_Control, unicode.Join_Control) {
				t.Errorf("CleanText(%q) keeps %U", s, r)
			}
		}
		if again := lobby.CleanText(got, limit); again != got {
			t.Errorf("cleaning %q again = %q", got, again)
		}
	})
}

// T21: no name passes for the host's without a warning.
func TestT21Resembles(t *testing.T) {
	const host = "Dr Claire Martin"
	for _, name := range []string{
		"Dr Claire Martin", "claire martin", "CLAIRE MARTIN", "Martin Claire", "MARTIN, Claire", "Clairé Mârtin", "ClaireMartin",
		"Dr. Claire Martin", "Docteur Claire Martin", "Mme Claire Martin", "Pr Claire Martin", "C1aire Martin", "CIaire Martin",
		"Сlaire Martin", "Сlаіrе Маrtіn", "Ϲlaire Mαrτιn", "Claire-Martin", "Ｃｌａｉｒｅ Martin", "𝐂𝐥𝐚𝐢𝐫𝐞 𝐌𝐚𝐫𝐭𝐢𝐧", "Claire Martın",
	} {
		if !lobby.Resembles(name, host) {
			t.Errorf("Resembles(%q, %q) = false, want true", name, host)
		}
	}
	for _, name := range []string{"", "Dr", "Claire", "Martin", "Claire Martine", "Jeanne Martin", "Clara Martin", "Dr Paul Martin", "山田 太郎"} {
		if lobby.Resembles(name, host) {
			t.Errorf("Resembles(%q, %q) = true, want false", name, host)
		}
	}
	if lobby.Resembles("", "") || lobby.Resembles("...", "---") {
		t.Error("nothing resembles nothing")
	}
	if !lobby.Resembles("Mlle", "mlle") {
		t.Error("a title alone is a name")
	}
}

func TestT21MixedScripts(t *testing.T) {
	for _, name := range []string{"Сlaire", "Clаire Martin", "Νikos", "Оlga", "Ρaul", "Aրam", "abגd"} {
		if !lobby.MixedScripts(name) {
			t.Errorf("MixedScripts(%q) = false, want true", name)
		}
	}
	for _, name := range []string{"", "Claire Мартин", "Ольга Martin", "山田たろうカナ", "R2-D2", "J. D.", "Şükrü 3"} {
		if lobby.MixedScripts(name) {
			t.Errorf("MixedScripts(%q) = true, want false", name)
		}
	}
}
