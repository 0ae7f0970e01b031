package locale_test

import (
	"strings"
	"testing"
	"time"

	"vestibule/web/locale"
)

const paris = "Europe/Paris"

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// plain lets the tables below be read: a no-break space shows as ~.
func plain(s string) string { return strings.ReplaceAll(s, "\u00a0", "~") }

func TestLong(t *testing.T) {
	for _, c := range []struct{ at, zone, lang, want string }{
		{"2026-11-24T13:00:00Z", paris, "fr", "mardi 24~novembre à 14~h"},
		{"2026-11-24T13:00:00Z", paris, "en", "Tuesday 24 November, 14:00"},
		{"2026-12-01T08:05:00Z", paris, "fr", "mardi 1er~décembre à 9~h~05"},
		{"2026-08-02T22:30:00Z", paris, "fr", "lundi 3~août à 0~h~30"}, // summer, past midnight
		{"2026-08-02T22:30:00Z", "Nowhere/At_All", "fr", "dimanche 2~août à 22~h~30"},
		{"2026-08-02T22:30:00Z", "Local", "en", "Sunday 2 August, 22:30"},
		{"2026-08-02T22:30:00Z", "", "de", "Sunday 2 August, 22:30"},
	} {
		if got := plain(locale.Long(at(c.at), c.zone, c.lang)); got != c.want {
			t.Errorf("Long(%s, %s, %s) = %q, want %q", c.at, c.zone, c.lang, got, c.want)
		}
	}
}

func TestSpan(t *testing.T) {
	for _, c := range []struct{ from, to, lang, want string }{
		{"2026-11-24T13:00:00Z", "2026-11-24T13:45:00Z", "fr", "mardi 24~novembre, de 14~h à 14~h~45"},
		{"2026-11-24T13:00:00Z", "2026-11-24T13:45:00Z", "en", "Tuesday 24 November, 14:00 to 14:45"},
		{"2026-11-24T22:30:00Z", "2026-11-24T23:30:00Z", "fr", "du mardi 24~novembre à 23~h~30 au mercredi 25~novembre à 0~h~30"},
		{"2026-11-24T22:30:00Z", "2026-11-24T23:30:00Z", "en", "Tuesday 24 November, 23:30 to Wednesday 25 November, 00:30"},
	} {
		if got := plain(locale.Span(at(c.from), at(c.to), paris, c.lang)); got != c.want {
			t.Errorf("Span(%s, %s, %s) = %q, want %q", c.from, c.to, c.lang, got, c.want)
		}
	}
}

func TestLength(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		lang string
		want string
	}{
		{45 * time.Minute, "fr", "45~min"},
		{time.Hour, "fr", "1~h"},
		{65 * time.Minute, "fr", "1~h~05"},
		{90 * time.Minute, "fr", "1~h~30"},
		{90 * time.Minute, "en", "1~h~30~min"},
	} {
		if got := plain(locale.Length(c.d, c.lang)); got != c.want {
			t.Errorf("Length(%v, %s) = %q, want %q", c.d, c.lang, got, c.want)
		}
	}
}

func TestPlace(t *testing.T) {
	for _, c := range []struct{ zone, lang, want string }{
		{paris, "fr", "heure de Paris"},
		{paris, "en", "Paris time"},
		{"Europe/Amsterdam", "fr", "heure d’Amsterdam"},
		{"America/New_York", "en", "New York time"},
		{"", "fr", "UTC"},
		{"Nowhere/At_All", "en", "UTC"},
	} {
		if got := locale.Place(c.zone, c.lang); got != c.want {
			t.Errorf("Place(%s, %s) = %q, want %q", c.zone, c.lang, got, c.want)
		}
	}
}
