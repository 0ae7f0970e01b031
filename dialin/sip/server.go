package sip

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/emiago/sipgo/sip"
	"golang.org/x/sync/errgroup"

	"vestibule/dialin/media"
)

// Config says where calls arrive and who may make how many.
type Config struct {
	// UDP, TCP and TLS are addresses to listen on, host:port.
	UDP, TCP, TLS []string
	// Certificates are the gateway's; needed for TLS.
	Certificates *tls.Config
	// Public is the address that devices are told, where it is not the one
	// listened on.
	Public netip.Addr
	// Media opens a port for each call.
	Media *media.Ports
	// Secrecy is what is asked of the sound.
	Secrecy Secrecy
	// Peers are the trunks and rooms that are known.
	Peers []Peer
	// OnlyPeers lets nobody else call.
	OnlyPeers bool
	// Realm is named in challenges. Default "vestibule".
	Realm string
	// Total and PerSource bound the calls at once, of everybody and of one
	// address that is no peer. Default 2000 and 20.
	Total, PerSource int
	// PerMinute and Burst bound the new calls of one address that is no peer.
	// Default 60 and 20.
	PerMinute, Burst int
	// PerSecond bounds the new calls of everybody together who is no peer, by
	// datagrams and by connections apart; with peers, a fifth of Total is kept
	// for them besides. Default 300.
	PerSecond int
	// Silent is how long a device that is not on hold may send nothing before
	// its line counts as dead. Default 1m.
	Silent time.Duration
	// Target is the conference server that admitted callers are put through
	// to by Join; nil: nobody is called from here.
	Target *Target
	// Answer takes a call to its end. It MUST return when ctx ends or the call
	// has gone.
	Answer func(ctx context.Context, c *Call)
	Logger *slog.Logger
}

// Peer is a trunk or a room that is known before it calls.
type Peer struct {
	Name string
	// Addresses are where it calls from. Its offers may name other addresses
	// for the sound, and the number it vouches for is shown to the host.
	Addresses []netip.Prefix
	// User and Secret, where set, must be proved by a digest (RFC 8760), from
	// whatever address the call comes.
	User, Secret string
	// Registers lets the peer register, from its addresses and with its
	// secret: a conference server that Target names.
	Registers bool
	// DangerouslyAllowMD5 takes a registration that proves the secret by MD5,
	// for those that know nothing better.
	DangerouslyAllowMD5 bool
}

// whose is the name that limits count a peer's under.
func (p *Peer) whose() string { return "peer:" + p.Name }

// Server answers SIP.
type Server struct {
	c         Config
	log       *slog.Logger
	parser    *sip.Parser
	udp       []*net.UDPConn
	tcp       []listener
	digest    *digest
	registrar registrar
	names     names
	// shortest is the least session timer, shorter in tests.
	shortest time.Duration
	conns    *gate
	seed     string // of the tags of answers that are not remembered
	asked    *gate  // transactions that are remembered
	noes     *gate  // refusals that are repeated
	lines    *gate  // calls at once
	setups   *rate  // new calls
	crowd    *rate  // new calls of all that are no peers
	half     *halfOpen
	halfFirm *halfOpen // of strangers who hold a connection
	halfPeer *halfOpen // of peers
	told     *rate     // lines in the log
	known    *memory   // sources that have called

	work sync.WaitGroup

	mu      sync.Mutex
	life    context.Context    //nolint:containedctx // of Serve: calls end with it; guarded by mu
	txns    map[string]*txn    // guarded by mu
	calls   map[string]*Call   // by Call-ID and our tag; guarded by mu
	pending map[string]*waiter // by branch; guarded by mu
}

