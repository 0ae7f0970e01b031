package sip

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/emiago/sipgo/sip"

	"vestibule/conference"
)

// errUnheard is a target that does not answer, errOdd one whose answer cannot
// be used.
var (
	errUnheard = errors.New("sip: the conference server does not answer")
	errOdd     = errors.New("sip: the conference server agrees to nothing that can be used")
)

// tooSmall is Session Interval Too Small (RFC 4028 §6).
const tooSmall = 422

// outgoing makes a call to the target for one caller, and the headers that its
// INVITE carries beside our own.
func (s *Server) outgoing(ctx context.Context, g conference.Grants) (*Call, []string, error) {
	t := s.c.Target
	if t == nil || g.Admission == "" || g.Room == "" || s.lifetime() == nil {
		return nil, nil, errors.New("sip: there is nobody to call")
	}
	words, err := t.words(g)
	if err != nil {
		return nil, nil, err
	}
	p, uri, leave, err := s.reach(ctx, t, words)
	if err != nil {
		return nil, nil, err
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails since Go 1.24
	c := &Call{
		s: s, id: rand.Text(), admission: g.Admission, peer: p, home: p, target: t, local: s.localFor(p), uri: uri, them: "<" + uri + ">",
		callID: rand.Text(), localTag: rand.Text(), sdpID: binary.BigEndian.Uint64(id[:]) >> 2, acked: make(chan struct{}), gone: make(chan struct{}),
		secrecy: Never, secure: strings.HasPrefix(uri, "sips:"),
	}
	if t.Encrypt {
		c.secrecy = Require
	}
	// The caller's number stays here: the target learns the name that all see.
	c.us = fmt.Sprintf("%s <sip:door@%s>;tag=%s", quoted(g.Name), c.whereabouts(), c.localTag)
	close(c.acked)
	s.work.Go(func() {
		<-c.gone
		select { // the goodbye still needs its way
		case <-s.lifetime().Done():
		case <-time.After(patient):
		}
		leave()
	})
	headers := []string{allow, "Content-Type: application/sdp"}
	for _, h := range t.Headers {
		headers = append(headers, h.Name+": "+words.Replace(h.Value))
	}
	return c, headers, nil
}

// place sends the INVITE and makes a call of the answer (RFC 3261 §13.2). It is
// sent again for two reasons only: to prove the secret, and to agree on a
// longer session timer. Whatever else is not a yes, a redirection above all, is
// a no (T53).
func (c *Call) place(ctx context.Context, headers []string) error {
	timer := []string{"Supported: timer", "Session-Expires: " + strconv.Itoa(int(maxInterval.Seconds()))}
	proof := ""
	for range 3 {
		all := append(slices.Clone(headers), timer...)
		if proof != "" {
			all = append(all, proof)
		}
		res, err := c.invited(ctx, all)
		if err != nil {
			return err
		}
		switch {
		case res.StatusCode < 300:
			return c.agreedBy(res)
		case proof == "" && (res.StatusCode == sip.StatusUnauthorized || res.StatusCode == sip.StatusProxyAuthRequired):
			if proof = c.target.prove(res, "INVITE", c.address()); proof == "" {
				return fmt.Errorf("sip: the conference server answers %d", res.StatusCode)
			}
		case res.StatusCode == tooSmall:
			n, err := strconv.ParseUint(header(res, "Min-SE"), 10, 31)
			if err != nil {
				return errOdd
			}
			timer[1] = "Session-Expires: " + strconv.FormatUint(n, 10)
			timer = append(timer, "Min-SE: "+strconv.FormatUint(n, 10))
		default:
			return fmt.Errorf("sip: the conference server answers %d", res.StatusCode)
		}
	}
	return errOdd
}

// invited sends one INVITE and returns its final answer, confirmed where it is
// a no.
func (c *Call) invited(ctx context.Context, headers []string) (*sip.Response, error) {
	c.localSeq++ // nobody else knows the call yet
	branch, seq, p := newBranch(), c.localSeq, c.home
	answers := c.s.await(branch)
	b := c.write("INVITE", branch, seq, c.said, headers)
	p.write(b)
	end := time.NewTimer(patient)
	defer end.Stop()
	again := newRepeat(p)
	defer again.stop()
	ringing := false
	for {
		select {
		case res := <-answers:
			if res.StatusCode < 200 {
				ringing = true
				again.stop()
				continue
			}
			if res.StatusCode >= 300 {
				c.confirm(res, branch, seq, p)
			} else {
				c.branch, c.seq = branch, seq
			}
			return res, nil
		case <-again.C():
			again.sent()
			p.write(b)
		case <-end.C:
			c.s.forget(branch)
			return nil, errUnheard
		case <-ctx.Done():
			c.s.work.Go(func() { c.withdraw(branch, seq, ringing, answers) })
			return nil, ctx.Err()
		}
	}
}

// withdraw takes back an INVITE that nobody wants any more (§9.1): not before
// the target has said anything. A yes that crosses it on the way is ended.
func (c *Call) withdraw(branch string, seq uint32, ringing bool, answers <-chan *sip.Response) {
	confirmed := false
	defer func() {
		if !confirmed {
			c.s.forget(branch)
		}
	}()
	p := c.home
	cancel := c.write("CANCEL", branch, seq, nil, nil)
	if ringing {
		p.write(cancel)
	}
	end := time.NewTimer(patient)
	defer end.Stop()
	life := c.s.lifetime()
	for {
		select {
		case res := <-answers:
			switch {
			case res.CSeq().MethodName != sip.INVITE: // to the CANCEL
			case res.StatusCode < 200:
				if !ringing {
					ringing = true
					p.write(cancel)
				}
			case res.StatusCode >= 300:
				c.confirm(res, branch, seq, p)
				confirmed = true
				return
			default:
				if c.learn(res) {
					c.confirm(res, branch, seq, p)
					confirmed = true
					c.sayBye(life)
				}
				return
			}
		case <-end.C:
			return
		case <-life.Done():
			return
		}
	}
}

// agreedBy makes a call of a 200, and confirms it.
func (c *Call) agreedBy(res *sip.Response) error {
	if !c.learn(res) {
		c.s.forget(c.branch)
		return errOdd
	}
	c.confirm(res, c.branch, c.seq, c.home)
	c.mu.Lock()
	c.answered, c.updates, c.every = true, lists(res, "UPDATE", "Allow"), agreed(res, c.s.shortest)
	o, err := readOffer(body(res, "application/sdp"), c.secrecy)
	if err == nil && (c.key == nil || len(c.key) == o.crypto.profile.KeySize()) {
		c.offer = o
	}
	c.mu.Unlock()
	if !c.s.register(c) {
		c.sayBye(context.WithoutCancel(c.s.lifetime()))
		return errGone
	}
	if c.offer == nil {
		c.Hangup(c.s.lifetime())
		return errOdd
	}
	return nil
}

// learn takes the other side's half of the dialog out of a 200 (§12.1.2). Its
// Contact and Record-Route are text to us: what we send goes to the target.
func (c *Call) learn(res *sip.Response) bool {
	c.remoteTag = param(res.To().Params, "tag")
	if c.remoteTag == "" || len(c.remoteTag) > maxWord || len(res.GetHeaders("Record-Route")) > maxVias {
		return false
	}
	c.them = res.To().Value()
	for _, h := range slices.Backward(res.GetHeaders("Record-Route")) {
		c.routes = append(c.routes, h.Value())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.uri = contactOf(res.Contact(), c.uri)
	return true
}

// reach is the way to the target, and what the request names.
func (s *Server) reach(ctx context.Context, t *Target, words *strings.Replacer) (p *peer, uri string, leave func(), err error) {
	if t.Registered != "" {
		b, ok := s.registrar.newest(t.Registered, time.Now())
		if !ok {
			return nil, "", nil, errors.New("sip: the conference server is not registered")
		}
		return b.peer, b.contact, func() {}, nil
	}
	user, host, err := t.split()
	if err != nil {
		return nil, "", nil, err
	}
	transport, port := proto(&host)
	scheme, rest, _ := strings.Cut(t.URI, ":")
	_, rest, _ = strings.Cut(rest, "@")
	uri = scheme + ":" + escape(words.Replace(user)) + "@" + rest
	all, err := s.places(ctx, &host, transport, port)
	for _, to := range all {
		if transport == "UDP" {
			p, leave, err = s.datagramTo(to)
		} else {
			p, leave, err = s.connect(ctx, transport, to, host.Host)
		}
		if err == nil {
			return p, uri, leave, nil
		}
	}
	return nil, "", nil, err
}

// names answers what hosts are called; *net.Resolver is one.
type names interface {
	LookupSRV(ctx context.Context, service, proto, name string) (string, []*net.SRV, error)
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// maxPlaces bounds how many addresses of a target are tried.
const maxPlaces = 8

// places finds the addresses of a host of ours, best first: by its SRV records
// where no port is given (RFC 3263 §4.2; the transport is configured, so no NAPTR
// is asked for), else its own.
func (s *Server) places(ctx context.Context, u *sip.Uri, transport string, port uint16) ([]netip.AddrPort, error) {
	host := strings.Trim(u.Host, "[]")
	if a, err := netip.ParseAddr(host); err == nil {
		return []netip.AddrPort{netip.AddrPortFrom(a.Unmap(), port)}, nil
	}
	hosts := []*net.SRV{{Target: host, Port: port}}
	if u.Port == 0 {
		service, proto := "sip", strings.ToLower(transport)
		if transport == "TLS" {
			service, proto = "sips", "tcp"
		}
		if _, found, err := s.names.LookupSRV(ctx, service, proto, host); err == nil && len(found) > 0 {
			hosts = found
		}
	}
	var all []netip.AddrPort
	for _, h := range hosts[:min(len(hosts), maxPlaces)] {
		found, err := s.names.LookupNetIP(ctx, "ip", h.Target)
		if err != nil {
			continue // the next one may be known
		}
		for _, a := range found {
			all = append(all, netip.AddrPortFrom(a.Unmap(), h.Port))
		}
	}
	if len(all) == 0 {
		return nil, errors.New("sip: the conference server's name has no address")
	}
	return all[:min(len(all), maxPlaces)], nil
}

// datagramTo sends from the first socket that leads there.
func (s *Server) datagramTo(to netip.AddrPort) (*peer, func(), error) {
	for _, u := range s.udp {
		local := addrPort(u.LocalAddr())
		// An IPv6 socket of all addresses speaks IPv4 too, but no way is no way.
		fits := local.Addr().Is4() == to.Addr().Is4()
		if local.Addr().IsUnspecified() {
			fits = (fits || local.Addr().Is6()) && leads(to)
		}
		if fits {
			return datagramPeer(u, to, local), func() {}, nil
		}
	}
	return nil, nil, errors.New("sip: no UDP address to call from")
}

// leads reports whether this machine has a way to an address: a UDP socket that
// is connected and closed again sends nothing.
func leads(to netip.AddrPort) bool {
	c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// reachTime is how long one address of a target may take to answer at all.
const reachTime = 5 * time.Second

// connect opens a connection to the target, one a call.
func (s *Server) connect(ctx context.Context, transport string, to netip.AddrPort, name string) (*peer, func(), error) {
	d := net.Dialer{Timeout: reachTime}
	conn, err := d.DialContext(ctx, "tcp", to.String())
	if err != nil {
		return nil, nil, errUnheard
	}
	p := newPeer(transport, to, addrPort(conn.LocalAddr()))
	if transport == "TLS" {
		secure := tls.Client(conn, &tls.Config{ServerName: strings.Trim(name, "[]"), RootCAs: s.c.Target.RootCAs, MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = conn.Close()
			return nil, nil, errors.New("sip: the conference server's certificate is not the right one")
		}
		conn = secure
	}
	p.send = streamSend(conn)
	own, leave := context.WithCancel(s.lifetime())
	s.work.Go(func() {
		defer leave()
		s.stream(own, p, conn, func(silent time.Duration) bool { return silent < forever })
	})
	return p, leave, nil
}
