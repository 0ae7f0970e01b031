package lobby

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"vestibule/meeting"
)

// rosterLife is how long a node's word about who is connected there stands. A
// node says it again every second; of one that fell, nobody is left after this
// and the others' next sweep (T39).
const rosterLife = 8 * time.Second

// Present reports whether somebody is in the room: by the live connections of
// this node, and by what the other nodes said of theirs.
func (l *Lobby) Present(s *Snapshot, a *meeting.Admission) bool {
	if seat, ok := l.seatOf(a.ID); ok && seat.channels.Load() > 0 {
		return true
	}
	return s.elsewhere[a.ID]
}

// roll tells the other nodes who of a meeting is connected here, and answers
// who is there. While the store is away it answers what it knew.
func (l *Lobby) roll(ctx context.Context, w *live) map[string]bool {
	elsewhere, err := l.exchange(ctx, w)
	if err != nil {
		l.log.DebugContext(ctx, "roster not exchanged", slog.String("meeting", string(w.id)), slog.Any("error", err))
	}
	return elsewhere
}

// exchange is roll that also says whether the store answered.
func (l *Lobby) exchange(ctx context.Context, w *live) (map[string]bool, error) {
	// One at a time: an older word must not replace a newer one.
	w.rolling.Lock()
	defer w.rolling.Unlock()
	var here []string
	w.mu.Lock()
	for id, s := range w.seats {
		if s.channels.Load() > 0 {
			here = append(here, id)
		}
	}
	w.mu.Unlock()
	slices.Sort(here)
	elsewhere, err := l.rolled(ctx, w.id, strings.Join(here, " "))
	if err != nil {
		return w.elsewhere, err
	}
	w.elsewhere = elsewhere
	return elsewhere, nil
}

func (l *Lobby) rolled(ctx context.Context, id meeting.ID, here string) (map[string]bool, error) {
	lists, err := l.c.Shelf.Roster(ctx, id, l.node, []byte(here), rosterLife)
	if err != nil {
		return nil, err
	}
	all := map[string]bool{}
	for _, list := range lists {
		for _, a := range strings.Fields(string(list)) {
			all[a] = true
		}
	}
	return all, nil
}

// moved reports whether somebody came or went at another node since the
// snapshot was taken.
func (l *Lobby) moved(ctx context.Context, w *live, s *Snapshot) bool {
	return !maps.Equal(l.roll(ctx, w), s.elsewhere)
}
