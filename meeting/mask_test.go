package meeting_test

import (
	"testing"

	"vestibule/meeting"
)

// A host is shown where a number is at home, and nobody the number.
func TestMaskedNumbers(t *testing.T) {
	for number, want := range map[string][2]string{
		"+33612345642":    {"••\u00a0••\u00a0••\u00a042", "+33\u00a0…\u00a042"},
		"+15550100199":    {"••\u00a0••\u00a0••\u00a099", "+1\u00a0…\u00a099"},
		"+35312345678":    {"••\u00a0••\u00a0••\u00a078", "+353\u00a0…\u00a078"},
		"+2901234":        {"••\u00a0••\u00a0••\u00a034", "+290\u00a0…\u00a034"},
		"+79161234567":    {"••\u00a0••\u00a0••\u00a067", "+7\u00a0…\u00a067"},
		"":                {"", ""},
		"+1":              {"", ""},
		"+262692123456":   {"••\u00a0••\u00a0••\u00a056", "+262\u00a0…\u00a056"},
		"+491512345678":   {"••\u00a0••\u00a0••\u00a078", "+49\u00a0…\u00a078"},
		"+999123456789":   {"••\u00a0••\u00a0••\u00a089", "+999\u00a0…\u00a089"},
		"+69123456789012": {"••\u00a0••\u00a0••\u00a012", "+691\u00a0…\u00a012"},
	} {
		if got := [2]string{meeting.MaskPhone(number), meeting.CountryPhone(number)}; got != want {
			t.Errorf("%s is shown as %q, want %q", number, got, want)
		}
	}
}
