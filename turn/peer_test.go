package turn_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/pion/stun/v2"

	"vestibule/turn"
)

// spellings are ways to write an address that is not the conference
// server's. Where v4 matters it is 127.0.0.1.
func spellings() []string {
	return []string{
		"127.0.0.1", "127.0.0.53", "127.255.255.255", // loopback
		"0.0.0.0", "0.0.0.1", // this host, RFC 1122
		"169.254.169.254",                       // link-local: cloud metadata
		"10.0.0.1", "172.16.0.1", "192.168.0.1", // private
		"100.64.0.1",                   // shared
		"224.0.0.1", "239.255.255.250", // multicast
		"240.0.0.1", "255.255.255.255", // reserved, broadcast
		"192.0.2.9",        // next door to the listed one
		"::", "::1", "::2", // unspecified, loopback, compatible
		"::127.0.0.1", "::ffff:127.0.0.1", // compatible, mapped
		"::ffff:0.0.0.0", "::ffff:169.254.169.254", // mapped
		"::ffff:0:127.0.0.1",              // translated
		"64:ff9b::127.0.0.1",              // NAT64
		"64:ff9b:1:7f00:0:100::",          // local NAT64
		"2002:7f00:1::", "2002:7f00:1::1", // 6to4
		"2001:0:c000:201:0:0:80ff:fffe",            // Teredo
		"fe80::5efe:127.0.0.1",                     // ISATAP, link-local
		"2001:db8::5efe:127.0.0.1",                 // ISATAP
		"2001:db8::200:5efe:7f00:1",                // ISATAP
		"fe80::1", "fec0::1", "fc00::1", "fd00::1", // link, site, unique local
		"ff02::1", "ff0e::1", "100::1", "2001:db8::1",
	}
}

func policy(prefixes ...string) turn.PeerPolicy {
	p := turn.PeerPolicy{MinPort: lowestPeer, MaxPort: 65535}
	for _, q := range prefixes {
		p.Prefixes = append(p.Prefixes, netip.MustParsePrefix(q))
	}
	return p
}

func TestPeerPolicy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		policy turn.PeerPolicy
		peer   string
		want   bool
	}{
		{"nobody by default", turn.PeerPolicy{}, "192.0.2.1", false},
		{"listed", policy("192.0.2.1/32"), "192.0.2.1", true},
		{"neighbour", policy("192.0.2.1/32"), "192.0.2.2", false},
		{"mapped form of listed", policy("192.0.2.1/32"), "::ffff:192.0.2.1", true},
		{"compatible form of listed", policy("192.0.2.1/32"), "::192.0.2.1", false},
		{"NAT64 form of listed", policy("192.0.2.1/32"), "64:ff9b::192.0.2.1", false},
		{"NAT64 listed, carried not", policy("64:ff9b::/96"), "64:ff9b::192.0.2.1", false},
		{"NAT64 and carried listed", policy("64:ff9b::/96", "192.0.2.1/32"), "64:ff9b::192.0.2.1", true},
		{"6to4 listed, carries loopback", policy("2002::/32", "2002:7f00::/32"), "2002:7f00:1::", false},
		{"loopback not by a wide prefix", policy("0.0.0.0/1"), "127.0.0.1", false},
		{"loopback by its own prefix", policy("127.0.0.0/8"), "127.0.0.1", true},
		{"loopback 6", policy("::1/128"), "::1", true},
		{"loopback 6 mapped", policy("::1/128"), "::ffff:127.0.0.1", false},
		{"link-local never", policy("169.254.0.0/16"), "169.254.1.1", false},
		{"multicast never", policy("224.0.0.0/4"), "224.0.0.1", false},
		{"zero never", policy("0.0.0.0/8"), "0.0.0.0", false},
		{"private when listed", policy("10.0.0.0/8"), "10.1.2.3", true},
		{"IPv6 when listed", policy("2001:db8::/32"), "2001:db8::1", true},
		{"ISATAP under a wide prefix", policy("2001:db8::/32"), "2001:db8::5efe:10.0.0.1", false},
	} {
		if got := c.policy.Allows(netip.AddrPortFrom(netip.MustParseAddr(c.peer), 27882)); got != c.want {
			t.Errorf("%s: Allows(%s) = %v, want %v", c.name, c.peer, got, c.want)
		}
	}
	ports := policy("192.0.2.1/32")
	ports.MinPort, ports.MaxPort = 7000, 7999
	for port, want := range map[uint16]bool{0: false, 6999: false, 7000: true, 7999: true, 8000: false} {
		if got := ports.Allows(netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), port)); got != want {
			t.Errorf("Allows port %d = %v, want %v", port, got, want)
		}
	}
}

