package sip_test

import (
	"context"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/dialin/media"
	"vestibule/dialin/sip"
)

// A connection without a call ends after a minute, whatever was said on it; with
// one it stays, and so does a peer's.
func TestT51IdleConnectionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ports, err := media.New(media.Config{Addr: netip.MustParseAddr("127.0.0.1")})
		if err != nil {
			t.Fatal(err)
		}
		rings := make(chan *sip.Call, 1)
		s, err := sip.New(sip.Config{
			UDP: []string{"127.0.0.1:0"}, Media: ports, Peers: trunk("127.0.0.50"), // never listened on: the bubble has no network
			Answer: func(_ context.Context, c *sip.Call) { rings <- c; <-c.Gone() },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ctx) }()
		synctest.Wait()
		open := func(from, m string) <-chan struct{} {
			ours, theirs := net.Pipe()
			done := make(chan struct{})
			go func() { defer close(done); sip.Stream(s, theirs, netip.MustParseAddrPort(from)) }()
			go func() { _, _ = io.Copy(io.Discard, ours) }()
			if _, err := ours.Write([]byte(m)); err != nil {
				t.Error(err)
			}
			return done
		}
		p := &phone{t: t, sig: pipeEnd{}, callID: "c@phone", tag: "t", seq: 1}
		options, invite := p.request("OPTIONS", meetingURI, ""), p.request("INVITE", meetingURI, "")
		stranger, peer, caller := open("192.0.2.1:1000", options), open("127.0.0.50:1000", options), open("192.0.2.2:1000", invite)
		call := <-rings
		isOpen := func(c <-chan struct{}) bool {
			synctest.Wait()
			select {
			case <-c:
				return false
			default:
				return true
			}
		}
		time.Sleep(50 * time.Second)
		if !isOpen(stranger) {
			t.Error("a stranger's connection ends at once")
		}
		time.Sleep(20 * time.Minute)
		if isOpen(stranger) || !isOpen(peer) || !isOpen(caller) {
			t.Errorf("after 20 minutes of silence the stranger's connection is open: %v, the peer's: %v, the caller's: %v", isOpen(stranger), isOpen(peer), isOpen(caller))
		}
		time.Sleep(5 * time.Hour)
		if isOpen(peer) || !isOpen(caller) {
			t.Errorf("after five hours of silence the peer's connection is open: %v, that of a call: %v", isOpen(peer), isOpen(caller))
		}
		call.Hangup(ctx)
		time.Sleep(2 * time.Minute)
		if isOpen(caller) {
			t.Error("a connection outlives its call")
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Who does not read what is written to them may have read half of it: nothing
// more comes over that connection, from either side.
func TestHalfWrittenStreamsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ports, err := media.New(media.Config{Addr: netip.MustParseAddr("127.0.0.1")})
		if err != nil {
			t.Fatal(err)
		}
		s, err := sip.New(sip.Config{
			UDP: []string{"127.0.0.1:0"}, Media: ports, Peers: trunk("127.0.0.50"), // never listened on: the bubble has no network
			Answer: func(_ context.Context, c *sip.Call) { <-c.Gone() },
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(ctx) }()
		synctest.Wait()
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() { defer close(done); sip.Stream(s, theirs, netip.MustParseAddrPort("127.0.0.50:1000")) }()
		p := &phone{t: t, sig: pipeEnd{}, callID: "c@phone", tag: "t", seq: 1}
		if _, err := ours.Write([]byte(p.request("OPTIONS", meetingURI, ""))); err != nil {
			t.Error(err)
		}
		if n, err := ours.Read(make([]byte, 20)); n != 20 || err != nil { // and no more
			t.Errorf("Read = %d, %v", n, err)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		select {
		case <-done:
		default:
			t.Error("the connection stays, with half an answer on it")
		}
		_ = ours.Close()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// pipeEnd is a connection by name only.
type pipeEnd struct{ net.Conn }

func (pipeEnd) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1000} }

// However many connections strangers hold, a peer gets one.
func TestT51PeersKeepConnections(t *testing.T) {
	d := open(t, func(c *sip.Config) { c.Peers = trunk("127.0.0.50") }, func(s *sip.Server) { sip.Narrow(s, 10) })
	for range 20 {
		dialFrom(t, d, "tcp", "127.0.0.66")
	}
	q := dialFrom(t, d, "tcp", "127.0.0.50")
	q.call(meetingURI, q.sdp())
	p := dialFrom(t, d, "tcp", "127.0.0.66")
	_ = p.sig.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := p.sig.Write([]byte(p.request("INVITE", meetingURI, p.sdp()))); err == nil {
		if r := p.next(); strings.HasPrefix(r.start, "SIP/2.0 ") {
			t.Errorf("one connection more is answered %q", r.start)
		}
	}
}
