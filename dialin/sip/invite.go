package sip

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"vestibule/lobby"
	"vestibule/meeting"
)

// invited takes a new call, or says why not. Whatever number was dialled, the
// answer is the same: there are no extensions to find (T50).
func (s *Server) invited(r *request, peer *Peer) {
	now := time.Now()
	if peer == nil && !s.setups.allow(r.peer.source, now) {
		s.busy(r)
		return
	}
	h := r.header("Authorization")
	user, stale, proved := "", false, false
	if h != "" {
		user, stale, proved = s.digest.check(h, string(r.Method), s.secret, now)
	}
	// A peer that is away from its addresses is no stranger once it has proved
	// itself, however many strangers call.
	if peer == nil && !proved && !s.crowd.allow(crowd(r.peer), now) {
		if r.peer.reliable() {
			s.busy(r)
		}
		return // whoever means it repeats it, and may be luckier
	}
	if h != "" {
		if !proved {
			s.reply(r, 401, "Unauthorized", s.digest.challenge(now, stale, false))
			return
		}
		peer = s.peerOf(user)
	}
	if !proved && (peer == nil && s.c.OnlyPeers || peer != nil && peer.Secret != "") {
		s.reply(r, 401, "Unauthorized", s.digest.challenge(now, false, false))
		return
	}
	if r.Recipient.Scheme != "sip" && r.Recipient.Scheme != "sips" {
		s.reply(r, 403, "Forbidden") // tel: and the like: nobody is called from here (T53)
		return
	}
	if u := r.unknownExtensions(); u != "" {
		s.reply(r, 420, "Bad Extension", "Unsupported: "+u)
		return
	}
	interval, tooShort := r.interval(s.shortest)
	if tooShort {
		s.reply(r, 422, "Session Interval Too Small", "Min-SE: "+strconv.Itoa(int(minInterval.Seconds())))
		return
	}
	o, code := offered(r, s.c.Secrecy)
	if code != 0 {
		s.reply(r, code, reasons(code), "Accept: application/sdp")
		return
	}
	s.ring(r, peer, o, interval)
}

// crowd is whom a stranger's call counts among. A connection is proof of an
// address; those who call in others' names by datagrams take nothing from it.
func crowd(p *peer) string {
	if p.reliable() {
		return "connections"
	}
	return "datagrams"
}

func (s *Server) secret(user string) (secret string, weak bool) {
	if p := s.peerOf(user); p != nil {
		return p.Secret, false
	}
	return "", false
}

func (s *Server) peerOf(user string) *Peer {
	for i := range s.c.Peers {
		if p := &s.c.Peers[i]; user != "" && p.User == user {
			return p
		}
	}
	return nil
}

// unknownExtensions lists what the caller requires and we cannot.
func (r *request) unknownExtensions() string {
	var list []string
	for _, h := range r.GetHeaders("Require") {
		for w := range strings.SplitSeq(h.Value(), ",") {
			if w = strings.TrimSpace(w); !strings.EqualFold(w, "timer") && tokens([]string{w}) {
				list = append(list, w)
			}
		}
	}
	return strings.Join(list[:min(len(list), 8)], ", ")
}

func reasons(code int) string {
	switch code {
	case 415:
		return "Unsupported Media Type"
	case 488:
		return "Not Acceptable Here"
	case 400:
		return "Bad Request"
	case 481:
		return "Call/Transaction Does Not Exist"
	}
	return "Server Error"
}

// offered reads the offer of a request; nil where there is none, and a status
// where there is one that cannot be used.
func offered(r *request, secrecy Secrecy) (*offer, int) {
	if len(r.Body()) == 0 {
		return nil, 0
	}
	b := r.body("application/sdp")
	if b == nil {
		return nil, 415
	}
	o, err := readOffer(b, secrecy)
	if err != nil {
		return nil, 488
	}
	return o, 0
}

// ring makes a call of an INVITE and hands it on.
func (s *Server) ring(r *request, peer *Peer, o *offer, every interval) {
	half := s.half
	switch {
	case peer != nil:
		half = s.halfPeer
	case r.peer.reliable():
		half = s.halfFirm
	}
	key, lines, all := s.share(peer, r.peer.source, s.c.PerSource, s.c.Total)
	if !s.lines.enter(key, lines, all) {
		s.busy(r)
		return
	}
	t := newTxn(s, r)
	c := s.newCall(t, peer, o, every)
	c.half, c.whose = half, key
	if !s.begin(t, peer) || !s.register(c) {
		s.lines.leave(key)
		return
	}
	r.peer.calls.Add(1)
	half.enter(c)
	t.provisional(r.answer(100, "Trying", "", nil))
	t.provisional(r.answer(180, "Ringing", c.localTag, nil, c.contact()))
	s.work.Go(func() { s.take(c) })
}

