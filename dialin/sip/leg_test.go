package sip_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"math"
	"net"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vestibule/conference"
	"vestibule/dialin/media"
	"vestibule/dialin/sip"
)

// ear says a tone and keeps what it hears.
type ear struct {
	say  media.Sound
	mu   sync.Mutex
	at   int
	kept []int16
}

func (e *ear) Hear(pcm []int16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range pcm {
		pcm[i] = e.say[e.at%len(e.say)]
		e.at++
	}
}

func (e *ear) Say(pcm []int16) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.kept = append(e.kept, pcm...)
}

// share is how much of the last half second that was heard is a tone of hertz
// (Goertzel), 0 to 1.
func (e *ear) share(hertz float64) float64 {
	e.mu.Lock()
	defer e.mu.Unlock()
	const n = media.Rate / 2
	if len(e.kept) < n {
		return 0
	}
	var re, im, all float64
	for i, v := range e.kept[len(e.kept)-n:] {
		sin, cos := math.Sincos(2 * math.Pi * hertz * float64(i) / media.Rate)
		re, im, all = re+float64(v)*cos, im+float64(v)*sin, all+float64(v)*float64(v)
	}
	if all < 1 {
		return 0
	}
	return 2 * (re*re + im*im) / n / all
}

func hears(t *testing.T, who string, e *ear, hertz float64) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); e.share(hertz) < 0.9; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s hears %.2f of the tone of %.0f Hz", who, e.share(hertz), hertz)
		}
	}
}

// speak has a leg's caller say what e says and hear into it, in time.
func speak(t *testing.T, l media.Leg, e *ear) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		out, in := make([]int16, 160), make([]int16, 160)
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				e.Hear(out)
				l.Say(out)
				l.Hear(in)
				e.Say(in)
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-done })
}

var grants = conference.Grants{Admission: "a1", Room: "r00m", Name: `Dr "C"`, Microphone: true} //nolint:gochecknoglobals // not changed

func tones() (caller, server *ear) {
	return &ear{say: media.Tone(1000, 10*time.Second, -10)}, &ear{say: media.Tone(600, 10*time.Second, -10)}
}

// gateway is a door whose target is at uri.
func gateway(t testing.TB, uri string, change func(*sip.Config)) *door {
	t.Helper()
	return open(t, func(c *sip.Config) {
		c.Target = &sip.Target{URI: uri, Headers: []sip.Header{{"Jitsi-Conference-Room", "{room}"}, {"X-Name", "{name}"}}}
		if change != nil {
			change(c)
		}
	})
}

// A caller and a conference server hear each other, and either ends both.
func TestLeg(t *testing.T) {
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	t.Cleanup(web.Close)
	roots := x509.NewCertPool()
	roots.AddCert(web.Certificate())
	for _, transport := range []string{"udp", "tcp", "tls"} {
		t.Run(transport, func(t *testing.T) {
			far, calls := operator(t, func(c *sip.Config) {
				c.TLS, c.Certificates = []string{"127.0.0.1:0"}, &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}
			})
			at := far.at
			_, _, secure := far.Addrs()
			switch transport {
			case "tcp":
				at = far.tcp
			case "tls":
				at = secure[0]
			}
			d := gateway(t, fmt.Sprintf("sip:{room}.{bridge}@%s;transport=%s", at, transport), func(c *sip.Config) {
				c.Target.RootCAs, c.Target.Encrypt = roots, transport == "tls"
			})
			l, err := d.Join(t.Context(), grants)
			if err != nil {
				t.Fatal(err)
			}
			c := within(t, calls)
			if got, want := c.Dialled(), "r00m."+conference.Bridge("r00m"); got != want {
				t.Errorf("the server is asked for %q, want %q", got, want)
			}
			if got := c.Caller().Line.Claims; got != `Dr "C"` {
				t.Errorf("the server sees %q", got)
			}
			if got := c.Caller().Line.Encrypted; got != (transport == "tls") {
				t.Errorf("the leg is encrypted: %v", got)
			}
			caller, server := tones()
			c.sound.Bridge(server)
			speak(t, l, caller)
			hears(t, "the caller", caller, 600)
			hears(t, "the server", server, 1000)
			l.Mute(true)
			if s := <-l.Signals(); s != media.Muted {
				t.Errorf("Mute tells %v", s)
			}
			time.Sleep(300 * time.Millisecond) // the buffers run dry
			if s := server.share(1000); s > 0.9 {
				deadline := time.Now().Add(10 * time.Second)
				for ; s > 0.1 && time.Now().Before(deadline); s = server.share(1000) {
					time.Sleep(50 * time.Millisecond)
				}
				if s > 0.1 {
					t.Errorf("muted, the server still hears %.2f of the caller", s)
				}
			}
			start := time.Now()
			l.Close()
			<-c.Gone()
			t.Logf("the server's line is off after %v", time.Since(start).Round(time.Millisecond))
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("the server's line is off after %v", took)
			}
			if _, ok := <-l.Signals(); ok {
				t.Error("a leg that we closed tells why")
			}
		})
	}
}

