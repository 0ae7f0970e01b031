package sip

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
)

// Bounds of a registration. A conference server keeps one for all its calls.
const (
	maxContacts  = 4
	shortestStay = time.Minute
	longestStay  = time.Hour
)

// registrar knows where the peers that register are (RFC 3261 §10). It is only
// for conference servers that are called so, as Jigasi: devices do not register
// here, and to everybody else there is no registrar (T50).
type registrar struct {
	mu   sync.Mutex
	stay map[string][]binding // by peer's name, oldest first; guarded by mu
}

// binding is one contact. It is called where the registration came from: the
// contact itself is only what the call names (T53).
type binding struct {
	contact string
	peer    *peer
	until   time.Time
	callID  string
	cseq    uint32
}

// newest is the contact that registered last.
func (g *registrar) newest(name string, now time.Time) (binding, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := g.current(name, now)
	if len(all) == 0 {
		return binding{}, false
	}
	return all[len(all)-1], true
}

// current forgets what has expired. g.mu is held.
func (g *registrar) current(name string, now time.Time) []binding {
	g.stay[name] = slices.DeleteFunc(g.stay[name], func(b binding) bool { return !now.Before(b.until) })
	return g.stay[name]
}

// registering answers a REGISTER of a peer that may (RFC 3261 §10.3; the steps
// are quoted where they are taken).
func (s *Server) registering(r *request, p *Peer) {
	now := time.Now()
	// 2. Require.
	if u := r.unknownExtensions(); u != "" {
		s.reply(r, 420, "Bad Extension", "Unsupported: "+u)
		return
	}
	// 3. and 4. Authentication, and that it is the peer itself.
	secret := func(user string) (string, bool) {
		if user != p.User {
			return "", false
		}
		return p.Secret, p.DangerouslyAllowMD5
	}
	if _, stale, ok := s.digest.check(r.header("Authorization"), "REGISTER", secret, now); !ok {
		s.reply(r, 401, "Unauthorized", s.digest.challenge(now, stale, p.DangerouslyAllowMD5))
		return
	}
	// Proved: the repeats must not be a replay of the proof.
	t := newTxn(s, r)
	if !s.begin(t, p) {
		return
	}
	// 6. and 7. The contacts.
	lines, code := s.registrar.bind(r, p.Name, now)
	switch code {
	case 0:
		t.answer(200, "OK", lines...)
	case 423:
		t.answer(code, "Interval Too Brief", "Min-Expires: "+strconv.Itoa(int(shortestStay.Seconds())))
	default:
		t.answer(code, reasons(code))
	}
}

// bind takes the contacts of a request, all or none, and lists what there is.
func (g *registrar) bind(r *request, name string, now time.Time) ([]string, int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	next := slices.Clone(g.current(name, now))
	contacts := r.GetHeaders("Contact")
	if len(contacts) > maxContacts {
		return nil, 400
	}
	for _, h := range contacts {
		c, ok := h.(*sip.ContactHeader)
		if !ok {
			return nil, 400
		}
		life, code := stay(r, c)
		if code != 0 {
			return nil, code
		}
		text := contactOf(c, "")
		if c.Address.Wildcard {
			if life != 0 || len(contacts) != 1 {
				return nil, 400
			}
		} else if text == "" {
			return nil, 400
		}
		next = slices.DeleteFunc(next, func(b binding) bool {
			old := c.Address.Wildcard || b.contact == text
			if old && b.callID == r.callID && b.cseq >= r.cseq {
				code = 500 // out of order
			}
			return old
		})
		if code != 0 {
			return nil, code
		}
		if life > 0 {
			next = append(next, binding{text, r.peer, now.Add(life), r.callID, r.cseq})
		}
	}
	g.stay[name] = next[max(0, len(next)-maxContacts):]
	var lines []string
	for _, b := range g.stay[name] {
		lines = append(lines, fmt.Sprintf("Contact: <%s>;expires=%d", b.contact, int(b.until.Sub(now).Seconds())))
	}
	return lines, 0
}

// stay is how long a contact wants to be kept; 0: no longer.
func stay(r *request, c *sip.ContactHeader) (time.Duration, int) {
	v := param(c.Params, "expires")
	if v == "" {
		v = r.header("Expires")
	}
	if v == "" {
		return longestStay, 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 32)
	if err != nil {
		return longestStay, 0 // §20.19: malformed is the default
	}
	d := time.Duration(n) * time.Second
	if d > 0 && d < shortestStay {
		return 0, 423
	}
	return min(d, longestStay), 0
}