// busy asks to try again later.
func (s *Server) busy(r *request) {
	r.respond(r.answer(503, "Service Unavailable", "busy", nil, "Retry-After: 30"))
}

// take runs a call to its end. What panics in it ends it, and no other.
func (s *Server) take(c *Call) {
	ctx, cancel := context.WithCancel(s.lifetime())
	defer cancel()
	defer func() {
		v := recover()
		if v != nil {
			s.log.ErrorContext(ctx, "call panicked", slog.String("call", c.id), slog.String("panic", fmt.Sprintf("%T", v)), slog.String("stack", string(debug.Stack())))
		}
		end, stop := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer stop()
		c.Hangup(end)
	}()
	s.c.Answer(ctx, c)
}

func (s *Server) newCall(t *txn, peer *Peer, o *offer, every interval) *Call {
	r := t.r
	var id [8]byte
	_, _ = rand.Read(id[:])
	c := &Call{
		s: s, id: rand.Text(), peer: r.peer, tx: t, invite: r, callID: r.callID, localTag: rand.Text(), remoteTag: r.fromTag,
		remoteSeq: r.cseq, localSeq: 1, offer: o, every: every, acked: make(chan struct{}), gone: make(chan struct{}),
		sdpID: binary.BigEndian.Uint64(id[:]) >> 2, named: peer, local: s.localOf(r.peer),
		home: r.peer, secrecy: s.c.Secrecy, uri: r.target(), them: r.From().Value(),
	}
	c.us = r.To().Value() + ";tag=" + c.localTag
	for _, h := range r.GetHeaders("Record-Route") {
		c.routes = append(c.routes, h.Value())
	}
	c.updates, c.secure = r.lists("UPDATE", "Allow"), r.secure()
	t.call = c
	c.caller = s.callerOf(r, c)
	return c
}

func (s *Server) register(c *Call) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.life.Err() != nil {
		return false
	}
	s.calls[c.callID+"|"+c.localTag] = c
	return true
}

// callerOf is what the host will see of the device, and whom its wrong codes
// count against.
func (s *Server) callerOf(r *request, c *Call) lobby.Caller {
	from := r.From()
	name := unquoted(from.DisplayName)
	if name == "" {
		name = from.Address.User
	}
	caller := lobby.Caller{
		Call: c.id, Source: r.peer.source,
		Line: meeting.Line{Kind: "SIP", Claims: name, Agent: r.header("User-Agent"), Address: r.peer.remote.Addr().String()},
	}
	if c.named == nil {
		return caller
	}
	caller.Source, caller.Paired = c.named.whose(), c.named.Secret != ""
	if caller.Paired {
		return caller
	}
	// All telephones come by one trunk. The number it vouches for tells one
	// guesser from the others (RFC 3325). Who withholds it is not kept out for
	// what the others who do have dialled; but where a meeting is guessed at,
	// they have one patience between them: each call would be a new one.
	number, private := r.asserted()
	if number == "" {
		caller.Crowd = caller.Source + ":withheld"
		caller.Source += ":call:" + c.id
	} else {
		caller.Source += ":" + number
	}
	switch {
	case !private:
		caller.Line.Claims = strings.TrimSpace(name + " " + number)
	case r.nameless():
		caller.Line.Claims = name // "Anonymous"
	default:
		caller.Line.Claims = "" // a name that was to be taken out on the way
	}
	return caller
}

// unquoted is what a display name says (RFC 3261 §25.1).
func unquoted(s string) string {
	s = strings.TrimSpace(s)
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		s = s[1 : len(s)-1]
	}
	return strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s)
}

// target is the URI that our requests name. Only its text is used: they are
// sent to where the call came from (T53).
func (r *request) target() string { return contactOf(r.Contact(), r.From().Address.Addr()) }

func contactOf(c *sip.ContactHeader, otherwise string) string {
	if c == nil || c.Address.Wildcard {
		return otherwise
	}
	a := c.Address.Clone()
	a.Headers = nil // a header in a Contact would be one of ours
	u := a.String()
	if !tokensLong(u) {
		return otherwise
	}
	return u
}

func tokensLong(s string) bool {
	return len(s) <= 512 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' })
}

// secure reports whether the dialog of an INVITE is by TLS all the way (RFC 3261
// §12.1.1): the URI that was called is, or the last of the proxies that stay in
// between, or without any the device's own.
func (r *request) secure() bool {
	if strings.EqualFold(r.Recipient.Scheme, "sips") {
		return true
	}
	if first := r.header("Record-Route"); first != "" {
		return strings.HasPrefix(strings.ToLower(first[strings.IndexByte(first, '<')+1:]), "sips:")
	}
	c := r.Contact()
	return c != nil && strings.EqualFold(c.Address.Scheme, "sips")
}
