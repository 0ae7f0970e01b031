package config_test

import (
	"log/slog"
	"strings"
	"testing"

	"vestibule/config"
)

// What a site says of names and addresses reaches the lobby, and a word that is
// none is told with its place.
func TestNamesAndEmails(t *testing.T) {
	with := func(names, emails string) []byte {
		return []byte(strings.NewReplacer("names: free ", "names: "+names+" ", "emails: full ", "emails: "+emails+" ").Replace(string(config.Example)))
	}
	f, faults := config.Parse("f", with("initials", "hidden"))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	if f.Meetings.Names != "initials" || f.Meetings.Emails != "hidden" {
		t.Errorf("read names %q and emails %q", f.Meetings.Names, f.Meetings.Emails)
	}
	// Files of the example are not on this machine.
	if _, err := f.Build(slog.New(slog.DiscardHandler)); err != nil && strings.Contains(err.Error(), "meetings") {
		t.Error(err)
	}
	_, faults = config.Parse("f", with("none", "some"))
	var keys []string
	for _, f := range faults {
		keys = append(keys, f.Key)
	}
	if got := strings.Join(keys, " "); got != "meetings.names meetings.emails" {
		t.Errorf("faults at %s", got)
	}
}
