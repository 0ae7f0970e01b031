package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// noteLife is how long a note stands until a hook's own look at the meeting
// renews it.
const noteLife = 48 * time.Hour

// Note makes documents that note, before every change, that hooks may have
// something to be told of the meeting. A door that is shut or falls between a
// change and its wake-up call leaves the note, and the next one to run finds
// it. Without hooks it is the documents themselves.
func Note(d lobby.Documents, s Streams, hooks []Hook) lobby.Documents {
	if len(hooks) == 0 {
		return d
	}
	n := noted{Documents: d, streams: s}
	for i := range hooks {
		n.lists = append(n.lists, listOf(&hooks[i]))
	}
	return n
}

// listOf names the list of meetings of which a hook may have something to be
// told. It stays the same when the secret changes.
func listOf(h *Hook) string {
	sum := sha256.Sum256([]byte(h.URL))
	return "webhook:" + hex.EncodeToString(sum[:8])
}

type noted struct {
	lobby.Documents
	streams Streams
	lists   []string
}

// Commit implements lobby.Documents.
func (n noted) Commit(ctx context.Context, m meeting.ID, c store.Commit) (answer []byte, replayed bool, err error) {
	if len(c.Events) > 0 {
		for _, list := range n.lists {
			now := time.Now()
			// A store that does not take the note will hardly take the change;
			// if it does, the wake-up call tells. An expulsion never waits for
			// a webhook.
			_ = n.streams.Index(ctx, list, m, now, now.Add(noteLife))
		}
	}
	return n.Documents.Commit(ctx, m, c)
}
