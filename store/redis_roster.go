package store

import (
	"context"
	"fmt"
	"time"

	"vestibule/meeting"
)

func (s *Redis) rosterKey(m meeting.ID) string { return s.prefix + "{m:" + string(m) + "}:p" }

// Roster says for a time who of a meeting is connected at a node, and answers
// what the other nodes said. A node that says nobody, or nothing for that time,
// has nobody. A change wakes whoever watches.
func (s *Redis) Roster(ctx context.Context, m meeting.ID, node string, who []byte, life time.Duration) ([][]byte, error) {
	if err := checkRoster(m, node, who, life); err != nil {
		return nil, fmt.Errorf("exchanging rosters: %w", err)
	}
	reply, err := s.run(ctx, call{
		doing:  "exchanging rosters",
		script: s.roster,
		keys:   []string{s.rosterKey(m)},
		args:   []any{node, who, milliseconds(life), string(m)},
		again:  true,
	})
	if err != nil {
		return nil, err
	}
	list, _ := reply.([]any)
	var others [][]byte
	for _, v := range list {
		if text, ok := v.(string); ok {
			others = append(others, []byte(text))
		}
	}
	return others, nil
}
