package gateway

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"sync"
	"time"

	"vestibule/auth"
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
	login  *auth.Session
	began  time.Time
	until  time.Time
}

func (c *recall) note(ses *session, until, now time.Time) {
	key := ses.key
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]recalled{}
	}
	if _, ok := c.seen[key]; !ok && len(c.seen) >= maxRecalled {
		c.makeRoom(now)
	}
	c.seen[key] = recalled{*ses.Person, ses.Login, ses.Began, until}
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

// all is who is recalled now.
func (c *recall) all() map[string]recalled {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.seen)
}

// recheck is how often those recalled are asked after: a sign-out elsewhere, or
// told to another node, takes the right to act while the store is away too.
const recheck = 20 * time.Second

// recheckAll forgets whose session has ended. A store that does not answer
// changes nothing: that is when they are needed.
func (s *Server) recheckAll(ctx context.Context) {
	for key, r := range s.recall.all() {
		b, err := s.c.Shelf.Get(ctx, "session", key)
		if err != nil {
			return
		}
		over, err := s.ended(ctx, r.login, r.began)
		if err != nil {
			return
		}
		if b == nil || over {
			s.recall.forget(key)
		}
	}
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
