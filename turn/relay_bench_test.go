//go:build linux

package turn_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v2"
	"golang.org/x/sys/unix"
)

// load is one way to use a relay.
type load struct {
	name    string
	size    int
	up      bool
	clients int
	tick    time.Duration
	each    int // clients that send in one tick
	run     int // packets of one client at a time
	joined  bool
}

const (
	rounds  = 15
	measure = 200 * time.Millisecond
	window  = 512 // packets under way
)

// BenchmarkRelay runs loads through ours, coturn and plain pion/turn by
// turns, each in a process of its own, and reports the CPU of that process
// for each packet, and ours by theirs. The median of the rounds counts.
func BenchmarkRelay(b *testing.B) {
	rivals := []rival{ourselves(b, "vestibule"), coturn(b), ourselves(b, "pion")}
	b.Run("idle", func(b *testing.B) { benchIdle(b, rivals) })
	b.Run("allocate", func(b *testing.B) { benchAllocate(b, rivals) })
	for _, l := range []load{
		{"up-apart/1200B", 1200, true, 40, time.Millisecond, 40, 1, false},
		{"up/1200B", 1200, true, 40, time.Millisecond, 20, 2, false},
		{"up4/1200B", 1200, true, 40, time.Millisecond, 10, 4, false},
		{"down/1200B", 1200, false, 40, time.Millisecond, 20, 2, false},
		{"voice/160B", 160, true, 100, time.Millisecond, 20, 1, false},
		{"bursts/1200B", 1200, true, 20, time.Millisecond, 2, 32, true},
		{"bursts-down/1200B", 1200, false, 20, time.Millisecond, 2, 32, true},
	} {
		b.Run(l.name, func(b *testing.B) {
			used := make([][]float64, len(rivals))
			stages := make([]*stage, len(rivals))
			for i, r := range rivals {
				stages[i] = l.prepare(b, r)
			}
			for range rounds {
				for i, s := range stages {
					used[i] = append(used[i], s.play(b))
				}
			}
			for i, s := range stages {
				s.clear()
				b.Logf("%s %.0f", rivals[i].name, used[i])
				b.ReportMetric(median(used[i]), rivals[i].name+"-ns/packet")
			}
			b.ReportMetric(ratio(used[0], used[1]), "x-coturn")
			b.ReportMetric(ratio(used[0], used[2]), "x-pion")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// ratio is the median of that of each round: what else the machine does in a
// round, it does to both.
func ratio(a, b []float64) float64 {
	v := make([]float64, len(a))
	for i := range a {
		v[i] = a[i] / b[i]
	}
	return median(v)
}

// stage is a load made ready on one server.
type stage struct {
	load
	rival    rival
	peer     *net.UDPConn
	callers  []*caller
	received atomic.Int64
	next     int
}

func (l load) prepare(b *testing.B, r rival) *stage {
	b.Helper()
	s := &stage{load: l, rival: r, peer: newPeer(b)}
	roomy(b, s.peer)
	for i := range l.clients {
		c := r.dial(b, i)
		roomy(b, c.conn.(*net.UDPConn))
		if c.allocate() != 0 || c.bind(0x4000, s.peer.LocalAddr()) != 0 {
			b.Fatalf("%s: no relay", r.name)
		}
		s.callers = append(s.callers, c)
		if !l.up {
			_ = c.conn.SetReadDeadline(time.Time{})
			go s.count(c.conn.(*net.UDPConn))
		}
	}
	if l.up {
		go s.count(s.peer)
	}
	return s
}

func (s *stage) clear() {
	for _, c := range s.callers {
		c.send(c.signed(stun.MethodRefresh, lifetime(0)).Raw)
		_ = c.conn.Close()
	}
	_ = s.peer.Close()
}

// roomy gives a receiver the room not to lose a burst; only root may ask for
// as much.
func roomy(b *testing.B, c *net.UDPConn) {
	b.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
}

// count reads what arrives.
func (s *stage) count(c *net.UDPConn) {
	b := make([]byte, 2048)
	for {
		n, _, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if n >= s.size {
			s.received.Add(1)
		}
	}
}

// play runs the load for a while and returns the CPU of one packet.
func (s *stage) play(b *testing.B) float64 {
	b.Helper()
	packet := channelData(0x4000, make([]byte, s.size))
	if !s.up {
		packet = make([]byte, s.size)
	}
	s.received.Store(0)
	before, sent := s.rival.cpu(b), 0
	begin := time.Now()
	for due := begin; due.Sub(begin) < measure; due = due.Add(s.tick) {
		time.Sleep(time.Until(due))
		// On a machine that is busy with something else, wait for the
		// receivers.
		for late := time.Now(); sent-int(s.received.Load()) > window && time.Since(late) < 20*time.Millisecond; {
			time.Sleep(s.tick)
		}
		for range s.each {
			c := s.callers[s.next%len(s.callers)]
			s.next++
			conn, to := c.conn.(*net.UDPConn), netip.AddrPort{}
			if !s.up {
				conn, to = s.peer, c.relay.AddrPort()
			}
			if s.joined {
				shoot(b, conn, to, packet, s.run)
			} else {
				for range s.run {
					shoot(b, conn, to, packet, 1)
				}
			}
			sent += s.run
		}
	}
	// What is under way arrives.
	for end := time.Now().Add(200 * time.Millisecond); time.Now().Before(end) && int(s.received.Load()) < sent; {
		time.Sleep(time.Millisecond)
	}
	used := s.rival.cpu(b) - before
	got := int(s.received.Load())
	if got < sent*99/100 {
		b.Errorf("%s: %d of %d packets arrived", s.rival.name, got, sent)
	}
	return float64(used) / float64(got)
}

// shoot sends n packets, several as one run, which is what a card that
// gathers packets (GRO) hands to the kernel.
func shoot(b *testing.B, conn *net.UDPConn, to netip.AddrPort, packet []byte, n int) {
	b.Helper()
	var control []byte
	if n > 1 {
		control = make([]byte, unix.CmsgSpace(2))
		binary.NativeEndian.PutUint64(control, uint64(unix.CmsgLen(2)))
		binary.NativeEndian.PutUint32(control[8:], unix.SOL_UDP)
		binary.NativeEndian.PutUint32(control[12:], unix.UDP_SEGMENT)
		binary.NativeEndian.PutUint16(control[16:], uint16(len(packet)))
		packet = slices.Repeat(packet, n)
	}
	if _, _, err := conn.WriteMsgUDPAddrPort(packet, control, to); err != nil {
		b.Fatal(err)
	}
}

// benchIdle reports what a relay that nobody uses costs in memory: 2000 of
// them, each of an admission of its own, with a channel.
func benchIdle(b *testing.B, rivals []rival) {
	const relays = 2000
	used := make([]float64, len(rivals))
	for i, r := range rivals {
		peer := newPeer(b)
		before := r.memory(b)
		var all []*caller
		for k := range relays {
			c := r.dial(b, k)
			if c.allocate() != 0 || c.bind(0x4000, peer.LocalAddr()) != 0 {
				b.Fatalf("%s: no relay", r.name)
			}
			all = append(all, c)
		}
		used[i] = float64(r.memory(b)-before) / relays / 1024
		b.ReportMetric(used[i], r.name+"-KB/relay")
		for _, c := range all {
			c.send(c.signed(stun.MethodRefresh, lifetime(0)).Raw)
			_ = c.conn.Close()
		}
		_ = peer.Close()
	}
	b.ReportMetric(used[0]/used[1], "x-coturn")
	b.ReportMetric(0, "ns/op")
}

// benchAllocate reports the CPU of a relay that is asked for without and then
// with credentials and given back, and how long the answer took.
func benchAllocate(b *testing.B, rivals []rival) {
	const each = 60
	used, waits := make([][]float64, len(rivals)), make([][]float64, len(rivals))
	for round := range rounds {
		for i, r := range rivals {
			before := r.cpu(b)
			for k := range each {
				c := r.dial(b, round*each+k)
				c.learn(c.exchange(message(b, stun.MethodAllocate, stun.ClassRequest, udpTransport), patience))
				m := c.signed(stun.MethodAllocate, udpTransport)
				begin := time.Now()
				answer := c.exchange(m, patience)
				waits[i] = append(waits[i], time.Since(begin).Seconds()*1e3)
				if outcome(b, answer) != 0 {
					b.Fatalf("%s: no relay", r.name)
				}
				c.exchange(c.signed(stun.MethodRefresh, lifetime(0)), patience)
				_ = c.conn.Close()
			}
			used[i] = append(used[i], float64(r.cpu(b)-before)/each/1e3)
		}
	}
	for i, r := range rivals {
		b.ReportMetric(median(used[i]), r.name+"-us/relay")
		slices.Sort(waits[i])
		b.ReportMetric(waits[i][len(waits[i])*99/100], r.name+"-p99-ms")
		b.ReportMetric(median(waits[i]), r.name+"-p50-ms")
	}
	b.ReportMetric(ratio(used[0], used[1]), "x-coturn")
	b.ReportMetric(ratio(used[0], used[2]), "x-pion")
	b.ReportMetric(0, "ns/op")
}
