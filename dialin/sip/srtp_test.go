package sip_test

import (
	"crypto/tls"
	"encoding/base64"
	"net"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/srtp/v3"

	"vestibule/dialin/sip"
)

const key80 = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5"

func savp(lines ...string) []string {
	return append([]string{"m=audio PORT RTP/SAVP 0 101", "a=rtpmap:101 telephone-event/8000"}, lines...)
}

// secured is a door with TLS, and a phone on it.
func secured(t *testing.T, change func(*sip.Config)) (*phone, chan answered) {
	t.Helper()
	web := httptest.NewUnstartedServer(nil)
	web.StartTLS()
	t.Cleanup(web.Close)
	d, calls := operator(t, func(c *sip.Config) {
		c.TLS, c.Certificates = []string{"127.0.0.1:0"}, &tls.Config{Certificates: web.TLS.Certificates, MinVersion: tls.VersionTLS12}
		if change != nil {
			change(c)
		}
	})
	_, _, at := d.Addrs()
	p := dial(t, d, "udp")
	_ = p.sig.Close()
	c, err := tls.Dial("tcp", at[0].String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	p.sig, p.in = c, make(chan reply, 64)
	go listen(t, "tcp", c, p.in)
	return p, calls
}

// Sound and signalling are encrypted, and the host is told so only then.
func TestEncryptedCall(t *testing.T) {
	p, calls := secured(t, nil)
	sdp := p.sdp(savp(
		"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+key80+"|2^20|1:4", // an MKI is not spoken
		"a=crypto:2 AES_CM_128_HMAC_SHA1_32 inline:"+key80,
		"a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:"+key80+"|2^20",
	)...)
	// The sound comes to a socket of the test's own, to be decrypted.
	u, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer u.Close()
	_, port, _ := net.SplitHostPort(u.LocalAddr().String())
	r := p.call(meetingURI, regexp.MustCompile(`m=audio \d+`).ReplaceAllString(sdp, "m=audio "+port))
	m := regexp.MustCompile(`a=crypto:3 AES_CM_128_HMAC_SHA1_80 inline:(\S+)\r\n`).FindStringSubmatch(r.body)
	if m == nil || !strings.Contains(r.body, "RTP/SAVP 0 101") {
		t.Fatalf("answer:\n%s", r.body)
	}
	if who := within(t, calls).Caller(); !who.Line.Encrypted {
		t.Error("an encrypted call is not called so")
	}
	raw, err := base64.StdEncoding.DecodeString(m[1])
	if err != nil {
		t.Fatal(err)
	}
	ours, err := srtp.CreateContext(raw[:16], raw[16:], srtp.ProtectionProfileAes128CmHmacSha1_80)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2000)
	_ = u.SetReadDeadline(time.Now().Add(2 * time.Second))
	n, err := u.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := ours.DecryptRTP(nil, b[:n], nil); err != nil || len(plain) != 172 {
		t.Errorf("the sound cannot be decrypted: %v, %d bytes", err, len(plain))
	}
}

// Keys that travel in the clear protect nothing.
func TestKeysInTheClearAreNoEncryption(t *testing.T) {
	d, calls := operator(t, nil)
	p := dial(t, d, "tcp")
	p.call(meetingURI, p.sdp(savp("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+key80)...))
	if who := within(t, calls).Caller(); who.Line.Encrypted {
		t.Error("a call whose keys anybody on the way has is called encrypted")
	}
}

func TestSecrecy(t *testing.T) {
	plain := []string{"m=audio PORT RTP/AVP 0"}
	keyed := savp("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key80)
	for _, c := range []struct {
		secrecy sip.Secrecy
		offer   []string
		want    int
	}{
		{sip.Prefer, plain, 200},
		{sip.Prefer, keyed, 200},
		{sip.Require, plain, 488},
		{sip.Require, keyed, 200},
		{sip.Never, plain, 200},
		{sip.Never, keyed, 488},
		{sip.Prefer, savp("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key80 + " UNENCRYPTED_SRTP"), 488},
		{sip.Prefer, savp("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:c2hvcnQ="), 488},
		{sip.Prefer, savp("a=crypto:1 F8_128_HMAC_SHA1_80 inline:" + key80), 488},
	} {
		d := open(t, func(x *sip.Config) { x.Secrecy = c.secrecy })
		p := dial(t, d, "udp")
		p.say("INVITE", meetingURI, p.sdp(c.offer...))
		r := p.final("INVITE")
		if r.code != c.want {
			t.Errorf("secrecy %d, offer %q: %q, want %d", c.secrecy, c.offer, r.start, c.want)
		}
		p.confirm(r, "")
	}
}

// A key of ours serves once: another suite, or a way through plain sound, gets
// another key; the same suite keeps it.
func TestKeysServeOnce(t *testing.T) {
	d, calls := operator(t, nil)
	p := dial(t, d, "udp")
	ours := func(r reply) string {
		m := regexp.MustCompile(`inline:(\S+)\r\n`).FindStringSubmatch(r.body)
		if m == nil {
			return ""
		}
		return m[1]
	}
	const other = "OTg3NjU0MzIxMDk4NzY1NDMyMTA5ODc2NTQzMjEw"
	first := ours(p.call(meetingURI, p.sdp(savp("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"+key80)...)))
	within(t, calls)
	seen := map[string]bool{"": true}
	for _, step := range []struct {
		name  string
		offer []string
		same  bool
	}{
		{"another key of the device's", savp("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + other), true},
		{"another suite", savp("a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:" + key80), false},
		{"plain", []string{"m=audio PORT RTP/AVP 0"}, false},
		{"encrypted again", savp("a=crypto:1 AES_CM_128_HMAC_SHA1_32 inline:" + key80), false},
	} {
		r := p.again("INVITE", p.sdp(step.offer...))
		p.confirm(r, "")
		got := ours(r)
		if step.name == "plain" {
			continue
		}
		if (got == first) != step.same || !step.same && seen[got] {
			t.Errorf("%s: our key is the same: %v, want %v", step.name, got == first || seen[got], step.same)
		}
		seen[got], seen[first] = true, true
	}
}
