package meeting_test

import (
	"strings"
	"testing"

	"vestibule/meeting"
)

func TestAddress(t *testing.T) {
	for a, want := range map[string]bool{
		"ada@hospital.example": true, "a.b+c@x-y.example.org": true, "o'neil@x.fr": true, "a@localhost": true,
		"": false, "ada": false, "@x.fr": false, "ada@": false, "ada@x": false,
		"a@evil.com@corp.fr": false, "a@evil.com,b@corp.fr": false, "a@evil.com;b@corp.fr": false,
		`"a@evil.com"@corp.fr`: false, "a@[127.0.0.1]": false, "<a@x.fr>": false, "A <a@x.fr>": false,
		"a(comment)@x.fr": false, "a@x.fr\r\nBcc: b@x.fr": false, "a b@x.fr": false, "a@x..fr": false,
		"a@.x.fr": false, "a@x.fr.": false, ".a@x.fr": false, "a..b@x.fr": false, "a@-x.fr": false,
		"а@x.fr": false, "a@exämple.fr": false, "a@x.fr\x00": false, "a%b@x.fr": true, "a\\@b@x.fr": false,
		strings.Repeat("a", 65) + "@x.fr": false, "a@" + strings.Repeat("x.", 130) + "fr": false,
	} {
		if got := meeting.Address(a); got != want {
			t.Errorf("Address(%q) = %v, want %v", a, got, want)
		}
	}
}

func FuzzAddress(f *testing.F) {
	for _, a := range []string{"ada@hospital.example", "a@evil.com@corp.fr", "a@x.fr\r\nBcc: b@x.fr", `"a b"@c.fr`} {
		f.Add(a)
	}
	f.Fuzz(func(t *testing.T, a string) {
		if meeting.Address(a) && (strings.Count(a, "@") != 1 || strings.ContainsAny(a, " ,;<>()\"\\\r\n\x00")) {
			t.Errorf("Address(%q) = true", a)
		}
	})
}

func TestPhone(t *testing.T) {
	for n, want := range map[string]string{
		"+33612345642": "+33612345642", "+33 6 12 34 56 42": "+33612345642", " +33.6.12.34.56.42 ": "+33612345642",
		"+33\u00a06\u202f12-34-56-42": "+33612345642", "+1 (555) 010-0199": "+15550100199", "+49 30/901820": "+4930901820",
		"+2901234": "+2901234", "+123456789012345": "+123456789012345",
		"": "", "+": "", "0612345642": "", "0033612345642": "", "33612345642": "", "+0612345642": "", "+123456": "",
		"+1234567890123456": "", "+33612345642;ext=1": "", "+33 6 12 34 56 4x": "", "++33612345642": "", "+33+612345642": "",
		"+３３612345642": "", "+33612345642\r\nBcc: x": "", "+33612345642\x00": "", "tel:+33612345642": "",
		"+(0)33612345642": "", "+" + strings.Repeat(" ", 50) + "33612345642": "",
	} {
		if got := meeting.Phone(n); got != want {
			t.Errorf("Phone(%q) = %q, want %q", n, got, want)
		}
	}
}

func FuzzPhone(f *testing.F) {
	for _, n := range []string{"+33 6 12 34 56 42", "0612345642", "+1 (555) 010-0199", "+33612345642\r\n"} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n string) {
		got := meeting.Phone(n)
		if got == "" {
			return
		}
		if got[0] != '+' || len(got) < 8 || len(got) > 16 || strings.Trim(got[1:], "0123456789") != "" || meeting.Phone(got) != got {
			t.Errorf("Phone(%q) = %q", n, got)
		}
	})
}
