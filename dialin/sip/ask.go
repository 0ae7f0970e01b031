package sip

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strconv"
	"time"

	"github.com/emiago/sipgo/sip"
)

func (c *Call) ask(ctx context.Context, method string, body []byte, headers ...string) *sip.Response {
	return c.askThen(ctx, method, body, func() {}, headers...)
}

// askThen sends a request within the call and waits for its final answer,
// repeating it where the transport does not (RFC 3261 §17.1.2); nil when none
// comes. sent is called once the first has left.
func (c *Call) askThen(ctx context.Context, method string, body []byte, sent func(), headers ...string) *sip.Response {
	branch := newBranch()
	c.mu.Lock()
	c.localSeq++
	seq, p := c.localSeq, c.peer
	c.mu.Unlock()
	answers := c.s.await(branch)
	confirmed := false
	defer func() {
		if !confirmed {
			c.s.forget(branch)
		}
	}()
	b := c.write(method, branch, seq, body, headers)
	p.write(b)
	sent()
	end := time.NewTimer(patient)
	defer end.Stop()
	again := newRepeat(p)
	defer again.stop()
	life := c.s.lifetime()
	for {
		select {
		case res := <-answers:
			if res.StatusCode < 200 {
				continue
			}
			if method == "INVITE" {
				c.confirm(res, branch, seq, p)
				confirmed = true
			}
			return res
		case <-again.C():
			again.sent()
			p.write(b)
		case <-end.C:
			return nil
		case <-ctx.Done():
			return nil
		case <-life.Done():
			return nil
		}
	}
}

// confirm sends the ACK of an INVITE of ours: to a refusal it belongs to the
// same transaction (RFC 3261 §17.1.1.3), to a 200 it is one of its own
// (§13.2.2.4). Every repeat of the answer gets it again, for as long as the
// other side repeats it: it is noted before it leaves, since the next repeat
// may follow at once.
func (c *Call) confirm(res *sip.Response, branch string, seq uint32, p *peer) {
	them, own := c.them, branch
	if res.StatusCode >= 300 {
		them = res.To().Value()
	} else {
		own = newBranch()
		c.follow(res)
	}
	b := c.compose("ACK", own, them, seq, nil, nil)
	c.s.acknowledge(branch, b, p)
	p.write(b)
	time.AfterFunc(patient, func() { c.s.forget(branch) })
}

// repeat says when a request is to be sent again over UDP (§17.1.1.2): after
// t1, then twice as long each time, up to t2.
type repeat struct {
	wait time.Duration
	next *time.Timer // nil where the transport repeats
}

func newRepeat(p *peer) *repeat {
	if p.reliable() {
		return &repeat{}
	}
	return &repeat{t1, time.NewTimer(t1)}
}

// C is ready when it is time; then the request is sent, and sent is called.
func (r *repeat) C() <-chan time.Time {
	if r.next == nil {
		return nil
	}
	return r.next.C
}

func (r *repeat) sent() {
	r.wait = min(2*r.wait, t2)
	r.next.Reset(r.wait)
}

func (r *repeat) stop() {
	if r.next != nil {
		r.next.Stop()
	}
}

func newBranch() string { return "z9hG4bK" + rand.Text() }

// write makes a request of ours (RFC 3261 §12.2.1.1). It names the other
// side's Contact and goes to where the call came from, or to the target.
func (c *Call) write(method, branch string, seq uint32, body []byte, headers []string) []byte {
	return c.compose(method, branch, c.them, seq, body, headers)
}

func (c *Call) compose(method, branch, them string, seq uint32, body []byte, headers []string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s SIP/2.0\r\n", method, c.address())
	fmt.Fprintf(&b, "Via: SIP/2.0/%s %s;branch=%s;rport\r\n", c.home.proto, c.whereabouts(), branch)
	b.WriteString("Max-Forwards: 70\r\n")
	for _, r := range c.routes {
		fmt.Fprintf(&b, "Route: %s\r\n", r)
	}
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\n", c.us, them)
	fmt.Fprintf(&b, "Call-ID: %s\r\nCSeq: %d %s\r\n", c.callID, seq, method)
	if method != "ACK" && method != "BYE" && method != "CANCEL" {
		headers = append([]string{c.contact()}, headers...)
	}
	finish(&b, body, headers)
	return b.Bytes()
}

// follow takes the Contact of a yes to a request of ours (RFC 3261 §12.2.1.2).
func (c *Call) follow(res *sip.Response) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uri = contactOf(res.Contact(), c.uri)
}

// address is what our requests name: the other side's newest Contact.
func (c *Call) address() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.uri
}

func (c *Call) whereabouts() string {
	a := c.local.String()
	if c.local.Is6() {
		a = "[" + a + "]"
	}
	return a + ":" + strconv.Itoa(int(c.home.local.Port()))
}

// waiter waits for the answers to one request of ours.
type waiter struct {
	answers chan *sip.Response
	// ack is sent again to every repeat of the answer; nil before the first.
	ack []byte
	to  *peer
}

func (s *Server) await(branch string) <-chan *sip.Response {
	w := &waiter{answers: make(chan *sip.Response, 4)}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending[branch] = w
	return w.answers
}

func (s *Server) forget(branch string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pending, branch)
}

// acknowledge has every repeat of an answer answered with the same ACK.
func (s *Server) acknowledge(branch string, ack []byte, to *peer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if w := s.pending[branch]; w != nil {
		w.ack, w.to = ack, to
	}
}

// answered hands a response to who waits for it; there is nobody else it could
// concern.
func (s *Server) answered(m *sip.Response) {
	via := m.Via()
	if via == nil || m.CSeq() == nil || m.To() == nil {
		return
	}
	branch, _ := via.Params.Get("branch")
	s.mu.Lock()
	w := s.pending[branch]
	var ack []byte
	if w != nil {
		ack = w.ack
	}
	s.mu.Unlock()
	switch {
	case w == nil:
	case ack != nil && m.StatusCode >= 200:
		w.to.write(ack)
	default:
		select {
		case w.answers <- m:
		default:
		}
	}
}
