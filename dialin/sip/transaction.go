package sip

import (
	"context"
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// The timers of RFC 3261 §17.
const (
	t1      = 500 * time.Millisecond
	t2      = 4 * time.Second
	patient = 64 * t1 // timers B, F, H, J and L
)

// Bounds of the transactions that are remembered: in all, of one address, and of
// one peer. Over them, the oldest way applies: no answer, and the other side asks
// again. Only calls, goodbyes and registrations are among them, so that nobody
// can shut the door by asking for anything else. Each call remembers some more of
// its own, the newest.
const (
	maxTxns       = 20_000
	maxTxnsSource = 512
	maxTxnsPeer   = maxTxns / 2
	maxTxnsCall   = 16
)

// Bounds of the refusals that are repeated at once, in all and to one source. Each
// ends with its ACK; one whose ACK is lost, or will never come, with timer H.
const (
	maxNoes       = 1024
	maxNoesSource = 16
)

// txn is a request that is or was answered (RFC 3261 §17.2): its repeats get
// the same answer again.
type txn struct {
	s     *Server
	r     *request
	key   string
	whose string // whom it counts for
	began time.Time
	acked chan struct{}
	once  sync.Once
	call  *Call // that it is of; set before others see it

	mu   sync.Mutex
	last []byte // guarded by mu
	code int    // guarded by mu
}

func (s *Server) txn(key string) *txn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.txns[key]
}

// begin remembers a request of a source, or of a peer where it is one; false when
// there are too many.
func (s *Server) begin(t *txn, p *Peer) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.txns[t.key] != nil {
		return false // it came twice at the same moment
	}
	key, most, all := s.share(p, t.r.peer.source, maxTxnsSource, maxTxns)
	t.whose = key
	if !s.asked.enter(key, min(most, maxTxnsPeer), all) {
		return false
	}
	s.txns[t.key] = t
	return true
}

func newTxn(s *Server, r *request) *txn {
	return &txn{s: s, r: r, key: r.key(), began: time.Now(), acked: make(chan struct{})}
}

// remember notes a request within the call; of many the oldest gives way. c.mu
// is held.
func (c *Call) remember(r *request) *txn {
	t := newTxn(c.s, r)
	t.call = c
	if len(c.txns) >= maxTxnsCall {
		c.txns = slices.Delete(c.txns, 0, 1)
	}
	c.txns = append(c.txns, t)
	return t
}

// remembered is the request within the call that r repeats; nil: none. c.mu is
// held.
func (c *Call) remembered(r *request) *txn {
	key := r.key()
	for _, t := range c.txns {
		if t.key == key {
			return t
		}
	}
	return nil
}

// again answers a repeat.
func (t *txn) again(r *request) {
	t.mu.Lock()
	b := t.last
	t.mu.Unlock()
	if b != nil {
		r.respond(b)
	}
}

// provisional answers for now.
func (t *txn) provisional(b []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.code >= 200 {
		return
	}
	t.last, t.code = b, 100
	t.r.respond(b)
}

// final answers for good, once. The final answer to an INVITE is repeated until
// it is acknowledged (§17.2.1, §13.3.1.4).
func (t *txn) final(b []byte, code int) bool {
	t.mu.Lock()
	if t.code >= 200 {
		t.mu.Unlock()
		return false
	}
	was := t.code
	t.last, t.code = b, code
	t.mu.Unlock()
	t.r.respond(b)
	switch {
	case t.r.Method != sip.INVITE:
	case code < 300:
		t.s.work.Go(t.repeat)
	// Who has heard nothing before repeats the INVITE by itself. Who has may be
	// somebody else than who called: a no is repeated for few of one source.
	case was > 0 && !t.r.peer.reliable() && t.s.noes.enter(t.whose, maxNoesSource, maxNoes):
		t.s.work.Go(func() {
			defer t.s.noes.leave(t.whose)
			t.repeat()
		})
	}
	return true
}

// answer answers for good, without a body.
func (t *txn) answer(code int, reason string, headers ...string) {
	tag := rand.Text()
	if t.call != nil {
		tag = t.call.localTag
	}
	t.final(t.r.answer(code, reason, tag, nil, headers...), code)
}

func (t *txn) repeat() {
	ctx := t.s.lifetime()
	end := time.NewTimer(patient)
	defer end.Stop()
	wait := t1
	next := time.NewTimer(wait)
	defer next.Stop()
	for {
		select {
		case <-t.acked:
			return
		case <-ctx.Done():
			return
		case <-end.C:
			if t.call != nil {
				t.call.unheard()
			}
			return
		case <-next.C:
			wait = min(2*wait, t2)
			next.Reset(wait)
			t.again(t.r)
		}
	}
}

// acknowledge notes the ACK.
func (t *txn) acknowledge() { t.once.Do(func() { close(t.acked) }) }

// ack is an ACK: to a refusal by its branch (§17.1.1.3), to a 200 by its
// dialog (§13.2.2.4).
func (s *Server) ack(r *request) {
	if t := s.txn(r.key()); t != nil {
		t.mu.Lock()
		refused := t.code >= 300
		t.mu.Unlock()
		if refused {
			t.acknowledge()
			return
		}
	}
	s.mu.Lock()
	c := s.calls[r.callID+"|"+r.toTag]
	s.mu.Unlock()
	if c != nil && c.remoteTag == r.fromTag {
		c.ack(r)
	}
}

// cancel is a CANCEL (§9.2): answered itself, then it ends what has no final
// answer yet.
func (s *Server) cancel(r *request) {
	t := s.txn(r.key())
	if t == nil || t.call == nil {
		if s.known.knows(r.peer.source, time.Now()) {
			r.respond(r.answer(481, "Call/Transaction Does Not Exist", "none", nil))
		}
		return
	}
	r.respond(r.answer(200, "OK", t.call.localTag, nil))
	t.call.cancelled()
}

// sweep forgets transactions that can have no repeats any more.
func (s *Server) sweep(ctx context.Context) error {
	tick := time.NewTicker(5 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			s.mu.Lock()
			for k, t := range s.txns {
				if now.Sub(t.began) > patient+t2 && t.settled() {
					delete(s.txns, k)
					s.asked.leave(t.whose)
				}
			}
			s.mu.Unlock()
		}
	}
}

func (t *txn) settled() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.code >= 200
}

func (s *Server) lifetime() context.Context {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.life
}
