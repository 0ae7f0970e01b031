package lobby

import (
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"vestibule/meeting"
)

// Draft is a meeting as a host asks for it.
type Draft struct {
	Title    string
	Starts   time.Time
	Ends     time.Time
	Zone     string
	Lang     string
	Settings meeting.Settings // as they shall be: begin with Defaults
	Invitees []Invitee
}

// Invitee is one line of a draft.
type Invitee struct {
	Name  string
	Email string
	// Phone is where codes go by SMS, as meeting.Phone has it.
	Phone string
	Match meeting.Match
	Role  meeting.Role
}

// Bounds of a draft.
const (
	MaxTitle    = 120 // characters
	MaxInvitees = 500
	MaxLength   = 24 * time.Hour
	MaxAhead    = 366 * 24 * time.Hour
)

// Faults returns everything about the draft that cannot be used, one refusal a
// field; invitee lines are named "invitees.N" from 1.
func (d *Draft) Faults(now time.Time) []*meeting.Refusal {
	var r []*meeting.Refusal
	bad := func(is bool, field string) {
		if is {
			r = append(r, &meeting.Refusal{Reason: meeting.Invalid, Field: field})
		}
	}
	n := utf8.RuneCountInString(d.Title)
	bad(n == 0 || n > MaxTitle, "title")
	_, err := time.LoadLocation(d.Zone)
	bad(err != nil || d.Zone == "", "zone")
	bad(d.Starts.IsZero() || d.Starts.After(now.Add(MaxAhead)), "start")
	bad(!d.Ends.After(d.Starts) || d.Ends.Sub(d.Starts) > MaxLength || d.Ends.Before(now), "end")
	bad(d.Lang != "fr" && d.Lang != "en", "lang")
	bad(d.Settings.Early < 0 || d.Settings.Early > maxEarly || d.Settings.Grace < 0 || d.Settings.Grace > maxGrace, "settings")
	bad(!goodReminders(d.Settings.Remind), "remind")
	bad(!d.Settings.Members.Known(), "members")
	bad(len(d.Invitees) > MaxInvitees, "invitees")
	for i, v := range d.Invitees {
		bad(!v.good(), fmt.Sprintf("invitees.%d", i+1))
	}
	return r
}

func (v *Invitee) good() bool {
	ok := v.Name != "" && utf8.RuneCountInString(v.Name) <= MaxName
	ok = ok && (v.Email == "" || meeting.Address(v.Email)) && meeting.Phone(v.Phone) == v.Phone
	// Whoever has an address somewhere is not asked to host.
	return ok && (v.Role != meeting.Host || v.Match.Claim != meeting.DomainClaim && (v.Email != "" || v.Match.Claim != ""))
}

// Create makes a meeting, its invitations and their links, and mails them. The
// owner must be a member of the institution who signed in by OIDC. It returns
// a refusal for the first fault of the draft; ask Draft.Faults for all.
func (l *Lobby) Create(ctx context.Context, owner meeting.Person, d Draft, attempt string) (meeting.ID, error) {
	return l.create(ctx, owner, d, attempt, time.Now())
}

