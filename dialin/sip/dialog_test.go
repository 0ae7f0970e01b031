package sip_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"vestibule/dialin/sip"
)

// sends reports whether the door sends sound.
func (p *phone) sends() bool {
	time.Sleep(50 * time.Millisecond) // what was under way
	before := p.heard.Load()
	time.Sleep(200 * time.Millisecond)
	return p.heard.Load() > before+2
}

// A call manager takes a call back from hold by a re-INVITE without an offer: it
// is offered to talk, in the lines and with the keys that were agreed on.
func TestResumeWithoutAnOffer(t *testing.T) {
	video, audio := "m=video 6000 RTP/AVP 97", []string{"m=audio PORT RTP/SAVP 8 101", "a=rtpmap:101 telephone-event/8000", "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key80}
	for _, direction := range []string{"a=sendonly", "a=inactive"} {
		d, calls := operator(t, nil)
		p := dial(t, d, "udp")
		p.call(meetingURI, p.sdp(append([]string{video}, audio...)...))
		within(t, calls)
		held := p.again("INVITE", p.sdp(append([]string{video}, append(audio, direction)...)...))
		p.confirm(held, "")
		if p.sends() {
			t.Errorf("%s: the door sends on hold", direction)
		}
		r := p.again("INVITE", "")
		if r.code != 200 || !strings.Contains(r.body, "a=sendrecv\r\n") || !strings.Contains(r.body, "m=video 0 ") || !strings.Contains(r.body, " RTP/SAVP 8 101\r\n") {
			t.Fatalf("%s: resume = %q\n%s", direction, r.start, r.body)
		}
		origin := func(r reply) []string { return strings.Fields(strings.Split(r.body, "\r\n")[1]) }
		if was, is := origin(held), origin(r); is[1] != was[1] || is[2] <= was[2] {
			t.Errorf("%s: the offer is %v after %v, want a later version", direction, is, was)
		}
		p.confirm(r, p.sdp(append([]string{"m=video 0 RTP/AVP 97"}, audio...)...))
		if !p.sends() {
			t.Errorf("%s: the call stays on hold", direction)
		}
	}
}

// While one change is open another is put off, and changes nothing.
func TestChangesWaitForEachOther(t *testing.T) {
	d, calls := operator(t, nil)
	p := dial(t, d, "udp")
	p.call(meetingURI, p.sdp())
	within(t, calls)
	first := p.again("INVITE", p.sdp())
	open := p.seq
	for _, method := range []string{"INVITE", "UPDATE"} {
		if r := p.again(method, p.sdp("m=audio PORT RTP/AVP 0", "a=inactive")); r.code != 491 {
			t.Errorf("%s while another waits for its ACK = %q, want 491", method, r.start)
		}
	}
	if r := p.again("UPDATE", ""); r.code != 200 {
		t.Errorf("a refresh = %q", r.start)
	}
	if !p.sends() {
		t.Error("a change that was refused holds the call")
	}
	next := p.seq
	p.seq = open
	p.confirm(first, "")
	p.seq = next
	if r := p.again("UPDATE", p.sdp("m=audio PORT RTP/AVP 0", "a=inactive")); r.code != 200 || p.sends() {
		t.Errorf("a change after the ACK = %q", r.start)
	}
}

// Between the ACK and the first sound there is nothing to change yet; that is no
// reason to refuse the device's codecs.
func TestChangeRightAfterTheACK(t *testing.T) {
	d, _ := operator(t, func(c *sip.Config) { c.PerSource, c.Burst = 30, 30 })
	for range 30 {
		p := dial(t, d, "udp")
		p.say("INVITE", meetingURI, p.sdp())
		r := p.final("INVITE")
		_, p.toTag, _ = strings.Cut(r.get("to"), "tag=")
		ack := p.request("ACK", meetingURI, "")
		p.seq++
		from := netip.MustParseAddrPort(p.sig.LocalAddr().String())
		sip.Receive(d.Server, []byte(ack), from)
		for _, m := range sip.Receive(d.Server, []byte(p.request("INVITE", meetingURI, p.sdp())), from) {
			if r := parse(t, m.Bytes); r.code != 200 && r.code != 491 {
				t.Fatalf("a re-INVITE right after the ACK = %q", r.start)
			}
		}
	}
}

// Both may ask at once: then neither is answered, and we ask again soon.
func TestBothAskAtOnce(t *testing.T) {
	d, calls := operator(t, nil, func(s *sip.Server) { sip.Shorten(s, time.Second) })
	p := dial(t, d, "udp")
	p.call(meetingURI, p.sdp(), "Supported: timer", "Session-Expires: 20;refresher=uas", "Allow: INVITE")
	c := within(t, calls)
	ours := p.asked("INVITE", 15*time.Second)
	if r := p.again("INVITE", p.sdp("m=audio PORT RTP/AVP 0", "a=inactive")); r.code != 491 {
		t.Errorf("re-INVITE while ours is open = %q, want 491", r.start)
	}
	p.answer(ours, "491 Request Pending")
	p.asked("ACK", time.Second)
	p.answer(p.asked("INVITE", 5*time.Second), "200 OK", "Session-Expires: 20;refresher=uac")
	p.asked("ACK", time.Second)
	select {
	case <-c.Gone():
		t.Error("the call has ended")
	default:
	}
}

// A device that sends nothing is asked whether it is there: a telephone may send
// nothing while nobody speaks. One that said that it only listens is not.
func TestSilentDevicesAreAsked(t *testing.T) {
	d, calls := operator(t, func(c *sip.Config) { c.Silent = 200 * time.Millisecond })
	listener := dial(t, d, "udp")
	listener.call(meetingURI, listener.sdp("m=audio PORT RTP/AVP 0", "a=recvonly"))
	listens := within(t, calls)
	p := dial(t, d, "udp")
	p.call(meetingURI, p.sdp())
	c := within(t, calls)
	for range 3 {
		p.answer(p.asked("OPTIONS", 5*time.Second), "200 OK")
	}
	select {
	case <-c.Gone():
		t.Fatal("a device that answers is hung up on")
	case <-listens.Gone():
		t.Fatal("a device that only listens is hung up on")
	default:
	}
	p.answer(p.asked("OPTIONS", 5*time.Second), "481 Call/Transaction Does Not Exist")
	p.asked("BYE", 5*time.Second)
	<-c.Gone()
	select {
	case r := <-listener.in:
		t.Errorf("a device that only listens hears %q", r.start)
	default:
	}
}

// One that does not answer either is hung up on.
func TestDeadLinesEnd(t *testing.T) {
	d, calls := operator(t, func(c *sip.Config) { c.Silent = 200 * time.Millisecond })
	p := dial(t, d, "udp")
	p.call(meetingURI, p.sdp())
	c := within(t, calls)
	p.asked("BYE", 10*time.Second)
	<-c.Gone()
}

// A device that moves says where to with its next change, and hears us there
// (RFC 3261 §12.2); a change that is refused moves nobody.
func TestTargetsAreRefreshed(t *testing.T) {
	d, calls := operator(t, nil)
	p := dial(t, d, "udp")
	p.call(meetingURI, p.sdp())
	c := within(t, calls)
	p.confirm(p.again("INVITE", p.sdp(), "Contact: <sip:first@127.0.0.1>"), "")
	if r := p.again("INVITE", p.sdp("m=audio PORT RTP/AVP 18"), "Contact: <sip:refused@127.0.0.1>"); r.code != 488 {
		t.Fatalf("a change to an unknown codec = %q, want 488", r.start)
	}
	ends := func(c answered, p *phone, want string) {
		t.Helper()
		go c.Hangup(t.Context())
		if r := p.asked("BYE", 5*time.Second); r.start != "BYE "+want+" SIP/2.0" {
			t.Errorf("the door says goodbye by %q, want to %s", r.start, want)
		} else {
			p.answer(r, "200 OK")
		}
	}
	ends(c, p, "sip:first@127.0.0.1")
	p = dial(t, d, "udp")
	p.call(meetingURI, p.sdp())
	c = within(t, calls)
	if r := p.again("UPDATE", "", "Contact: <sip:second@127.0.0.1>"); r.code != 200 {
		t.Fatalf("UPDATE = %q", r.start)
	}
	if r := p.again("INFO", "7", "Content-Type: application/dtmf", "Contact: <sip:third@127.0.0.1>"); r.code != 200 {
		t.Fatalf("INFO = %q", r.start)
	}
	ends(c, p, "sip:second@127.0.0.1")
}

// A call by sips: is one by TLS all the way, and so is what we are reached by.
func TestSecureContacts(t *testing.T) {
	d, _ := operator(t, nil)
	for uri, lines := range map[string][]string{
		"sips:100@vestibule": nil,
		"sip:100@vestibule":  {"Contact: <sips:salle1@127.0.0.1>"},
		"sip:101@vestibule":  {"Record-Route: <sips:proxy@127.0.0.1;lr>"},
	} {
		p := dial(t, d, "tcp")
		if r := p.call(uri, p.sdp(), lines...); !strings.HasPrefix(r.get("contact"), "<sips:door@") {
			t.Errorf("%s %v is answered from %q, want sips:", uri, lines, r.get("contact"))
		}
	}
	p := dial(t, d, "tcp")
	if r := p.call(meetingURI, p.sdp(), "Contact: <sips:salle1@127.0.0.1>", "Record-Route: <sip:proxy@127.0.0.1;lr>"); !strings.HasPrefix(r.get("contact"), "<sip:door@") {
		t.Errorf("a call that a proxy takes over without TLS is answered from %q", r.get("contact"))
	}
}
