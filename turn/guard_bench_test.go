package turn_test

import (
	"net/netip"
	"testing"

	"github.com/pion/stun/v2"

	"vestibule/turn"
)

// BenchmarkGuard is what the guard adds to a packet, without the sockets.
// It must not allocate.
func BenchmarkGuard(b *testing.B) {
	c := config()
	c.Peers = policy("192.0.2.1/32")
	s, err := turn.New(c)
	if err != nil {
		b.Fatal(err)
	}
	peer := netip.MustParseAddrPort("192.0.2.1:27882")
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
