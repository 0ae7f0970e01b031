package sip_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vestibule/dialin/media"
	"vestibule/dialin/sip"
)

// door is a server whose calls do what a test says.
type door struct {
	*sip.Server

	at    netip.AddrPort // UDP
	tcp   netip.AddrPort
	log   *safeBuffer
	calls chan *sip.Call
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// open starts a server that answers each call and then keeps it until it has
// gone. change may be nil.
func open(t testing.TB, change func(*sip.Config), before ...func(*sip.Server)) *door {
	t.Helper()
	d := &door{log: &safeBuffer{}, calls: make(chan *sip.Call, 1000)}
	ports, err := media.New(media.Config{Addr: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	c := sip.Config{
		UDP: []string{"127.0.0.1:0"}, TCP: []string{"127.0.0.1:0"}, Media: ports,
		Logger: slog.New(slog.NewJSONHandler(d.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Answer: func(ctx context.Context, c *sip.Call) {
			if _, err := c.Answer(ctx); err != nil {
				return
			}
			d.calls <- c
			select {
			case <-ctx.Done():
			case <-c.Gone():
			}
		},
	}
	if change != nil {
		change(&c)
	}
	if d.Server, err = sip.New(c); err != nil {
		t.Fatal(err)
	}
	for _, f := range before {
		f(d.Server)
	}
	if err := d.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	udp, tcp, _ := d.Addrs()
	d.at, d.tcp = udp[0], tcp[0]
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Serve(ctx) }()
	for !sip.Serves(d.Server) {
		time.Sleep(time.Millisecond) // nothing tells but asking
	}
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Serve = %v", err)
			}
		case <-time.After(10 * time.Second):
			t.Error("Serve does not end")
		}
	})
	return d
}

// reply is a message that a phone received.
type reply struct {
	start  string
	code   int
	header map[string][]string // lower-case names
	body   string
}

func (r reply) get(name string) string {
	if v := r.header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

func parse(t testing.TB, b []byte) reply {
	t.Helper()
	head, body, _ := strings.Cut(string(b), "\r\n\r\n")
	lines := strings.Split(head, "\r\n")
	r := reply{start: lines[0], header: map[string][]string{}, body: body}
	if f := strings.Fields(lines[0]); len(f) > 1 && strings.HasPrefix(f[0], "SIP/") {
		r.code, _ = strconv.Atoi(f[1])
	}
	for _, l := range lines[1:] {
		n, v, _ := strings.Cut(l, ":")
		n = strings.ToLower(n)
		r.header[n] = append(r.header[n], strings.TrimSpace(v))
	}
	return r
}

// phone is a device that does as it is told.
type phone struct {
	t      testing.TB
	d      *door
	sig    net.Conn // connected UDP or TCP
	in     chan reply
	rtp    *net.UDPConn
	heard  atomic.Int64 // RTP packets
	callID string
	tag    string
	toTag  string
	seq    int
	remote netip.AddrPort // where the door hears
	event  int
}

var phones atomic.Int64 //nolint:gochecknoglobals // names

func dial(t testing.TB, d *door, network string) *phone {
	t.Helper()
	return dialFrom(t, d, network, "127.0.0.1")
}

func dialFrom(t testing.TB, d *door, network, from string) *phone {
	t.Helper()
	to := d.at
	var local net.Addr = &net.UDPAddr{IP: net.ParseIP(from)}
	if network == "tcp" {
		to, local = d.tcp, &net.TCPAddr{IP: net.ParseIP(from)}
	}
	nd := net.Dialer{LocalAddr: local}
	c, err := nd.DialContext(t.Context(), network, to.String())
	if err != nil {
		t.Fatal(err)
	}
	rtp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(from)})
	if err != nil {
		t.Fatal(err)
	}
	n := phones.Add(1)
	p := &phone{
		t: t, d: d, sig: c, in: make(chan reply, 64), rtp: rtp, callID: fmt.Sprintf("call%d@phone", n), tag: fmt.Sprintf("t%d", n), seq: 1, event: 101,
	}
	t.Cleanup(func() { _, _ = c.Close(), rtp.Close() })
	go listen(t, network, c, p.in)
	go func() {
		b := make([]byte, 2000)
		for {
			if _, _, err := rtp.ReadFrom(b); err != nil {
				return
			}
			p.heard.Add(1)
		}
	}()
	return p
}

func listen(t testing.TB, network string, c net.Conn, in chan<- reply) {
	if network == "udp" {
		b := make([]byte, 65536)
		for {
			n, err := c.Read(b)
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if n > 0 {
				in <- parse(t, b[:n])
			}
		}
	}
	r := bufio.NewReader(c)
	for {
		var head strings.Builder
		n := 0
		for {
			l, err := r.ReadString('\n')
			if err != nil {
				return
			}
			head.WriteString(l)
			if v, ok := strings.CutPrefix(l, "Content-Length: "); ok {
				n, _ = strconv.Atoi(strings.TrimSpace(v))
			}
			if l == "\r\n" {
				break
			}
		}
		body := make([]byte, n)
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		in <- parse(t, append([]byte(head.String()), body...))
	}
}

func (p *phone) proto() string {
	if p.sig.LocalAddr().Network() == "tcp" {
		return "TCP"
	}
	return "UDP"
}

// say sends a request; lines are further headers.
func (p *phone) say(method, uri, body string, lines ...string) {
	p.t.Helper()
	p.raw(p.request(method, uri, body, lines...))
}