// canary listens on every address of this host and says whether anything
// came.
func canary(t *testing.T) (port uint16, sang func() bool) {
	t.Helper()
	c, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return netip.MustParseAddrPort(c.LocalAddr().String()).Port(), func() bool {
		_ = c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		n, _, err := c.ReadFrom(make([]byte, 2048))
		if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(err)
		}
		return n > 0 || err == nil
	}
}

func TestT45RelayReachesTheConferenceServerOnly(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		c.RelayIP = netip.Addr{} // so that a packet to any address could leave
		c.Peers = policy("192.0.2.10/32", "2001:db8:1::10/128")
		c.PublicIPs, c.TLS = append(c.PublicIPs, netip.IPv6Loopback()), certificate(t)
		s := startDual(t, c)
		port, sang := canary(t)
		for _, f := range []byte{1, 2} {
			for _, network := range []string{"udp", "tcp", "tls", "udp6", "tcp6", "tls6"} {
				a := dial(t, s, network, s.Issue("adm-1", time.Now()))
				if code := a.allocate(family(f)); code != 0 {
					t.Fatalf("Allocate of family %d over %s = %d, want success", f, network, code)
				}
				tryEverySpelling(t, a, port)
				if code := a.refresh(); code != 0 { // all before it has been handled
					t.Errorf("Refresh afterwards = %d, want success", code)
				}
				a.do(stun.MethodRefresh, lifetime(0))
			}
		}
		if sang() {
			t.Error("the canary on loopback got a packet")
		}
		// The canary can sing: with loopback listed it does.
		c.Peers = policy("127.0.0.0/8")
		c.PublicIPs = c.PublicIPs[:1]
		b := dial(t, start(t, c), "udp", turn.Credentials{})
		b.cred = s.Issue("adm-2", time.Now())
		peer := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
		if code := b.allocate(); code != 0 {
			t.Fatalf("Allocate = %d, want success", code)
		}
		if code, _ := b.do(stun.MethodCreatePermission, peerAddress(peer)); code != 0 {
			t.Fatalf("CreatePermission of a listed peer = %d, want success", code)
		}
		b.send(message(t, stun.MethodSend, stun.ClassIndication, peerAddress(peer), data("tweet")).Raw)
		b.refresh()
		if !sang() {
			t.Error("the canary is deaf")
		}
	})
}

func data(s string) stun.Setter { return stun.RawAttribute{Type: stun.AttrData, Value: []byte(s)} }

func tryEverySpelling(t *testing.T, a *caller, port uint16) {
	t.Helper()
	listed := peerAddress(netip.MustParseAddrPort("192.0.2.10:27882"))
	channel := uint16(0x4000)
	for _, spelling := range spellings() {
		peer := peerAddress(netip.AddrPortFrom(netip.MustParseAddr(spelling), port))
		if code, _ := a.do(stun.MethodCreatePermission, peer); code != 403 {
			t.Errorf("CreatePermission %s = %d, want 403", spelling, code)
		}
		// Hidden behind a listed one it is seen all the same.
		if code, _ := a.do(stun.MethodCreatePermission, listed, peer); code == 0 {
			t.Errorf("CreatePermission listed and %s = success", spelling)
		}
		if code, _ := a.do(stun.MethodChannelBind, channelNumber(channel), peer); code != 403 {
			t.Errorf("ChannelBind %s = %d, want 403", spelling, code)
		}
		a.send(message(t, stun.MethodSend, stun.ClassIndication, peer, data("let me in")).Raw)
		a.send(channelData(channel, []byte("let me in")))
		channel++
	}
}

