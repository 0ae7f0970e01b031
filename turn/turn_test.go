package turn_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pion/stun/v2"
	pion "github.com/pion/turn/v3"

	"vestibule/turn"
)

func TestNewNamesEveryFault(t *testing.T) {
	t.Parallel()
	_, err := turn.New(turn.Config{
		Secret:    []byte("short"),
		Realm:     "a\"b",
		Lifetime:  time.Second,
		Quota:     -1,
		MinPort:   9,
		MaxPort:   8,
		PublicIPs: []netip.Addr{netip.MustParseAddr("0.0.0.0")},
		Peers: turn.PeerPolicy{Prefixes: []netip.Prefix{
			netip.MustParsePrefix("0.0.0.0/0"),
			netip.MustParsePrefix("::ffff:10.0.0.0/104"),
			netip.MustParsePrefix("169.254.169.254/32"),
		}},
	})
	if err == nil {
		t.Fatal("New = nil, want faults")
	}
	for _, want := range []string{"secret", "realm", "lifetime", "quota", "relay ports", "peer ports", "public IP", "wider", "written as IPv4", "never be reached"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want a fault about %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "short") {
		t.Errorf("New = %v, tells the secret", err)
	}
}

// TestT45PeersAreNoRelays: with ports in common one participant's relay would
// be another's peer.
func TestT45PeersAreNoRelays(t *testing.T) {
	t.Parallel()
	for ports, good := range map[[2]uint16]bool{
		{49151, 49151}: true, {1024, 49151}: true, {49152, 49152}: false, {7882, 65535}: false, {1024, 50000}: false,
		{0, 0}: false, {80, 7882}: false, {7882, 7881}: false,
	} {
		c := config()
		c.MinPort, c.MaxPort = 0, 0
		c.Peers.MinPort, c.Peers.MaxPort = ports[0], ports[1]
		if _, err := turn.New(c); (err == nil) != good {
			t.Errorf("New with peers at ports %v = %v, want good %v", ports, err, good)
		}
	}
}

func TestIssueIsREST(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		s := start(t, c)
		now := time.Unix(1_900_000_000, 5)
		got := s.Issue("adm-1", now)
		mac := hmac.New(sha1.New, c.Secret)
		mac.Write([]byte("1900000600:adm-1"))
		b := s.Addrs()
		want := turn.Credentials{
			Username: "1900000600:adm-1",
			Password: base64.StdEncoding.EncodeToString(mac.Sum(nil)),
			URLs:     []string{"turn:" + b.UDP[0].String() + "?transport=udp", "turn:" + b.TCP[0].String() + "?transport=tcp"},
			Expires:  time.Unix(1_900_000_600, 0),
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Issue (-want +got):\n%s", diff)
		}
		if got := s.Issue("", now); got.Username != "" || got.Password != "" {
			t.Errorf("Issue of no admission = %v, want nothing", got)
		}
	})
}

func TestRelayOverEveryTransport(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		c.TLS = certificate(t)
		s := start(t, c)
		for _, network := range []string{"udp", "tcp", "tls"} {
			caller := relayed(t, s, network, "adm-"+network)
			if !caller.echoes(0x4000, "hello over "+network, patience) {
				t.Errorf("nothing came back over %s", network)
			}
			if got := s.Live("adm-" + network); got != 1 {
				t.Errorf("Live over %s = %d, want 1", network, got)
			}
		}
	})
}

