package lobby

import (
	"context"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"vestibule/meeting"
)

// Where incidents lie: apart from their meetings, which are forgotten sooner.
const (
	incidentKind  = "incident"
	incidentShelf = "incidents"
	mostIncidents = 1000 // read at once
)

// Report is Expel that also opens an incident. The admission then says under
// which reference the administrator finds it.
func (l *Lobby) Report(ctx context.Context, id meeting.ID, host meeting.Key, admission, attempt string) ([]Cut, error) {
	return l.expel(ctx, unconfirmed{
		meeting: id, admission: admission, by: l.mark(id, host), incident: l.reference(id, admission),
	}, host, tag("report", attempt))
}

// reference names the one incident that there can be of an admission. It is
// derived, so that a report made twice, or again by another node, is the same.
func (l *Lobby) reference(id meeting.ID, admission string) string {
	s := base32.StdEncoding.EncodeToString(l.mac("incident", []byte(id), []byte(admission))[:5])
	return s[:4] + "-" + s[4:]
}

// freeze opens the incident of somebody who was put out, unless it is open.
func (l *Lobby) freeze(ctx context.Context, u *unconfirmed, now time.Time) error {
	if b, err := l.c.Shelf.Get(ctx, incidentKind, u.incident); err != nil || b != nil {
		return err
	}
	s, err := l.load(ctx, u.meeting)
	if err != nil {
		return err
	}
	a, ok := s.Admission(u.admission)
	if !ok {
		return meeting.Refuse(meeting.NotFound)
	}
	i := meeting.Incident{
		Reference: u.incident, At: u.at, Meeting: u.meeting, Title: s.Meeting.Title, Admission: a.ID,
		Person: a.Person, Name: a.Name, Invited: s.Invitations[a.Invitation].Name, Role: a.Role, Agent: a.Agent,
		Line: a.Line, Knocked: a.Knocked, Entered: a.Entered, By: s.contact(a.DecidedBy), Cuts: told(u.cuts), Until: now.Add(l.c.KeepIncidents),
	}
	b, err := json.Marshal(i)
	if err != nil {
		return fmt.Errorf("encoding incident %s: %w", u.incident, err)
	}
	// The list first: an entry that leads nowhere is passed over, an incident
	// that no list names would not be found.
	err = errors.Join(
		l.c.Shelf.Index(ctx, incidentShelf, meeting.ID(u.incident), i.At, i.Until),
		l.c.Shelf.Put(ctx, incidentKind, u.incident, b, l.c.KeepIncidents),
	)
	if err == nil {
		l.log.InfoContext(ctx, "incident opened", slog.String("incident", u.incident), slog.String("admission", a.ID))
	}
	return err
}

// contact is a host as the meeting knows them.
func (s *Snapshot) contact(k meeting.Key) meeting.Contact {
	if s.Meeting.Owner.Key == k {
		return s.Meeting.Owner
	}
	for i := range s.Admissions {
		if a := &s.Admissions[i]; a.Person.Key() == k {
			return meeting.Contact{Key: k, Name: a.Person.Name, Email: a.Person.Email}
		}
	}
	return meeting.Contact{Key: k}
}

// Incident finds what was reported under a reference, however it is written.
func (l *Lobby) Incident(ctx context.Context, reference string) (meeting.Incident, error) {
	r := strings.Map(func(c rune) rune {
		if c == '-' || c == ' ' {
			return -1
		}
		return c
	}, strings.ToUpper(reference))
	if len(r) != 8 || strings.Trim(r, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return meeting.Incident{}, meeting.Refuse(meeting.NotFound)
	}
	var i meeting.Incident
	b, err := l.c.Shelf.Get(ctx, incidentKind, r[:4]+"-"+r[4:])
	switch {
	case err != nil:
		return i, fmt.Errorf("reading an incident: %w", err)
	case b == nil:
		return i, meeting.Refuse(meeting.NotFound)
	case json.Unmarshal(b, &i) != nil:
		return i, errors.New("decoding an incident")
	}
	return i, nil
}

// Incidents answers what was reported since then, the oldest first.
func (l *Lobby) Incidents(ctx context.Context, since time.Time) ([]meeting.Incident, error) {
	var list []meeting.Incident
	seen := map[meeting.ID]bool{}
	for {
		refs, err := l.c.Shelf.Owned(ctx, incidentShelf, since, mostIncidents)
		if err != nil {
			return nil, fmt.Errorf("listing incidents: %w", err)
		}
		fresh := 0
		for _, r := range refs {
			if seen[r] {
				continue
			}
			seen[r] = true
			fresh++
			i, err := l.Incident(ctx, string(r))
			if _, no := err.(*meeting.Refusal); no { //nolint:errorlint // Incident does not wrap it
				continue // not finished, or forgotten meanwhile
			}
			if err != nil {
				return nil, err
			}
			list = append(list, i)
			since = i.At
		}
		if len(refs) < mostIncidents || fresh == 0 {
			return list, nil
		}
	}
}
