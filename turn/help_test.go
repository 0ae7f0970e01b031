package turn_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pion/stun/v2"
	"go.uber.org/goleak"

	"vestibule/turn"
)

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		play(role) // one of the servers of BenchmarkRelay
		return
	}
	goleak.VerifyTestMain(m)
}

const (
	patience = 5 * time.Second

	// lowestPeer is where the ports of peers begin.
	lowestPeer = 20_000
)

func config() turn.Config {
	return turn.Config{
		Secret:    []byte("0123456789abcdef0123456789abcdef"),
		Realm:     "visio.example.org",
		PublicIPs: []netip.Addr{netip.MustParseAddr("127.0.0.1")},
		RelayIP:   netip.MustParseAddr("127.0.0.1"),
		Peers:     policy("127.0.0.1/32"),
		// Below what the system gives to sockets of port 0, as all peers here
		// are.
		MinPort: 10_000, MaxPort: lowestPeer - 1,
	}
}

// onPlanes runs a test on both ways to move data: batched, where the system
// has it, and packet by packet.
func onPlanes(t *testing.T, test func(t *testing.T, config func() turn.Config)) {
	t.Helper()
	onEachPlane(t, func(t *testing.T, config func() turn.Config) {
		t.Parallel()
		test(t, config)
	})
}

// onEachPlane is onPlanes, one after the other.
func onEachPlane(t *testing.T, test func(t *testing.T, config func() turn.Config)) {
	t.Helper()
	for name, plain := range map[string]bool{"batched": false, "plain": true} {
		t.Run(name, func(t *testing.T) {
			test(t, func() turn.Config {
				c := config()
				c.Plain = plain
				return c
			})
		})
	}
}

// start runs a server on loopback: UDP, TCP and, where c has it, TLS.
func start(tb testing.TB, c turn.Config) *turn.Server {
	tb.Helper()
	return startOn(tb, c, "127.0.0.1:0")
}

// startDual is start by IPv6 also: at the second of the addresses.
func startDual(tb testing.TB, c turn.Config) *turn.Server {
	tb.Helper()
	if ln, err := net.Listen("tcp6", "[::1]:0"); err != nil {
		tb.Fatalf("no IPv6 on the loopback: sysctl net.ipv6.conf.lo.disable_ipv6=0 (%v)", err)
	} else if err := ln.Close(); err != nil {
		tb.Fatal(err)
	}
	return startOn(tb, c, "127.0.0.1:0", "[::1]:0")
}

func startOn(tb testing.TB, c turn.Config, addresses ...string) *turn.Server {
	tb.Helper()
	s, err := turn.New(c)
	if err != nil {
		tb.Fatal(err)
	}
	on := turn.Addresses{UDP: addresses, TCP: addresses}
	if c.TLS != nil {
		on.TLS = addresses
	}
	if err := s.Listen(tb.Context(), on); err != nil {
		tb.Fatal(err)
	}
	serve(tb, s)
	return s
}

func serve(tb testing.TB, s *turn.Server) {
	tb.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	tb.Cleanup(func() {
		stop()
		select {
		case err := <-done:
			if err != nil {
				tb.Errorf("Serve = %v, want nil", err)
			}
		case <-time.After(patience):
			tb.Error("Serve did not end with its context")
		}
	})
}

// certificate is a self-signed one for 127.0.0.1.
func certificate(tb testing.TB) *tls.Config {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS12,
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}},
	}
}

// caller is a TURN client that says exactly what a test wants to hear said.
type caller struct {
	tb    testing.TB
	conn  net.Conn
	r     *bufio.Reader // nil over UDP
	cred  turn.Credentials
	realm string
	nonce string
	keep  [][]byte // what came while waiting for an answer
	relay *net.UDPAddr
}

// dial connects to s over network: udp, tcp or tls, and to one of startDual
// by IPv6 over udp6, tcp6 or tls6.
func dial(tb testing.TB, s *turn.Server, network string, cred turn.Credentials) *caller {
	tb.Helper()
	return dialFrom(tb, s, network, cred, 1)
}

// dialFrom is dial from the loopback address 127.0.0.host: what strangers
// get is rationed by source.
func dialFrom(tb testing.TB, s *turn.Server, network string, cred turn.Credentials, host byte) *caller {
	tb.Helper()
	var (
		conn net.Conn
		err  error
		b    = s.Addrs()
		ip   = net.IPv4(127, 0, 0, host)
		at   = 0
	)
	transport, six := strings.CutSuffix(network, "6")
	if six {
		ip, at = net.IPv6loopback, 1
	}
	switch transport {
	case "udp":
		conn, err = net.DialUDP("udp", &net.UDPAddr{IP: ip}, net.UDPAddrFromAddrPort(b.UDP[at]))
	case "tcp":
		conn, err = net.DialTCP("tcp", &net.TCPAddr{IP: ip}, net.TCPAddrFromAddrPort(b.TCP[at]))
	case "tls":
		d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: ip}}
		conn, err = tls.DialWithDialer(d, "tcp", b.TLS[at].String(), &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12})
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = conn.Close() })
	c := &caller{tb: tb, conn: conn, cred: cred}
	if transport != "udp" {
		c.r = bufio.NewReader(conn)
	}
	return c
}

