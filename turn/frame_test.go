package turn_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pion/stun/v2"

	"vestibule/turn"
)

// killer is the datagram that ends pion/turn v3.0.3 when it comes from a
// client with a relay: a Send indication with an empty XOR-PEER-ADDRESS.
func killer(tb testing.TB) []byte {
	tb.Helper()
	m := message(tb, stun.MethodSend, stun.ClassIndication,
		data("boom"), stun.RawAttribute{Type: stun.AttrXORPeerAddress, Value: nil})
	if len(m.Raw) != 32 {
		tb.Fatalf("killer has %d bytes, want 32", len(m.Raw))
	}
	return m.Raw
}

// raw makes a message of attributes as they are, right or wrong.
func raw(kind uint16, attrs ...[]byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = append(b, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
	for _, a := range attrs {
		b = append(b, a...)
	}
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20))
	return b
}

// attr is one attribute, padded.
func attr(kind uint16, value ...byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, -len(value)&3)...)
}

type frameCase struct {
	name string
	b    []byte
	want bool
}

func frameCases(tb testing.TB) []frameCase {
	tb.Helper()
	v4 := []byte{0, 1, 0, 80, 1, 2, 3, 4}
	v6 := append([]byte{0, 2, 0, 80}, make([]byte, 16)...)
	integrity := attr(0x0008, make([]byte, 20)...)
	good := message(tb, stun.MethodAllocate, stun.ClassRequest, udpTransport,
		stun.NewUsername("u"), stun.NewRealm("r"), stun.NewNonce("n"), stun.NewShortTermIntegrity("k"), stun.Fingerprint).Raw
	badPrint := append([]byte(nil), good...)
	badPrint[len(badPrint)-1] ^= 1
	wrong := func(at int, v byte) []byte {
		b := append([]byte(nil), good...)
		b[at] = v
		return b
	}
	return []frameCase{
		{"request", good, true},
		{"bare header", raw(0x0003), true},
		{"empty", nil, false},
		{"short", good[:19], false},
		{"cut", good[:len(good)-4], false},
		{"more than it says", append(append([]byte(nil), good...), 0, 0, 0, 0), false},
		{"length not a multiple of 4", append(wrong(3, good[3]+2), 0, 0), false},
		{"no cookie", wrong(4, 0), false},
		{"wrong fingerprint", badPrint, false},
		{"response", raw(0x0103), false},
		{"error response", raw(0x0113), false},
		{"data indication", raw(0x0017), false},
		{"binding indication", raw(0x0011), false},
		{"connect", raw(0x000a), false},
		{"the killer", killer(tb), false},
		{"peer v4", raw(0x0016, attr(0x0012, v4...), attr(0x0013, 1)), true},
		{"peer v6", raw(0x0016, attr(0x0012, v6...), attr(0x0013, 1)), true},
		{"peer v4 too long", raw(0x0016, attr(0x0012, append(v4, 0)...)), false},
		{"peer v4 in 20 bytes", raw(0x0016, attr(0x0012, append([]byte{0, 1}, v6[2:]...)...)), false},
		{"peer v6 in 8 bytes", raw(0x0016, attr(0x0012, append([]byte{0, 2}, v4[2:]...)...)), false},
		{"peer of family 0", raw(0x0016, attr(0x0012, append([]byte{0, 0}, v4[2:]...)...)), false},
		{"peer of family 257", raw(0x0016, attr(0x0012, append([]byte{1, 1}, v4[2:]...)...)), false},
		{"peer of 4 bytes", raw(0x0016, attr(0x0012, v4[:4]...)), false},
		{"two peers to send to", raw(0x0016, attr(0x0012, v4...), attr(0x0012, v4...)), false},
		{"two peers to permit", raw(0x0008, attr(0x0012, v4...), attr(0x0012, v6...)), true},
		{"second peer empty", raw(0x0008, attr(0x0012, v4...), attr(0x0012)), false},
		{"mapped address empty", raw(0x0001, attr(0x0001)), false},
		{"old mapped address empty", raw(0x0001, attr(0x8020)), false},
		{"other address of 5", raw(0x0001, attr(0x802c, 0, 1, 0, 0, 0)), false},
		{"attribute beyond the end", raw(0x0003, []byte{0, 6, 0, 9, 1, 2, 3, 4}), false},
		{"attribute without padding", append(raw(0x0003), 0, 6, 0, 1, 'u')[:25], false},
		{"half an attribute header", append(raw(0x0003), 0, 6), false},
		{"after integrity", raw(0x0003, integrity, attr(0x0019, 17, 0, 0, 0)), false},
		{"two integrities", raw(0x0003, integrity, integrity), false},
		{"integrity of 16", raw(0x0003, attr(0x0008, make([]byte, 16)...)), false},
		{"SHA256 after integrity", raw(0x0003, integrity, attr(0x001c, make([]byte, 32)...)), true},
		{"SHA256 and more", raw(0x0003, integrity, attr(0x001c, make([]byte, 32)...), attr(0x0019, 17, 0, 0, 0)), false},
		{"two usernames", raw(0x0003, attr(0x0006, 'a'), attr(0x0006, 'b')), false},
		{"two transports", raw(0x0003, attr(0x0019, 17, 0, 0, 0), attr(0x0019, 6, 0, 0, 0)), false},
		{"empty username", raw(0x0003, attr(0x0006)), false},
		{"long username", raw(0x0003, attr(0x0006, make([]byte, 509)...)), false},
		{"long nonce", raw(0x0003, attr(0x0015, make([]byte, 764)...)), false},
		{"lifetime of 3", raw(0x0004, attr(0x000d, 1, 2, 3)), false},
		{"channel of 2", raw(0x0009, attr(0x000c, 0x40, 0)), false},
		{"transport of 1", raw(0x0003, attr(0x0019, 17)), false},
		{"family 3", raw(0x0003, attr(0x0017, 3, 0, 0, 0)), true}, // gets 440
		{"family 0", raw(0x0003, attr(0x0017, 0, 0, 0, 0)), false},
		{"family of 8", raw(0x0003, attr(0x0017, 1, 0, 0, 0, 0, 0, 0, 0)), false},
		{"even port of 2", raw(0x0003, attr(0x0018, 0, 0)), false},
		{"unknown and optional", raw(0x0003, attr(0xc057, 1, 2, 3)), true},
	}
}

