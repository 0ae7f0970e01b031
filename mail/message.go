package mail

import (
	"bytes"
	"crypto/rand"
	"embed"
	"errors"
	"fmt"
	html "html/template"
	"net/mail"
	"strings"
	text "text/template"
	"time"
	"unicode"
	"unicode/utf8"

	ical "github.com/arran4/golang-ical"
	smtp "github.com/wneessen/go-mail"
)

//go:embed templates
var files embed.FS

// texts are the compiled templates, by language and name.
type texts map[string]struct {
	plain *text.Template // and, defined in it, the subject
	html  *html.Template
}

// letter is one mail's words.
type letter struct{ subject, plain, html, calendar string }

func parse() (texts, error) {
	t := texts{}
	var faults []error
	for _, lang := range []string{"fr", "en"} {
		for _, name := range []string{"invitation", "reminder", "cancel", "code"} {
			base := "templates/" + lang + "/" + name
			e := t[lang+"/"+name]
			var err error
			e.plain, err = text.New(name+".txt").Option("missingkey=error").ParseFS(files, base+".txt")
			faults = append(faults, err)
			e.html, err = html.New("layout.html").ParseFS(files, "templates/layout.html", base+".html")
			faults = append(faults, err)
			t[lang+"/"+name] = e
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("reading mail templates: %w", err)
	}
	return t, nil
}

func (t texts) write(lang, name string, data any) (letter, error) {
	e := t[lang+"/"+name]
	var subject, plain, rich, calendar bytes.Buffer
	if err := errors.Join(
		e.plain.ExecuteTemplate(&subject, "subject", data),
		e.plain.Execute(&plain, data),
		e.html.Execute(&rich, data),
	); err != nil {
		return letter{}, fmt.Errorf("writing mail %s: %w", name, err)
	}
	if e.plain.Lookup("calendar") != nil {
		if err := e.plain.ExecuteTemplate(&calendar, "calendar", data); err != nil {
			return letter{}, fmt.Errorf("writing calendar of mail %s: %w", name, err)
		}
	}
	return letter{
		subject:  clean(subject.String()),
		plain:    strings.TrimSpace(plain.String()) + "\n",
		html:     strings.TrimSpace(rich.String()) + "\n",
		calendar: strings.TrimSpace(calendar.String()),
	}, nil
}

// message puts a letter into its envelope.
func (s *Sender) message(id, to, name string, l letter, now time.Time) *smtp.Msg {
	m := smtp.NewMsg(smtp.WithNoDefaultUserAgent())
	m.FromMailAddress(&mail.Address{Name: s.name, Address: s.from})
	m.ToMailAddress(&mail.Address{Name: name, Address: to})
	m.Subject(l.subject)
	m.SetDateWithValue(now)
	if id == "" {
		id = rand.Text()
	}
	// The library would put this machine's name into it.
	m.SetMessageIDWithValue(clean(id) + "@" + s.domain)
	// RFC 3834 §5: nobody's holiday notice answers a machine.
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	m.SetBodyString(smtp.TypeTextPlain, l.plain)
	m.AddAlternativeString(smtp.TypeTextHTML, l.html)
	return m
}

func attach(m *smtp.Msg, name, content string) {
	m.AttachReadSeeker(name, strings.NewReader(content), smtp.WithFileContentType("application/ics"))
}

// calendar writes the entry (RFC 5545, RFC 5546 §3.2.2 and §3.2.5).
func (s *Sender) calendar(p page, method, words string, now time.Time) string {
	c := ical.NewCalendar()
	c.SetProductId("-//vestibule//door//" + strings.ToUpper(p.Lang))
	c.SetMethod(ical.Method(method))
	e := c.AddEvent(clean(p.UID))
	e.SetDtStampTime(now)
	e.SetStartAt(p.Starts)
	e.SetEndAt(p.Ends)
	e.SetSequence(p.Sequence)
	e.SetSummary(discreet(p.Title, p.Name))
	e.SetClass(ical.ClassificationPrivate)
	e.SetOrganizer(s.from, ical.WithCN(common(p.HostName)))
	e.AddAttendee(p.To, ical.CalendarUserTypeIndividual, ical.ParticipationRoleReqParticipant,
		ical.ParticipationStatusNeedsAction, ical.WithRSVP(false))
	e.SetStatus(ical.ObjectStatusConfirmed)
	if method == "CANCEL" {
		e.SetStatus(ical.ObjectStatusCancelled)
	}
	if p.LinkInCalendar {
		e.SetLocation(p.Link)
		e.SetURL(p.Link)
	}
	if words != "" {
		e.SetDescription(words)
	}
	return c.Serialize(ical.WithNewLine("\r\n"))
}

// discreet shortens the invitee's own name, where the title has it, to initials:
// others may read a calendar, and a title such as "Consultation Jeanne Dupont"
// tells them who goes to see a doctor.
func discreet(title, name string) string {
	whole := map[string]bool{}
	for _, w := range strings.FieldsFunc(name, func(r rune) bool { return !inWord(r) }) {
		if utf8.RuneCountInString(w) > 2 {
			whole[strings.ToLower(w)] = true
		}
	}
	var b strings.Builder
	for title != "" {
		n := strings.IndexFunc(title, func(r rune) bool { return !inWord(r) })
		switch {
		case n < 0:
			n = len(title)
		case n == 0:
			_, n = utf8.DecodeRuneInString(title)
		}
		w := title[:n]
		title = title[n:]
		if whole[strings.ToLower(w)] {
			first, _ := utf8.DecodeRuneInString(w)
			w = string(unicode.ToUpper(first)) + "."
		}
		b.WriteString(w)
	}
	return b.String()
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsMark(r) }

// common makes a name fit for a parameter. The library escapes what RFC 5545
// §3.2 wants in quotes, so these characters are not left to it.
func common(name string) string {
	return strings.Join(strings.Fields(strings.Map(func(r rune) rune {
		switch r {
		case '\'':
			return '’'
		case '"', ',', ';', ':', '\\':
			return ' '
		default:
			return r
		}
	}, name)), " ")
}
