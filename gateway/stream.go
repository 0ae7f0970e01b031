package gateway

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
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
	open  chan struct{} // closed when stop and fault are there
	stop  func()
	fault error
	users int // guarded by the hub's mu: readers, and those who are joining

	mu      sync.Mutex
	snap    *lobby.Snapshot      // guarded by mu
	readers map[*reader]struct{} // guarded by mu
	counts  map[string]int       // guarded by mu
}

// reader is one open stream. kick holds at most one wake: a slow reader skips
// states instead of holding anybody up.
type reader struct {
	who  string
	kick chan struct{}
}

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
		r.wake()
	}
}

func (r *reader) wake() {
	select {
	case r.kick <- struct{}{}:
	default:
	}
}

// hostPrefix begins the name of a reader who is a host.
const hostPrefix = "host:"

// pokeHosts tells every host's reader to ask whether its host is still signed
// in.
func (h *hub) pokeHosts() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, w := range h.rows {
		w.mu.Lock()
		for r := range w.readers {
			if strings.HasPrefix(r.who, hostPrefix) {
				r.wake()
			}
		}
		w.mu.Unlock()
	}
}

// join adds a reader to a meeting's row, making the row where it is the first.
// It asks the store with no lock held: a slow answer about one meeting must not
// hold up the others.
func (h *hub) join(ctx context.Context, id meeting.ID, who string) (*row, *reader, error) {
	h.mu.Lock()
	w := h.rows[id]
	first := w == nil
	if first {
		w = &row{open: make(chan struct{}), readers: map[*reader]struct{}{}, counts: map[string]int{}}
		h.rows[id] = w
	}
	w.users++
	h.mu.Unlock()
	if first {
		// Others may be waiting for this one's answer: it outlives its asker.
		w.stop, w.fault = h.lobby.Subscribe(context.WithoutCancel(ctx), id, w.wake)
		close(w.open)
	}
	select {
	case <-w.open:
	case <-ctx.Done():
		h.leave(id, w)
		return nil, nil, meeting.Refuse(meeting.Busy) // to nobody
	}
	if w.fault != nil {
		h.leave(id, w)
		return nil, nil, w.fault
	}
	r, ok := w.add(who)
	if !ok {
		h.leave(id, w)
		return nil, nil, meeting.Refuse(meeting.TooMany)
	}
	return w, r, nil
}

func (w *row) add(who string) (*reader, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.readers) >= perMeeting || w.counts[who] >= perReader {
		return nil, false
	}
	r := &reader{who: who, kick: make(chan struct{}, 1)}
	w.readers[r] = struct{}{}
	w.counts[who]++
	r.kick <- struct{}{}
	return r, true
}

func (h *hub) part(id meeting.ID, w *row, r *reader, who string) {
	w.mu.Lock()
	delete(w.readers, r)
	if w.counts[who]--; w.counts[who] <= 0 {
		delete(w.counts, who)
	}
	w.mu.Unlock()
	h.leave(id, w)
}

// leave ends a row that nobody uses any more. A row that could not be opened
// makes room at once, so that the next one asks again.
func (h *hub) leave(id meeting.ID, w *row) {
	h.mu.Lock()
	w.users--
	last := w.users == 0
	opened := false
	select {
	case <-w.open:
		opened = true
	default: // its first reader is still asking
	}
	if (last || opened && w.fault != nil) && h.rows[id] == w {
		delete(h.rows, id)
	}
	h.mu.Unlock()
	if last && opened && w.stop != nil {
		w.stop()
	}
}

// telling is what one reader is told.
type telling struct {
	// who names the reader, whose streams are counted together.
	who string
	// still reports whether the reader may go on reading; nil: as long as say
	// goes on.
	still func() bool
	// timed says that the words change with time alone, too.
	timed bool
	// say makes words of each state, and answers whether they are the last.
	say func(*lobby.Snapshot) (words []byte, last bool)
}

// serve streams what a reader is told until they go, the door closes or there
// is no more to tell.
func (h *hub) serve(w http.ResponseWriter, r *http.Request, id meeting.ID, t telling) error {
	if r.Method != http.MethodGet {
		return meeting.Refuse(meeting.Invalid) // HEAD would hold a stream open for nobody
	}
	row, me, err := h.join(r.Context(), id, t.who)
	if err != nil {
		return err
	}
	defer h.part(id, row, me, t.who)
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	w.WriteHeader(http.StatusOK)
	write := func(b []byte) bool {
		// HTTP/2 resets a stream whose deadline passes, also while nothing is
		// written: a reader of a quiet meeting would be cut off.
		_ = out.SetWriteDeadline(time.Now().Add(patience)) // not every writer has one
		defer func() { _ = out.SetWriteDeadline(time.Time{}) }()
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
			if t.still != nil && !t.still() || !write([]byte(": still here\n\n")) {
				return nil
			}
			if t.timed {
				me.wake()
			}
		case <-me.kick:
			row.mu.Lock()
			snap := row.snap
			row.mu.Unlock()
			if snap == nil {
				continue
			}
			if t.still != nil && !t.still() {
				return nil
			}
			b, last := t.say(snap)
			if b == nil && !last {
				continue // nothing to say of this state
			}
			if !bytes.Equal(b, before) && !write(b) || last {
				return nil
			}
			before = b
		}
	}
}
