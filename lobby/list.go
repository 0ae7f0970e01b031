package lobby

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"vestibule/meeting"
)

// mostOwned is how many meetings of one host can be leafed through.
const mostOwned = 1000

// Header reads a meeting without its invitations and admissions.
func (l *Lobby) Header(ctx context.Context, id meeting.ID) (meeting.Meeting, error) {
	var m meeting.Meeting
	docs, err := l.c.Documents.Read(ctx, id, header)
	if err != nil {
		return m, fmt.Errorf("reading meeting %s: %w", id, err)
	}
	v := docs[header].Value
	if v == nil {
		return m, meeting.Refuse(meeting.NotFound)
	}
	if json.Unmarshal(v, &m) != nil {
		return m, fmt.Errorf("decoding document of meeting %s", id)
	}
	return m, nil
}

// Hosts answers a meeting's header to its hosts, and refuses everybody else with
// NotFound. Who is not named in the header is refused before it is decoded, and
// however large the meeting nothing else is read: how long the answer takes
// tells no stranger which meetings exist (T10). Doing the work of a decoy where
// there is none was tried, and told them apart by their lengths.
func (l *Lobby) Hosts(ctx context.Context, id meeting.ID, host meeting.Key) (m meeting.Meeting, err error) {
	docs, err := l.c.Documents.Read(ctx, id, header)
	if err != nil {
		return m, fmt.Errorf("reading meeting %s: %w", id, err)
	}
	name, err := json.Marshal(host)
	if err != nil {
		return m, fmt.Errorf("encoding a key: %w", err)
	}
	v := docs[header].Value
	if !bytes.Contains(v, name) {
		return m, meeting.Refuse(meeting.NotFound)
	}
	if json.Unmarshal(v, &m) != nil {
		return m, fmt.Errorf("decoding document of meeting %s", id)
	}
	if !m.HostedBy(host) {
		return meeting.Meeting{}, meeting.Refuse(meeting.NotFound)
	}
	return m, nil
}

// Hosted leafs through a host's meetings that end at from or later, soonest
// end first. The next leaf begins at the last one's end, after its id; more
// says whether there is one.
func (l *Lobby) Hosted(ctx context.Context, host meeting.Key, from time.Time, after meeting.ID, limit int) (list []meeting.Meeting, more bool, err error) {
	ids, err := l.c.Shelf.Owned(ctx, l.shelf(host), from, mostOwned)
	if err != nil {
		return nil, false, err
	}
	if i := slices.Index(ids, after); i >= 0 {
		ids = ids[i+1:]
	}
	for _, id := range ids {
		m, err := l.Header(ctx, id)
		if _, no := err.(*meeting.Refusal); no { //nolint:errorlint // Header does not wrap it
			continue // forgotten since, or never finished
		}
		if err != nil {
			return nil, false, err
		}
		if !m.HostedBy(host) {
			continue
		}
		if len(list) == limit {
			return list, true, nil
		}
		list = append(list, m)
	}
	return list, false, nil
}

// Owned is Hosted with all that there is to each meeting.
func (l *Lobby) Owned(ctx context.Context, owner meeting.Key, from time.Time, after meeting.ID, limit int) (list []*Snapshot, more bool, err error) {
	ids, err := l.c.Shelf.Owned(ctx, l.shelf(owner), from, mostOwned)
	if err != nil {
		return nil, false, err
	}
	if i := slices.Index(ids, after); i >= 0 {
		ids = ids[i+1:]
	}
	for _, id := range ids {
		if len(list) == limit {
			return list, true, nil
		}
		s, err := l.load(ctx, id)
		var no *meeting.Refusal
		if errors.As(err, &no) {
			continue // forgotten since, or never finished
		}
		if err != nil {
			return nil, false, err
		}
		if s.Meeting.HostedBy(owner) {
			list = append(list, s)
		}
	}
	return list, false, nil
}
