package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vestibule/config"
	"vestibule/meeting"
)

// What a site says of its mails reaches the house.
func TestMailSettings(t *testing.T) {
	example := string(config.Example)
	for _, c := range []struct {
		name, old, new string
		want           meeting.Reminders
		link           bool
		faults         []string
	}{
		{name: "example", want: meeting.Reminders{24 * time.Hour}},
		{name: "left out", old: "  reminders: [24h]", new: "  # ", want: meeting.Reminders{24 * time.Hour}},
		{name: "none", old: "reminders: [24h]", new: "reminders: []"},
		{name: "two", old: "reminders: [24h]", new: "reminders: [48h, 30m]", want: meeting.Reminders{48 * time.Hour, 30 * time.Minute}},
		{name: "too many", old: "reminders: [24h]", new: "reminders: [48h, 24h, 30m]", faults: []string{"meetings.reminders"}},
		{name: "too soon", old: "reminders: [24h]", new: "reminders: [10s, 300h]", faults: []string{"meetings.reminders[0]", "meetings.reminders[1]"}},
		{name: "link", old: "link_in_calendar: false", new: "link_in_calendar: true", want: meeting.Reminders{24 * time.Hour}, link: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, faults := config.Parse("f", []byte(strings.Replace(example, c.old, c.new, 1)))
			var keys []string
			for _, x := range faults {
				keys = append(keys, x.Key)
			}
			if d := cmp.Diff(c.faults, keys); d != "" {
				t.Fatalf("faults (-want +got):\n%s", d)
			}
			if len(c.faults) > 0 {
				return
			}
			var got meeting.Reminders
			copy(got[:], f.Meetings.Reminders)
			if got != c.want || f.Mail.LinkInCalendar != c.link {
				t.Errorf("reminders %v, link %v; want %v, %v", got, f.Mail.LinkInCalendar, c.want, c.link)
			}
		})
	}
}

// Mails that come back are taken where all of it is said, and every fault is
// told at once.
func TestBounces(t *testing.T) {
	const empty = `  bounces:
    address: ""                  # bounce@visio.example.org: at most 7 characters before the @
    lmtp: ""                     # where your mail server brings them: 127.0.0.1:2424, unix:/run/vestibule/lmtp.sock
    relays: []                   # mail servers elsewhere that may bring them: [192.0.2.8/32]
`
	example := string(config.Example)
	if !strings.Contains(example, empty) {
		t.Fatal("the example has no bounces")
	}
	for bounces, want := range map[string][]string{
		`{address: bounce@visio.example.org, lmtp: "127.0.0.1:2424"}`:                        nil,
		`{address: bounce@visio.example.org, lmtp: "[::1]:2424"}`:                            nil,
		`{address: bounce@visio.example.org, lmtp: "localhost:2424"}`:                        nil,
		`{address: bounce@visio.example.org, lmtp: "unix:/run/vestibule/lmtp.sock"}`:         nil,
		`{address: bounce@visio.example.org, lmtp: ":2424", relays: [192.0.2.8/32]}`:         nil,
		`{address: bounce@visio.example.org, lmtp: ":2424"}`:                                 {"mail.bounces.lmtp"},
		`{address: bounce@visio.example.org, lmtp: "192.0.2.1:2424"}`:                        {"mail.bounces.lmtp"},
		`{address: bounce@visio.example.org, lmtp: "unix:lmtp.sock"}`:                        {"mail.bounces.lmtp"},
		`{address: bounce@visio.example.org}`:                                                {"mail.bounces.lmtp"},
		`{lmtp: "127.0.0.1:2424"}`:                                                           {"mail.bounces.address"},
		`{relays: [x]}`:                                                                      {"mail.bounces.address", "mail.bounces.lmtp", "mail.bounces.relays[0]"},
		`{address: returned@visio.example.org, lmtp: "127.0.0.1", relays: [192.0.2.8]}`:      {"mail.bounces.address", "mail.bounces.lmtp", "mail.bounces.relays[0]"},
		`{address: a+b@visio.example.org, lmtp: "127.0.0.1:2424"}`:                           {"mail.bounces.address"},
		`{address: "Bounce <bounce@visio.example.org>", lmtp: "127.0.0.1:2424", relays: []}`: {"mail.bounces.address"},
	} {
		_, faults := config.Parse("f", []byte(strings.Replace(example, empty, "  bounces: "+bounces+"\n", 1)))
		var keys []string
		for _, x := range faults {
			keys = append(keys, x.Key)
		}
		if d := cmp.Diff(want, keys); d != "" {
			t.Errorf("%s: faults (-want +got):\n%s", bounces, d)
		}
	}
	_, faults := config.Parse("f", []byte(strings.Replace(strings.Replace(example, empty, `  bounces: {address: bounce@visio.example.org, lmtp: "127.0.0.1:2424"}`+"\n", 1), "addr: smtp.example.org:587", `addr: ""`, 1)))
	if len(faults) != 1 || faults[0].Key != "mail.bounces" {
		t.Errorf("without a mail server: %v, want mail.bounces named", faults)
	}
}
