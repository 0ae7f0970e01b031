package turn

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/netip"
	"time"
)

// SweepAt sweeps as Serve would at now.
func (s *Server) SweepAt(ctx context.Context, now time.Time) { s.sweep(ctx, now) }

// Grants is how many admissions are remembered.
func (s *Server) Grants() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.grants)
}

// Silence makes every relay of admission one that was last heard ago.
func (s *Server) Silence(admission string, ago time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t := range s.grants[admission].tuples {
		t.heard.Store(time.Now().Add(-ago).UnixNano())
	}
}

// ParseFrame is the pre-parser of STUN, and what it says of the peer.
func ParseFrame(b []byte) (ok bool, peer netip.AddrPort) {
	var f frame
	ok = f.parse(b)
	return ok, f.peer
}

// ChannelDataOK is the pre-parser of ChannelData.
func ChannelDataOK(b []byte) bool { return isChannelData(b) && channelData(b) }

// FrameSize is how long the stream's next message is.
func FrameSize(head []byte) (int, bool) { return frameSize(head) }

// ReadStream reads the messages of a connection that brings b and ends.
func ReadStream(b []byte) [][]byte {
	s := newStream(recording{bytes.NewReader(b)}, nil, time.Now())
	var frames [][]byte
	for {
		p := make([]byte, maxPacket)
		n, _, err := s.read(p)
		if err != nil {
			return frames
		}
		frames = append(frames, p[:n])
	}
}

// recording is a connection on which everything has come already.
type recording struct{ io.Reader }

func (recording) Write(p []byte) (int, error)      { return len(p), nil }
func (recording) Close() error                     { return nil }
func (recording) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (recording) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (recording) SetDeadline(time.Time) error      { return nil }
func (recording) SetReadDeadline(time.Time) error  { return nil }
func (recording) SetWriteDeadline(time.Time) error { return nil }

// Bench runs what the guard does for one packet, without a socket.
type Bench struct {
	g    *guard
	from netip.AddrPort
	t    *tuple
}

// NewBench has one relay, of a grant that never ends.
func NewBench(s *Server, from, peer netip.AddrPort) *Bench {
	g := &guard{s: s, tuples: newTuples(tupleBuckets), wire: datagrams{}}
	grant := &grant{rate: 1 << 60}
	grant.left.Store(1 << 60)
	grant.until.Store(1 << 62)
	t := &tuple{from: from, addr: datagrams{}.address(from), grant: grant, guard: g, is4: true}
	g.tuples.add(t)
	return &Bench{g: g, from: from, t: t}
}

// Admit is the decision about one packet.
func (b *Bench) Admit(p []byte) int {
	n, _ := b.g.admit(p, b.from)
	return n
}