func TestParseFrame(t *testing.T) {
	t.Parallel()
	for _, c := range frameCases(t) {
		if got, _ := turn.ParseFrame(c.b); got != c.want {
			t.Errorf("%s: parse = %v, want %v\n%s", c.name, got, c.want, hex.Dump(c.b))
		}
	}
	want := netip.MustParseAddrPort("[2001:db8::7]:7882")
	m := message(t, stun.MethodSend, stun.ClassIndication, peerAddress(want), data("x"))
	if ok, got := turn.ParseFrame(m.Raw); !ok || got != want {
		t.Errorf("parse = %v, %v, want true, %v", ok, got, want)
	}
}

func TestChannelData(t *testing.T) {
	t.Parallel()
	for _, c := range []frameCase{
		{"whole", []byte{0x40, 0, 0, 2, 1, 2}, true},
		{"empty", []byte{0x40, 0, 0, 0}, true},
		{"padded", []byte{0x40, 0, 0, 2, 1, 2, 0, 0}, true},
		{"more than padding", []byte{0x40, 0, 0, 2, 1, 2, 0, 0, 0, 0}, false},
		{"less than it says", []byte{0x40, 0, 0, 3, 1, 2}, false},
		{"half a header", []byte{0x40, 0, 0}, false},
		{"last channel", []byte{0x4f, 0xff, 0, 0}, true},
		{"reserved channel", []byte{0x50, 0, 0, 0}, false},
		{"STUN", []byte{0, 1, 0, 0}, false},
		{"nothing", nil, false},
	} {
		if got := turn.ChannelDataOK(c.b); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// FuzzFrame: what the pre-parser passes, pion's reader takes without harm,
// and reads the same peer from.
func FuzzFrame(f *testing.F) {
	for _, c := range frameCases(f) {
		f.Add(c.b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		ok, peer := turn.ParseFrame(b)
		if !ok {
			return
		}
		m := &stun.Message{Raw: append([]byte(nil), b...)}
		if err := m.Decode(); err != nil {
			t.Fatalf("passed what pion cannot read: %v", err)
		}
		for _, kind := range []stun.AttrType{
			stun.AttrXORPeerAddress, stun.AttrXORMappedAddress, stun.AttrXORRelayedAddress, stun.AttrMappedAddress,
		} {
			if !m.Contains(kind) {
				continue
			}
			var a stun.XORMappedAddress
			if err := a.GetFromAs(m, kind); err != nil {
				t.Fatalf("passed an address pion cannot read: %v", err)
			}
			ip, _ := netip.AddrFromSlice(a.IP)
			if got := netip.AddrPortFrom(ip, uint16(a.Port)); kind == stun.AttrXORPeerAddress && got != peer {
				t.Fatalf("pion reads peer %v, the guard %v", got, peer)
			}
		}
		_ = stun.NewShortTermIntegrity("k").Check(m)
		_ = stun.Fingerprint.Check(m)
	})
}

// FuzzGuard: whatever a client with a relay sends, pion gets nothing that it
// cannot read, no data for a peer that is not listed, and no request without
// credentials but its header.
func FuzzGuard(f *testing.F) {
	listed := netip.MustParseAddrPort("192.0.2.1:27882")
	for _, c := range frameCases(f) {
		f.Add(c.b)
	}
	f.Add(channelData(0x4000, []byte("sound")))
	for _, spelling := range append(spellings(), "192.0.2.1") {
		peer := netip.AddrPortFrom(netip.MustParseAddr(spelling), 27882)
		f.Add(message(f, stun.MethodSend, stun.ClassIndication, peerAddress(peer), data("sound")).Raw)
	}
	c := config()
	c.Peers = policy("192.0.2.1/32")
	s, err := turn.New(c)
	if err != nil {
		f.Fatal(err)
	}
	guard := turn.NewBench(s, netip.MustParseAddrPort("198.51.100.7:40000"), listed)
	f.Fuzz(func(t *testing.T, b []byte) {
		n := guard.Admit(slices.Clone(b))
		if n == 0 {
			return
		}
		if b[0]&0xc0 == 0x40 {
			if n != len(b) || !turn.ChannelDataOK(b) {
				t.Fatalf("%d of %d bytes of ChannelData that is not whole", n, len(b))
			}
			return
		}
		switch kind := binary.BigEndian.Uint16(b); {
		case kind == 0x0016:
			if ok, peer := turn.ParseFrame(b); !ok || netip.AddrPortFrom(peer.Addr().Unmap(), peer.Port()).Addr() != listed.Addr() {
				t.Fatalf("data for %v", peer)
			}
		case kind != 0x0001 && n != 20:
			t.Fatalf("%d bytes of a request without credentials", n)
		}
		if m := (&stun.Message{Raw: slices.Clone(b)}); m.Decode() != nil || deadly(b) {
			t.Fatal("passed what pion cannot read")
		}
	})
}

// FuzzStream: what is read from a stream are its own bytes in order, message
// by message, until it falls out of step.
func FuzzStream(f *testing.F) {
	request := raw(0x0003, attr(0x0019, 17, 0, 0, 0))
	f.Add(slices.Concat(request, channelData(0x4000, []byte("sound")), request))
	f.Add(append(request, 0x80, 0, 0, 0))
	f.Add([]byte{0x40, 0, 0xff, 0xff})
	f.Add([]byte{0x40, 0, 0, 1, 'x'})
	f.Add(request[:19])
	f.Add(append([]byte{0, 3, 0, 2}, request[4:]...))
	f.Fuzz(func(t *testing.T, b []byte) {
		rest := b
		for _, frame := range turn.ReadStream(b) {
			size, ok := turn.FrameSize(frame[:4])
			if !ok || size%4 != 0 || size != len(frame) || size >= 2048 || !bytes.HasPrefix(rest, frame) {
				t.Fatalf("read %x of %x", frame, rest)
			}
			rest = rest[size:]
		}
	})
}

// FuzzChannelData: likewise for ChannelData and the stream's framing.
func FuzzChannelData(f *testing.F) {
	f.Add([]byte{0x40, 0, 0, 2, 1, 2})
	f.Add([]byte{0x40, 0, 0xff, 0xff})
	f.Add([]byte{0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42})
	f.Add([]byte{0, 3, 0, 2})
	f.Fuzz(func(t *testing.T, b []byte) {
		if turn.ChannelDataOK(b) && int(binary.BigEndian.Uint16(b[2:])) > len(b)-4 {
			t.Fatal("passed more than there is")
		}
		if len(b) < 4 {
			return
		}
		if n, ok := turn.FrameSize(b[:4]); ok && (n < 4 || n%4 != 0 || n > 20+65535+3) {
			t.Fatalf("frame size %d", n)
		}
	})
}

// scribbler makes messages from the grammar of TURN, and then spoils some.
type scribbler struct{ *rand.Rand }

func (r scribbler) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func (r scribbler) value(kind uint16) []byte {
	if r.IntN(3) == 0 {
		return r.bytes(r.IntN(40))
	}
	switch kind {
	case 0x0012, 0x0001, 0x0020, 0x8020:
		v := append([]byte{0, byte(1 + r.IntN(2))}, r.bytes(18)...)
		return v[:[]int{0, 4, 8, 20}[r.IntN(4)]]
	case 0x0008:
		return r.bytes(20)
	case 0x000c:
		return append([]byte{0x40, byte(r.IntN(3))}, 0, 0)
	case 0x0018:
		return r.bytes(1)
	case 0x0006, 0x0013, 0x0014, 0x0015:
		return r.bytes(r.IntN(30))
	}
	return r.bytes(4)
}

func (r scribbler) message() []byte {
	if r.IntN(5) == 0 {
		b := append([]byte{0x40 + byte(r.IntN(2)), byte(r.IntN(3)), 0, byte(r.IntN(40))}, r.bytes(r.IntN(40))...)
		return b
	}
	kinds := []uint16{1, 3, 4, 8, 9, 0x16, 0x16, 0x17, 0x11, 0x103, 0x113, 6, 0x0a, uint16(r.Uint32())}
	attrs := []uint16{1, 6, 8, 9, 0x0c, 0x0d, 0x12, 0x12, 0x12, 0x13, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a, 0x1c, 0x20, 0x22, 0x8020, 0x8022, 0x8028, uint16(r.Uint32())}
	var list [][]byte
	for range r.IntN(7) {
		kind := attrs[r.IntN(len(attrs))]
		a := attr(kind, r.value(kind)...)
		if r.IntN(20) == 0 {
			a[3] = byte(r.Uint32())
		}
		list = append(list, a)
	}
	b := raw(kinds[r.IntN(len(kinds))], list...)
	switch r.IntN(10) {
	case 0:
		b[r.IntN(len(b))] = byte(r.Uint32())
	case 1:
		b = b[:r.IntN(len(b))]
	case 2:
		b = append(b, r.bytes(r.IntN(9))...)
	}
	return b
}

// spoilt is a rightly signed request with something odd in it.
func (r scribbler) spoilt(c *caller) []byte {
	methods := []stun.Method{stun.MethodCreatePermission, stun.MethodChannelBind, stun.MethodRefresh, stun.MethodAllocate}
	var attrs []stun.Setter
	for range r.IntN(4) {
		kinds := []stun.AttrType{0x0c, 0x12, 0x12, 0x13, 0x17, 0x18, 0x19, 0x1a, 0x22, 0x20, 0x8020}
		kind := kinds[r.IntN(len(kinds))]
		attrs = append(attrs, stun.RawAttribute{Type: kind, Value: r.value(uint16(kind))})
	}
	return c.signed(methods[r.IntN(len(methods))], attrs...).Raw
}

// deadly reports whether pion's reader panics on b.
func deadly(b []byte) (dead bool) {
	defer func() { dead = recover() != nil }()
	m := &stun.Message{Raw: slices.Clip(b)}
	if m.Decode() == nil {
		_ = new(stun.XORMappedAddress).GetFromAs(m, stun.AttrXORPeerAddress)
	}
	return false
}

// TestT46CrashDatagrams lasts a moment, or as long as VESTIBULE_FUZZ says:
// `make e2e` gives it a minute, a third of it for each transport.
func TestT46CrashDatagrams(t *testing.T) {
	t.Parallel()
	lasts := 1800 * time.Millisecond
	if text := os.Getenv("VESTIBULE_FUZZ"); text != "" {
		var err error
		if lasts, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
	}
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		if !deadly(killer(t)) {
			t.Error("the datagram this test is about harms nobody")
		}
		c := config()
		c.TLS = certificate(t)
		s := start(t, c)
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		r := scribbler{rand.New(rand.NewPCG(seed, 46))}
		good := relayed(t, s, "udp", "good")
		fuzzers, all := 0, 0
		for _, network := range []string{"udp", "tcp", "tls"} {
			stranger := func() *caller { return dialFrom(t, s, network, turn.Credentials{}, 2) }
			allocated := func() *caller {
				fuzzers++
				return relayedFrom(t, s, network, "fuzzer "+strconv.Itoa(fuzzers), byte(3+fuzzers%200))
			}
			for _, fresh := range []func() *caller{stranger, allocated} {
				sent := fuzz(r, fresh, lasts/6, killer(t))
				if sent < 100 {
					t.Errorf("%s: %d messages sent, want many", network, sent)
				}
				all += sent
			}
			if !good.echoesSoon(0x4000, "after "+network) {
				t.Fatalf("the relay does not work after fuzzing over %s", network)
			}
			if !relayed(t, s, network, "new over "+network).echoesSoon(0x4000, "new") {
				t.Fatalf("no new relay after fuzzing over %s", network)
			}
		}
		t.Logf("%d messages in %v", all, lasts)
	})
}

// fuzz sends first and then what r makes up for a while, over fresh callers
// when a stream is closed on it, and returns how much.
func fuzz(r scribbler, fresh func() *caller, lasts time.Duration, first []byte) int {
	c := fresh()
	go drain(c.conn)
	sent := 0
	for end := time.Now().Add(lasts); time.Now().Before(end); sent++ {
		b := r.message()
		switch {
		case sent == 0:
			b = first
		case c.nonce != "" && r.IntN(4) == 0:
			b = r.spoilt(c)
		}
		if c.r != nil && len(b) > 0 && r.IntN(50) != 0 { // mostly in step
			b = inStep(b)
		}
		if _, err := c.conn.Write(b); err != nil {
			_ = c.conn.Close()
			c = fresh()
			go drain(c.conn)
		}
	}
	_ = c.conn.Close()
	return sent
}

// inStep corrects the length so that the stream's next message is found.
func inStep(b []byte) []byte {
	for len(b)%4 != 0 || len(b) < 20 {
		b = append(b, 0)
	}
	if b[0]&0xc0 == 0x40 {
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)-4))
	} else {
		b[0] &= 0x3f
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)-20))
	}
	return b
}

func drain(c net.Conn) { _, _ = io.Copy(io.Discard, c) }