// TestT45PortsOutsideTheRange: what else answers at the conference server's
// address, such as the phone door or another participant's relay, gets no
// packet. A permission names no port, so a Send indication is the test.
func TestT45PortsOutsideTheRange(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		phone, sang := canary(t)
		conference := echo(t)
		c := config()
		c.Peers.MinPort = netip.MustParseAddrPort(conference.String()).Port()
		c.Peers.MaxPort = c.Peers.MinPort
		s := start(t, c)
		var a, b *caller
		for i, who := range []**caller{&a, &b} {
			*who = dial(t, s, "udp", s.Issue(fmt.Sprint("adm-", i), time.Now()))
			if (*who).allocate() != 0 || (*who).bind(0x4000, conference) != 0 {
				t.Fatal("no relay to the conference server")
			}
		}
		for i, to := range []net.Addr{&net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(phone)}, b.relay} {
			peer, channel := peerOf(to), uint16(0x4001+i)
			if code, _ := a.do(stun.MethodCreatePermission, peer); code != 0 {
				t.Fatalf("CreatePermission = %d, want success", code)
			}
			if code, _ := a.do(stun.MethodChannelBind, channelNumber(channel), peer); code != 403 {
				t.Errorf("ChannelBind of a port outside = %d, want 403", code)
			}
			a.send(message(t, stun.MethodSend, stun.ClassIndication, peer, data("x")).Raw)
			a.send(channelData(channel, []byte("x")))
		}
		a.refresh() // all before it has been handled
		if sang() {
			t.Error("a packet to a port outside the range arrived")
		}
		b.send(channelData(0x4000, []byte("mine")))
		if got, err := b.receive(patience); err != nil || string(got) != string(channelData(0x4000, []byte("mine"))) {
			t.Errorf("the other participant got %x, %v, want their own echo first", got, err)
		}
	})
}

// TestOneRelayNamesFewPeers keeps pion's linear search short.
func TestOneRelayNamesFewPeers(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		a := dial(t, s, "udp", s.Issue("adm-1", time.Now()))
		a.allocate()
		bound := 0
		for i := range uint16(100) {
			peer := peerAddress(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 20000+i))
			if code, _ := a.do(stun.MethodChannelBind, channelNumber(0x4000+i), peer); code == 0 {
				bound++
			} else if code != 508 {
				t.Fatalf("ChannelBind = %d, want 508", code)
			}
		}
		if bound != 64 {
			t.Errorf("%d channels bound, want 64", bound)
		}
	})
}

// TestT45NoPermissionNoPacket: being listed is not enough (RFC 8656 §11.2).
func TestT45NoPermissionNoPacket(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		port, sang := canary(t)
		a := dial(t, start(t, config()), "udp", turn.Credentials{})
		a.cred = other(t, config()).Issue("adm-1", time.Now())
		a.allocate()
		peer := peerAddress(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port))
		a.send(message(t, stun.MethodSend, stun.ClassIndication, peer, data("x")).Raw)
		a.send(channelData(0x4000, []byte("x")))
		a.refresh()
		if sang() {
			t.Error("a packet arrived without permission")
		}
	})
}

