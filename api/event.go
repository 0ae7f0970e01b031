package api

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"vestibule/meeting"
	"vestibule/store"
)

// eventView is one thing that happened: ids and words, no names.
type eventView struct {
	ID         string    `json:"id"`
	Type       string    `json:"type"`
	At         time.Time `json:"at"`
	Meeting    string    `json:"meeting"`
	Invitation string    `json:"invitation,omitempty"`
	Admission  string    `json:"admission,omitempty"`
	// By is "host" where one acted, else "door".
	By     string `json:"by"`
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
	// Name is the display name, in webhooks that ask for it alone.
	Name string `json:"name,omitempty"`
}

// event reads an entry of a stream. The id is the same for every reader.
func (s *Server) event(m meeting.ID, ev *store.Event) (eventView, *meeting.Entry, error) {
	var e meeting.Entry
	if json.Unmarshal(ev.Value, &e) != nil {
		// Its text must not reach a log: it names persons.
		return eventView{}, nil, fmt.Errorf("decoding an event of meeting %s", m)
	}
	v := eventView{
		ID: "evt_" + s.mac("event", string(m), ev.ID)[:32], Type: string(e.What), At: e.At.UTC(), Meeting: string(m),
		Invitation: e.Invitation, Admission: e.Admission, By: "door", Rule: e.Rule, Reason: e.Reason,
	}
	if e.By != "" {
		v.By = "host"
	}
	return v, &e, nil
}

// listEvents answers what happened after the cursor. The last leaf has a cursor
// too: ask again with it for what happens next.
func (s *Server) listEvents(w http.ResponseWriter, r *http.Request, c *caller) error {
	m, err := s.hosted(r, c)
	if err != nil {
		return err
	}
	limit, at, err := s.leaf(r, c)
	if err != nil {
		return err
	}
	list, err := s.c.Streams.Events(r.Context(), m.ID, at, limit+1)
	if err != nil {
		return fmt.Errorf("reading events of meeting %s: %w", m.ID, err)
	}
	p := page[eventView]{Items: []eventView{}, More: len(list) > limit}
	for i := range list[:min(limit, len(list))] {
		v, _, err := s.event(m.ID, &list[i])
		if err != nil {
			return err
		}
		p.Items, at = append(p.Items, v), list[i].ID
	}
	if at != "" {
		p.Next = s.cursor(r, c, at)
	}
	return answer(w, http.StatusOK, p)
}
