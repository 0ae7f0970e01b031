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
	each    int  // clients that send in one tick
	run     int  // packets of one client at a time
	joined  bool // they come, and are taken, as network cards do it: as one
}

const (
	rounds  = 15
	measure = 200 * time.Millisecond
	window  = 512 // packets under way
)

// BenchmarkRelay runs loads through ours, coturn and plain pion/turn by
// turns, each in a process of its own, and reports the CPU of that process
// for each packet, and ours by theirs: the lower quartile of the rounds.
func BenchmarkRelay(b *testing.B) {
	rivals := []rival{ourselves(b, "vestibule"), coturn(b), ourselves(b, "pion")}
	once(b, "idle", func(b *testing.B) metrics { return benchIdle(b, rivals) })
	once(b, "allocate", func(b *testing.B) metrics { return benchAllocate(b, rivals) })
	for _, l := range []load{
		{"up-apart/1200B", 1200, true, 40, time.Millisecond, 40, 1, false},
		{"up/1200B", 1200, true, 40, time.Millisecond, 10, 4, false},
		{"down/1200B", 1200, false, 40, time.Millisecond, 10, 4, false},
		{"voice/160B", 160, true, 100, time.Millisecond, 20, 1, false},
		{"bursts/1200B", 1200, true, 20, time.Millisecond, 2, 32, true},
		{"bursts-down/1200B", 1200, false, 20, time.Millisecond, 2, 32, true},
	} {
		once(b, l.name, func(b *testing.B) metrics { return l.bench(b, rivals) })
	}
}

// metrics are the results of one measurement, by unit.
type metrics map[string]float64

// once measures once, however often the benchmark is run.
func once(b *testing.B, name string, measure func(b *testing.B) metrics) {
	b.Helper()
	var m metrics
	b.Run(name, func(b *testing.B) {
		if m == nil {
			m = measure(b)
		}
		b.ReportMetric(0, "ns/op")
		for unit, v := range m {
			b.ReportMetric(v, unit)
		}
	})
}

// bench measures one load.
func (l load) bench(b *testing.B, rivals []rival) metrics {
	b.Helper()
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
	for _, s := range stages {
		s.clear()
	}
	return compared(used, rivals, "-ns/packet")
}

// compared are the results, and ours by those of each other.
func compared(used [][]float64, rivals []rival, unit string) metrics {
	m := make(metrics)
	for i, r := range rivals {
		m[r.name+unit] = calm(used[i])
		if i > 0 {
			m["x-"+r.name] = calm(used[0]) / calm(used[i])
		}
	}
	return m
}

// calm is the lower quartile: what the rest of the machine does only adds.
func calm(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/4]
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
	l.ready(b, s.peer)
	for i := range l.clients {
		c := r.dial(b, i)
		l.ready(b, c.conn.(*net.UDPConn))
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

// ready gives a receiver the room not to lose a burst; only root may ask for
// as much.
func (l load) ready(b *testing.B, c *net.UDPConn) {
	b.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		b.Fatal(err)
	}
	err = raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, 4<<20)
		}
		if l.joined {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_UDP, unix.UDP_GRO, 1)
		}
	})
	if err != nil {
		b.Fatal(err)
	}
}

// count reads what arrives.
func (s *stage) count(c *net.UDPConn) {
	b := make([]byte, 65536)
	for {
		n, _, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		s.received.Add(int64(n / s.size)) // a header is less than that
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
func benchIdle(b *testing.B, rivals []rival) metrics {
	b.Helper()
	const relays = 2000
	used := make([][]float64, len(rivals))
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
		used[i] = []float64{float64(r.memory(b)-before) / relays / 1024}
		for _, c := range all {
			c.send(c.signed(stun.MethodRefresh, lifetime(0)).Raw)
			_ = c.conn.Close()
		}
		_ = peer.Close()
	}
	return compared(used, rivals, "-KB/relay")
}

// benchAllocate reports the CPU of a relay that is asked for without and then
// with credentials and given back, and how long the answer took.
func benchAllocate(b *testing.B, rivals []rival) metrics {
	b.Helper()
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
				if code := outcome(b, answer); code != 0 {
					b.Errorf("%s: Allocate = %d", r.name, code)
				}
				c.exchange(c.signed(stun.MethodRefresh, lifetime(0)), patience)
				_ = c.conn.Close()
			}
			used[i] = append(used[i], float64(r.cpu(b)-before)/each/1e3)
		}
	}
	m := compared(used, rivals, "-us/relay")
	for i, r := range rivals {
		slices.Sort(waits[i])
		m[r.name+"-p99-ms"] = waits[i][len(waits[i])*99/100]
	}
	return m
}
