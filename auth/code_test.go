package auth_test

import (
	"bytes"
	"testing"

	"vestibule/auth"
)

func codes() auth.Codes { return auth.Codes{Key: bytes.Repeat([]byte{7}, 32)} }

func TestCodesNewIsUniform(t *testing.T) {
	const n = 20_000
	var seen [auth.Digits][10]int
	for range n {
		c := codes().New()
		if auth.Clean(c) != c {
			t.Fatalf("New() = %q, want %d digits", c, auth.Digits)
		}
		for i, d := range c {
			seen[i][d-'0']++
		}
	}
	// Chi-squared with 9 degrees of freedom: above 45 once in a million.
	for i, digits := range seen {
		var x float64
		for _, got := range digits {
			d := float64(got) - n/10
			x += d * d / (n / 10)
		}
		if x > 45 {
			t.Errorf("digit %d: chi-squared = %.1f, want at most 45: %v", i, x, digits)
		}
	}
}

// T08: a code is bound to one invitation of one meeting.
func TestT08CodeOfAnotherInvitation(t *testing.T) {
	c := codes()
	stored := c.MAC("m1", "i1", "a@b.fr", "123456")
	for _, x := range []struct {
		name                          string
		meeting, invitation, to, code string
		want                          bool
	}{
		{"the same", "m1", "i1", "a@b.fr", "123456", true},
		{"another code", "m1", "i1", "a@b.fr", "123457", false},
		{"another invitation", "m1", "i2", "a@b.fr", "123456", false},
		{"another meeting", "m2", "i1", "a@b.fr", "123456", false},
		{"shifted border", "m1i", "1", "a@b.fr", "123456", false},
		{"another mailbox", "m1", "i1", "c@b.fr", "123456", false},
		{"shifted border", "m1", "i1", "a@b.fr12345", "6", false},
		{"nothing", "", "", "", "", false},
	} {
		if got := c.Equal(stored, c.MAC(x.meeting, x.invitation, x.to, x.code)); got != x.want {
			t.Errorf("%s: Equal = %v, want %v", x.name, got, x.want)
		}
	}
}

func TestCodesRefuseByDefault(t *testing.T) {
	for _, key := range [][]byte{nil, {}, make([]byte, 31)} {
		c := auth.Codes{Key: key}
		mac := c.MAC("m", "i", "to", "123456")
		if mac != nil {
			t.Errorf("MAC with a key of %d bytes = %x, want nil", len(key), mac)
		}
		if c.Equal(mac, mac) || c.Equal(nil, nil) || c.Equal([]byte{}, []byte{}) {
			t.Errorf("a missing MAC fits with a key of %d bytes", len(key))
		}
	}
	other := auth.Codes{Key: bytes.Repeat([]byte{8}, 32)}
	if c := codes(); c.Equal(c.MAC("m", "i", "to", "1"), other.MAC("m", "i", "to", "1")) {
		t.Error("a MAC under another key fits")
	}
}

func cleanTable() []struct{ in, want string } {
	return []struct{ in, want string }{
		{"123456", "123456"},
		{" 123 456\n", "123456"},
		{"123-456", "123456"},
		{"12–34—56", "123456"},
		{"1.2.3.4.5.6", "123456"},
		{"123\u00a0456", "123456"},
		{"123\u202f456", "123456"},
		{"\u200f123456\u200e", "123456"},
		{"１２３４５６", "123456"},
		{"٠١٢٣٤٥", "012345"},
		{"۰۱۲۳۴۵", "012345"},
		{"०१२३४५", "012345"},
		{"000000", "000000"},
		{"", ""},
		{"12345", ""},
		{"1234567", ""},
		{"12345a", ""},
		{"+123456", ""},
		{"Ⅰ23456", ""},
		{"¹23456", ""},
		{"12345\x00" + "6", ""},
		{"\xff123456", ""},
		{"123456' OR 1=1", ""},
	}
}

func TestClean(t *testing.T) {
	for _, c := range cleanTable() {
		if got := auth.Clean(c.in); got != c.want {
			t.Errorf("Clean(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, c := range cleanTable() {
		f.Add(c.in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		got := auth.Clean(in)
		if got == "" {
			return
		}
		if len(got) != auth.Digits || auth.Clean(got) != got {
			t.Errorf("Clean(%q) = %q, want digits only or nothing", in, got)
		}
	})
}
