package media_test

import (
	"testing"

	"vestibule/dialin/media"
)

// at is one telephone-event packet: timestamp, key, end bit, duration.
type at struct {
	ts   uint32
	key  byte
	end  bool
	span uint16
}

func (a at) payload() []byte {
	b := []byte{a.key, 10, byte(a.span >> 8), byte(a.span)}
	if a.end {
		b[1] |= 0x80
	}
	return b
}

func TestEventsTellEachPressOnce(t *testing.T) {
	for _, c := range []struct {
		name string
		said []at
		want string
	}{
		{"a press", []at{{100, 5, false, 160}, {100, 5, false, 320}, {100, 5, true, 480}, {100, 5, true, 480}, {100, 5, true, 480}}, "5"},
		{"twice the same", []at{{100, 5, false, 160}, {100, 5, true, 320}, {1700, 5, false, 160}, {1700, 5, true, 320}}, "55"},
		{"twice the same, every end lost", []at{{100, 5, false, 160}, {100, 5, false, 320}, {1700, 5, false, 160}}, "55"},
		{"only an end arrives", []at{{100, 10, true, 800}, {900, 11, true, 800}}, "*#"},
		{"the start comes late", []at{{100, 1, false, 320}, {900, 2, false, 160}, {100, 1, true, 480}}, "12"},
		{"a timestamp that counts on", []at{{100, 7, false, 160}, {260, 7, false, 320}, {420, 7, false, 480}, {580, 7, true, 640}, {740, 7, true, 640}, {2000, 7, false, 160}}, "77"},
		{"held beyond the counter", []at{{100, 3, false, 160}, {100, 3, false, 0xFFFF}, {100 + 0xFFFF, 3, false, 160}, {100 + 0xFFFF, 3, true, 320}}, "3"},
		{"timestamps wrap", []at{{0xFFFFFFF0, 1, true, 480}, {0x500, 2, true, 480}}, "12"},
		{"the clock is set anew", []at{{900000, 1, true, 480}, {100, 2, true, 480}}, "12"},
		{"letters and a flash", []at{{100, 12, true, 480}, {1000, 15, true, 480}, {2000, 16, true, 480}, {3000, 255, true, 480}}, "AD"},
	} {
		var e media.Events
		got := ""
		for _, a := range c.said {
			if r := e.Take(a.ts, a.payload()); r != 0 {
				got += string(r)
			}
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	var e media.Events
	if r := e.Take(1, []byte{1, 2, 3}); r != 0 {
		t.Errorf("three bytes are %q", r)
	}
}

func FuzzEvents(f *testing.F) {
	f.Add(uint32(100), []byte{5, 10, 0, 160, 5, 138, 1, 64})
	f.Fuzz(func(t *testing.T, ts uint32, b []byte) {
		var e media.Events
		told := 0
		for ; len(b) >= 4; b = b[4:] {
			if r := e.Take(ts, b[:4]); r != 0 {
				told++
			}
		}
		if told > 1 {
			t.Errorf("one timestamp made %d presses", told)
		}
	})
}
