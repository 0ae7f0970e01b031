package mailbox

import (
	"strings"
	"time"
)

// Event is a calendar part in one line.
type Event struct {
	// Method is REQUEST, CANCEL and so on; a reader is told what it means.
	Method, Summary string
	// When holds start and end as the organiser wrote them, with the zone.
	When string
}

// event reads the first VEVENT of an iCalendar object (RFC 5545), as far as
// a line about it needs.
func event(ics, method string) Event {
	e := Event{Method: strings.ToUpper(method)}
	var start, end moment
	inside := false
	for line := range strings.Lines(unfold(ics)) {
		name, params, value := property(strings.TrimRight(line, "\r\n"))
		switch {
		case name == "BEGIN" && value == "VEVENT":
			inside = true
		case name == "END" && value == "VEVENT":
			e.When = span(start, end)
			return e
		case name == "METHOD" && e.Method == "":
			e.Method = strings.ToUpper(value)
		case !inside:
		case name == "SUMMARY":
			e.Summary = text(value)
		case name == "DTSTART":
			start = readMoment(params, value)
		case name == "DTEND":
			end = readMoment(params, value)
		}
	}
	return e
}

// unfold joins the lines that RFC 5545 §3.1 broke.
func unfold(s string) string {
	s = strings.ReplaceAll(s, "\r\n", "\n")
	return strings.NewReplacer("\n ", "", "\n\t", "").Replace(s)
}

// property takes NAME;PARAMS:VALUE apart. A colon inside a quoted parameter
// does not end them.
func property(line string) (name, params, value string) {
	quoted := false
	for i, r := range line {
		switch {
		case r == '"':
			quoted = !quoted
		case r == ':' && !quoted:
			name, params, _ = strings.Cut(line[:i], ";")
			return strings.ToUpper(name), params, line[i+1:]
		}
	}
	return "", "", ""
}

// text undoes the escapes of RFC 5545 §3.3.11.
func text(v string) string {
	return strings.NewReplacer(`\\`, `\`, `\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";").Replace(v)
}

// moment is a date as written: day, time and zone, the latter two empty for
// a whole day.
type moment struct{ day, time, zone string }

func readMoment(params, value string) moment {
	zone := ""
	for p := range strings.SplitSeq(params, ";") {
		if k, v, ok := strings.Cut(p, "="); ok && strings.EqualFold(k, "TZID") {
			zone = " " + strings.Trim(v, `"`)
		}
	}
	for layout, zone := range map[string]string{"20060102T150405Z": " UTC", "20060102T150405": zone} {
		if t, err := time.Parse(layout, value); err == nil {
			return moment{t.Format(time.DateOnly), t.Format(" 15:04"), zone}
		}
	}
	if t, err := time.Parse("20060102", value); err == nil {
		return moment{day: t.Format(time.DateOnly)}
	}
	return moment{day: value}
}

// span writes what start and end share once.
func span(start, end moment) string {
	switch {
	case end.day == "":
		return start.day + start.time + start.zone
	case start.day == end.day && start.zone == end.zone && end.time != "":
		return start.day + start.time + " –" + end.time + end.zone
	}
	return start.day + start.time + start.zone + " – " + end.day + end.time + end.zone
}
