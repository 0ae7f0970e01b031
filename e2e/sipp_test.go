package e2e_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// sipp plays a scenario of testdata/sipp and fails the test unless the door
// answers as it says.
func sipp(t *testing.T, h *house, scenario, keys string, pt byte, args ...string) {
	t.Helper()
	program, err := exec.LookPath("sipp")
	if err != nil {
		t.Fatal("sipp is missing: apt-get install sip-tester")
	}
	dir := t.TempDir()
	xml, err := os.ReadFile(filepath.Join("testdata", "sipp", scenario+".xml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(xml), "PTYPE", strconv.Itoa(int(pt)))
	text = strings.ReplaceAll(text, "KEYS.pcap", filepath.Join(dir, "keys.pcap"))
	for i, k := range keys {
		n := strconv.Itoa(i)
		text = strings.ReplaceAll(text, "KEY"+strings.Repeat("0", 2-len(n))+n, string(k))
	}
	for name, b := range map[string][]byte{scenario + ".xml": []byte(text), "keys.pcap": capture(keys, pt)} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, append([]string{
		h.Dialin.SIP, "-sf", scenario + ".xml", "-m", "1", "-i", "127.0.0.1", "-nostdin", "-trace_err", "-error_file", "errors.log", "-timeout_error", "-recv_timeout", "40000",
	}, args...)...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		said, _ := os.ReadFile(filepath.Join(dir, "errors.log"))
		t.Errorf("sipp %s: %v\n%.1500s\n%.800s", scenario, err, said, out)
	}
}

// capture is a capture of key presses (RFC 4733) with comfort noise between
// them, for sipp to play: a second of sound, then the keys, a longer pause
// after each #.
func capture(keys string, pt byte) []byte {
	var b bytes.Buffer
	le := func(v ...any) {
		for _, x := range v {
			_ = binary.Write(&b, binary.LittleEndian, x) // a buffer takes everything
		}
	}
	le(uint32(0xa1b2c3d4), uint16(2), uint16(4), uint64(0), uint32(65535), uint32(1))
	at, seq, ts := 0, uint16(1000), uint32(16000)
	packet := func(pt byte, mark bool, payload []byte) {
		rtp := []byte{0x80, pt, byte(seq >> 8), byte(seq)}
		if mark {
			rtp[1] |= 0x80
		}
		rtp = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(rtp, ts), 0x5150)
		rtp = append(rtp, payload...)
		seq++
		udp := binary.BigEndian.AppendUint16([]byte{0x17, 0x70, 0x17, 0x70}, uint16(8+len(rtp)))
		udp = append(append(udp, 0, 0), rtp...)
		ip := append([]byte{0x45, 0, byte((20 + len(udp)) >> 8), byte(20 + len(udp)), 0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1}, udp...)
		frame := append(append(make([]byte, 12), 8, 0), ip...)
		le(uint32(at/1000), uint32(at%1000*1000), uint32(len(frame)), uint32(len(frame)))
		b.Write(frame)
	}
	quiet := func(ms int) {
		for range ms / 20 {
			packet(8, false, bytes.Repeat([]byte{0xd5}, 160))
			at += 20
			ts += 160
		}
	}
	quiet(1000)
	for _, k := range keys {
		code := byte(strings.IndexRune("0123456789*#ABCD", k))
		for i := range 5 {
			d := 160 * (i + 1)
			packet(pt, i == 0, []byte{code, 10, byte(d >> 8), byte(d)})
			at += 20
		}
		for range 3 {
			packet(pt, false, []byte{code, 0x8a, 960 >> 8, 960 & 0xff})
		}
		ts += 960
		at += 20
		quiet(80)
		if k == '#' {
			quiet(500)
		}
	}
	return b.Bytes()
}

// waits reports whether somebody called so is in the waiting room.
func (v *visitor) waits(console, name string) bool {
	v.open(console)
	_, after, ok := strings.Cut(v.words(), "En attente (1)")
	return ok && strings.Contains(strings.SplitN(after, "En réunion", 2)[0], name)
}

