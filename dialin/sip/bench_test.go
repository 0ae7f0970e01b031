package sip_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"vestibule/dialin/media"
	"vestibule/dialin/sip"
)

// crowdVariable has the address that a process of the benchmarks calls.
const crowdVariable = "VESTIBULE_BENCH_CROWD"

// TestMain is also the process of the telephones, so that the CPU and memory
// counted are the door's.
func TestMain(m *testing.M) {
	at, err := netip.ParseAddrPort(os.Getenv(crowdVariable))
	if err != nil {
		os.Exit(m.Run())
	}
	in := bufio.NewScanner(os.Stdin)
	c := &crowd{at: at}
	for in.Scan() {
		what, n, _ := strings.Cut(in.Text(), " ")
		many, _ := strconv.Atoi(n)
		fmt.Println(c.do(what, many))
	}
}

// crowd is many telephones at once.
type crowd struct {
	at     netip.AddrPort
	phones []*benchPhone
}

func (c *crowd) do(what string, n int) string {
	switch what {
	case "call":
		answered := 0
		for range n {
			p := &benchPhone{n: len(c.phones)}
			if p.call(c.at) {
				answered++
			}
			c.phones = append(c.phones, p)
		}
		return strconv.Itoa(answered)
	case "listen":
		for _, p := range c.phones {
			p.all.Store(0)
			p.late.Store(0)
			p.worst.Store(0)
		}
	case "heard":
		var all, late, worst, deaf int64
		for _, p := range c.phones {
			all, late, worst = all+p.all.Load(), late+p.late.Load(), max(worst, p.worst.Load())
			if p.all.Load() == 0 {
				deaf++
			}
		}
		return fmt.Sprint(all, late, worst, deaf)
	case "flood":
		return c.flood(n)
	}
	return "ok"
}

// benchPhone calls, says nothing and counts what it hears 40 ms or more after
// its turn, which is 20 ms after the packet before.
type benchPhone struct {
	n                int
	all, late, worst atomic.Int64
}

// call reports whether the door answered.
func (p *benchPhone) call(to netip.AddrPort) bool {
	local := netip.AddrPortFrom(to.Addr(), 0)
	sig, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(local), net.UDPAddrFromAddrPort(to))
	if err != nil {
		return false
	}
	rtp, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(local))
	if err != nil {
		return false
	}
	_, port, _ := net.SplitHostPort(rtp.LocalAddr().String())
	body := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %[1]s\r\ns=-\r\nc=IN IP4 %[1]s\r\nt=0 0\r\nm=audio %[2]s RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n", to.Addr(), port)
	_, _ = sig.Write([]byte(p.request("INVITE", "", sig.LocalAddr(), body)))
	b := make([]byte, 4096)
	for {
		_ = sig.SetReadDeadline(time.Now().Add(10 * time.Second))
		n, err := sig.Read(b)
		if err != nil || strings.HasPrefix(string(b[:n]), "SIP/2.0 4") || strings.HasPrefix(string(b[:n]), "SIP/2.0 5") {
			return false
		}
		if !strings.HasPrefix(string(b[:n]), "SIP/2.0 200") {
			continue
		}
		_, tag, _ := strings.Cut(string(b[:n]), "\r\nTo: ")
		tag, _, _ = strings.Cut(tag, "\r\n")
		_, tag, _ = strings.Cut(tag, ";tag=")
		_, door, _ := strings.Cut(string(b[:n]), "m=audio ")
		door, _, _ = strings.Cut(door, " ")
		_, _ = sig.Write([]byte(p.request("ACK", ";tag="+tag, sig.LocalAddr(), "")))
		go p.listen(rtp)
		if at, err := netip.ParseAddrPort(net.JoinHostPort(to.Addr().String(), door)); err == nil {
			go p.speak(rtp, at)
		}
		return true
	}
}

func (p *benchPhone) request(method, tag string, from net.Addr, body string) string {
	lines := []string{
		method + " sip:100@door SIP/2.0", fmt.Sprintf("Via: SIP/2.0/UDP %s;branch=z9hG4bK%d%s;rport", from, p.n, method), "Max-Forwards: 70",
		fmt.Sprintf("From: <sip:room@phone>;tag=b%d", p.n), "To: <sip:door@vestibule>" + tag, fmt.Sprintf("Call-ID: bench%d-%d@phone", os.Getpid(), p.n),
		"CSeq: 1 " + method, fmt.Sprintf("Contact: <sip:room@%s>", from), "Content-Type: application/sdp", fmt.Sprintf("Content-Length: %d", len(body)),
	}
	return strings.Join(lines, "\r\n") + "\r\n\r\n" + body
}

func (p *benchPhone) listen(rtp *net.UDPConn) {
	b := make([]byte, 1500)
	before := time.Now()
	for {
		if _, _, err := rtp.ReadFromUDPAddrPort(b); err != nil {
			return
		}
		now := time.Now()
		p.all.Add(1)
		late := now.Sub(before).Milliseconds() - 20
		before = now
		if p.worst.Store(max(p.worst.Load(), late)); late >= 40 {
			p.late.Add(1)
		}
	}
}

// speak sends the quiet of a room, 20 ms a packet.
func (p *benchPhone) speak(rtp *net.UDPConn, to netip.AddrPort) {
	b := append([]byte{0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7}, make([]byte, 160)...)
	for i := range b[12:] {
		b[12+i] = byte(0xf0 | i&0x8f)
	}
	n := uint32(0)
	for range time.Tick(20 * time.Millisecond) {
		binary.BigEndian.PutUint16(b[2:], uint16(n))
		binary.BigEndian.PutUint32(b[4:], n*160)
		n++
		_, _ = rtp.WriteToUDPAddrPort(b, to)
	}
}

