package sip_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"vestibule/dialin/sip"
)

// Whoever searches for telephone systems gets no answer to anything but a
// call, and one line a minute tells of them.
func TestT50ScannersFindNothing(t *testing.T) {
	d := open(t, nil)
	p := dial(t, d, "udp")
	for i, method := range []string{"OPTIONS", "REGISTER", "SUBSCRIBE", "MESSAGE", "NOTIFY", "PUBLISH", "REFER", "BYE", "INFO", "UPDATE", "PRACK", "FOO"} {
		p.seq = 10 + i
		p.say(method, "sip:1000@vestibule", "")
	}
	p.toTag = "guessed"
	for i, method := range []string{"BYE", "INVITE", "INFO", "OPTIONS", "CANCEL", "ACK"} {
		p.seq = 40 + i
		p.say(method, "sip:1000@vestibule", "")
	}
	if r := p.next(); r.start != "" {
		t.Errorf("a scanner is answered %q", r.start)
	}
	if n := strings.Count(d.log.String(), `"no answer"`); n != 1 {
		t.Errorf("%d lines in the log, want 1 a minute", n)
	}
}

func TestT50AllExtensionsAreAlike(t *testing.T) {
	d := open(t, nil)
	var first string
	for _, user := range []string{"100", "1000", "admin", "sipvicious", "123456789", "+442071234567", "9011442071234567"} {
		p := dial(t, d, "udp")
		p.say("INVITE", "sip:"+user+"@vestibule", p.sdp())
		r := p.final("INVITE")
		same := fmt.Sprint(r.start, r.header["allow"], r.header["supported"], regexp.MustCompile(`\d{4,}`).ReplaceAllString(r.body, "N"))
		if first == "" {
			first = same
		}
		if same != first {
			t.Errorf("%s is answered\n%s\nthe first\n%s", user, same, first)
		}
		p.confirm(r, "")
	}
}

// Who has called is answered: a device asks whether we are there before its
// next call.
func TestOptionsFromWhoHasCalled(t *testing.T) {
	d := open(t, nil)
	p := dial(t, d, "udp")
	p.call(meetingURI, p.sdp())
	<-d.calls
	q := dial(t, d, "udp")
	q.say("OPTIONS", "sip:vestibule", "")
	if r := q.final("OPTIONS"); r.code != 200 || !strings.Contains(r.get("allow"), "INVITE") {
		t.Errorf("OPTIONS = %q", r.start)
	}
	q.seq++
	q.toTag = "gone"
	q.say("BYE", "sip:vestibule", "")
	if r := q.final("BYE"); r.code != 481 {
		t.Errorf("BYE of a call that is none = %q, want 481", r.start)
	}
}

