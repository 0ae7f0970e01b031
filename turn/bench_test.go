package turn_test

import (
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/pion/logging"
	"github.com/pion/stun/v2"
	pion "github.com/pion/turn/v3"

	"vestibule/turn"
)

// BenchmarkGuard is what the guard adds to a packet, without the sockets.
// It must not allocate.
func BenchmarkGuard(b *testing.B) {
	c := config()
	c.Peers = turn.PeerPolicy{Prefixes: []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}}
	s, err := turn.New(c)
	if err != nil {
		b.Fatal(err)
	}
	peer := netip.MustParseAddrPort("192.0.2.1:7882")
	guard := turn.NewBench(s, netip.MustParseAddrPort("198.51.100.7:40000"), peer)
	for name, p := range map[string][]byte{
		"ChannelData":    channelData(0x4000, make([]byte, 1200)),
		"SendIndication": message(b, stun.MethodSend, stun.ClassIndication, peerAddress(peer), data(string(make([]byte, 160)))).Raw,
		"Dropped":        killer(b),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			want := len(p)
			if name == "Dropped" {
				want = 0
			}
			for b.Loop() {
				if got := guard.Admit(p); got != want {
					b.Fatalf("Admit = %d, want %d", got, want)
				}
			}
		})
	}
}

// BenchmarkRelay moves ChannelData through UDP, ours and plain pion side by
// side: cpu-ns/op is the CPU of the whole process for one packet, the
// client's and the peer's system calls included, which are the same on both
// sides.
func BenchmarkRelay(b *testing.B) {
	for _, size := range []int{160, 1200} {
		for name, server := range map[string]func(testing.TB) (net.Addr, turn.Credentials){"vestibule": ours, "pion": plain} {
			b.Run(name+"/up/"+byteCount(size), func(b *testing.B) { relayBench(b, server, size, true) })
			b.Run(name+"/down/"+byteCount(size), func(b *testing.B) { relayBench(b, server, size, false) })
		}
	}
}

func byteCount(n int) string {
	if n < 1000 {
		return "160B"
	}
	return "1200B"
}

func ours(tb testing.TB) (net.Addr, turn.Credentials) {
	c := config()
	c.BytesPerSecond = 1 << 40
	s := start(tb, c)
	return net.UDPAddrFromAddrPort(s.Addrs().UDP[0]), s.Issue("adm-1", time.Now())
}

// plain is pion/turn as its examples use it.
func plain(tb testing.TB) (net.Addr, turn.Credentials) {
	tb.Helper()
	conn := newPeer(tb)
	_ = conn.SetReadBuffer(4 << 20)
	logs := logging.NewDefaultLoggerFactory()
	logs.DefaultLogLevel = logging.LogLevelDisabled
	s, err := pion.NewServer(pion.ServerConfig{
		Realm: "visio.example.org", LoggerFactory: logs,
		AuthHandler: func(user, realm string, _ net.Addr) ([]byte, bool) {
			return pion.GenerateAuthKey(user, realm, "p"), true
		},
		PacketConnConfigs: []pion.PacketConnConfig{{
			PacketConn: conn,
			RelayAddressGenerator: &pion.RelayAddressGeneratorStatic{
				RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1",
			},
		}},
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return conn.LocalAddr(), turn.Credentials{Username: "u", Password: "p"}
}

func relayBench(b *testing.B, server func(testing.TB) (net.Addr, turn.Credentials), size int, up bool) {
	b.Helper()
	at, cred := server(b)
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.MustParseAddrPort(at.String())))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	a := &caller{tb: b, conn: conn, cred: cred}
	peer := newPeer(b)
	if a.allocate() != 0 || a.bind(0x4000, peer.LocalAddr()) != 0 {
		b.Fatal("no relay")
	}
	from, to := conn, peer
	packet := channelData(0x4000, make([]byte, size))
	relay := a.relay.AddrPort()
	send := func() { _, _ = from.Write(packet) }
	if !up {
		from, to = peer, from
		packet = make([]byte, size)
		send = func() { _, _ = peer.WriteToUDPAddrPort(packet, relay) }
	}
	const window = 32 // in flight, so that nothing is lost
	buf := make([]byte, 2048)
	_ = to.SetReadDeadline(time.Now().Add(time.Minute))
	b.ReportAllocs()
	runtime.GC()
	before := cpu()
	b.ResetTimer()
	for sent, got := 0, 0; got < b.N; got++ {
		for ; sent < b.N && sent-got < window; sent++ {
			send()
		}
		if _, _, err := to.ReadFromUDPAddrPort(buf); err != nil {
			b.Fatalf("packet %d: %v", got, err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/op")
}

// cpu is what this process has used so far.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
