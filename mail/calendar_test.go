package mail_test

import (
	"errors"
	"mime"
	netmail "net/mail"
	"strconv"
	"strings"
	"testing"

	ical "github.com/arran4/golang-ical"
	"github.com/emersion/go-smtp"

	"vestibule/mail"
)

// entry reads the calendar entry of a mail, with the method by which mail
// programs act on it (RFC 6047 §2.4); nil: it has none.
func entry(t *testing.T, m taken) (cal *ical.Calendar, method string) {
	t.Helper()
	msg, err := netmail.ReadMessage(strings.NewReader(string(m.data)))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts(t, msg.Header.Get("Content-Type"), msg.Header.Get("Content-Transfer-Encoding"), msg.Body) {
		if !strings.HasPrefix(p.kind, "text/calendar") {
			continue
		}
		if cal, err = ical.ParseCalendar(strings.NewReader(p.text)); err != nil {
			t.Fatal(err)
		}
		_, params, err := mime.ParseMediaType(p.kind)
		if err != nil {
			t.Fatal(err)
		}
		method = params["method"]
	}
	return cal, method
}

// value answers a property of the one event of an entry.
func value(t *testing.T, cal *ical.Calendar, p ical.ComponentProperty) string {
	t.Helper()
	if len(cal.Events()) != 1 {
		t.Fatalf("%d events, want 1 (RFC 5546 §3.2.2)", len(cal.Events()))
	}
	if v := cal.Events()[0].GetProperty(p); v != nil {
		return v.Value
	}
	return ""
}

func calendarMethod(cal *ical.Calendar) string {
	for _, p := range cal.CalendarProperties {
		if p.IANAToken == "METHOD" {
			return p.Value
		}
	}
	return ""
}

