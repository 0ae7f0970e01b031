package dialin_test

import (
	"testing"

	"vestibule/dialin"
)

func dialStrings() map[string][2]string {
	both, none := [2]string{"123456789", "12345678"}, [2]string{}
	return map[string][2]string{
		"123456789.12345678":               both,
		"123456789**12345678":              both,
		"123456789*12345678":               both,
		"123456789":                        {"123456789"},
		"203.0.113.7##123456789#12345678":  both, // Zoom's
		"203.0.113.7##123456789##12345678": both, // Polycom's
		"##123456789#12345678":             both,
		"visio.example##123456789":         {"123456789"},
		"123456789$$12345678":              both,
		"123456789##12345678#":             both,
		"123456789#":                       {"123456789"},
		"":                                 none,
		"visio":                            none,
		"100":                              none,
		"+33561000000":                     none,
		"12345678":                         none,
		"1234567890.12345678":              none,
		"123456789.1234567":                none,
		"123456789.12345678.1":             none,
		"123456789.١٢٣٤٥٦٧٨":               none,
		"tel:123456789":                    none,
	}
}

func TestParse(t *testing.T) {
	for in, want := range dialStrings() {
		number, code := dialin.Parse(in)
		if got := [2]string{number, code}; got != want {
			t.Errorf("Parse(%q) = %q, want %q", in, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for in := range dialStrings() {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		number, code := dialin.Parse(in)
		if number != "" && len(number) != 9 || code != "" && (len(code) != 8 || number == "") {
			t.Errorf("Parse(%q) = %q, %q", in, number, code)
		}
		for _, r := range number + code {
			if r < '0' || r > '9' {
				t.Errorf("Parse(%q) = %q, %q", in, number, code)
			}
		}
	})
}
