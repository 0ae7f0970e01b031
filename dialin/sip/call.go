package sip

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"

	"vestibule/dialin/media"
	"vestibule/lobby"
)

// errGone is a call that ended before it was answered.
var errGone = errors.New("sip: the caller has gone")

// Call is one call. Its methods may be called by anybody.
type Call struct {
	s         *Server
	id        string
	tx        *txn // of the INVITE; nil where we called, like invite
	invite    *request
	home      *peer   // where our requests go, and leave from
	target    *Target // whom we called; nil: they called us
	us, them  string  // From and To of our requests
	secrecy   Secrecy
	named     *Peer // who calls, if known
	half      *halfOpen
	whose     string // whom its line counts for
	caller    lobby.Caller
	admission string     // whom we called for
	local     netip.Addr // where we are, as the device sees us
	secure    bool       // the call was made by a sips: URI

	callID, localTag, remoteTag string
	routes                      []string // Record-Route, as it came
	updates                     bool     // the device takes UPDATE
	acked, gone                 chan struct{}
	ackOnce, goneOnce           sync.Once
	sdpID                       uint64
	branch                      string // of the INVITE we sent; its answer may be repeated
	seq                         uint32

	mu        sync.Mutex
	peer      *peer  // where the newest request came from; guarded by mu, as all below
	uri       string // of our requests
	remoteSeq uint32
	localSeq  uint32
	offer     *offer // as agreed; nil before a late answer
	version   uint64 // of our SDP
	every     interval
	timer     *time.Timer
	port      *media.Port
	where     netip.AddrPort // of our sound, as the device is told
	key       []byte         // of our half, where encrypted
	session   *media.Session
	re        *txn   // the re-INVITE that waits for its ACK
	said      []byte // our last SDP
	asking    bool   // our own re-INVITE is open
	txns      []*txn // of requests within the call, the newest maxTxnsCall
	answered  bool   // a 200 was sent
	ended     bool
	bye       bool // the device has said goodbye
}

// Dialled is what stood before the @, without escapes; or the whole of what was
// dialled, where a device takes "host##meeting#code" for a name.
func (c *Call) Dialled() string {
	u := &c.invite.Recipient
	text := u.User
	if text == "" && strings.Contains(u.Host, "##") {
		text = u.Host
	}
	if plain, err := url.PathUnescape(text); err == nil {
		text = plain
	}
	return text
}

// Caller tells of the device.
func (c *Call) Caller() lobby.Caller {
	c.mu.Lock()
	defer c.mu.Unlock()
	who := c.caller
	who.Line.Encrypted = c.key != nil && c.session != nil && c.peer.proto == "TLS"
	return who
}

// Gone is closed when the line is gone, whoever ended it.
func (c *Call) Gone() <-chan struct{} { return c.gone }

// Answer takes the call, and returns its sound once the device has confirmed:
// nothing is sent before (no media before ACK).
func (c *Call) Answer(ctx context.Context) (*media.Session, error) {
	sdp, err := c.open()
	if err != nil {
		c.refuse(503, "Service Unavailable")
		return nil, err
	}
	c.mu.Lock()
	headers := append([]string{c.contact(), allow, "Supported: timer", "Content-Type: application/sdp"}, c.every.headers()...)
	ended := c.ended
	c.answered = !ended
	c.mu.Unlock()
	if ended || !c.tx.final(c.invite.answer(200, "OK", c.localTag, sdp, headers...), 200) {
		return nil, errGone
	}
	select {
	case <-c.acked:
	case <-c.gone:
		return nil, errGone
	case <-ctx.Done():
		return nil, fmt.Errorf("answering a call: %w", ctx.Err())
	}
	return c.begin()
}

// open takes a port and writes our half of the agreement.
func (c *Call) open() ([]byte, error) {
	port, err := c.s.c.Media.Listen()
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		_ = port.Close()
		return nil, errGone
	}
	c.port = port
	c.where = netip.AddrPortFrom(c.local, port.Addr().Port())
	c.version = 1
	if c.offer == nil {
		if c.secrecy == Require {
			c.key = fresh(media.AES80)
		}
		c.said = invite(c.where, c.sdpID, c.version, c.secrecy, c.key, c.target == nil)
		return c.said, nil
	}
	if p := c.offer.crypto.profile; p != media.NoProfile {
		c.key = fresh(p)
	}
	c.said = c.offer.answer(c.where, c.sdpID, c.version, c.key)
	return c.said, nil
}

// begin starts the sound.
func (c *Call) begin() (*media.Session, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil, errGone
	}
	if c.offer == nil {
		return nil, errors.New("sip: the device agreed to nothing")
	}
	s, err := c.port.Start(c.remote(c.offer), c.offer.format, c.offer.keys(c.key))
	if err != nil {
		return nil, fmt.Errorf("starting the sound: %w", err)
	}
	s.Hold(c.offer.hold)
	c.session = s
	c.s.known.note(c.peer.source, time.Now())
	c.wind()
	c.s.work.Go(c.listen)
	return s, nil
}

// remote is where the device hears. Only a known peer may name another address
// than it calls from: anybody else could have us send sound to a stranger, and
// devices behind a router name an address that leads nowhere.
func (c *Call) remote(o *offer) netip.AddrPort {
	if c.named != nil && !o.remote.Addr().IsUnspecified() || c.target != nil && c.target.sounds(o.remote.Addr()) {
		return o.remote
	}
	return netip.AddrPortFrom(c.peer.remote.Addr(), o.remote.Port())
}

