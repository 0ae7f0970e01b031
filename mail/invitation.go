package mail

import (
	"context"
	"fmt"
	netmail "net/mail"
	"net/url"
	"time"

	smtp "github.com/wneessen/go-mail"

	"vestibule/meeting"
	"vestibule/web/locale"
)

// Invite is what one invitee is written.
type Invite struct {
	// ID names the mail, the same each time it is tried. Empty: a random one.
	ID string
	// Token names the mail to the Ledger should it come back: lower-case
	// letters and digits, at most 56. Empty: it comes back unread.
	Token    string
	To       string // their address
	Name     string // as the host wrote it; may be empty
	HostName string
	Title    string
	Starts   time.Time
	Ends     time.Time
	Zone     string // IANA name
	Lang     string // "fr" or "en"
	Link     string // personal; unused for a cancellation
	Contact  string // whom to ask, in the site's words; may be empty
	// UID names the calendar entry, the same for every mail about it, such as
	// "invitation@visio.example.org". Empty sends no calendar entry.
	UID string
	// Sequence counts the changes (RFC 5545 §3.8.7.4). From 1 on the mail
	// says that something changed.
	Sequence int
	// Dial is how they come in by telephone; zero: not at all.
	Dial Dial
	// LinkInCalendar puts the personal link into the calendar entry, which
	// others may be able to read. The site's choice.
	LinkInCalendar bool
	// Withdrawn says of a cancellation that the meeting takes place, without
	// them.
	Withdrawn bool
}

// Dial is a meeting number and a personal code, and what to dial. Like the
// link, it is for one person.
type Dial struct {
	Number, Code string
	Addresses    []string
	// Strings are what a device dials that is to be asked nothing.
	Strings []string
}

// Zero reports whether there is no way in by telephone.
func (d Dial) Zero() bool { return d.Number == "" || d.Code == "" || len(d.Addresses) == 0 }

// Invitation sends the personal link, and a calendar entry. Sent again with a
// higher Sequence it changes the entry.
func (s *Sender) Invitation(ctx context.Context, i Invite) error {
	return s.linked(ctx, i, "invitation")
}

// Reminder says that the meeting is near, with the link again: the first mail
// may be far down by then. The calendar entry stays as it is.
func (s *Sender) Reminder(ctx context.Context, i Invite) error {
	i.UID = ""
	return s.linked(ctx, i, "reminder")
}

func (s *Sender) linked(ctx context.Context, i Invite, name string) error {
	u, err := url.Parse(i.Link)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("writing %s: the link is none", name)
	}
	i.Link = u.String()
	return s.invite(ctx, i, name, time.Now())
}

// Cancel says that the meeting does not take place, or not with them, and takes the entry out
// of the calendar.
func (s *Sender) Cancel(ctx context.Context, i Invite) error {
	i.Link, i.LinkInCalendar = "", false
	return s.invite(ctx, i, "cancel", time.Now())
}

// page is what the templates of an invitation see.
type page struct {
	Invite
	Day     string // "mardi 24 novembre"
	Long    string // "mardi 24 novembre à 14 h"
	Span    string // "mardi 24 novembre, de 14 h à 14 h 45"
	Place   string // "heure de Paris"
	Changed bool
}

func (s *Sender) invite(ctx context.Context, i Invite, name string, now time.Time) error {
	if !meeting.Address(i.To) {
		return s.tell(ctx, &Fault{Kind: Bounced, Detail: "the address cannot be used"})
	}
	i.Name, i.HostName, i.Title, i.Contact = clean(i.Name), clean(i.HostName), clean(i.Title), clean(i.Contact)
	i.Lang = lang(i.Lang)
	p := page{
		Invite:  i,
		Day:     locale.Day(i.Starts, i.Zone, i.Lang),
		Long:    locale.Long(i.Starts, i.Zone, i.Lang),
		Span:    locale.Span(i.Starts, i.Ends, i.Zone, i.Lang),
		Place:   locale.Place(i.Zone, i.Lang),
		Changed: i.Sequence > 0,
	}
	t, err := s.texts.write(i.Lang, name, p)
	if err != nil {
		return err
	}
	m := s.message(i.ID, i.To, i.Name, t, now)
	if s.back != "" && i.Token != "" {
		m.EnvelopeFromMailAddress(&netmail.Address{Address: backTo(s.back, i.Token)})
	}
	if i.UID != "" {
		method := "REQUEST"
		if name == "cancel" {
			method = "CANCEL"
		}
		entry := s.calendar(p, method, t.calendar, now)
		// RFC 6047 §2.4: what mail programs act on; the file is for the rest.
		m.AddAlternativeString(smtp.ContentType("text/calendar; method="+method), entry,
			smtp.WithPartEncoding(smtp.EncodingB64))
		attach(m, "invite.ics", entry)
	}
	return s.send(ctx, m)
}

// lang returns the language that is written for one that is asked for.
func lang(l string) string {
	if l == "fr" {
		return "fr"
	}
	return "en"
}