// other is a server of the same configuration, on another node.
func other(t *testing.T, c turn.Config) *turn.Server {
	t.Helper()
	s, err := turn.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOversize: what is longer than media ever is passes in neither
// direction, also not in part.
func TestOversize(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		peer := newPeer(t)
		a := dial(t, s, "udp", s.Issue("adm-1", time.Now()))
		if a.allocate() != 0 || a.bind(0x4000, peer.LocalAddr()) != 0 {
			t.Fatal("no relay")
		}
		for _, size := range []int{2044, 2100, 9000, 60000} {
			a.send(channelData(0x4000, make([]byte, size)))
			if _, err := peer.WriteTo(make([]byte, size+4), a.relay); err != nil {
				t.Fatal(err)
			}
		}
		a.send(channelData(0x4000, []byte("small")))
		if _, err := peer.WriteTo([]byte("small"), a.relay); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 65536)
		_ = peer.SetReadDeadline(time.Now().Add(patience))
		if n, err := peer.Read(b); err != nil || string(b[:n]) != "small" {
			t.Errorf("the peer got %d bytes, %v, want small", n, err)
		}
		if got, err := a.receive(patience); err != nil || len(got) < 9 || string(got[4:9]) != "small" {
			t.Errorf("the client got %d bytes, %v, want small", len(got), err)
		}
	})
}

// TestT45OnlyThePermittedAreHeard: without a channel a peer is heard by Data
// indications, and only once it is permitted.
func TestT45OnlyThePermittedAreHeard(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		c.Peers = policy("127.0.0.0/8", "::1/128")
		c.PublicIPs, c.RelayIP = append(c.PublicIPs, netip.IPv6Loopback()), netip.Addr{}
		s := start(t, c)
		for _, f := range []struct {
			family         byte
			friend, enemy  string
			relay, network string
		}{
			{1, "127.0.0.2", "127.0.0.3", "127.0.0.1", "udp4"},
			{2, "::1", "", "::1", "udp6"},
		} {
			a := dial(t, s, "udp", s.Issue("adm-1", time.Now()))
			code, answer := a.do(stun.MethodAllocate, udpTransport,
				family(f.family))
			if code != 0 {
				t.Fatalf("Allocate of family %d = %d, want success", f.family, code)
			}
			var relayed stun.XORMappedAddress
			if err := relayed.GetFromAs(answer, stun.AttrXORRelayedAddress); err != nil {
				t.Fatal(err)
			}
			at := &net.UDPAddr{IP: net.ParseIP(f.relay), Port: relayed.Port}
			speak := func(ip, words string) net.Addr {
				t.Helper()
				conn, err := net.DialUDP(f.network, &net.UDPAddr{IP: net.ParseIP(ip)}, at)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = conn.Close() })
				if _, err := conn.Write([]byte(words)); err != nil {
					t.Fatal(err)
				}
				return conn.LocalAddr()
			}
			friend := peerAddress(netip.AddrPortFrom(netip.MustParseAddr(f.friend), 1))
			if code, _ := a.do(stun.MethodCreatePermission, friend); code != 0 {
				t.Fatalf("CreatePermission = %d, want success", code)
			}
			if f.enemy != "" {
				speak(f.enemy, "let me in")
			}
			for _, words := range []string{"1", "22", "333", "4444", "55555"} {
				hear(t, a, speak(f.friend, words), words)
			}
		}
	})
}

// hear expects words from the peer at from, in a Data indication.
func hear(t *testing.T, a *caller, from net.Addr, words string) {
	t.Helper()
	b, err := a.receive(patience)
	if err != nil {
		t.Fatalf("waiting for %q: %v", words, err)
	}
	m := &stun.Message{Raw: b}
	if err := m.Decode(); err != nil {
		t.Fatalf("%q came as %x: %v", words, b, err)
	}
	var at stun.XORMappedAddress
	if err := at.GetFromAs(m, stun.AttrXORPeerAddress); err != nil {
		t.Fatal(err)
	}
	got, err := m.Get(stun.AttrData)
	if err != nil || string(got) != words || at.String() != from.String() || m.Type != stun.NewType(stun.MethodData, stun.ClassIndication) {
		t.Errorf("%v with %q from %v, %v, want %q from %v", m.Type, got, at, err, words, from)
	}
}