// listen hangs up on a line that has died. A device that only listens, or is
// silent when nobody speaks, is asked whether it is there.
func (c *Call) listen() {
	tick := time.NewTicker(min(5*time.Second, c.s.c.Silent))
	defer tick.Stop()
	since := time.Now()
	for {
		select {
		case <-c.gone:
			return
		case now := <-tick.C:
			c.mu.Lock()
			s, held := c.session, c.offer.hold || c.offer.direction == "sendonly"
			c.mu.Unlock()
			if held {
				since = now
			}
			if heard := s.Stats().Heard; now.Sub(heard) <= c.s.c.Silent || now.Sub(since) <= c.s.c.Silent {
				continue
			}
			if !c.lives() {
				c.Hangup(c.s.lifetime())
				return
			}
			since = time.Now()
		}
	}
}

// lives asks the device whether it knows of the call.
func (c *Call) lives() bool {
	ctx, cancel := context.WithTimeout(c.s.lifetime(), 4*time.Second)
	defer cancel()
	res := c.ask(ctx, "OPTIONS", nil)
	return res != nil && res.StatusCode != sip.StatusRequestTimeout && res.StatusCode != 481
}

// refuse answers the INVITE with a no.
func (c *Call) refuse(code int, reason string) {
	if c.tx != nil && c.tx.final(c.invite.answer(code, reason, c.localTag, nil), code) {
		c.finish()
	}
}

// cancelled is the caller's change of mind before we answered.
func (c *Call) cancelled() { c.refuse(487, "Request Terminated") }

// unheard is a 200 that was never confirmed: the call is ended (RFC 3261
// §13.3.1.4).
func (c *Call) unheard() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.s.lifetime()), goodbye)
	defer cancel()
	c.Hangup(ctx)
}

// giveWay ends a call that was not confirmed, for a newer one. The device is told
// once: who asks in another's name must not have the other told for long.
func (c *Call) giveWay() {
	select {
	case <-c.acked:
		return
	default:
	}
	c.mu.Lock()
	tell := c.answered && !c.ended
	c.localSeq++
	seq, p := c.localSeq, c.peer
	c.mu.Unlock()
	c.tx.acknowledge()
	c.finish()
	c.s.work.Go(func() { // whoever came must not wait for it
		if tell {
			p.write(c.write("BYE", newBranch(), seq, nil, nil))
			return
		}
		c.tx.final(c.invite.answer(503, "Service Unavailable", c.localTag, nil), 503)
	})
}

// Hangup ends the call at once: no sound passes any more, and the device is
// told.
func (c *Call) Hangup(ctx context.Context) {
	c.refuse(480, "Temporarily Unavailable") // does nothing once it is answered
	c.mu.Lock()
	tell := c.answered && !c.bye && !c.ended
	c.mu.Unlock()
	c.finish()
	if tell {
		c.sayBye(ctx)
	}
}

// finish lets go of everything. It may be called twice.
func (c *Call) finish() {
	c.mu.Lock()
	first := !c.ended
	c.ended = true
	session, port, timer := c.session, c.port, c.timer
	re, p, answered := c.re, c.peer, c.answered
	c.mu.Unlock()
	if !first {
		return
	}
	if timer != nil {
		timer.Stop()
	}
	switch {
	case session != nil:
		session.Close()
	case port != nil:
		_ = port.Close()
	}
	if c.tx != nil {
		if answered {
			c.tx.acknowledge() // a yes is not repeated any more; a no is, until it is heard
		}
		c.half.leave(c)
		p.calls.Add(-1)
		c.s.lines.leave(c.whose)
	}
	if re != nil {
		re.acknowledge()
	}
	c.s.mu.Lock()
	delete(c.s.calls, c.callID+"|"+c.localTag)
	delete(c.s.pending, c.branch)
	c.s.mu.Unlock()
	c.goneOnce.Do(func() { close(c.gone) })
}

// contact is where the device may reach us for this call: by TLS all the way
// where the call was made so (RFC 3261 §8.1.1.8, §12.1.1).
func (c *Call) contact() string {
	if c.secure {
		return fmt.Sprintf("Contact: <sips:door@%s>", netip.AddrPortFrom(c.local, c.home.local.Port()))
	}
	return fmt.Sprintf("Contact: <sip:door@%s;transport=%s>", netip.AddrPortFrom(c.local, c.home.local.Port()), lower(c.home.proto))
}

func lower(proto string) string {
	switch proto {
	case "TCP":
		return "tcp"
	case "TLS":
		return "tls"
	}
	return "udp"
}

// localOf is our address as a device sees it.
func (s *Server) localOf(p *peer) netip.Addr {
	if s.c.Public.IsValid() {
		return s.c.Public
	}
	return localTo(p)
}

// localFor is our address as the target sees it. Public is where the world finds
// us; a target inside would have to send its sound out and in again, which many a
// router refuses.
func (s *Server) localFor(p *peer) netip.Addr {
	a, to := localTo(p), p.remote.Addr()
	if s.c.Public.IsValid() && inside(a) && !inside(to) {
		return s.c.Public
	}
	return a
}

// inside reports whether an address means something in its own network only.
func inside(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || !a.IsValid() || a.IsUnspecified()
}

// localTo is our address on the way to a peer.
func localTo(p *peer) netip.Addr {
	if a := p.local.Addr(); a.IsValid() && !a.IsUnspecified() {
		return a
	}
	// Which of our addresses leads there: a UDP socket that is connected and
	// closed again sends nothing.
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(p.remote))
	if err != nil {
		return p.local.Addr()
	}
	defer c.Close()
	return addrPort(c.LocalAddr()).Addr()
}
