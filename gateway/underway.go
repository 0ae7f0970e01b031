package gateway

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// page carries an ordinary request. It may take long all the same: an answer
// can be large, or held back until there is something to say.
func (c *carried) page(w http.ResponseWriter) error {
	ctx, cancel := context.WithCancel(c.asked.Context())
	defer cancel()
	a := &answering{w: w, cancel: cancel}
	defer c.registry.addBrief(c.seat.Admission, a.cut)()
	defer a.finish()
	// Registered first, asked again after, as web sockets are.
	if _, err := c.seat.May(); err != nil {
		return err
	}
	c.forth(ctx, w)
	return nil
}

// answering is an answer under way. net/http lets nobody touch it afterwards.
type answering struct {
	mu     sync.Mutex
	w      http.ResponseWriter // nil: answered; guarded by mu
	cancel func()
}

// cut ends the answer, also where its reader takes nothing.
func (a *answering) cut() {
	a.cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.w != nil {
		_ = http.NewResponseController(a.w).SetWriteDeadline(time.Unix(1, 0)) // a test's writer has none
	}
}

func (a *answering) finish() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.w = nil
}