func (c *caller) send(b []byte) {
	c.tb.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.tb.Fatal(err)
	}
}

// receive returns the next message, or an error after wait.
func (c *caller) receive(wait time.Duration) ([]byte, error) {
	if err := c.conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
		return nil, err
	}
	b := make([]byte, 65536)
	if c.r == nil {
		n, err := c.conn.Read(b)
		return b[:n], err
	}
	head, err := c.r.Peek(4)
	if err != nil {
		return nil, err
	}
	size := int(binary.BigEndian.Uint16(head[2:]))
	if head[0]&0xc0 == 0x40 {
		size = 4 + (size+3)&^3
	} else {
		size += 20
	}
	_, err = io.ReadFull(c.r, b[:size])
	return b[:size], err
}

// exchange sends m and waits for its answer; nil when there is none. Over UDP
// it is sent again every 500 ms, as clients do (RFC 8489 §6.2.1): a socket that
// strangers flood loses datagrams.
func (c *caller) exchange(m *stun.Message, wait time.Duration) *stun.Message {
	c.tb.Helper()
	c.send(m.Raw)
	end := time.Now().Add(wait)
	for {
		now := time.Until(end)
		if c.r == nil {
			now = min(now, 500*time.Millisecond)
		}
		b, err := c.receive(now)
		if err != nil && c.r == nil && errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(end) {
			c.send(m.Raw)
			continue
		}
		if err != nil {
			var timeout net.Error
			if c.r == nil && !(errors.As(err, &timeout) && timeout.Timeout()) {
				c.tb.Fatal(err)
			}
			return nil
		}
		answer := &stun.Message{Raw: b}
		if b[0]&0xc0 != 0 || answer.Decode() != nil || answer.TransactionID != m.TransactionID {
			c.keep = append(c.keep, b)
			continue
		}
		return answer
	}
}

func message(tb testing.TB, method stun.Method, class stun.MessageClass, attrs ...stun.Setter) *stun.Message {
	tb.Helper()
	m, err := stun.Build(append([]stun.Setter{stun.TransactionID, stun.NewType(method, class)}, attrs...)...)
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

// signed is a request proved with the caller's credentials and nonce.
func (c *caller) signed(method stun.Method, attrs ...stun.Setter) *stun.Message {
	attrs = append(attrs[:len(attrs):len(attrs)],
		stun.NewUsername(c.cred.Username), stun.NewRealm(c.realm), stun.NewNonce(c.nonce),
		stun.NewLongTermIntegrity(c.cred.Username, c.realm, c.cred.Password), stun.Fingerprint)
	return message(c.tb, method, stun.ClassRequest, attrs...)
}

// do asks with credentials, fetching a nonce when there is none, and returns
// 0 for a success, the error code, or -1 for silence.
func (c *caller) do(method stun.Method, attrs ...stun.Setter) (int, *stun.Message) {
	c.tb.Helper()
	if c.nonce == "" {
		answer := c.exchange(message(c.tb, stun.MethodAllocate, stun.ClassRequest, udpTransport), patience)
		if answer == nil {
			return -1, nil
		}
		c.learn(answer)
	}
	answer := c.exchange(c.signed(method, attrs...), patience)
	code := outcome(c.tb, answer)
	if code == 438 {
		c.learn(answer)
		answer = c.exchange(c.signed(method, attrs...), patience)
		code = outcome(c.tb, answer)
	}
	return code, answer
}

func (c *caller) learn(answer *stun.Message) {
	var (
		realm stun.Realm
		nonce stun.Nonce
	)
	if realm.GetFrom(answer) == nil && nonce.GetFrom(answer) == nil {
		c.realm, c.nonce = realm.String(), nonce.String()
	}
}

func outcome(tb testing.TB, answer *stun.Message) int {
	tb.Helper()
	if answer == nil {
		return -1
	}
	if answer.Contains(stun.AttrSoftware) {
		tb.Error("answer names its SOFTWARE")
	}
	if answer.Type.Class == stun.ClassSuccessResponse {
		return 0
	}
	var code stun.ErrorCodeAttribute
	if err := code.GetFrom(answer); err != nil {
		tb.Fatalf("answer %v: %v", answer, err)
	}
	return int(code.Code)
}

// allocate asks for a relay.
func (c *caller) allocate(attrs ...stun.Setter) int {
	c.tb.Helper()
	code, answer := c.do(stun.MethodAllocate, append(attrs, udpTransport)...)
	if code == 0 {
		var relayed stun.XORMappedAddress
		if err := relayed.GetFromAs(answer, stun.AttrXORRelayedAddress); err != nil {
			c.tb.Fatal(err)
		}
		c.relay = &net.UDPAddr{IP: relayed.IP, Port: relayed.Port}
	}
	return code
}

// tryAllocate asks for a challenge and reports whether anything answered.
func (c *caller) tryAllocate(wait time.Duration) (int, bool) {
	c.tb.Helper()
	_, _ = c.conn.Write(message(c.tb, stun.MethodAllocate, stun.ClassRequest, udpTransport).Raw)
	b, err := c.receive(wait)
	return len(b), err == nil
}

func (c *caller) bind(channel uint16, peer net.Addr) int {
	c.tb.Helper()
	code, _ := c.do(stun.MethodChannelBind, channelNumber(channel), peerOf(peer))
	return code
}

func (c *caller) refresh() int {
	c.tb.Helper()
	code, _ := c.do(stun.MethodRefresh)
	return code
}

// channelData frames data, padded as a stream wants it.
func channelData(channel uint16, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, channel)
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	b = append(b, data...)
	return append(b, make([]byte, -len(data)&3)...)
}

