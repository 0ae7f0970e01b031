package gateway

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
)

const (
	// heartbeat keeps proxies from closing a silent stream and finds readers
	// who have gone (T61).
	heartbeat = 20 * time.Second
	// patience is how long one write may take before the reader is given up.
	patience = 10 * time.Second
	// perReader bounds the streams of one admission or host.
	perReader = 6
	// perMeeting bounds the streams of one meeting.
	perMeeting = 2000
)

// hub tells the pages of a meeting what changed. Each reader is told its own
// words and nobody else's (T25).
type hub struct {
	lobby *lobby.Lobby
	log   *slog.Logger
	done  chan struct{}
	once  sync.Once

	mu   sync.Mutex
	rows map[meeting.ID]*row // guarded by mu
}

// row is all readers of one meeting.
type row struct {
	mu      sync.Mutex
	snap    *lobby.Snapshot      // guarded by mu
	readers map[*reader]struct{} // guarded by mu
	counts  map[string]int       // guarded by mu
	stop    func()
}

// reader is one open stream. kick holds at most one wake: a slow reader skips
// states instead of holding anybody up.
type reader struct{ kick chan struct{} }

func newHub(l *lobby.Lobby, log *slog.Logger) *hub {
	return &hub{lobby: l, log: log, done: make(chan struct{}), rows: map[meeting.ID]*row{}}
}

func (h *hub) close() { h.once.Do(func() { close(h.done) }) }

// poke tells every reader of a meeting to look again, when something changed
// that is not in the store: a connection came or went.
func (h *hub) poke(id meeting.ID) {
	h.mu.Lock()
	w := h.rows[id]
	h.mu.Unlock()
	if w != nil {
		w.wake(nil)
	}
}

func (w *row) wake(snap *lobby.Snapshot) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if snap != nil {
		w.snap = snap
	}
	for r := range w.readers {
		select {
		case r.kick <- struct{}{}:
		default:
		}
	}
}

// join adds a reader to a meeting's row, making the row where it is the first.
func (h *hub) join(ctx context.Context, id meeting.ID, who string) (*row, *reader, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w := h.rows[id]
	if w == nil {
		w = &row{readers: map[*reader]struct{}{}, counts: map[string]int{}}
		stop, err := h.lobby.Subscribe(context.WithoutCancel(ctx), id, w.wake)
		if err != nil {
			return nil, nil, err
		}
		w.stop = stop
		h.rows[id] = w
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.readers) >= perMeeting || w.counts[who] >= perReader {
		return nil, nil, meeting.Refuse(meeting.TooMany)
	}
	r := &reader{kick: make(chan struct{}, 1)}
	w.readers[r] = struct{}{}
	w.counts[who]++
	r.kick <- struct{}{}
	return w, r, nil
}

func (h *hub) part(id meeting.ID, w *row, r *reader, who string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	w.mu.Lock()
	delete(w.readers, r)
	if w.counts[who]--; w.counts[who] <= 0 {
		delete(w.counts, who)
	}
	empty := len(w.readers) == 0
	w.mu.Unlock()
	if empty && h.rows[id] == w {
		delete(h.rows, id)
		w.stop()
	}
}

// serve streams what say makes of each state until the reader goes, the door
// closes, or say answers that these were its last words.
func (h *hub) serve(w http.ResponseWriter, r *http.Request, id meeting.ID, who string, say func(*lobby.Snapshot) (words []byte, last bool)) error {
	row, me, err := h.join(r.Context(), id, who)
	if err != nil {
		return err
	}
	defer h.part(id, row, me, who)
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	write := func(b []byte) bool {
		_ = out.SetWriteDeadline(time.Now().Add(patience)) // not every writer has one
		if _, err := w.Write(b); err != nil {
			return false
		}
		return out.Flush() == nil
	}
	if !write([]byte("retry: 2000\n\n")) {
		return nil
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	var before []byte
	for {
		select {
		case <-r.Context().Done():
			return nil
		case <-h.done:
			return nil
		case <-beat.C:
			if !write([]byte(": still here\n\n")) {
				return nil
			}
		case <-me.kick:
			row.mu.Lock()
			snap := row.snap
			row.mu.Unlock()
			if snap == nil {
				continue
			}
			b, last := say(snap)
			if !bytes.Equal(b, before) && !write(b) || last {
				return nil
			}
			before = b
		}
	}
}
