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
