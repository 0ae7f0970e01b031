package store

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"vestibule/meeting"
)

// Roster says for a time who of a meeting is connected at a node, and answers
// what the other nodes said.
func (s *Memory) Roster(ctx context.Context, m meeting.ID, node string, who []byte, life time.Duration) ([][]byte, error) {
	if err := checkRoster(m, node, who, life); err != nil {
		return nil, fmt.Errorf("exchanging rosters: %w", err)
	}
	h, now, err := s.lock(ctx, string(m))
	if err != nil {
		return nil, fmt.Errorf("exchanging rosters: %w", err)
	}
	others, changed := h.roster(m, node, who, now, life)
	h.mu.Unlock()
	if changed {
		s.wake(m)
	}
	return others, nil
}

func (h *shard) roster(m meeting.ID, node string, who []byte, now time.Time, life time.Duration) (others [][]byte, changed bool) {
	all := h.rosters[m]
	if all == nil {
		all = map[string]value{}
		h.rosters[m] = all
	}
	before := all[node].data
	for n, v := range all {
		switch {
		case n == node:
		case !now.Before(v.ends):
			delete(all, n)
		default:
			others = append(others, bytes.Clone(v.data))
		}
	}
	if len(who) > 0 {
		all[node] = value{bytes.Clone(who), now.Add(life)}
	} else {
		delete(all, node)
	}
	if len(all) == 0 {
		delete(h.rosters, m)
	}
	return others, !bytes.Equal(before, who)
}