// The life of an entry: asked for, moved, called off, under one UID and with a
// number that rises (RFC 5546 §3.2.2, §3.2.5; RFC 5545 §3.8.7.4).
func TestCalendarEntryLives(t *testing.T) {
	o := open(t, false, nil)
	s := o.sender(t, nil)
	at := func(sequence int) mail.Invite {
		i := invite("fr")
		i.Sequence = sequence
		return i
	}
	moved := at(1)
	moved.Starts, moved.Ends = moved.Starts.AddDate(0, 0, 1), moved.Ends.AddDate(0, 0, 1)
	for _, err := range []error{s.Invitation(t.Context(), at(0)), s.Invitation(t.Context(), moved), s.Cancel(t.Context(), at(2))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []struct{ method, status, start string }{
		{"REQUEST", "CONFIRMED", "20261124T130000Z"}, {"REQUEST", "CONFIRMED", "20261125T130000Z"}, {"CANCEL", "CANCELLED", "20261124T130000Z"},
	}
	for i, m := range o.mails() {
		cal, method := entry(t, m)
		if method != want[i].method || calendarMethod(cal) != method {
			t.Errorf("mail %d: method %s outside and %s inside, want %s", i, method, calendarMethod(cal), want[i].method)
		}
		for p, v := range map[ical.ComponentProperty]string{
			ical.ComponentPropertyUniqueId: "i1@visio.hospital.example", ical.ComponentPropertySequence: strconv.Itoa(i),
			ical.ComponentPropertyStatus: want[i].status, ical.ComponentPropertyDtStart: want[i].start,
			ical.ComponentPropertyOrganizer: "mailto:visio@hospital.example", ical.ComponentPropertyAttendee: "mailto:jeanne@example.org",
		} {
			if got := value(t, cal, p); got != v {
				t.Errorf("mail %d: %s = %q, want %q", i, p, got, v)
			}
		}
	}
}

// The personal link stands in the calendar only where the site says so: others
// may read it.
func TestLinkInCalendarIsTheSitesChoice(t *testing.T) {
	o := open(t, false, nil)
	s := o.sender(t, nil)
	for _, on := range []bool{false, true} {
		i := invite("en")
		i.LinkInCalendar = on
		if err := s.Invitation(t.Context(), i); err != nil {
			t.Fatal(err)
		}
	}
	for n, on := range []bool{false, true} {
		cal, _ := entry(t, o.mails()[n])
		// Lines are folded (RFC 5545 §3.1).
		text := strings.ReplaceAll(cal.Serialize(), "\r\n ", "")
		text = strings.ReplaceAll(text, "\n ", "")
		if got := strings.Contains(text, "/i/AbCdEf"); got != on {
			t.Errorf("the link is in the entry: %v, want %v", got, on)
		}
		if !on && !strings.Contains(text, "in the message you received") {
			t.Error("the entry does not say where the link is")
		}
	}
}

// Who looks over a shoulder at a calendar does not read who sees the doctor.
func TestCalendarTitleShowsInitials(t *testing.T) {
	o := open(t, false, nil)
	s := o.sender(t, nil)
	for i, c := range []struct{ title, name, want string }{
		{"Consultation Jeanne Dupont", "Jeanne Dupont", "Consultation J. D."},
		{"Suivi de DUPONT Jeanne (mardi)", "Jeanne Dupont", "Suivi de D. J. (mardi)"},
		{"Consultation d’Élodie", "Élodie Le Goff", "Consultation d’É."},
		{"Consultation J. D.", "J. D.", "Consultation J. D."},
		{"Jeannette vient", "Jeanne Dupont", "Jeannette vient"},
		{"Réunion de service", "", "Réunion de service"},
		{"Le point", "Élodie Le Goff", "Le point"},
	} {
		v := invite("fr")
		v.Title, v.Name = c.title, c.name
		if err := s.Invitation(t.Context(), v); err != nil {
			t.Fatal(err)
		}
		cal, _ := entry(t, o.mails()[i])
		if got := value(t, cal, ical.ComponentPropertySummary); got != c.want {
			t.Errorf("%q for %q stands as %q in the calendar, want %q", c.title, c.name, got, c.want)
		}
	}
}

// A mail that is tried again is the same mail, and a reminder touches no
// calendar.
func TestStableMessageID(t *testing.T) {
	o := open(t, false, nil)
	s := o.sender(t, nil)
	i := invite("fr")
	i.ID = "0af1"
	for _, err := range []error{s.Invitation(t.Context(), i), s.Invitation(t.Context(), i), s.Reminder(t.Context(), invite("fr"))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for n, m := range o.mails() {
		msg, err := netmail.ReadMessage(strings.NewReader(string(m.data)))
		if err != nil {
			t.Fatal(err)
		}
		if got := msg.Header.Get("Message-ID"); (got == "<0af1@hospital.example>") != (n < 2) {
			t.Errorf("mail %d has Message-ID %s", n, got)
		}
		if cal, _ := entry(t, m); (cal == nil) != (n == 2) {
			t.Errorf("mail %d has a calendar entry: %v", n, cal != nil)
		}
	}
}

// Why a mail came back is told by the server's own class (RFC 3463).
func TestBounceClasses(t *testing.T) {
	for _, c := range []struct {
		code  int
		class smtp.EnhancedCode
		want  string
	}{
		{550, smtp.EnhancedCode{5, 1, 1}, mail.ClassAddress},
		{550, smtp.EnhancedCode{5, 7, 1}, mail.ClassPolicy},
		{552, smtp.EnhancedCode{5, 2, 2}, mail.ClassFull},
		{550, smtp.EnhancedCode{5, 2, 1}, mail.ClassMailbox},
		{554, smtp.EnhancedCode{5, 6, 0}, mail.ClassOther},
		{550, smtp.EnhancedCode{5, 0, 0}, mail.ClassAddress},
		{552, smtp.EnhancedCode{5, 0, 0}, mail.ClassFull},
		{554, smtp.EnhancedCode{5, 0, 0}, mail.ClassOther},
	} {
		o := open(t, false, func(o *office, _ *smtp.Server) {
			o.onRcpt = &smtp.SMTPError{Code: c.code, EnhancedCode: c.class, Message: "no"}
		})
		err := o.sender(t, nil).Invitation(t.Context(), invite("fr"))
		var f *mail.Fault
		if !errors.As(err, &f) || f.Kind != mail.Bounced || f.Class() != c.want {
			t.Errorf("%d %v: %v, want bounced: %s", c.code, c.class, err, c.want)
		}
	}
}