// What the other side does to its half is told, once, and ends ours.
func TestLegEnds(t *testing.T) {
	far, calls := operator(t, nil)
	d := gateway(t, fmt.Sprintf("sip:{room}@%s", far.at), nil)
	l, err := d.Join(t.Context(), grants)
	if err != nil {
		t.Fatal(err)
	}
	c := within(t, calls)
	c.Hangup(t.Context())
	if s := <-l.Signals(); s != media.Over {
		t.Errorf("a goodbye tells %v, want Over", s)
	}
	if _, ok := <-l.Signals(); ok {
		t.Error("something is told after the end")
	}
	if _, err = d.Join(t.Context(), grants); err != nil {
		t.Fatal(err)
	}
	c = within(t, calls)
	if err := d.Cut(t.Context(), "another"); err != nil || d.Calls() != 1 {
		t.Errorf("Cut of another = %v, %d calls", err, d.Calls())
	}
	start := time.Now()
	_ = d.Cut(t.Context(), grants.Admission)
	<-c.Gone()
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("the cut took %v", took)
	}
}

// uas is a conference server that answers as a test says, on its own address.
type uas struct {
	t    *testing.T
	conn *net.UDPConn
	at   netip.AddrPort
	from atomic.Pointer[netip.AddrPort]
	in   chan reply
	rtp  *net.UDPConn
}

func server(t *testing.T) *uas {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	rtp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	u := &uas{t: t, conn: conn, at: conn.LocalAddr().(*net.UDPAddr).AddrPort(), in: make(chan reply, 64), rtp: rtp} //nolint:forcetypeassert // it is one
	t.Cleanup(func() { _, _ = conn.Close(), rtp.Close() })
	go func() {
		b := make([]byte, 65536)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			u.from.Store(&from)
			u.in <- parse(t, b[:n])
		}
	}()
	return u
}

// next is the next request of a method, repeats of others left out.
func (u *uas) next(method string) reply {
	u.t.Helper()
	end := time.After(10 * time.Second)
	for {
		select {
		case r := <-u.in:
			if strings.HasPrefix(r.start, method+" ") {
				return r
			}
		case <-end:
			u.t.Fatalf("no %s comes", method)
		}
	}
}

// answers a request; to is added to its To.
func (u *uas) answer(r reply, status, body string, lines ...string) {
	u.t.Helper()
	to := r.get("to")
	if !strings.Contains(to, "tag=") && !strings.HasPrefix(status, "100") {
		to += ";tag=server"
	}
	head := []string{"SIP/2.0 " + status, "Via: " + r.get("via"), "From: " + r.get("from"), "To: " + to, "Call-ID: " + r.get("call-id"), "CSeq: " + r.get("cseq")}
	if body != "" {
		lines = append(lines, "Content-Type: application/sdp")
	}
	if !strings.Contains(strings.Join(lines, "\n"), "Contact:") {
		lines = append(lines, "Contact: <sip:server@"+u.at.String()+">")
	}
	head = append(append(head, lines...), fmt.Sprintf("Content-Length: %d", len(body)))
	if _, err := u.conn.WriteToUDPAddrPort([]byte(strings.Join(head, "\r\n")+"\r\n\r\n"+body), *u.from.Load()); err != nil {
		u.t.Error(err)
	}
}

func (u *uas) sdp() string {
	return fmt.Sprintf("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio %d RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\n",
		u.rtp.LocalAddr().(*net.UDPAddr).Port) //nolint:forcetypeassert // it is one
}

// joining joins beside the test.
func joining(t *testing.T, d *door) chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() {
		l, err := d.Join(t.Context(), grants)
		if err == nil {
			t.Cleanup(l.Close)
		}
		done <- err
	}()
	return done
}