// New returns a server, or every fault of the configuration. It opens nothing.
func New(c Config) (*Server, error) {
	var faults []error
	fault := func(bad bool, what string) {
		if bad {
			faults = append(faults, errors.New("sip: "+what))
		}
	}
	set := func(n *int, d int) {
		if *n == 0 {
			*n = d
		}
		fault(*n < 0, "a limit is negative")
	}
	set(&c.Total, 2000)
	set(&c.PerSource, 20)
	set(&c.PerMinute, 60)
	set(&c.Burst, 20)
	set(&c.PerSecond, 300)
	fault(len(c.UDP)+len(c.TCP)+len(c.TLS) == 0, "listens nowhere")
	fault(len(c.TLS) > 0 && c.Certificates == nil, "TLS without certificates")
	fault(c.Media == nil, "Media is missing")
	fault(c.Answer == nil, "Answer is missing")
	fault(c.Secrecy > Never, "unknown Secrecy")
	fault(c.OnlyPeers && len(c.Peers) == 0, "OnlyPeers without Peers")
	for i, p := range c.Peers {
		fault(p.Name == "" || len(p.Addresses) == 0 && p.User == "", fmt.Sprintf("peer %d needs a name, and addresses or a user", i+1))
		fault((p.User == "") != (p.Secret == ""), fmt.Sprintf("peer %d needs both user and secret", i+1))
		fault(p.Secret != "" && len(p.Secret) < 12, fmt.Sprintf("peer %d: the secret needs at least 12 characters", i+1))
		fault(p.Registers && (len(p.Addresses) == 0 || p.Secret == ""), fmt.Sprintf("peer %d registers, and needs addresses and a secret", i+1))
	}
	fault(c.Silent < 0, "Silent is negative")
	if c.Silent == 0 {
		c.Silent = time.Minute
	}
	if c.Target != nil {
		faults = append(faults, c.Target.fault(c.Peers))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if c.Realm == "" {
		c.Realm = "vestibule"
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	setups := newRate(c.PerMinute, c.Burst)
	setups.lax = true // the crowd is bounded
	return &Server{
		c: c, log: c.Logger, parser: parser(), digest: newDigest(c.Realm), conns: newGate(maxConns),
		names: net.DefaultResolver, seed: rand.Text(), asked: newGate(maxTxns), noes: newGate(maxNoes),
		lines: newGate(c.Total), setups: setups, crowd: newRate(60*c.PerSecond, c.PerSecond), half: newHalfOpen(c.Total), halfFirm: newHalfOpen(c.Total), halfPeer: newHalfOpen(c.Total), told: newRate(1, 1), known: newMemory(knownFor),
		txns: map[string]*txn{}, calls: map[string]*Call{}, pending: map[string]*waiter{}, shortest: minInterval, registrar: registrar{stay: map[string][]binding{}},
	}, nil
}

// knownFor is how long who has called is answered other things than calls.
const knownFor = 2 * time.Hour

// Serve answers until ctx ends, then ends every call and returns.
func (s *Server) Serve(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.life = ctx
	s.mu.Unlock()
	g, ctx := errgroup.WithContext(ctx)
	for _, c := range s.udp {
		g.Go(func() error { return s.datagrams(c) })
	}
	for _, l := range s.tcp {
		g.Go(func() error { return s.accept(ctx, l) })
	}
	g.Go(func() error { return s.sweep(ctx) })
	g.Go(func() error {
		<-ctx.Done()
		s.hangupAll(context.WithoutCancel(ctx))
		return s.shut()
	})
	err := g.Wait()
	s.work.Wait()
	return err
}

// goodbye bounds how long all calls together may take to be ended.
const goodbye = 2 * time.Second

func (s *Server) hangupAll(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	s.mu.Lock()
	all := make([]*Call, 0, len(s.calls))
	for _, c := range s.calls {
		all = append(all, c)
	}
	s.mu.Unlock()
	var end sync.WaitGroup
	for _, c := range all {
		end.Go(func() { c.Hangup(ctx) })
	}
	end.Wait()
}

// Calls returns how many calls there are.
func (s *Server) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// handle answers one request. It must not block: it is the socket's own
// goroutine.
func (s *Server) handle(r *request) {
	switch r.Method {
	case sip.ACK:
		s.ack(r)
		return
	case sip.CANCEL:
		s.cancel(r)
		return
	}
	if t := s.txn(r.key()); t != nil {
		t.again(r)
		return
	}
	if r.toTag != "" {
		s.inDialog(r)
		return
	}
	peer := s.peerAt(r.peer)
	switch {
	case r.Method == sip.REGISTER && peer != nil && peer.Registers:
		s.registering(r, peer)
	case r.Method == sip.INVITE && (peer != nil || !s.c.OnlyPeers || s.roams()):
		s.invited(r, peer)
	case peer == nil && !s.known.knows(r.peer.source, time.Now()):
		s.silence(r) // T50
	case r.Method == sip.OPTIONS:
		s.options(r)
	default:
		s.reply(r, 405, "Method Not Allowed", allow)
	}
}

// options tells what can be asked for here (RFC 3261 §11.2).
func (s *Server) options(r *request) {
	u := r.unknownExtensions()
	switch {
	case r.Recipient.Scheme != "sip" && r.Recipient.Scheme != "sips":
		s.reply(r, 416, "Unsupported URI Scheme")
	case u != "":
		s.reply(r, 420, "Bad Extension", "Unsupported: "+u)
	default:
		s.reply(r, 200, "OK", allow, "Accept: application/sdp", "Supported: timer")
	}
}

// roams reports whether a peer may call from anywhere, by its secret alone.
func (s *Server) roams() bool {
	return slices.ContainsFunc(s.c.Peers, func(p Peer) bool { return len(p.Addresses) == 0 })
}

const allow = "Allow: INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE"

// silence is the answer to whoever searches; one line a minute tells of them.
func (s *Server) silence(r *request) {
	if s.told.allow(r.peer.source, time.Now()) {
		s.log.InfoContext(s.lifetime(), "no answer", slog.String("source", r.peer.source), slog.String("method", method(r.Method)))
	}
}

// method is a word of ours, never theirs.
func method(m sip.RequestMethod) string {
	known := []sip.RequestMethod{
		sip.INVITE, sip.OPTIONS, sip.REGISTER, sip.SUBSCRIBE, sip.NOTIFY, sip.MESSAGE, sip.REFER, sip.PUBLISH, sip.INFO, sip.BYE,
	}
	if slices.Contains(known, m) {
		return string(m)
	}
	return "other"
}

// peerAt answers the peer that calls from an address.
func (s *Server) peerAt(p *peer) *Peer {
	for i := range s.c.Peers {
		for _, net := range s.c.Peers[i].Addresses {
			if net.Contains(p.remote.Addr()) {
				return &s.c.Peers[i]
			}
		}
	}
	return nil
}

// inDialog hands a request to its call. A call that is none any more is told so
// to who has called before, so that the device hangs up; others hear nothing.
func (s *Server) inDialog(r *request) {
	s.mu.Lock()
	c := s.calls[r.callID+"|"+r.toTag]
	s.mu.Unlock()
	switch {
	case c != nil && c.remoteTag == r.fromTag && c.hears(r.peer):
		c.request(r)
	case s.known.knows(r.peer.source, time.Now()):
		s.reply(r, 481, "Call/Transaction Does Not Exist")
	default:
		s.silence(r)
	}
}

// reply answers finally and forgets it: a repeat of the request gets the same
// again, with the same tag (RFC 3261 §8.2.7). Nobody fills our memory by asking.
func (s *Server) reply(r *request, code int, reason string, headers ...string) {
	h := hmac.New(sha256.New, []byte(s.seed))
	h.Write([]byte(r.key()))
	r.respond(r.answer(code, reason, hex.EncodeToString(h.Sum(nil)[:16]), nil, headers...))
}