func (l *Lobby) create(ctx context.Context, owner meeting.Person, d Draft, attempt string, now time.Time) (meeting.ID, error) {
	if !MayCreate(&owner) {
		return "", meeting.Refuse(meeting.NotHost)
	}
	d.clean()
	if f := d.Faults(now); len(f) > 0 {
		return "", f[0]
	}
	if n := l.require(d.Invitees); n > 0 {
		return "", &meeting.Refusal{Reason: meeting.Invalid, Field: fmt.Sprintf("invitees.%d", n)}
	}
	// The same attempt makes the same meeting: its id is derived, so a form
	// sent twice finds the first one's answer (T07).
	id := meeting.NewID()
	if attempt != "" {
		id = meeting.ID(hex.EncodeToString(l.mac("meeting", []byte(owner.Key()), []byte(attempt))[:meetingLen]))
	}
	m := l.meeting(id, owner, d, now)
	if err := l.c.Shelf.Index(ctx, l.shelf(owner.Key()), id, m.Ends, m.Expires); err != nil {
		return "", fmt.Errorf("indexing meeting %s: %w", id, err)
	}
	send, err := l.mailing(ctx, id, now)
	if err != nil {
		return "", err
	}
	defer send()
	if len(l.c.Dial) > 0 {
		if m.Number, err = l.takeNumber(ctx, id, m.Expires, now); err != nil {
			return "", err
		}
	}
	out, err := l.change(ctx, id, tag("create", attempt), func(t *tx) (outcome, error) {
		if err := t.load(header); err != nil || t.read[header].Value != nil {
			return outcome{Meeting: id}, err
		}
		return outcome{Meeting: id}, t.found(m, d.Invitees, now)
	})
	if err != nil {
		return "", err
	}
	if out.No != nil {
		return "", out.No
	}
	return id, nil
}

// MayCreate reports whether a person may open meetings of their own.
func MayCreate(p *meeting.Person) bool {
	return p.Evidence.Method == meeting.OIDC && p.Evidence.Member && p.Key() != ""
}

func (d *Draft) clean() {
	d.Title = CleanText(d.Title, MaxTitle+1)
	for i := range d.Invitees {
		v := &d.Invitees[i]
		v.Name, v.Email = CleanText(v.Name, MaxName+1), strings.TrimSpace(v.Email)
	}
}

func (l *Lobby) meeting(id meeting.ID, owner meeting.Person, d Draft, now time.Time) meeting.Meeting {
	name := or(owner.Name, owner.Email)
	return meeting.Meeting{
		ID: id, Title: d.Title, Starts: d.Starts, Ends: d.Ends, Zone: d.Zone, Lang: d.Lang,
		Owner: meeting.Contact{Key: owner.Key(), Name: name, Email: owner.Email},
		Hosts: []meeting.Key{owner.Key()}, Room: string(meeting.NewID()), Settings: d.Settings,
		Created: now, Changed: now, Expires: d.Ends.Add(d.Settings.Grace + l.c.Keep),
	}
}

// found stages a new meeting with its invitations.
func (t *tx) found(m meeting.Meeting, invitees []Invitee, now time.Time) error {
	t.c.Expires = m.Expires
	err := t.put(header, true, &m)
	if err == nil {
		err = t.log(&meeting.Entry{At: now, What: meeting.Created, Meeting: m.ID, By: m.Owner.Key})
	}
	if err == nil {
		err = t.welcome(&m, m.Owner.Key, m.Owner.Name, now)
	}
	codes := map[string]bool{}
	for i, v := range invitees {
		inv := meeting.Invitation{
			ID: meeting.NewInvitationID(), Name: v.Name, Email: v.Email, Phone: v.Phone, Match: v.Match,
			Role: v.Role, Order: i, Lang: m.Lang, Created: now, By: m.Owner.Name,
		}
		// No two invitees of a meeting have one dial-in code.
		code := t.l.DialCode(m.ID, &inv)
		for ; code != "" && codes[code]; code = t.l.DialCode(m.ID, &inv) {
			inv.ID = meeting.NewInvitationID()
		}
		codes[code] = true
		if inv.Email != "" && t.l.c.Mailer != nil {
			inv.Mail = meeting.Mail{State: meeting.Mailing, At: now, Asked: now, Next: now}
		}
		t.c.Reads[invitationName(inv.ID)] = 0
		if err == nil {
			err = t.put(invitationName(inv.ID), true, &inv)
		}
		if err == nil {
			err = t.log(&meeting.Entry{At: now, What: meeting.Invited, Meeting: m.ID, Invitation: inv.ID, By: m.Owner.Key, Name: inv.Name})
		}
	}
	return err
}

// shelf is the fingerprint under which a host's meetings are found.
func (l *Lobby) shelf(k meeting.Key) string {
	return hex.EncodeToString(l.mac("shelf", []byte(k)))
}
