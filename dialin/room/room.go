package room

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"github.com/livekit/protocol/logger"
	lksdk "github.com/livekit/server-sdk-go/v2"

	"vestibule/conference"
	"vestibule/dialin/media"
)

// Passes is the conference server's side. Leg MUST return a token that lets in
// the person of g and nobody else; Remove is conference.Rooms's.
type Passes interface {
	Leg(g conference.Grants) (url, token string, err error)
	Remove(ctx context.Context, room, admission string) error
}

// Config says which rooms there are.
type Config struct {
	Passes Passes
	// Patience bounds joining. Default 8s; 1s to 30s.
	Patience time.Duration
	// RootCAs are the authorities that may vouch for the conference server;
	// nil means the system's.
	RootCAs *x509.CertPool
}

// Rooms joins callers.
type Rooms struct {
	c Config

	mu      sync.Mutex
	parties map[string]*party // by room; guarded by mu
}

// New returns the rooms of c without talking to anybody.
func New(c Config) (*Rooms, error) {
	if c.Patience == 0 {
		c.Patience = 8 * time.Second
	}
	var faults []error
	if c.Passes == nil {
		faults = append(faults, errors.New("room: no conference server"))
	}
	if c.Patience < time.Second || c.Patience > 30*time.Second {
		faults = append(faults, fmt.Errorf("room: patience %v is not between 1s and 30s", c.Patience))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	hush()
	trust(c.RootCAs)
	return &Rooms{c: c, parties: map[string]*party{}}, nil
}

// Join takes the caller of g into their room. It gives up when ctx ends; the
// leg then lives until Close, whatever becomes of ctx.
func (r *Rooms) Join(ctx context.Context, g conference.Grants) (media.Leg, error) {
	url, token, err := r.c.Passes.Leg(g)
	if err != nil {
		return nil, fmt.Errorf("joining as admission %s: %w", g.Admission, err)
	}
	// The conference client reconnects with the context it joined with.
	own, cancel := stay(context.WithoutCancel(ctx))
	l := r.leg(g, cancel)
	l.remove = func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(own), goodbye)
		defer cancel()
		_ = r.c.Passes.Remove(ctx, g.Room, g.Admission) // else the server finds out by itself
	}
	l.again = func() error {
		url, token, err := r.c.Passes.Leg(g)
		if err != nil {
			return err
		}
		return l.join(own, url, token, r.c.Patience)
	}
	watch := context.AfterFunc(ctx, cancel)
	giveUp := time.AfterFunc(r.c.Patience, cancel)
	err = l.join(own, url, token, r.c.Patience)
	if !watch() || !giveUp.Stop() {
		err = errors.Join(err, errors.New("it took too long"))
	}
	if err != nil {
		l.Close()
		// The cause may quote the address and the token.
		return nil, fmt.Errorf("joining as admission %s: %w", g.Admission, cause(err))
	}
	l.ready()
	return l, nil
}

// leg makes one of the party of its room.
func (r *Rooms) leg(g conference.Grants, cancel func()) *leg {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.parties[g.Room]
	if p == nil {
		p = newParty(time.Now())
		r.parties[g.Room] = p
	}
	l := newLeg(g.Admission, p, cancel)
	l.leave = func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if p.leave(l) && r.parties[g.Room] == p {
			delete(r.parties, g.Room)
		}
	}
	return l
}

// goodbye bounds how long Close waits for the conference server.
const goodbye = 80 * time.Millisecond

// cause keeps what may be told of an error of the conference client.
func cause(err error) error {
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, lksdk.ErrConnectionTimeout, lksdk.ErrTrackPublishTimeout} {
		if errors.Is(err, known) {
			return known
		}
	}
	return errors.New("the conference server cannot be reached or does not let us in")
}

// silent is a logger that drops everything: the client logs addresses.
func silent() logger.Logger { return logger.LogRLogger(logr.Discard()) }

// hush gives the conference client's package the same logger, once a process:
// its transports take no other, and would write to standard error.
var hush = sync.OnceValue(func() struct{} {
	lksdk.SetLogger(silent())
	return struct{}{}
})
