package config_test

import (
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// How long a browser stays signed in is the site's own, within bounds.
func TestSessions(t *testing.T) {
	with := func(idle, absolute string) (*config.File, string) {
		f, faults := config.Parse("f", []byte(strings.NewReplacer("idle: 2h ", "idle: "+idle+" ", "absolute: 12h ", "absolute: "+absolute+" ").Replace(string(config.Example))))
		var keys []string
		for _, f := range faults {
			keys = append(keys, f.Key)
		}
		return f, strings.Join(keys, " ")
	}
	for _, c := range []struct{ idle, absolute, faults string }{
		{"5m", "1h", ""},
		{"12h", "24h", ""},
		{"8h", "8h", ""},
		{"4m", "8h", "sessions.idle"},
		{"13h", "24h", "sessions.idle"},
		{"15m", "59m", "sessions.absolute"},
		{"15m", "25h", "sessions.absolute"},
		{"9h", "8h", "sessions.absolute"},
		{"0s", "0s", "sessions.idle sessions.absolute"},
	} {
		if _, got := with(c.idle, c.absolute); got != c.faults {
			t.Errorf("idle %s, absolute %s: faults at %q, want %q", c.idle, c.absolute, got, c.faults)
		}
	}
	// What is written reaches the house.
	f, _ := with("15m", "8h")
	dir := t.TempDir()
	f.Secret, f.Store.Password, f.Mail.Password = kept(t, dir), "", kept(t, dir)
	f.Conference.LiveKit.Secret, f.Certificates.Storage = kept(t, dir), dir
	f.Providers, f.Dialin, f.Turn.TLS = nil, config.Dialin{}, nil
	b, err := f.Build(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if b.House.SessionIdle != 15*time.Minute || b.House.SessionLife != 8*time.Hour {
		t.Errorf("the house has idle %s and absolute %s", b.House.SessionIdle, b.House.SessionLife)
	}
}

// kept is a secret in a file.
func kept(t *testing.T, dir string) config.Secret {
	t.Helper()
	path := filepath.Join(dir, rand.Text())
	if err := os.WriteFile(path, []byte(rand.Text()+rand.Text()), 0o600); err != nil {
		t.Fatal(err)
	}
	return config.Secret("file:" + path)
}