// torture are messages after RFC 4475 and worse, one a file.
func torture(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/torture/*.sip")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d torture messages: %v", len(files), err)
	}
	all := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		// Kept with plain line ends, so that editors leave them alone; \x00
		// and the like are written out.
		s := strings.ReplaceAll(string(b), "\n", "\r\n")
		s = regexp.MustCompile(`<x([0-9A-F]{2})>`).ReplaceAllStringFunc(s, func(m string) string {
			c, err := hex.DecodeString(m[2:4])
			if err != nil {
				t.Fatal(err)
			}
			return string(c)
		})
		all[filepath.Base(f)] = strings.ReplaceAll(s, "<long>", strings.Repeat("a", 8000))
	}
	return all
}

// What RFC 4475 says becomes of each message, where a UAS without a registrar is
// asked by who has called before. Whoever has not is answered to a call only, and
// what is malformed is answered to nobody: that is for scanners (T50).
func TestT51TortureIsAnsweredAsTheRFCSays(t *testing.T) {
	const taken = 100 // a call, or one whose answer is to come
	want := map[string]int{
		// §3.1.1: valid, if strange. wsinv has the tag of a call that is none.
		"wsinv": 481, "intmeth": 405, "esc01": taken, "escnull": 405, "esc02": 405, "lwsdisp": 200, "dblreq": 405,
		"semiuri": 200, "transports": 200, "mpart01": 488,
		// §3.1.2: an escaped header of a Request-URI is stripped, an odd date or
		// a display name without quotes borne.
		"escruri": taken, "baddate": taken, "regbadct": 405, "baddn": 200,
		// §3.2 and §3.3.
		"badbranch": 200, "unkscm": 416, "unksm2": 405, "bext01": 420, "invut": 415, "regaut01": 405, "multi01": taken, "mcl01": 200,
		"zeromf": 200, "cparam": 405, "cparam02": 405, "regescrt": 405, "sdp01": taken, "inv2543": taken,
		// Of our own.
		"latin1": 200, "mpart02": 415, "via6": 200,
	}
	d := open(t, nil)
	p := dial(t, d, "udp")
	p.call(meetingURI, p.sdp())
	<-d.calls
	for name, m := range torture(t) {
		invite := strings.HasPrefix(m, "INVITE ")
		for from, want := range map[string]int{"127.0.0.1:5060": want[strings.TrimSuffix(name, ".sip")], "198.51.100.7:5060": want[strings.TrimSuffix(name, ".sip")]} {
			if from != "127.0.0.1:5060" && (!invite || want == 481) {
				want = 0
			}
			code := 0
			if sent := sip.Receive(d.Server, []byte(m), netip.MustParseAddrPort(from)); len(sent) > 0 {
				code = parse(t, sent[0].Bytes).code
			}
			if code != want {
				t.Errorf("%s from %s is answered %d, want %d", name, from, code, want)
			}
		}
	}
}

func TestT51FloodAndTorture(t *testing.T) {
	d := open(t, func(c *sip.Config) { c.PerSource, c.PerMinute, c.Burst = 10, 60, 10 })
	var attackers []*phone
	for i := range 40 {
		a := dialFrom(t, d, "udp", fmt.Sprint("127.0.1.", 1+i))
		attackers = append(attackers, a)
		go func() {
			for range a.in { // whatever it is told
			}
		}()
	}
	messages := torture(t)
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() { // 200 calls a second, and torture between them
		defer close(ended)
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-tick.C:
			}
			a := attackers[n%len(attackers)]
			a.callID, a.tag = fmt.Sprint("flood", n), fmt.Sprint("flood", n)
			a.raw(a.request("INVITE", "sip:1@vestibule", a.sdp()))
			for _, m := range messages {
				if n%20 == 0 {
					_, _ = a.sig.Write([]byte(m)) // too long for a datagram, some
				}
			}
		}
	}()
	before := 0.0 // KiB
	for i := range 10 {
		p := dialFrom(t, d, "udp", fmt.Sprintf("127.0.0.%d", 10+i))
		start := time.Now()
		p.call(meetingURI, p.sdp())
		if took := time.Since(start); took > time.Second {
			t.Errorf("a good call took %v", took)
		}
		if r := p.again("BYE", ""); r.code != 200 {
			t.Errorf("BYE = %q", r.start)
		}
		if i == 5 { // as many calls stand open as ever may
			runtime.GC()
			before = resident(t)
		}
		time.Sleep(200 * time.Millisecond) // of flood
	}
	close(stop)
	<-ended
	runtime.GC()
	if grown := resident(t) - before; grown > 48<<10 {
		t.Errorf("the process grew by %.0f KiB", grown)
	}
	if n := d.Calls(); n > 250 {
		t.Errorf("%d calls stand that nobody confirmed, want at most 250", n)
	}
	if strings.Contains(d.log.String(), "panic") {
		t.Errorf("something panicked: %s", d.log)
	}
}

// The same messages over a stream, each on a connection of its own.
func TestT51TortureOverTCP(t *testing.T) {
	d := open(t, nil)
	for name, m := range torture(t) {
		p := dial(t, d, "tcp")
		if _, err := p.sig.Write([]byte(m)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = p.sig.Close()
	}
	p := dial(t, d, "tcp")
	p.call(meetingURI, p.sdp())
	if strings.Contains(d.log.String(), "panic") {
		t.Errorf("something panicked: %s", d.log)
	}
}

// The tortuous but right INVITE of RFC 4475 §3.1.1.1 is a call.
func TestTortuousInviteIsACall(t *testing.T) {
	d := open(t, nil)
	p := dial(t, d, "udp")
	// As it stands it belongs to a call that we know nothing of.
	p.raw(strings.Replace(torture(t)["wsinv.sip"], ";   tag    = 1918181833n", "", 1))
	var codes []int
	for range 3 {
		codes = append(codes, p.next().code)
	}
	if codes[0] != 100 || codes[1] != 180 || codes[2] != 200 {
		t.Errorf("answers = %v, want 100 180 200", codes)
	}
}

func TestT51HalfOpenConnectionsEnd(t *testing.T) {
	d := open(t, nil)
	for _, m := range []string{
		strings.Repeat("a", 20<<10),
		"INVITE sip:1@v SIP/2.0\r\n" + strings.Repeat("X: y\r\n", 3000),
		"OPTIONS sip:v SIP/2.0\r\nContent-Length: 99999999\r\n\r\n",
		"OPTIONS sip:v SIP/2.0\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
		"OPTIONS sip:v SIP/2.0\r\n\r\n",
	} {
		p := dial(t, d, "tcp")
		p.raw(m)
		_ = p.sig.SetReadDeadline(time.Now().Add(2 * time.Second))
		if _, err := p.sig.Read(make([]byte, 1)); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("%.20q…: the connection stays open (%v)", m, err)
		}
	}
}

// canary hears whatever is sent to a place that only a trick could name.
func canary(t *testing.T) (netip.AddrPort, func() bool) {
	t.Helper()
	u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 99)})
	if err != nil {
		t.Fatal(err)
	}
	at := u.LocalAddr().(*net.UDPAddr).AddrPort() //nolint:forcetypeassert // it is one
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = u.Close(), l.Close() })
	return at, func() bool {
		_ = u.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
		_ = l.SetDeadline(time.Now().Add(100 * time.Millisecond))
		_, _, err := u.ReadFrom(make([]byte, 2000))
		c, err2 := l.Accept()
		if err2 == nil {
			_ = c.Close()
		}
		return err == nil || err2 == nil
	}
}

func TestT53NoCallGoesOut(t *testing.T) {
	d := open(t, nil)
	at, sang := canary(t)
	tricks := []string{
		fmt.Sprintf("Contact: <sip:evil@%s>", at),
		fmt.Sprintf("Record-Route: <sip:%s;lr>", at),
		fmt.Sprintf("Route: <sip:%s;lr>", at),
	}
	for _, network := range []string{"udp", "tcp"} {
		p := dial(t, d, network)
		// The sound, too, is wanted elsewhere.
		sdp := strings.ReplaceAll(p.sdp(), "127.0.0.1", "127.0.0.99")
		sdp = regexp.MustCompile(`m=audio \d+`).ReplaceAllString(sdp, fmt.Sprintf("m=audio %d", at.Port()))
		p.call(meetingURI, sdp, tricks...)
		c := <-d.calls
		if r := p.again("REFER", "", fmt.Sprintf("Refer-To: <sip:+33899000000@%s>", at)); r.code != 403 {
			t.Errorf("REFER = %q, want 403", r.start)
		}
		time.Sleep(100 * time.Millisecond)
		c.Hangup(t.Context())
		if r := p.next(); !strings.HasPrefix(r.start, "BYE ") {
			t.Errorf("BYE went elsewhere: %q", r.start)
		}
		// A redirection of our BYE is not followed.
		p.raw("SIP/2.0 302 Moved\r\n" + strings.Join([]string{"Via: x", fmt.Sprintf("Contact: <sip:%s>", at), "CSeq: 2 BYE", "Content-Length: 0"}, "\r\n") + "\r\n\r\n")
	}
	p := dial(t, d, "udp")
	p.raw(strings.ReplaceAll(p.request("INVITE", "tel:+33899000000", p.sdp()), "sip:", "sip:"))
	if r := p.final("INVITE"); r.code != 403 {
		t.Errorf("tel: = %q, want 403", r.start)
	}
	// The newest Via names another host: the answer still comes here.
	p = dial(t, d, "udp")
	local := p.sig.LocalAddr().String()
	p.raw(strings.Replace(p.request("INVITE", meetingURI, p.sdp()), "Via: SIP/2.0/UDP "+local, fmt.Sprintf("Via: SIP/2.0/UDP %s;received=%s;maddr=%s", at, at.Addr(), at.Addr()), 1))
	if r := p.final("INVITE"); r.code != 200 {
		t.Errorf("INVITE with a foreign Via = %q", r.start)
	}
	if sang() {
		t.Error("a packet went where only a trick could send it")
	}
}

// digest answers a challenge.
func digest(challenge, user, secret, method, uri, nc string) string {
	get := func(k string) string {
		m := regexp.MustCompile(k + `="([^"]*)"`).FindStringSubmatch(challenge)
		if m == nil {
			return ""
		}
		return m[1]
	}
	h := func(parts ...string) string {
		s := sha256.Sum256([]byte(strings.Join(parts, ":")))
		return hex.EncodeToString(s[:])
	}
	res := h(h(user, get("realm"), secret), get("nonce"), nc, "c0ffee", "auth", h(method, uri))
	return fmt.Sprintf(`Authorization: Digest username=%q, realm=%q, nonce=%q, uri=%q, response=%q, algorithm=SHA-256, cnonce="c0ffee", qop=auth, nc=%s`,
		user, get("realm"), get("nonce"), uri, res, nc)
}

func TestT55Digest(t *testing.T) {
	const secret = "a secret of the trunk"
	d := open(t, func(c *sip.Config) {
		c.Peers = []sip.Peer{{Name: "salle1", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.50/32")}, User: "salle1", Secret: secret}}
	})
	p := dialFrom(t, d, "udp", "127.0.0.50")
	try := func(lines ...string) reply {
		t.Helper()
		p.seq++
		p.say("INVITE", meetingURI, p.sdp(), lines...)
		return p.final("INVITE")
	}
	r := try()
	challenge := r.get("www-authenticate")
	if r.code != 401 || !strings.Contains(challenge, "algorithm=SHA-256") || strings.Contains(challenge, "MD5") {
		t.Fatalf("without = %q %q", r.start, challenge)
	}
	for name, h := range map[string]string{
		"wrong secret": digest(challenge, "salle1", "wrong", "INVITE", meetingURI, "00000001"),
		"unknown user": digest(challenge, "nobody", "", "INVITE", meetingURI, "00000001"),
		"own nonce":    digest(`realm="vestibule", nonce="00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"`, "salle1", secret, "INVITE", meetingURI, "00000001"),
		"md5":          strings.Replace(digest(challenge, "salle1", secret, "INVITE", meetingURI, "00000001"), "SHA-256", "MD5", 1),
	} {
		if r := try(h); r.code != 401 {
			t.Errorf("%s = %q, want 401", name, r.start)
		}
	}
	good := digest(challenge, "salle1", secret, "INVITE", meetingURI, "00000001")
	r = try(good)
	if r.code != 200 {
		t.Fatalf("right answer = %q", r.start)
	}
	p.confirm(r, "")
	c := <-d.calls
	if got := c.Caller(); got.Source != "peer:salle1" || !got.Paired {
		t.Errorf("Caller = %+v: a paired room keeps its own budget (T52)", got)
	}
	// A challenge of our BYE is not answered: our secret stays with us.
	c.Hangup(t.Context())
	bye := p.next()
	p.raw("SIP/2.0 401 Unauthorized\r\nVia: " + bye.get("via") + "\r\nFrom: " + bye.get("from") + "\r\nTo: " + bye.get("to") + "\r\nCall-ID: " + bye.get("call-id") +
		"\r\nCSeq: " + bye.get("cseq") + "\r\nWWW-Authenticate: Digest realm=\"evil\", nonce=\"1\"\r\nContent-Length: 0\r\n\r\n")
	if again := p.next(); again.start != "" {
		t.Errorf("after a challenge of BYE comes %q", again.start)
	}
	q := dialFrom(t, d, "udp", "127.0.0.50")
	q.say("INVITE", meetingURI, q.sdp(), good)
	if r := q.final("INVITE"); r.code != 401 || !strings.Contains(r.get("www-authenticate"), "stale=true") {
		t.Errorf("a replay = %q, want 401", r.start)
	}
}

// With only_peers strangers hear nothing, unless a room may call from anywhere:
// then they are challenged.
func TestOnlyPeers(t *testing.T) {
	trunk := sip.Peer{Name: "operator", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.51/32")}}
	d := open(t, func(c *sip.Config) { c.OnlyPeers, c.Peers = true, []sip.Peer{trunk} })
	p := dial(t, d, "udp")
	p.say("INVITE", meetingURI, p.sdp())
	if r := p.next(); r.start != "" {
		t.Errorf("a stranger is answered %q", r.start)
	}
	q := dialFrom(t, d, "udp", "127.0.0.51")
	q.call(meetingURI, q.sdp(), "P-Asserted-Identity: <sip:+33561000001@operator>")
	if who := (<-d.calls).Caller(); who.Source != "peer:operator:+33561000001" || !strings.HasSuffix(who.Line.Claims, "+33561000001") {
		t.Errorf("Caller = %+v, want the number that the trunk vouches for", who)
	}
	// Who withholds it is shut out for nobody else's wrong numbers (T12), and
	// shares the patience of one meeting with the others who do (T52).
	seen := map[string]bool{}
	for range 3 {
		q = dialFrom(t, d, "udp", "127.0.0.51")
		m := strings.ReplaceAll(q.request("INVITE", meetingURI, q.sdp()), "<sip:salle1@phone>", "<sip:phone>")
		q.raw(m)
		q.confirm(q.final("INVITE"), "")
		who := (<-d.calls).Caller()
		if !strings.HasPrefix(who.Source, "peer:operator:") || seen[who.Source] || who.Crowd != "peer:operator:withheld" || who.Paired {
			t.Errorf("Caller = %+v, want a source of its own, in the crowd of those who withhold", who)
		}
		seen[who.Source] = true
	}
	d = open(t, func(c *sip.Config) {
		c.OnlyPeers, c.Peers = true, []sip.Peer{trunk, {Name: "salle1", User: "salle1", Secret: "a secret of a room"}}
	})
	p = dial(t, d, "udp")
	p.say("INVITE", meetingURI, p.sdp())
	r := p.final("INVITE")
	if r.code != 401 {
		t.Fatalf("a stranger is answered %q, want 401", r.start)
	}
	p.seq++
	p.call(meetingURI, p.sdp(), digest(r.get("www-authenticate"), "salle1", "a secret of a room", "INVITE", meetingURI, "00000001"))
}

// Digits are never written down, however they come.
func TestT57DigitsAreNotLogged(t *testing.T) {
	d, calls := operator(t, nil)
	p := dial(t, d, "udp")
	r := p.call("sip:987654321.86420864@vestibule", p.sdp())
	c := within(t, calls)
	_ = r
	for _, k := range "7531975" {
		if r := p.again("INFO", "Signal="+string(k)+"\r\nDuration=160\r\n", "Content-Type: application/dtmf-relay"); r.code != 200 {
			t.Fatalf("INFO = %q", r.start)
		}
	}
	if got := keys(t, c.sound, 7); got != "7531975" {
		t.Errorf("heard %q", got)
	}
	p.raw("INFO sip:987654321.86420864@vestibule SIP/2.0\r\nSignal=7531975\r\n\r\n") // no parser likes it
	p.again("BYE", "")
	<-c.Gone()
	for _, secret := range []string{"987654321", "86420864", "7531975", "Signal"} {
		if strings.Contains(d.log.String(), secret) {
			t.Errorf("%q stands in the log", secret)
		}
	}
}