// echoes sends data on channel and reports whether it came back.
func (c *caller) echoes(channel uint16, data string, wait time.Duration) bool {
	c.tb.Helper()
	if _, err := c.conn.Write(channelData(channel, []byte(data))); err != nil {
		return false
	}
	for end := time.Now().Add(wait); ; {
		b, err := c.receive(time.Until(end))
		if err != nil {
			return false
		}
		if len(b) >= 4+len(data) && binary.BigEndian.Uint16(b) == channel && string(b[4:4+len(data)]) == data {
			return true
		}
	}
}

// echoesSoon is echoes for a link that has just been flooded: a datagram that
// finds the socket's buffer full is lost, as on any full link, so it is sent
// again.
func (c *caller) echoesSoon(channel uint16, data string) bool {
	c.tb.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if c.echoes(channel, data, 200*time.Millisecond) {
			return true
		}
	}
	return false
}

var udpTransport = stun.RawAttribute{Type: stun.AttrRequestedTransport, Value: []byte{17, 0, 0, 0}}

func channelNumber(n uint16) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrChannelNumber, Value: []byte{byte(n >> 8), byte(n), 0, 0}}
}

// family is REQUESTED-ADDRESS-FAMILY: 1 for IPv4, 2 for IPv6.
func family(f byte) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrRequestedAddressFamily, Value: []byte{f, 0, 0, 0}}
}

func lifetime(seconds uint32) stun.Setter {
	return stun.RawAttribute{Type: stun.AttrLifetime, Value: binary.BigEndian.AppendUint32(nil, seconds)}
}

// peerAddress writes an XOR-PEER-ADDRESS in the very form of ip: a 16-byte
// form stays one, which pion's own writer would shorten.
type peerAddress netip.AddrPort

func (p peerAddress) AddTo(m *stun.Message) error {
	a := netip.AddrPort(p)
	v := []byte{0, 1}
	if a.Addr().Is6() {
		v[1] = 2
	}
	v = binary.BigEndian.AppendUint16(v, a.Port()^0x2112)
	for i, b := range a.Addr().AsSlice() {
		v = append(v, b^m.Raw[4+i])
	}
	m.Add(stun.AttrXORPeerAddress, v)
	return nil
}

func peerOf(a net.Addr) stun.Setter {
	return peerAddress(netip.MustParseAddrPort(a.String()))
}

// echo is a peer that returns what it gets.
func echo(tb testing.TB) net.Addr {
	tb.Helper()
	return echoAt(tb, "127.0.0.1:0")
}

func echoAt(tb testing.TB, at string) net.Addr {
	tb.Helper()
	c, err := net.ListenPacket("udp", at)
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = c.WriteTo(b[:n], from)
		}
	}()
	tb.Cleanup(func() { _ = c.Close(); <-done })
	return c.LocalAddr()
}

// relayed is a caller with a relay and a channel to an echo.
func relayed(tb testing.TB, s *turn.Server, network, admission string) *caller {
	tb.Helper()
	return relayedFrom(tb, s, network, admission, 1)
}

// relayedFrom is relayed from 127.0.0.host.
func relayedFrom(tb testing.TB, s *turn.Server, network, admission string, host byte) *caller {
	tb.Helper()
	c := dialFrom(tb, s, network, s.Issue(admission, time.Now()), host)
	if code := c.allocate(); code != 0 {
		tb.Fatalf("Allocate over %s = %d, want success", network, code)
	}
	if code := c.bind(0x4000, echo(tb)); code != 0 {
		tb.Fatalf("ChannelBind over %s = %d, want success", network, code)
	}
	return c
}

// newPeer is a conference server's socket in the hands of the test.
func newPeer(tb testing.TB) *net.UDPConn {
	tb.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.Close() })
	return c
}
