package sip

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"vestibule/dialin/media"
)

// request answers a request within the call.
func (c *Call) request(r *request) {
	c.mu.Lock()
	if t := c.remembered(r); t != nil {
		c.mu.Unlock()
		t.again(r)
		return
	}
	if r.cseq <= c.remoteSeq {
		c.mu.Unlock()
		c.s.reply(r, 500, "Server Internal Error") // RFC 3261 §12.2.2
		return
	}
	c.remoteSeq = r.cseq
	if c.target == nil && !c.ended {
		c.moves(r.peer)
	}
	if r.Method == sip.BYE {
		c.bye = true
		c.mu.Unlock()
		c.over(r)
		return
	}
	t := c.remember(r)
	c.mu.Unlock()
	switch r.Method {
	case sip.INVITE:
		c.reinvite(t)
	case sip.UPDATE:
		c.update(t)
	case sip.INFO:
		c.info(t)
	case sip.OPTIONS:
		t.answer(200, "OK", allow, "Accept: application/sdp", "Supported: timer")
	case sip.REFER:
		t.answer(403, "Forbidden") // nobody is called from here (T53)
	default:
		t.answer(405, "Method Not Allowed", allow)
	}
}

// moves notes that the call comes over another way now, which is kept open for
// it. c.mu is held.
func (c *Call) moves(to *peer) {
	c.peer.calls.Add(-1)
	to.calls.Add(1)
	c.peer = to
}

// over is the device's goodbye. Its answer outlives the call, for repeats.
func (c *Call) over(r *request) {
	t := newTxn(c.s, r)
	t.call = c
	if c.s.begin(t, c.named) {
		t.answer(200, "OK")
	} else {
		c.s.reply(r, 200, "OK")
	}
	c.refuse(487, "Request Terminated")
	c.finish()
}

// hears reports whether a request may be of this call: where we called, only
// the target's are.
func (c *Call) hears(p *peer) bool {
	return c.target == nil || p.remote.Addr() == c.home.remote.Addr()
}

// ack is the confirmation of a 200. The first may carry the answer to our
// offer.
func (c *Call) ack(r *request) {
	c.mu.Lock()
	if t := c.re; t != nil && t.r.cseq == r.cseq {
		c.re = nil
		c.lateAnswer(r)
		c.mu.Unlock()
		t.acknowledge()
		return
	}
	if c.invite == nil || r.cseq != c.invite.cseq || !c.answered || c.ended {
		c.mu.Unlock()
		return
	}
	if c.offer == nil {
		c.lateAnswer(r)
	}
	c.mu.Unlock()
	c.tx.acknowledge()
	c.half.leave(c)
	c.ackOnce.Do(func() { close(c.acked) })
}

// lateAnswer takes the answer to our offer out of an ACK, or out of the answer to
// a re-INVITE of ours. c.mu is held.
func (c *Call) lateAnswer(m headed) {
	b := body(m, "application/sdp")
	if b == nil {
		return
	}
	o, err := readOffer(b, c.secrecy)
	if err != nil || o.crypto.profile != c.offering() {
		return
	}
	if c.asking && c.offer.hold {
		o.hold, o.direction = true, c.offer.direction // on hold we offered no more, so they take no more
	}
	c.agree(o)
}

// offering is the suite of our offer. c.mu is held.
func (c *Call) offering() media.Profile {
	switch {
	case c.offer != nil:
		return c.offer.crypto.profile
	case c.key != nil:
		return media.AES80
	}
	return media.NoProfile
}

// agree takes a new agreement. c.mu is held.
func (c *Call) agree(o *offer) {
	c.offer = o
	if c.session == nil {
		return
	}
	if !o.remote.Addr().IsUnspecified() {
		// An address that cannot be used leaves the sound as it was.
		_ = c.session.Update(c.remote(o), o.format, o.keys(c.key))
	}
	c.session.Hold(o.hold)
}

// pending reports whether an agreement is still being made: until it is, there
// can be no other (RFC 3261 §14.2, RFC 3311 §5.2). c.mu is held.
func (c *Call) pending() bool { return c.session == nil || c.re != nil || c.asking }

// reinvite changes the call: hold, resume, another address or codec; or it
// changes nothing and refreshes the session.
func (c *Call) reinvite(t *txn) {
	c.mu.Lock()
	if c.pending() {
		c.mu.Unlock()
		t.answer(491, "Request Pending")
		return
	}
	sdp, code := c.change(t.r)
	if code != 0 {
		c.mu.Unlock()
		t.answer(code, reasons(code))
		return
	}
	if sdp == nil {
		// Without an offer of theirs, ours is to talk: so are calls taken back
		// from hold (RFC 3261 §14.2).
		c.version++
		c.said = c.offer.again(c.where, c.sdpID, c.version, c.key)
		sdp = c.said
	}
	c.re = t
	headers := append([]string{c.contact(), allow, "Supported: timer", "Content-Type: application/sdp"}, c.every.headers()...)
	c.mu.Unlock()
	t.final(t.r.answer(200, "OK", c.localTag, sdp, headers...), 200)
}

// update changes or refreshes without a confirmation (RFC 3311).
func (c *Call) update(t *txn) {
	c.mu.Lock()
	if len(t.r.Body()) > 0 && c.pending() {
		c.mu.Unlock()
		t.answer(491, "Request Pending")
		return
	}
	sdp, code := c.change(t.r)
	headers := append([]string{c.contact(), allow, "Supported: timer"}, c.every.headers()...)
	c.mu.Unlock()
	switch {
	case code != 0:
		t.answer(code, reasons(code))
	case sdp == nil:
		t.answer(200, "OK", headers...)
	default:
		t.final(t.r.answer(200, "OK", c.localTag, sdp, append(headers, "Content-Type: application/sdp")...), 200)
	}
}

