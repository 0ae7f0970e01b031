package turn_test

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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
	for _, want := range []string{"secret", "realm", "lifetime", "quota", "relay ports", "public IP", "wider", "written as IPv4", "never be reached"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want a fault about %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "short") {
		t.Errorf("New = %v, tells the secret", err)
	}
}

func TestIssueIsREST(t *testing.T) {
	t.Parallel()
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
}

func TestRelayOverEveryTransport(t *testing.T) {
	t.Parallel()
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
}

// TestPionClient is a client that somebody else wrote.
func TestPionClient(t *testing.T) {
	t.Parallel()
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
