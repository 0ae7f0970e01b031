package gateway

import (
	"errors"
	"net/http"
	"sync"
	"time"

	"vestibule/meeting"
	"vestibule/store"
)

// maxRecalled bounds whom a node recalls.
const maxRecalled = 4096

// recall is who was seen signed in on this node lately. It serves one purpose:
// that a host can put somebody out while the store is away. It opens nothing,
// and is forgotten with the session, or after SessionIdle.
type recall struct {
	mu   sync.Mutex
	seen map[string]recalled // by session key; guarded by mu
}

type recalled struct {
	person meeting.Person
	until  time.Time
}

func (c *recall) note(key string, p *meeting.Person, until, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]recalled{}
	}
	if _, ok := c.seen[key]; !ok && len(c.seen) >= maxRecalled {
		c.makeRoom(now)
	}
	c.seen[key] = recalled{*p, until}
}

// makeRoom forgets what is over, or one of the others. The caller holds mu.
func (c *recall) makeRoom(now time.Time) {
	some := ""
	for key, r := range c.seen {
		some = key
		if now.After(r.until) {
			delete(c.seen, key)
		}
	}
	if len(c.seen) >= maxRecalled {
		delete(c.seen, some)
	}
}

func (c *recall) forget(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.seen, key)
}

func (c *recall) of(key string, now time.Time) (meeting.Person, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r, ok := c.seen[key]
	return r.person, ok && now.Before(r.until)
}

// hostRecalled is host, and while the store is away who was host a while ago:
// putting somebody out may not wait for the store (T38). Whether they host this
// meeting the lobby judges by what it last knew.
func (s *Server) hostRecalled(r *http.Request) (*session, error) {
	ses, err := s.host(r)
	if !errors.Is(err, store.ErrUnavailable) {
		return ses, err
	}
	c, none := r.Cookie(sessionCookie)
	if none != nil {
		return nil, err
	}
	if p, ok := s.recall.of(s.mac("session", c.Value), time.Now()); ok {
		return &session{Person: &p}, nil
	}
	return nil, err
}