// flood sends n INVITEs a second for ten seconds from another address, reading
// nothing.
func (c *crowd) flood(n int) string {
	sig, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 66)}, net.UDPAddrFromAddrPort(c.at))
	if err != nil {
		return err.Error()
	}
	defer sig.Close()
	begun := time.Now()
	sent := 0
	for ; sent < 10*n; sent++ {
		time.Sleep(time.Until(begun.Add(time.Duration(sent) * time.Second / time.Duration(n))))
		p := &benchPhone{n: 100000 + sent}
		_, _ = sig.Write([]byte(p.request("INVITE", "", sig.LocalAddr(), "v=0\r\no=- 1 1 IN IP4 127.0.0.66\r\ns=-\r\nc=IN IP4 127.0.0.66\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n")))
	}
	return strconv.Itoa(int(float64(sent) / time.Since(begun).Seconds()))
}

// far is the process of the telephones, as a benchmark sees it.
type far struct {
	mu  sync.Mutex
	in  *os.File
	out *bufio.Reader
}

func (f *far) ask(b *testing.B, what string) string {
	b.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := fmt.Fprintln(f.in, what); err != nil {
		b.Fatal(err)
	}
	answer, err := f.out.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(answer)
}

func startCrowd(b *testing.B, d *door) *far {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env, cmd.Stderr = append(os.Environ(), crowdVariable+"="+d.at.String()), os.Stderr
	r, w, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stdin = r
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	_ = r.Close()
	b.Cleanup(func() {
		_ = w.Close()
		_ = cmd.Wait()
	})
	return &far{in: w, out: bufio.NewReader(out)}
}

// prompting is a door that asks whoever calls for a code, again and again, and
// reads what they press.
func prompting(b *testing.B, change func(*sip.Config)) *door {
	b.Helper()
	prompt := media.Tone(440, 4*time.Second, -20)
	return open(b, func(c *sip.Config) {
		c.Logger = nil
		c.Answer = func(ctx context.Context, call *sip.Call) {
			s, err := call.Answer(ctx)
			if err != nil {
				return
			}
			s.Loop(prompt)
			for {
				select {
				case <-s.Digits():
				case <-call.Gone():
					return
				case <-ctx.Done():
					return
				}
			}
		}
		change(c)
	})
}

// BenchmarkPrompt has 600 callers hear the door ask for their code.
func BenchmarkPrompt(b *testing.B) {
	const callers = 600
	d := prompting(b, func(c *sip.Config) { c.PerSource, c.PerMinute, c.Burst = 2*callers, 1e6, 2*callers })
	f := startCrowd(b, d)
	debug.FreeOSMemory()
	empty := resident(b)
	for b.Loop() {
		if got := f.ask(b, "call "+strconv.Itoa(callers)); got != strconv.Itoa(callers) {
			b.Fatalf("%s of %d calls were answered", got, callers)
		}
		time.Sleep(3 * time.Second)
		f.ask(b, "listen")
		cpu := spent()
		time.Sleep(10 * time.Second)
		used := spent() - cpu
		var all, late, worst, deaf float64
		if _, err := fmt.Sscan(f.ask(b, "heard"), &all, &late, &worst, &deaf); err != nil || deaf > 0 {
			b.Fatalf("%v callers hear nothing (%v)", deaf, err)
		}
		debug.FreeOSMemory()
		// Of the seconds that were heard: where the machine has no time for a
		// call, it spends none.
		each := 1000 * used.Seconds() / (all / 50)
		b.ReportMetric(each, "cpu-ms/call/s")
		b.ReportMetric(1000/each, "calls/core")
		b.ReportMetric(100*late/all, "40ms-late-%")
		b.ReportMetric(worst, "worst-ms")
		b.ReportMetric((resident(b)-empty)/callers, "KB/call")
	}
}

// BenchmarkFlood has one address send 200 INVITEs a second while others call.
func BenchmarkFlood(b *testing.B) {
	d := prompting(b, func(*sip.Config) {})
	f := startCrowd(b, d)
	for b.Loop() {
		before := resident(b)
		flooded := make(chan string)
		go func() { flooded <- f.ask(b, "flood 200") }()
		var worst time.Duration
		calls := 0
		for pace := ""; pace == ""; calls++ {
			p := dialFrom(b, d, "udp", fmt.Sprintf("127.0.1.%d", 1+calls))
			begun := time.Now()
			p.call(meetingURI, p.sdp())
			worst = max(worst, time.Since(begun))
			p.again("BYE", "")
			select {
			case pace = <-flooded:
				n, _ := strconv.ParseFloat(pace, 64)
				b.ReportMetric(n, "flood/s")
			case <-time.After(100 * time.Millisecond):
			}
		}
		debug.FreeOSMemory()
		b.ReportMetric(float64(calls), "good-calls")
		b.ReportMetric(float64(worst.Milliseconds()), "worst-answer-ms")
		b.ReportMetric(resident(b)-before, "KB-grown")
	}
}

// resident is this process's memory in KB.
func resident(b testing.TB) float64 {
	b.Helper()
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	pages, err := strconv.ParseFloat(strings.Fields(string(data))[1], 64)
	if err != nil {
		b.Fatal(err)
	}
	return pages * float64(os.Getpagesize()) / 1024
}

// spent is the CPU time of this process.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // of oneself: cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
