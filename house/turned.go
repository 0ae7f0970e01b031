package house

import (
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// turnedPause is how long nothing more is logged of connections turned away: a
// line for each would do the work of whoever floods the door.
const turnedPause = time.Minute

// turned tells operators of the connections that are turned away, not whose
// they were: a hospital behind one address learns that listen.per_source is too
// small for it.
type turned struct {
	count prometheus.Counter
	log   *slog.Logger

	mu     sync.Mutex
	said   time.Time // guarded by mu
	unsaid int       // since then; guarded by mu
}

func newTurned(log *slog.Logger) *turned {
	return &turned{log: log, count: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "vestibule_connections_turned_away_total", Help: "Connections closed because their source had listen.per_source open.",
	})}
}

func (t *turned) note(now time.Time) {
	t.count.Inc()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.unsaid++
	if now.Sub(t.said) < turnedPause {
		return
	}
	//nolint:sloglint // net.Listener knows no context
	t.log.Warn("connections turned away, their source had listen.per_source open", slog.Int("connections", t.unsaid))
	t.said, t.unsaid = now, 0
}
