package sip_test

import (
	"net/netip"
	"strings"
	"testing"

	"vestibule/dialin/sip"
)

// Whatever arrives, nothing panics, and an answer goes only to where it came
// from and is one message.
func FuzzMessage(f *testing.F) {
	for _, m := range torture(f) {
		f.Add([]byte(m))
	}
	d := open(f, nil)
	p := dial(f, d, "udp")
	f.Add([]byte(p.request("INVITE", meetingURI, p.sdp())))
	f.Fuzz(func(t *testing.T, b []byte) {
		from := netip.MustParseAddrPort("192.0.2.1:5060")
		for _, a := range sip.Receive(d.Server, b, from) {
			if a.To.Addr() != from.Addr() {
				t.Errorf("an answer to %v for a message from %v", a.To, from)
			}
			head, _, _ := strings.Cut(string(a.Bytes), "\r\n\r\n")
			if !strings.HasPrefix(head, "SIP/2.0 ") || strings.Contains(strings.ReplaceAll(head, "\r\n", ""), "\n") || strings.Count(head, "Content-Length:") != 1 {
				t.Errorf("answer %q", a.Bytes)
			}
		}
	})
}

func FuzzOffer(f *testing.F) {
	for _, s := range []string{
		"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:30\r\n",
		"v=0\r\no=- 1 1 IN IP6 ::1\r\ns=-\r\nt=0 0\r\nm=video 0 RTP/AVP 97\r\nm=audio 6000 RTP/SAVP 8\r\nc=IN IP6 ::1\r\n" +
			"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5|2^20\r\n",
		"v=0\r\no=- 1 1 IN IP4 1.2.3.4\r\ns=-\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=inactive\r\nm=audio 6000 RTP/AVP 112\r\na=rtpmap:112 PCMA/8000/1\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		answer, ok := sip.Negotiate(b)
		if !ok {
			return
		}
		if again, ok := sip.Negotiate(answer); !ok {
			t.Errorf("our own answer cannot be used:\n%s\n%s", answer, again)
		}
	})
}

// However a stream is cut into pieces, the messages are the same.
func FuzzStream(f *testing.F) {
	m := "OPTIONS sip:v SIP/2.0\r\nContent-Length: 5\r\n\r\nhello"
	f.Add([]byte(m+"\r\n\r\n"+m), 3)
	f.Add([]byte("OPTIONS sip:v SIP/2.0\r\nl: 0\r\n\r\n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, step int) {
		if step < 1 {
			step = 1
		}
		whole := sip.Cut(b, len(b)+1)
		if pieces := sip.Cut(b, step); strings.Join(pieces, "|") != strings.Join(whole, "|") {
			t.Errorf("in pieces of %d: %q, whole: %q", step, pieces, whole)
		}
	})
}

func FuzzDigest(f *testing.F) {
	f.Add(`Digest username="a", realm="vestibule", nonce="00", uri="sip:x", response="00", algorithm=SHA-256, cnonce="c", qop=auth, nc=00000001`)
	f.Add(`Digest a="b`)
	f.Fuzz(func(t *testing.T, h string) {
		if sip.Proves(h) {
			t.Errorf("%q proves a secret", h)
		}
	})
}
