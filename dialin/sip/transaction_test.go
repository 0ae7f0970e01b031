package sip_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"vestibule/dialin/sip"
)

// Whoever has called, and holds a call, may ask as much as they like: the others
// still get in.
func TestT51OneSourceCannotShutTheDoor(t *testing.T) {
	d := open(t, nil)
	p := dialFrom(t, d, "udp", "127.0.0.66")
	p.call(meetingURI, p.sdp())
	within, without := p.toTag, ""
	from := netip.MustParseAddrPort(p.sig.LocalAddr().String())
	answers := map[string]int{}
	for i := range 25_000 {
		p.seq++
		method := []string{"OPTIONS", "FOO", "BYE", "OPTIONS", "INFO", "UPDATE"}[i%6]
		p.toTag = [...]string{without, without, "gone", within, within, within}[i%6]
		for _, m := range sip.Receive(d.Server, []byte(p.request(method, meetingURI, "")), from) {
			answers[method+" "+strings.Fields(string(m.Bytes))[1]]++
		}
	}
	for what, atLeast := range map[string]int{"OPTIONS 200": 8000, "FOO 405": 4000, "BYE 481": 4000, "INFO 200": 4000, "UPDATE 200": 4000} {
		if answers[what] < atLeast {
			t.Errorf("%s: %d times, want at least %d", what, answers[what], atLeast)
		}
	}
	q := dialFrom(t, d, "udp", "127.0.0.10")
	q.call(meetingURI, q.sdp())
}

// A repeat gets what the first got, tag and all (RFC 3261 §8.2.7, §17.2.2).
func TestRepeatsAreAnsweredAlike(t *testing.T) {
	d, calls := operator(t, nil)
	p := dial(t, d, "udp")
	p.call(meetingURI, p.sdp())
	c := within(t, calls)
	tag := p.toTag
	for _, x := range []struct{ method, tag, body, kind string }{
		{"OPTIONS", "", "", ""},
		{"FOO", "", "", ""},
		{"BYE", "gone", "", ""},
		{"OPTIONS", tag, "", ""},
		{"INFO", tag, "7", "Content-Type: application/dtmf"},
		{"REFER", tag, "", ""},
		{"BYE", tag, "", ""},
	} {
		p.seq++
		p.toTag = x.tag
		m := p.request(x.method, meetingURI, x.body, x.kind)
		if x.kind == "" {
			m = p.request(x.method, meetingURI, x.body)
		}
		var answers []string
		for range 3 {
			p.raw(m)
			r := p.final(x.method)
			answers = append(answers, fmt.Sprint(r.start, r.get("to")))
		}
		if answers[0] == "" || answers[1] != answers[0] || answers[2] != answers[0] {
			t.Errorf("%s is answered %q", x.method, answers)
		}
	}
	if got := keys(t, c.sound, 2); got != "7" {
		t.Errorf("heard %q, want the key once", got)
	}
}