// TestPionClient is a client that somebody else wrote.
func TestPionClient(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		cred := s.Issue("adm-1", time.Now())
		for _, network := range []string{"udp", "tcp"} {
			var (
				conn net.PacketConn
				err  error
				at   = s.Addrs().UDP[0].String()
			)
			if network == "udp" {
				conn, err = net.ListenPacket("udp4", "127.0.0.1:0")
			} else {
				at = s.Addrs().TCP[0].String()
				var tcp net.Conn
				if tcp, err = net.Dial("tcp", at); err == nil {
					conn = pion.NewSTUNConn(tcp)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			client, err := pion.NewClient(&pion.ClientConfig{
				STUNServerAddr: at, TURNServerAddr: at, Conn: conn,
				Username: cred.Username, Password: cred.Password, RTO: time.Second,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Listen(); err != nil {
				t.Fatal(err)
			}
			relay, err := client.Allocate()
			if err != nil {
				t.Fatalf("Allocate over %s: %v", network, err)
			}
			peer := echo(t)
			for range 5 { // the first go as Send indications, then by channel
				if _, err := relay.WriteTo([]byte("ping pong"), peer); err != nil {
					t.Fatalf("WriteTo over %s: %v", network, err)
				}
				b := make([]byte, 100)
				_ = relay.SetReadDeadline(time.Now().Add(patience))
				n, _, err := relay.ReadFrom(b)
				if err != nil || string(b[:n]) != "ping pong" {
					t.Fatalf("ReadFrom over %s = %q, %v, want ping pong", network, b[:n], err)
				}
			}
			if err := relay.Close(); err != nil {
				t.Error(err)
			}
			client.Close()
			_ = conn.Close()
		}
	})
}

func TestRelayOverIPv6(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		c.PublicIPs, c.RelayIP = []netip.Addr{netip.IPv6Loopback()}, netip.IPv6Loopback()
		c.Peers = policy("::1/128")
		s, err := turn.New(c)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Listen(t.Context(), turn.Addresses{UDP: []string{"[::1]:0", ":0"}}); err != nil {
			t.Fatal(err)
		}
		serve(t, s)
		peer, err := net.ListenPacket("udp6", "[::1]:0")
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		port := strconv.Itoa(int(s.Addrs().UDP[1].Port()))
		// A client by IPv6, and one by IPv4 on the socket of both families.
		for i, at := range []string{s.Addrs().UDP[0].String(), "127.0.0.1:" + port} {
			conn, err := net.Dial("udp", at)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			a := &caller{tb: t, conn: conn, cred: s.Issue("adm-1", time.Now())}
			if code := a.allocate(); code != 0 {
				t.Fatalf("Allocate at %s = %d, want success", at, code)
			}
			if code := a.bind(0x4000, peer.LocalAddr()); code != 0 {
				t.Fatalf("ChannelBind at %s = %d, want success", at, code)
			}
			if code := a.bind(0x4001, newPeer(t).LocalAddr()); code != 403 {
				t.Errorf("ChannelBind to an unlisted IPv4 = %d, want 403", code)
			}
			a.send(channelData(0x4000, []byte("six")))
			b := make([]byte, 10)
			_ = peer.SetReadDeadline(time.Now().Add(patience))
			n, from, err := peer.ReadFrom(b)
			if err != nil || string(b[:n]) != "six" || from.String() != a.relay.String() {
				t.Errorf("client %d: peer got %q from %v, %v, want six from %v", i, b[:n], from, err, a.relay)
			}
			if _, err := peer.WriteTo([]byte("back"), from); err != nil {
				t.Fatal(err)
			}
			if got, err := a.receive(patience); err != nil || string(got[4:8]) != "back" {
				t.Errorf("client %d got %q, %v, want back", i, got, err)
			}
		}
	})
}

// TestEveryFamilyToEveryFamily: by which family a client comes does not decide
// by which its relay reaches the conference server.
func TestEveryFamilyToEveryFamily(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		c.TLS = certificate(t)
		c.PublicIPs, c.RelayIP = append(c.PublicIPs, netip.IPv6Loopback()), netip.Addr{}
		c.Peers = policy("127.0.0.1/32", "::1/128")
		s := startDual(t, c)
		peers := map[byte]net.Addr{1: echoAt(t, "127.0.0.1:0"), 2: echoAt(t, "[::1]:0")}
		for _, network := range []string{"udp", "tcp", "tls", "udp6", "tcp6", "tls6"} {
			for f, peer := range peers {
				a := dial(t, s, network, s.Issue("adm-1", time.Now()))
				if code := a.allocate(family(f)); code != 0 {
					t.Fatalf("Allocate of family %d over %s = %d, want success", f, network, code)
				}
				if is4 := a.relay.IP.To4() != nil; is4 != (f == 1) {
					t.Errorf("family %d over %s: the relay is %v", f, network, a.relay)
				}
				if code := a.bind(0x4000, peers[3-f]); code != 443 {
					t.Errorf("family %d over %s: ChannelBind of the other = %d, want 443", f, network, code)
				}
				if code, _ := a.do(stun.MethodCreatePermission, peerOf(peers[3-f])); code != 443 {
					t.Errorf("family %d over %s: CreatePermission of the other = %d, want 443", f, network, code)
				}
				if code, _ := a.do(stun.MethodRefresh, family(3-f)); code != 443 {
					t.Errorf("family %d over %s: Refresh of the other = %d, want 443", f, network, code)
				}
				if code := a.bind(0x4000, peer); code != 0 {
					t.Fatalf("family %d over %s: ChannelBind = %d, want success", f, network, code)
				}
				if !a.echoes(0x4000, "hello over "+network, patience) {
					t.Errorf("family %d over %s: nothing came back", f, network)
				}
				if code, _ := a.do(stun.MethodRefresh, family(f), lifetime(0)); code != 0 {
					t.Errorf("family %d over %s: Refresh = %d, want success", f, network, code)
				}
			}
		}
	})
}

func TestServeNeedsListen(t *testing.T) {
	t.Parallel()
	s, err := turn.New(config())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Serve(t.Context()); err == nil {
		t.Error("Serve without Listen = nil, want an error")
	}
	if err := s.Listen(t.Context(), turn.Addresses{TLS: []string{"127.0.0.1:0"}}); err == nil {
		t.Error("Listen on TLS without a certificate = nil, want an error")
	}
}