func TestLegRefused(t *testing.T) {
	u := server(t)
	d := gateway(t, "sip:{room}@"+u.at.String(), nil)
	for _, status := range []string{"486 Busy Here", "404 Not Found", "603 Decline", "500 Oops"} {
		done := joining(t, d)
		r := u.next("INVITE")
		u.answer(r, "180 Ringing", "")
		u.answer(r, status, "")
		if err := <-done; err == nil || !strings.Contains(err.Error(), status[:3]) {
			t.Errorf("%s: Join = %v", status, err)
		}
		u.answer(r, status, "") // the ACK was lost
		for range 2 {
			if a := u.next("ACK"); a.get("via") != r.get("via") {
				t.Errorf("%s is confirmed with %q, want the same branch", status, a.get("via"))
			}
		}
	}
	// A yes without sound is ended.
	done := joining(t, d)
	u.answer(u.next("INVITE"), "200 OK", strings.Replace(u.sdp(), "RTP/AVP 8", "RTP/AVP 9", 1))
	u.next("ACK")
	u.answer(u.next("BYE"), "200 OK", "")
	if err := <-done; err == nil {
		t.Error("a call without sound is one")
	}
	// A session timer that is too short is asked for again, longer.
	done = joining(t, d)
	u.answer(u.next("INVITE"), "422 Session Interval Too Small", "", "Min-SE: 3600")
	r := u.next("INVITE")
	if r.get("session-expires") != "3600" || r.get("min-se") != "3600" {
		t.Errorf("after 422: Session-Expires %q, Min-SE %q", r.get("session-expires"), r.get("min-se"))
	}
	u.answer(r, "200 OK", u.sdp())
	u.next("ACK")
	u.answer(r, "200 OK", u.sdp()) // the ACK was lost
	u.next("ACK")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func responseOf(user, realm, secret, nonce, nc, cnonce, method, uri string) string {
	h := func(parts ...string) string {
		s := sha256.Sum256([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(s[:])
	}
	return h(h(user, realm, secret), nonce, nc, cnonce, "auth", h(method, uri))
}

// A challenge is answered once, with the secret, and never on a BYE (T55).
func TestT55LegProves(t *testing.T) {
	const secret = "a secret of the gateway"
	u := server(t)
	d := gateway(t, "sip:{room}@"+u.at.String(), func(c *sip.Config) { c.Target.User, c.Target.Secret = "door", secret })
	done := joining(t, d)
	first := u.next("INVITE")
	if first.get("authorization") != "" {
		t.Error("the secret is proved before anybody asked")
	}
	md5 := `WWW-Authenticate: Digest realm="pbx", nonce="m", algorithm=MD5, qop="auth"`
	challenge := `WWW-Authenticate: Digest realm="pbx", nonce="n0", algorithm=SHA-256, qop="auth,auth-int"`
	u.answer(first, "401 Unauthorized", "", md5, challenge)
	u.next("ACK")
	second := u.next("INVITE")
	get := func(k string) string {
		m := regexp.MustCompile(k + `="?([^",]*)`).FindStringSubmatch(second.get("authorization"))
		if m == nil {
			return ""
		}
		return m[1]
	}
	if get("algorithm") != "SHA-256" || get("nonce") != "n0" || strings.Contains(second.get("authorization"), secret) {
		t.Errorf("the proof is %q", second.get("authorization"))
	}
	if got := responseOf("door", "pbx", secret, "n0", "00000001", get("cnonce"), "INVITE", get("uri")); got != get("response") {
		t.Errorf("response = %q, want %q", get("response"), got)
	}
	if seq := second.get("cseq"); seq == first.get("cseq") {
		t.Errorf("CSeq %q does not rise", seq)
	}
	u.answer(second, "200 OK", u.sdp())
	u.next("ACK")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_ = d.Cut(t.Context(), grants.Admission)
	u.answer(u.next("BYE"), "401 Unauthorized", "", challenge)
	select {
	case r := <-u.in:
		if strings.HasPrefix(r.start, "BYE ") && r.get("authorization") != "" {
			t.Errorf("a challenge of BYE is answered %q", r.get("authorization"))
		}
	case <-time.After(700 * time.Millisecond):
	}

	// A server that knows MD5 alone is not proved anything.
	u = server(t)
	d = gateway(t, "sip:{room}@"+u.at.String(), func(c *sip.Config) { c.Target.User, c.Target.Secret = "door", secret })
	done = joining(t, d)
	u.answer(u.next("INVITE"), "401 Unauthorized", "", md5)
	if err := <-done; err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("Join = %v", err)
	}
}

// Whatever the target answers, no packet goes anywhere else.
func TestT53LegGoesNowhereElse(t *testing.T) {
	at, sang := canary(t)
	u := server(t)
	evil := []string{fmt.Sprintf("Contact: <sip:evil@%s>", at), fmt.Sprintf("Record-Route: <sip:%s;lr>", at), fmt.Sprintf("Route: <sip:%s;lr>", at)}
	d := gateway(t, "sip:{room}@"+u.at.String(), nil)
	for _, status := range []string{"301 Moved", "302 Moved Temporarily", "305 Use Proxy", "380 Alternative"} {
		done := joining(t, d)
		r := u.next("INVITE")
		u.answer(r, "181 Call Is Being Forwarded", "", evil...)
		u.answer(r, status, "", evil...)
		if err := <-done; err == nil {
			t.Errorf("%s is a call", status)
		}
		u.next("ACK")
	}
	done := joining(t, d)
	// The yes names other places for what follows, and for the sound.
	sdp := strings.ReplaceAll(u.sdp(), "IN IP4 127.0.0.1", "IN IP4 "+at.Addr().String())
	sdp = regexp.MustCompile(`m=audio \d+`).ReplaceAllString(sdp, fmt.Sprintf("m=audio %d", at.Port()))
	u.answer(u.next("INVITE"), "200 OK", sdp, evil...)
	ack := u.next("ACK")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(ack.start, at.String()) {
		t.Errorf("the ACK names %q: a Contact is to be named, though not called", ack.start)
	}
	// A transfer is refused, and a re-INVITE from elsewhere is not of the call.
	_, tag, _ := strings.Cut(ack.get("from"), "tag=")
	request := func(method string, seq int, lines ...string) string {
		head := append([]string{
			method + " sip:door@gateway SIP/2.0", "Via: SIP/2.0/UDP " + u.at.String() + ";rport;branch=z9hG4bK" + fmt.Sprint(method, seq),
			"From: " + ack.get("to"), "To: <sip:door@gateway>;tag=" + tag, "Call-ID: " + ack.get("call-id"), fmt.Sprintf("CSeq: %d %s", seq, method),
			"Contact: <sip:evil@" + at.String() + ">", "Max-Forwards: 70",
		}, lines...)
		return strings.Join(append(head, "Content-Length: 0"), "\r\n") + "\r\n\r\n"
	}
	if _, err := u.conn.WriteToUDPAddrPort([]byte(request("REFER", 10, "Refer-To: <sip:+33899000000@"+at.String()+">")), *u.from.Load()); err != nil {
		t.Fatal(err)
	}
	if r := u.next("SIP/2.0"); r.code != 403 {
		t.Errorf("REFER = %q, want 403", r.start)
	}
	stranger, err := net.DialUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 77)}, net.UDPAddrFromAddrPort(d.at))
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close()
	_, _ = stranger.Write([]byte(request("BYE", 11)))
	_ = stranger.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := stranger.Read(make([]byte, 100)); err == nil {
		t.Errorf("a stranger's BYE is answered (%d bytes)", n)
	}
	if d.Calls() != 1 {
		t.Error("a stranger's BYE ended the call")
	}
	_ = d.Cut(t.Context(), grants.Admission)
	u.answer(u.next("BYE"), "302 Moved", "", evil...)
	if sang() {
		t.Error("a packet went where only a trick could send it")
	}
}

