package locale

import (
	"strconv"
	"strings"
	"time"
)

// The words below are those a person would write in a letter, not those of a
// log: no leading zero before a French hour, no abbreviation of a month. The
// hour and its "h" are held together by a no-break space.
const nbsp = "\u00a0"

func frDay(d time.Weekday) string {
	return [...]string{
		"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi",
	}[d]
}

func frMonth(m time.Month) string {
	return [...]string{
		"janvier", "février", "mars", "avril", "mai", "juin", "juillet",
		"août", "septembre", "octobre", "novembre", "décembre",
	}[m-1]
}

// Zone returns the place whose clock a meeting follows. A name that is not
// known gives UTC, and Place then says so, rather than the server's own zone,
// which no reader could guess.
func Zone(name string) *time.Location {
	if name == "" || name == "Local" {
		return time.UTC
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return time.UTC
	}
	return l
}

// Day returns the date: "mardi 24 novembre", "Tuesday 24 November".
func Day(t time.Time, zone, lang string) string {
	t = t.In(Zone(zone))
	if lang != "fr" {
		return t.Format("Monday 2 January")
	}
	d := strconv.Itoa(t.Day())
	if t.Day() == 1 {
		d = "1er"
	}
	return frDay(t.Weekday()) + " " + d + nbsp + frMonth(t.Month())
}

// Clock returns the time of day: "14 h", "9 h 05", "14:00".
func Clock(t time.Time, zone, lang string) string {
	t = t.In(Zone(zone))
	if lang != "fr" {
		return t.Format("15:04")
	}
	s := strconv.Itoa(t.Hour()) + nbsp + "h"
	if t.Minute() != 0 {
		s += nbsp + t.Format("04")
	}
	return s
}

// Long returns date and time: "mardi 24 novembre à 14 h", "Tuesday 24
// November, 14:00".
func Long(t time.Time, zone, lang string) string {
	if lang != "fr" {
		return Day(t, zone, lang) + ", " + Clock(t, zone, lang)
	}
	return Day(t, zone, lang) + " à " + Clock(t, zone, lang)
}

// Span returns from when to when: "mardi 24 novembre, de 14 h à 14 h 45",
// "Tuesday 24 November, 14:00 to 14:45". Past midnight both days are named.
func Span(from, to time.Time, zone, lang string) string {
	if sameDay(from, to, Zone(zone)) {
		hours := Clock(from, zone, lang) + " to " + Clock(to, zone, lang)
		if lang == "fr" {
			hours = "de " + Clock(from, zone, lang) + " à " + Clock(to, zone, lang)
		}
		return Day(from, zone, lang) + ", " + hours
	}
	if lang != "fr" {
		return Long(from, zone, lang) + " to " + Long(to, zone, lang)
	}
	return "du " + Long(from, zone, lang) + " au " + Long(to, zone, lang)
}

// Length returns how long something takes: "45 min", "1 h 30", "1 h 30 min".
func Length(d time.Duration, lang string) string {
	m := int(d.Round(time.Minute) / time.Minute)
	h, rest := m/60, m%60
	switch {
	case h == 0:
		return strconv.Itoa(m) + nbsp + "min"
	case rest == 0:
		return strconv.Itoa(h) + nbsp + "h"
	case lang == "fr":
		return strconv.Itoa(h) + nbsp + "h" + nbsp + two(rest)
	default:
		return strconv.Itoa(h) + nbsp + "h" + nbsp + strconv.Itoa(rest) + nbsp + "min"
	}
}

// Place names the clock that the times follow: "heure de Paris", "Paris time".
func Place(zone, lang string) string {
	if Zone(zone) == time.UTC {
		return "UTC"
	}
	city := zone[strings.LastIndexByte(zone, '/')+1:]
	city = strings.ReplaceAll(city, "_", " ")
	switch {
	case lang != "fr":
		return city + " time"
	case strings.ContainsAny(city[:1], "AEIOUY"):
		return "heure d’" + city
	default:
		return "heure de " + city
	}
}

func sameDay(a, b time.Time, in *time.Location) bool {
	ay, am, ad := a.In(in).Date()
	by, bm, bd := b.In(in).Date()
	return ay == by && am == bm && ad == bd
}

func two(n int) string {
	if n < 10 {
		return "0" + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}
