//go:build amd64 || arm64

package turn_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"vestibule/turn"
)

// TestBatched: what the tests call batched is.
func TestBatched(t *testing.T) {
	t.Parallel()
	if err := turn.Batched(); err != nil {
		t.Fatalf("no batches here: %v", err)
	}
}

func TestOutboxMakesRuns(t *testing.T) {
	t.Parallel()
	a, b := netip.MustParseAddrPort("192.0.2.1:7"), netip.MustParseAddrPort("[2001:db8::1]:9")
	var got []turn.Message
	o := turn.NewOutbox(func(m []turn.Message) (int, syscall.Errno) {
		got = append(got, m...)
		return len(m), 0
	})
	long := strings.Repeat("l", 1233)
	for _, p := range []struct {
		to         netip.AddrPort
		head, body string
		pad        int
	}{
		{a, "h1", "same", 0},
		{a, "h2", "size", 0},
		{a, "h3", "odd", 0}, // the last of a run may be shorter
		{a, "h4", "next", 0},
		{b, "h5", "else", 0},
		{b, "", "123456", 0},
		{b, "h6", "123456", 0}, // longer than what came before
		{b, "h7", "12345", 1},
		{b, "", "", 0},
		{b, "", "12345678", 0},
		{a, "", long, 0},
		{a, "", long, 0}, // a run the link might have to fragment
	} {
		o.Add(p.to, p.head, p.body, p.pad)
	}
	o.Flush()
	want := []turn.Message{
		{a, "h1sameh2sizeh3odd", 6},
		{a, "h4next", 0},
		{b, "h5else123456", 6},
		{b, "h6123456h712345\x00", 8},
		{b, "", 0},
		{b, "12345678", 0},
		{a, long, 0},
		{a, long, 0},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	if o.Lost() != 0 {
		t.Errorf("Lost = %d, want 0", o.Lost())
	}
}

// TestOutboxHasRoom queues more than it holds, in every shape.
func TestOutboxHasRoom(t *testing.T) {
	t.Parallel()
	for _, peers := range []int{1, 2, 1000} {
		sent := make(map[netip.AddrPort][]string)
		o := turn.NewOutbox(func(m []turn.Message) (int, syscall.Errno) {
			for _, m := range m {
				if len(m.Data) > 64*m.Segment && m.Segment > 0 || len(m.Data) > 60000 {
					t.Errorf("a run of %d bytes by %d", len(m.Data), m.Segment)
				}
				for b := m.Data; b != ""; {
					n := len(b)
					if m.Segment > 0 {
						n = min(m.Segment, n)
					}
					sent[m.To] = append(sent[m.To], b[:n])
					b = b[n:]
				}
			}
			return len(m), 0
		})
		want := make(map[netip.AddrPort][]string)
		for i := range 3000 {
			to := netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1+i%peers))
			head, pad := fmt.Sprintf("%04d", i), i%3
			if peers == 1 {
				pad = 0 // one long run
			}
			o.Add(to, head, "body", pad)
			want[to] = append(want[to], head+"body"+"\x00\x00\x00"[:pad])
		}
		o.Flush()
		if diff := cmp.Diff(want, sent, cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Fatalf("to %d peers (-want +got):\n%s", peers, diff)
		}
	}
}

// TestOutboxWhenTheKernelRefuses: what is not taken is lost, and nothing else is.
func TestOutboxWhenTheKernelRefuses(t *testing.T) {
	t.Parallel()
	to := func(i int) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1+i))
	}
	for _, c := range []struct {
		name   string
		refuse func(call int, m []turn.Message) (int, syscall.Errno)
		runs   bool // three packets to each of the addresses
		want   string
		lost   int
		calls  int
	}{
		{"partly", func(_ int, m []turn.Message) (int, syscall.Errno) { return min(2, len(m)), 0 }, false, "01234", 0, 3},
		{"interrupted", func(call int, m []turn.Message) (int, syscall.Errno) {
			if call == 0 {
				return 0, unix.EINTR
			}
			return len(m), 0
		}, false, "01234", 0, 2},
		{"buffer full", func(call int, m []turn.Message) (int, syscall.Errno) {
			if call == 0 {
				return 2, 0
			}
			return 0, unix.EAGAIN
		}, false, "01", 3, 2},
		{"no memory for one", func(_ int, m []turn.Message) (int, syscall.Errno) {
			if m[0].Data == "1" {
				return 0, unix.ENOBUFS
			}
			return 1, 0
		}, false, "0234", 1, 5},
		{"one unreachable", func(_ int, m []turn.Message) (int, syscall.Errno) {
			if m[0].Data == "4" {
				return 0, unix.EPERM
			}
			return 1, 0
		}, false, "0123", 1, 5},
		{"no runs", func(_ int, m []turn.Message) (int, syscall.Errno) {
			if m[0].Segment > 0 {
				return 0, unix.EIO
			}
			return len(m), 0
		}, true, "000111222333444", 0, 10},
		{"no memory for a run", func(_ int, m []turn.Message) (int, syscall.Errno) {
			if m[0].Data == "111" {
				return 0, unix.ENOBUFS
			}
			return 1, 0
		}, true, "000222333444", 3, 5},
		{"nothing at all", func(int, []turn.Message) (int, syscall.Errno) { return 0, unix.EINVAL }, true, "", 15, 20},
	} {
		var taken strings.Builder
		calls := 0
		o := turn.NewOutbox(func(m []turn.Message) (int, syscall.Errno) {
			n, errno := c.refuse(calls, m)
			calls++
			for _, m := range m[:n] {
				taken.WriteString(m.Data)
			}
			return n, errno
		})
		for i := range 5 {
			o.Add(to(i), "", fmt.Sprint(i), 0)
			if c.runs {
				o.Add(to(i), "", fmt.Sprint(i), 0)
				o.Add(to(i), "", fmt.Sprint(i), 0)
			}
		}
		o.Flush()
		if taken.String() != c.want || o.Lost() != c.lost || calls != c.calls {
			t.Errorf("%s: %q sent, %d lost in %d calls, want %q, %d in %d", c.name, taken.String(), o.Lost(), calls, c.want, c.lost, c.calls)
		}
	}
}