// Who gives up while it rings takes the call back, and ends it where the yes
// crossed that on the way.
func TestLegWithdrawn(t *testing.T) {
	u := server(t)
	d := gateway(t, "sip:{room}@"+u.at.String(), nil)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := d.Join(ctx, grants); done <- err }()
	r := u.next("INVITE")
	u.answer(r, "180 Ringing", "")
	time.Sleep(50 * time.Millisecond) // the ringing is heard
	cancel()
	if err := <-done; err == nil {
		t.Error("a call that was given up is one")
	}
	c := u.next("CANCEL")
	if c.get("via") != r.get("via") || c.get("cseq") != strings.Replace(r.get("cseq"), "INVITE", "CANCEL", 1) {
		t.Errorf("CANCEL has %q %q, of %q %q", c.get("via"), c.get("cseq"), r.get("via"), r.get("cseq"))
	}
	u.answer(c, "200 OK", "")
	u.answer(r, "200 OK", u.sdp()) // crossed it
	u.next("ACK")
	u.answer(u.next("BYE"), "200 OK", "")
}

// A conference server that registers is called where it registered from.
func TestLegToRegistered(t *testing.T) {
	const secret = "a secret of jigasi"
	at, sang := canary(t)
	d := open(t, func(c *sip.Config) {
		c.Peers = []sip.Peer{{Name: "jigasi", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.60/32")}, User: "jigasi", Secret: secret, Registers: true}}
		c.Target = &sip.Target{Registered: "jigasi", Headers: []sip.Header{{"Jitsi-Conference-Room", "{room}"}}}
	})
	if _, err := d.Join(t.Context(), grants); err == nil {
		t.Error("a call to nobody is one")
	}
	stranger := dial(t, d, "udp")
	stranger.say("REGISTER", "sip:gateway", "", "Expires: 300")
	if r := stranger.next(); r.start != "" {
		t.Errorf("a stranger's REGISTER is answered %q (T50)", r.start)
	}
	p := dialFrom(t, d, "udp", "127.0.0.60")
	contact := "Contact: <sip:jigasi@" + at.String() + ">"
	p.say("REGISTER", "sip:gateway", "", contact, "Expires: 300")
	r := p.final("REGISTER")
	if r.code != 401 || strings.Contains(r.get("www-authenticate"), "MD5") {
		t.Fatalf("REGISTER = %q %q", r.start, r.get("www-authenticate"))
	}
	proof := digest(r.get("www-authenticate"), "jigasi", secret, "REGISTER", "sip:gateway", "00000001")
	for _, c := range []struct {
		expires string
		want    int
	}{{"30", 423}, {"300", 200}} {
		p.seq++
		proof = digest(r.get("www-authenticate"), "jigasi", secret, "REGISTER", "sip:gateway", fmt.Sprintf("%08d", p.seq))
		p.say("REGISTER", "sip:gateway", "", contact, "Expires: "+c.expires, proof)
		if r := p.final("REGISTER"); r.code != c.want {
			t.Errorf("Expires %s = %q, want %d", c.expires, r.start, c.want)
		}
	}
	p.seq++
	p.say("REGISTER", "sip:gateway", "", contact, "Expires: 300", proof)
	if r := p.final("REGISTER"); r.code != 401 {
		t.Errorf("a replayed proof = %q, want 401 (T55)", r.start)
	}
	done := joining(t, d)
	var invite reply
	for !strings.HasPrefix(invite.start, "INVITE ") {
		if invite = p.next(); invite.start == "" {
			t.Fatal("the registered server is not called")
		}
	}
	if invite.get("jitsi-conference-room") != "r00m" || !strings.Contains(invite.start, at.String()) {
		t.Errorf("it is asked %q for the room %q", invite.start, invite.get("jitsi-conference-room"))
	}
	p.raw(strings.Join([]string{
		"SIP/2.0 486 Busy Here", "Via: " + invite.get("via"), "From: " + invite.get("from"), "To: " + invite.get("to") + ";tag=x",
		"Call-ID: " + invite.get("call-id"), "CSeq: " + invite.get("cseq"), "Content-Length: 0",
	}, "\r\n") + "\r\n\r\n")
	if err := <-done; err == nil || !strings.Contains(err.Error(), "486") {
		t.Errorf("Join = %v, want its 486", err)
	}
	if sang() {
		t.Error("the contact was called, not where the registration came from (T53)")
	}
}

func TestTargetFaults(t *testing.T) {
	for name, target := range map[string]sip.Target{
		"nobody":          {},
		"a host of words": {URI: "sip:x@{room}.example"},
		"tel":             {URI: "tel:+33899000000"},
		"two users":       {URI: "sip:a@b@c"},
		"not registered":  {Registered: "jigasi"},
		"our own header":  {URI: "sip:x@192.0.2.1", Headers: []sip.Header{{"Contact", "x"}}},
		"two lines":       {URI: "sip:x@192.0.2.1", Headers: []sip.Header{{"X-Room", "a\r\nVia: b"}}},
		"no token":        {URI: "sip:x@192.0.2.1", Headers: []sip.Header{{"Jitsi-Auth-Token", "{token}"}}},
		"no secret":       {URI: "sip:x@192.0.2.1", User: "door"},
	} {
		ports, _ := media.New(media.Config{Addr: netip.MustParseAddr("127.0.0.1")})
		if _, err := sip.New(sip.Config{UDP: []string{"127.0.0.1:0"}, Media: ports, Answer: func(context.Context, *sip.Call) {}, Target: &target}); err == nil {
			t.Errorf("%s is a target", name)
		}
	}
}