// change applies what a re-INVITE or UPDATE asks for, and answers its SDP where
// it has one. A refused change leaves everything as it was. c.mu is held.
func (c *Call) change(r *request) ([]byte, int) {
	o, code := offered(r, c.secrecy)
	if code != 0 {
		return nil, code
	}
	if c.ended {
		return nil, 481
	}
	c.uri = contactOf(r.Contact(), c.uri) // RFC 3261 §12.2.2, RFC 3311 §5.2
	if every, tooShort := r.interval(c.s.shortest); !tooShort && every.every != 0 {
		c.every = every
	}
	c.wind()
	if o == nil {
		return nil, 0
	}
	if p := o.crypto.profile; p != media.NoProfile && p != c.offer.crypto.profile {
		c.key = fresh(p) // no key is begun anew, not after plain sound either
	}
	c.version++
	c.said = o.answer(c.where, c.sdpID, c.version, c.key)
	c.agree(o)
	return c.said, 0
}

// info takes key presses that come beside the sound.
func (c *Call) info(t *txn) {
	r := t.r
	kind, _, _ := strings.Cut(strings.ToLower(r.header("Content-Type", "c")), ";")
	var key rune
	switch strings.TrimSpace(kind) {
	case "application/dtmf-relay":
		key = relayed(r.Body())
	case "application/dtmf":
		key = digit(string(bytes.TrimSpace(r.Body())))
	case "":
		t.answer(200, "OK") // an empty one asks whether we live
		return
	default:
		t.answer(415, "Unsupported Media Type", "Accept: application/dtmf-relay, application/dtmf")
		return
	}
	c.mu.Lock()
	s := c.session
	c.mu.Unlock()
	if key == 0 || s == nil {
		t.answer(400, "Bad Request")
		return
	}
	s.Press(key)
	t.answer(200, "OK")
}

// relayed reads "Signal=5\r\nDuration=160".
func relayed(b []byte) rune {
	if len(b) > 256 {
		return 0
	}
	for line := range bytes.SplitSeq(b, []byte("\n")) {
		name, value, ok := strings.Cut(string(line), "=")
		if ok && strings.EqualFold(strings.TrimSpace(name), "signal") {
			return digit(strings.TrimSpace(value))
		}
	}
	return 0
}

// digit reads one key, also by its event number (10 is *, 11 is #).
func digit(s string) rune {
	switch {
	case s == "10":
		return '*'
	case s == "11":
		return '#'
	case len(s) == 1 && strings.ContainsAny(s, "0123456789*#ABCD"):
		return rune(s[0])
	}
	return 0
}

// wind sets the session timer anew. c.mu is held.
func (c *Call) wind() { c.windTo(c.every.due()) }

func (c *Call) windTo(due time.Duration) {
	if c.timer != nil {
		c.timer.Stop()
	}
	if c.every.every == 0 || c.ended {
		return
	}
	ours := c.every.ours
	c.timer = time.AfterFunc(due, func() {
		c.s.work.Go(func() {
			if !ours || !c.refresh(c.s.lifetime()) {
				c.unheard() // RFC 4028 §10: nobody is there any more
			}
		})
	})
}

// refresh tells the device that we are here, and learns whether it is.
func (c *Call) refresh(ctx context.Context) bool {
	c.mu.Lock()
	method, said, headers := "UPDATE", []byte(nil), append([]string{"Supported: timer"}, c.every.refreshing()...)
	if !c.updates {
		if c.re != nil { // theirs refreshes, too
			c.wind()
			c.mu.Unlock()
			return true
		}
		method, said, c.asking = "INVITE", c.said, true
		headers = append(headers, "Content-Type: application/sdp")
	}
	c.mu.Unlock()
	res := c.ask(ctx, method, said, headers...)
	if res != nil && c.target != nil {
		if h := c.target.prove(res, method, c.address()); h != "" {
			res = c.ask(ctx, method, said, append(headers, h)...)
		}
	}
	if res != nil && res.StatusCode < 300 {
		c.follow(res)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if method == "INVITE" && res != nil && res.StatusCode < 300 && !c.ended {
		c.lateAnswer(res)
	}
	c.asking = false
	switch {
	case res == nil || res.StatusCode == sip.StatusRequestTimeout || res.StatusCode == 481:
		return false
	case res.StatusCode == 491:
		c.windTo(c.glare()) // it asks something itself
	default:
		c.wind()
	}
	return true
}

// glare is when to ask again after both have asked at once (RFC 3261 §14.1):
// who began the call waits longer.
func (c *Call) glare() time.Duration {
	wait := rand.N(1900 * time.Millisecond) //nolint:gosec // no secret: it only must differ from theirs
	if c.target != nil {
		wait += 2100 * time.Millisecond
	}
	return wait
}

// sayBye tells the device that the call is over. The first time is at once; the
// repeats go on beside.
func (c *Call) sayBye(ctx context.Context) {
	sent := make(chan struct{})
	c.s.work.Go(func() {
		// A challenge is not answered, nor is anything else: we are gone (T55).
		c.askThen(context.WithoutCancel(ctx), "BYE", nil, func() { close(sent) })
	})
	select {
	case <-sent:
	case <-ctx.Done():
	}
}