// TestT37QueuedPacketsStay: what waits to leave with others when somebody is
// cut does not leave after the cut has returned.
func TestT37QueuedPacketsStay(t *testing.T) {
	t.Parallel()
	at := func(i int) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(1+i)) }
	var sent strings.Builder
	o := turn.NewOutbox(func(m []turn.Message) (int, syscall.Errno) {
		if m[0].Segment > 0 && strings.HasPrefix(m[0].Data, "3") {
			return 0, unix.EIO // sent again one by one
		}
		sent.WriteString(m[0].Data)
		return 1, 0
	})
	for i := range 5 {
		for range 3 {
			o.Add(at(i), "", fmt.Sprint(i), 0)
		}
	}
	o.Cut(at(0))
	o.Cut(at(2))
	o.Flush()
	if got := sent.String(); got != "111333444" {
		t.Errorf("sent %q, want nothing of 0 and 2", got)
	}
	o.Add(at(2), "", "2", 0)
	o.Add(at(1), "", "1", 0)
	o.Flush()
	if got := sent.String(); got != "1113334441" || o.Lost() != 0 {
		t.Errorf("sent %q and lost %d afterwards", got, o.Lost())
	}
}

// TestOutboxGivesUpRuns: a kernel that cannot cut them up is asked once.
func TestOutboxGivesUpRuns(t *testing.T) {
	t.Parallel()
	runs := 0
	o := turn.NewOutbox(func(m []turn.Message) (int, syscall.Errno) {
		if m[0].Segment > 0 {
			runs++
			return 0, unix.EIO
		}
		return 1, 0
	})
	to := netip.MustParseAddrPort("192.0.2.1:7")
	for range 3 {
		o.Add(to, "", "a", 0)
		o.Add(to, "", "b", 0)
		o.Flush()
	}
	if runs != 1 || o.Lost() != 0 {
		t.Errorf("%d runs tried, %d lost, want 1 and 0", runs, o.Lost())
	}
}

// descriptor is that of c.
func descriptor(t *testing.T, c *net.UDPConn) int {
	t.Helper()
	raw, err := c.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var fd int
	if err := raw.Control(func(p uintptr) { fd = int(p) }); err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestInbox(t *testing.T) {
	t.Parallel()
	to, from := newPeer(t), newPeer(t)
	at := netip.MustParseAddrPort(to.LocalAddr().String())
	fd := descriptor(t, to)
	if _, _, err := turn.Receive(fd, 1, 4096); err != unix.EAGAIN { //nolint:errorlint // an Errno
		t.Errorf("Receive of nothing = %v, want EAGAIN", err)
	}
	send := func(b string, segment int) {
		t.Helper()
		var control []byte
		if segment > 0 {
			control = segmented(segment)
		}
		if _, _, err := from.WriteMsgUDPAddrPort([]byte(b), control, at); err != nil {
			t.Fatal(err)
		}
	}
	page := strings.Repeat("x", 4096)
	send("one", 0)
	send(page, 0)
	send(page+"y", 0)         // does not fit: nothing of it may be used
	send("aabbc", 2)          // a run with an odd end
	send(page+page[:1], 1000) // a run that does not fit
	send("", 0)
	send("end", 0)
	got, sources, err := turn.Receive(fd, 16, 4096)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"one", page, "aa", "bb", "c", "end"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packets (-want +got):\n%s", diff)
	}
	for _, source := range sources {
		if source != netip.MustParseAddrPort(from.LocalAddr().String()) {
			t.Errorf("a packet from %v, want %v", source, from.LocalAddr())
		}
	}
}

// segmented is the control message that cuts a datagram into a run.
func segmented(size int) []byte {
	c := make([]byte, unix.CmsgSpace(2))
	binary.NativeEndian.PutUint64(c, uint64(unix.CmsgLen(2)))
	binary.NativeEndian.PutUint32(c[8:], unix.SOL_UDP)
	binary.NativeEndian.PutUint32(c[12:], unix.UDP_SEGMENT)
	binary.NativeEndian.PutUint16(c[16:], uint16(size))
	return c
}

