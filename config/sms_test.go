package config_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"vestibule/config"
)

// withSMS is the example with an SMS gateway.
func withSMS(section string) []byte {
	head, rest, _ := strings.Cut(string(config.Example), "\nsms:\n")
	_, tail, _ := strings.Cut(rest, "\n\n")
	return []byte(head + "\n" + section + "\n\n" + tail)
}

func TestSMS(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, faults := config.Parse("f", withSMS(`sms: {url: "https://sms.example.org/x", secret: "file:`+secret+`"}`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	// Whatever else of the example is not on this machine, this is.
	if _, err := f.Build(slog.New(slog.DiscardHandler)); err != nil && strings.Contains(err.Error(), "sms") {
		t.Error(err)
	}
	if err := os.WriteFile(secret, []byte("plain-secret-of-the-gateway"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Build(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "sms.secret: want whsec_") || strings.Contains(err.Error(), "plain-secret") {
		t.Errorf("Build = %v, want the fault of sms.secret", err)
	}
	for section, want := range map[string]string{
		`sms: {url: "http://sms.example.org/x", secret: "env:S"}`:               "sms.url: want https",
		`sms: {url: "https://sms.example.org/x"}`:                               "sms.secret: is missing",
		`sms: {url: "https://sms.example.org/x", secret: "env:S", timeout: 1m}`: "sms.timeout: want 1s to 10s",
		`sms: {url: "https://sms.example.org/x", secret: "whsec_x"}`:            "sms.secret: is not where a secret is kept",
		`sms: {url: "https://sms.example.org/x", secret: "env:S", seccret: x}`:  "sms.seccret: is not a setting",
		`sms: {url: "https://u:p@sms.example.org/x", secret: "env:S"}`:          "sms.url: want an absolute URL without credentials",
	} {
		_, faults := config.Parse("f", withSMS(section))
		found := false
		for _, f := range faults {
			found = found || strings.Contains(f.Error(), want)
		}
		if !found {
			t.Errorf("%s: %v, want %q", section, faults, want)
		}
	}
}