// TestRoomDevices has sipp call as different devices do. Each must be greeted,
// and those that type number and code must be seen by the host.
func TestRoomDevices(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	host := h.asHost(t)
	console := host.at.String()
	good := h.Dialin.Meeting + "#" + h.Dialin.Code + "#"
	bad := h.Dialin.Meeting + "#" + "00000000#"
	for _, c := range []struct {
		scenario, keys string
		pt             byte
		args           []string
		waits          bool
	}{
		{"greet", "", 101, nil, false},
		{"greet", "", 101, []string{"-t", "t1"}, false},
		{"keys", good, 96, nil, true},
		{"keys", good, 127, nil, true},
		{"keys", good, 101, []string{"-t", "t1"}, true},
		{"keys", bad, 101, nil, false},
		{"video", good, 101, nil, true},
		{"late", good, 101, nil, true},
		{"info", good, 101, nil, true},
		{"hold", "", 101, nil, false},
		{"refer", "", 101, nil, false},
	} {
		name := c.scenario + "-" + strconv.Itoa(int(c.pt)) + strings.Join(c.args, "")
		t.Run(name, func(t *testing.T) {
			done := make(chan struct{})
			go func() { defer close(done); sipp(t, h, c.scenario, c.keys, c.pt, c.args...) }()
			seen := false
			for running := true; running; {
				select {
				case <-done:
					running = false
				case <-time.After(200 * time.Millisecond):
					seen = seen || c.keys != "" && host.waits(console, h.Dialin.For)
				}
			}
			if seen != c.waits {
				t.Errorf("the host saw the caller: %v, want %v", seen, c.waits)
			}
			// Who hung up does not wait any more.
			eventually(t, "nobody waits", func() bool { return !host.waits(console, h.Dialin.For) })
		})
	}
}

// TestT53TricksMoveNothing plays redirections and foreign contacts while a
// canary listens where they lead.
func TestT53TricksMoveNothing(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	canary, err := net.ListenPacket("udp", "127.0.0.99:5999")
	if err != nil {
		t.Fatal(err)
	}
	defer canary.Close()
	sipp(t, h, "moved", "", 101)
	_ = canary.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	if n, from, err := canary.ReadFrom(make([]byte, 2000)); err == nil {
		t.Errorf("%d bytes went from %v to where a trick led", n, from)
	}
}

// TestT51FloodOfCalls has sipp send 200 calls a second that nobody confirms, and
// a telephone call meanwhile.
func TestT51FloodOfCalls(t *testing.T) {
	h := openHouse(t)
	program, err := exec.LookPath("sipp")
	if err != nil {
		t.Fatal("sipp is missing: apt-get install sip-tester")
	}
	scenario, err := filepath.Abs(filepath.Join("testdata", "sipp", "flood.xml"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	flood := exec.CommandContext(ctx, program, h.Dialin.SIP, "-sf", scenario, "-r", "200", "-m", "2500", "-i", "127.0.0.66", "-nostdin", "-default_behaviors", "none")
	flood.Dir = t.TempDir()
	if err := flood.Start(); err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	go func() { _ = flood.Wait(); close(over) }() // it is refused, mostly
	greeted := 0
	for running := true; running && !t.Failed(); {
		sipp(t, h, "greet", "", 101, "-recv_timeout", "5000")
		select {
		case <-over:
			running = false
		default:
			greeted++
		}
	}
	<-over
	if greeted < 2 {
		t.Errorf("%d calls were made during the flood: nothing is tried", greeted)
	}
}

// TestT50RealScannersFindNothing runs the scanners that everybody with a public
// address meets every day.
func TestT50RealScannersFindNothing(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	_, port, err := net.SplitHostPort(h.Dialin.SIP)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{
		{"svmap", "-p", port, "127.0.0.1"},
		{"svmap", "-p", port, "-m", "REGISTER", "127.0.0.1"},
		{"svwar", "-p", port, "-e", "100-200", "127.0.0.1"},
		{"svwar", "-p", port, "-e", "100-130", "-m", "OPTIONS", "127.0.0.1"},
		{"svcrack", "-p", port, "-u", "100", "-r", "100-120", "127.0.0.1"},
		{"svwar", "-p", port, "-e", "100-130", "-m", "INVITE", "127.0.0.1"},
	} {
		program, err := exec.LookPath(c[0])
		if err != nil {
			t.Fatalf("%s is missing: apt-get install sipvicious", c[0])
		}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		cmd := exec.CommandContext(ctx, program, c[1:]...)
		cmd.Dir, cmd.Env = t.TempDir(), append(os.Environ(), "HOME="+t.TempDir())
		out, _ := cmd.CombinedOutput() // it fails when it finds nothing
		cancel()
		for l := range strings.Lines(string(out)) {
			if strings.Contains(l, "| 127.0.0.1") || strings.HasPrefix(l, "| 1") || strings.Contains(l, "password for") {
				t.Errorf("%s finds %s", strings.Join(c, " "), l)
			}
		}
		t.Logf("%s: %s", c[0], lastLine(string(out)))
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