func (p *phone) request(method, uri, body string, lines ...string) string {
	to := "<sip:door@vestibule>"
	if p.toTag != "" {
		to += ";tag=" + p.toTag
	}
	branch := fmt.Sprintf("z9hG4bK%s%d%s", p.tag, p.seq, method)
	if method == "CANCEL" {
		branch = fmt.Sprintf("z9hG4bK%s%dINVITE", p.tag, p.seq)
	}
	if len(body) > 0 && !strings.Contains(strings.Join(lines, ""), "Content-Type") {
		lines = append(lines, "Content-Type: application/sdp")
	}
	head := []string{
		fmt.Sprintf("%s %s SIP/2.0", method, uri),
		fmt.Sprintf("Via: SIP/2.0/%s %s;branch=%s;rport", p.proto(), p.sig.LocalAddr(), branch),
		"Max-Forwards: 70", fmt.Sprintf(`From: "Salle 1" <sip:salle1@phone>;tag=%s`, p.tag), "To: " + to,
		"Call-ID: " + p.callID, fmt.Sprintf("CSeq: %d %s", p.seq, method),
	}
	if !strings.Contains(strings.Join(lines, "\n"), "Contact:") {
		head = append(head, fmt.Sprintf("Contact: <sip:salle1@%s>", p.sig.LocalAddr()))
	}
	head = append(append(head, lines...), fmt.Sprintf("Content-Length: %d", len(body)))
	return strings.Join(head, "\r\n") + "\r\n\r\n" + body
}

func (p *phone) raw(s string) {
	p.t.Helper()
	if _, err := p.sig.Write([]byte(s)); err != nil {
		p.t.Fatal(err)
	}
}

// next is the next message within a second; the zero reply if none comes.
func (p *phone) next() reply {
	select {
	case r := <-p.in:
		return r
	case <-time.After(time.Second):
		return reply{}
	}
}

// final is the next final answer to a method.
func (p *phone) final(method string) reply {
	p.t.Helper()
	for {
		r := p.next()
		if r.start == "" || r.code >= 200 && strings.HasSuffix(r.get("cseq"), " "+method) {
			return r
		}
	}
}

func (p *phone) sdp(lines ...string) string {
	port := p.rtp.LocalAddr().(*net.UDPAddr).Port //nolint:forcetypeassert // it is one
	ip := p.rtp.LocalAddr().(*net.UDPAddr).IP     //nolint:forcetypeassert // it is one
	if len(lines) == 0 {
		lines = []string{"m=audio PORT RTP/AVP 0 8 101", "a=rtpmap:0 PCMU/8000", "a=rtpmap:8 PCMA/8000", "a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-16"}
	}
	s := fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n", ip, ip)
	for _, l := range lines {
		s += strings.ReplaceAll(l, "PORT", strconv.Itoa(port)) + "\r\n"
	}
	return s
}

const meetingURI = "sip:100@vestibule"

// call makes a whole call and answers its 200.
func (p *phone) call(uri, sdp string, lines ...string) reply {
	p.t.Helper()
	p.say("INVITE", uri, sdp, lines...)
	r := p.final("INVITE")
	if r.code != 200 {
		p.t.Fatalf("INVITE is answered %q", r.start)
	}
	p.confirm(r, "")
	return r
}

// confirm sends the ACK of a 200.
func (p *phone) confirm(r reply, body string) {
	p.t.Helper()
	_, p.toTag, _ = strings.Cut(r.get("to"), "tag=")
	for l := range strings.SplitSeq(r.body, "\r\n") {
		if f := strings.Fields(l); len(f) > 1 && f[0] == "m=audio" && f[1] != "0" {
			p.remote = netip.MustParseAddrPort("127.0.0.1:" + f[1])
		}
	}
	p.say("ACK", meetingURI, body)
}

// again starts the next request of the call.
func (p *phone) again(method, body string, lines ...string) reply {
	p.t.Helper()
	p.seq++
	p.say(method, meetingURI, body, lines...)
	return p.final(method)
}

// press sends keys as RFC 4733 has it, in real time.
func (p *phone) press(keys string, pt byte) {
	p.t.Helper()
	seq, ts := uint16(1), uint32(8000)
	send := func(m bool, pt byte, payload []byte) {
		b := []byte{0x80, pt, byte(seq >> 8), byte(seq), byte(ts >> 24), byte(ts >> 16), byte(ts >> 8), byte(ts), 1, 2, 3, 4}
		if m {
			b[1] |= 0x80
		}
		seq++
		if _, err := p.rtp.WriteToUDPAddrPort(append(b, payload...), p.remote); err != nil {
			p.t.Error(err)
		}
	}
	for _, k := range keys {
		code := byte(strings.IndexRune("0123456789*#ABCD", k))
		for i := range 4 {
			send(i == 0, pt, []byte{code, 10, 0, byte(160 * (i + 1) % 256)})
			time.Sleep(10 * time.Millisecond) // the door's own pace
		}
		for range 3 {
			send(false, pt, []byte{code, 0x8a, 3, 0x20})
		}
		ts += 1600
		for range 2 {
			send(false, 0, bytes.Repeat([]byte{0xff}, 160))
			ts += 160
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// keys reads what was pressed on a call.
func keys(t testing.TB, s *media.Session, n int) string {
	t.Helper()
	var got strings.Builder
	for range n {
		select {
		case k := <-s.Digits():
			got.WriteRune(k)
		case <-time.After(2 * time.Second):
			return got.String()
		}
	}
	return got.String()
}