// TestRunsOfPackets sends runs both ways, as a card that gathers packets
// gives them to the kernel: requests and what is not for any channel in
// between, the last packet shorter.
func TestRunsOfPackets(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		peer := newPeer(t)
		a := dial(t, s, "udp", s.Issue("adm-1", time.Now()))
		if a.allocate() != 0 || a.bind(0x4000, peer.LocalAddr()) != 0 {
			t.Fatal("no relay")
		}
		const size, packets = 500, 40
		var up, down []byte
		var want []string
		for i := range packets {
			data := strings.Repeat(string(rune('A'+i)), size)
			if i == packets-1 {
				data = data[:77]
			}
			want = append(want, data)
			down = append(down, data...)
			frame := binary.BigEndian.AppendUint16([]byte{0x40, 0}, uint16(len(data)))
			up = append(up, append(frame, data...)...)
			if i%10 == 5 { // another channel, not bound
				up = append(up, append([]byte{0x40, 1, size >> 8, size & 0xff}, data...)...)
			}
		}
		conn, ok := a.conn.(*net.UDPConn)
		if !ok {
			t.Fatal("no UDP")
		}
		if _, _, err := conn.WriteMsgUDP(up, segmented(4+size), nil); err != nil {
			t.Fatal(err)
		}
		var got []string
		for range packets {
			b := make([]byte, 2048)
			_ = peer.SetReadDeadline(time.Now().Add(patience))
			n, err := peer.Read(b)
			if err != nil {
				t.Fatalf("packet %d: %v", len(got), err)
			}
			got = append(got, string(b[:n]))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the peer got (-want +got):\n%s", diff)
		}
		if _, _, err := peer.WriteMsgUDP(down, segmented(size), a.relay); err != nil {
			t.Fatal(err)
		}
		got = nil
		for range packets {
			b, err := a.receive(patience)
			if err != nil {
				t.Fatalf("packet %d: %v", len(got), err)
			}
			n := int(binary.BigEndian.Uint16(b[2:]))
			got = append(got, string(b[4:4+n]))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the client got (-want +got):\n%s", diff)
		}
	})
}

// TestShards spreads clients over several sockets on one address.
func TestShards(t *testing.T) {
	// Not beside others: it is for the whole process.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(5))
	onEachPlane(t, func(t *testing.T, config func() turn.Config) {
		s := start(t, config())
		if got := s.Addrs().UDP; len(got) != 1 {
			t.Errorf("Addrs = %v, want one", got)
		}
		var all []*caller
		for i := range byte(40) {
			all = append(all, relayedFrom(t, s, "udp", fmt.Sprintf("adm-%d", i), 1+i))
		}
		for i, a := range slices.Backward(all) {
			if !a.echoes(0x4000, fmt.Sprintf("hello %d", i), patience) || a.refresh() != 0 {
				t.Errorf("caller %d has no relay", i)
			}
		}
		again, err := turn.New(config())
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Listen(t.Context(), turn.Addresses{UDP: []string{s.Addrs().UDP[0].String()}}); err == nil {
			t.Error("a second server on the same address = nil, want an error")
		}
	})
}

// TestBusyShard: where packets come faster than they are moved they are
// gathered; all of them arrive, once and in their order, both ways.
func TestBusyShard(t *testing.T) {
	t.Parallel()
	const clients, rounds = 10, 200
	s := start(t, config())
	peer := newPeer(t)
	var all []*caller
	for i := range byte(clients) {
		a := dialFrom(t, s, "udp", s.Issue(fmt.Sprintf("adm-%d", i), time.Now()), 1+i)
		if a.allocate() != 0 || a.bind(0x4000, peer.LocalAddr()) != 0 {
			t.Fatal("no relay")
		}
		all = append(all, a)
	}
	for round := range rounds {
		want := make(map[string][]string)
		for n := range 3 {
			words := fmt.Sprintf("%d, %d", round, n)
			for _, a := range all {
				a.send(channelData(0x4000, []byte(words)))
				want[a.relay.String()] = append(want[a.relay.String()], words)
			}
		}
		got := make(map[string][]string)
		for range 3 * clients {
			b := make([]byte, 100)
			_ = peer.SetReadDeadline(time.Now().Add(patience))
			n, from, err := peer.ReadFromUDP(b)
			if err != nil {
				t.Fatalf("round %d: %v after %v", round, err, got)
			}
			got[from.String()] = append(got[from.String()], string(b[:n]))
			if _, err := peer.WriteToUDP(b[:n], from); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("round %d up (-want +got):\n%s", round, diff)
		}
		for _, a := range all {
			for _, words := range want[a.relay.String()] {
				if b, err := a.receive(patience); err != nil || string(b[4:4+len(words)]) != words {
					t.Fatalf("round %d down: %q, %v, want %q", round, b, err, words)
				}
			}
		}
	}
}
