package sip_test

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

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

// A refusal may be lost like anything else: to who has heard that it rings it is
// said until they confirm it (RFC 3261 §17.2.1), and of one source for few.
func TestRefusalsAreRepeated(t *testing.T) {
	d := open(t, func(c *sip.Config) {
		c.PerSource, c.Burst = 100, 100
		c.Answer = func(_ context.Context, c *sip.Call) { <-c.Gone() }
	})
	p := dial(t, d, "udp")
	p.say("INVITE", meetingURI, p.sdp())
	rings := func(p *phone) {
		t.Helper()
		for r := p.next(); r.code != 180; r = p.next() {
			if r.start == "" {
				t.Fatal("it does not ring")
			}
		}
	}
	rings(p)
	p.say("CANCEL", meetingURI, "")
	first := p.final("INVITE")
	again := p.final("INVITE")
	if first.code != 487 || again.start != first.start || again.get("to") != first.get("to") {
		t.Fatalf("a refusal is %q, then %q", first.start, again.start)
	}
	_, p.toTag, _ = strings.Cut(first.get("to"), "tag=")
	p.raw(strings.Replace(p.request("ACK", meetingURI, ""), "ACK;rport", "INVITE;rport", 1)) // of the same transaction
	time.Sleep(100 * time.Millisecond)
	for len(p.in) > 0 {
		<-p.in // was under way
	}
	time.Sleep(1500 * time.Millisecond)
	if n := len(p.in); n != 0 {
		t.Errorf("%d messages after the ACK of a refusal", n)
	}
	repeated := 0
	var all []*phone
	for range 40 {
		p := dial(t, d, "udp")
		p.say("INVITE", meetingURI, p.sdp())
		rings(p)
		p.say("CANCEL", meetingURI, "")
		all = append(all, p)
	}
	time.Sleep(2 * time.Second)
	for _, p := range all {
		n := 0
		for len(p.in) > 0 {
			if r := <-p.in; r.code == 487 {
				n++
			}
		}
		if n > 1 {
			repeated++
		}
	}
	if repeated == 0 || repeated > 16 {
		t.Errorf("of 40 refusals to one source %d are repeated at once, want 1 to 16", repeated)
	}
}
