package sip_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vestibule/dialin/sip"
)

// answer says yes or no to a request of the door's.
func (p *phone) answer(r reply, status string, lines ...string) {
	p.t.Helper()
	p.agree(r, status, "", lines...)
}

// agree is answer with SDP.
func (p *phone) agree(r reply, status, sdp string, lines ...string) {
	p.t.Helper()
	if sdp != "" {
		lines = append(lines, "Content-Type: application/sdp")
	}
	head := append([]string{
		"SIP/2.0 " + status, "Via: " + r.get("via"), "From: " + r.get("from"), "To: " + r.get("to"), "Call-ID: " + r.get("call-id"), "CSeq: " + r.get("cseq"),
	}, lines...)
	p.raw(strings.Join(append(head, fmt.Sprintf("Content-Length: %d", len(sdp))), "\r\n") + "\r\n\r\n" + sdp)
}

// request is the next request of the door's.
func (p *phone) asked(method string, patience time.Duration) reply {
	p.t.Helper()
	end := time.After(patience)
	for {
		select {
		case r := <-p.in:
			if strings.HasPrefix(r.start, method+" ") {
				return r
			}
		case <-end:
			p.t.Fatalf("the door sends no %s", method)
		}
	}
}

// Where the device leaves it to us, the session is refreshed, by UPDATE where
// it takes that, and ended where nobody knows of it any more (RFC 4028).
func TestWeRefresh(t *testing.T) {
	for method, allow := range map[string]string{"UPDATE": "Allow: INVITE, UPDATE", "INVITE": "Allow: INVITE"} {
		t.Run(method, func(t *testing.T) {
			d, calls := operator(t, nil, func(s *sip.Server) { sip.Shorten(s, time.Second) })
			p := dial(t, d, "udp")
			r := p.call(meetingURI, p.sdp(), "Supported: timer", "Session-Expires: 2;refresher=uas", allow)
			if got := r.get("session-expires"); got != "2;refresher=uas" {
				t.Fatalf("Session-Expires = %q", got)
			}
			c := within(t, calls)
			for i := range 2 {
				r := p.asked(method, 10*time.Second)
				if got := r.get("session-expires"); got != "2;refresher=uac" {
					t.Errorf("refresh %d: Session-Expires = %q, want us to go on", i, got)
				}
				if method == "INVITE" && !strings.Contains(r.body, "m=audio "+fmt.Sprint(p.remote.Port())) {
					t.Errorf("refresh %d offers another place:\n%s", i, r.body)
				}
				p.answer(r, "200 OK", "Session-Expires: 2;refresher=uac")
				if method == "INVITE" {
					p.asked("ACK", 5*time.Second)
					p.answer(r, "200 OK", "Session-Expires: 2;refresher=uac") // the ACK was lost
					p.asked("ACK", 5*time.Second)
				}
			}
			select {
			case <-c.Gone():
				t.Fatal("a refreshed session ended")
			default:
			}
			p.answer(p.asked(method, 10*time.Second), "481 Call/Transaction Does Not Exist")
			p.answer(p.asked("BYE", 5*time.Second), "200 OK")
			<-c.Gone()
		})
	}
}

// The old way to hold: an address of zeros (RFC 2543), and back.
func TestOldHold(t *testing.T) {
	d, calls := operator(t, nil)
	p := dial(t, d, "udp")
	p.call(meetingURI, p.sdp())
	within(t, calls)
	for _, sends := range []bool{false, true} {
		sdp := p.sdp("m=audio PORT RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000")
		if !sends {
			sdp = strings.ReplaceAll(sdp, "c=IN IP4 127.0.0.1", "c=IN IP4 0.0.0.0")
		}
		r := p.again("INVITE", sdp)
		if want := map[bool]string{false: "a=inactive", true: "a=sendrecv"}[sends]; r.code != 200 || !strings.Contains(r.body, want) {
			t.Errorf("hold = %q, want %s\n%s", r.start, want, r.body)
		}
		p.confirm(r, "")
		time.Sleep(50 * time.Millisecond) // what was under way
		before := p.heard.Load()
		time.Sleep(300 * time.Millisecond)
		if got := p.heard.Load() > before+2; got != sends {
			t.Errorf("the door sends: %v, want %v", got, sends)
		}
	}
}

// A refresh of ours may be answered with a change: another port, hold, another
// key. What does not fit our offer changes nothing.
func TestRefreshesAreAgreedTo(t *testing.T) {
	key := "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + key80
	for name, audio := range map[string][]string{"clear": {"m=audio PORT RTP/AVP 0"}, "encrypted": {"m=audio PORT RTP/SAVP 0", key}} {
		t.Run(name, func(t *testing.T) {
			d, calls := operator(t, nil, func(s *sip.Server) { sip.Shorten(s, time.Second) })
			p, moved := dial(t, d, "udp"), dial(t, d, "udp")
			p.call(meetingURI, p.sdp(audio...), "Supported: timer", "Session-Expires: 2;refresher=uas", "Allow: INVITE")
			c := within(t, calls)
			agree := func(sdp string) {
				t.Helper()
				p.agree(p.asked("INVITE", 10*time.Second), "200 OK", sdp, "Session-Expires: 2;refresher=uac", "Contact: <sip:moved@127.0.0.1>")
				if r := p.asked("ACK", 5*time.Second); !strings.HasPrefix(r.start, "ACK sip:moved@127.0.0.1 ") {
					t.Errorf("the answer from another Contact is confirmed by %q", r.start)
				}
			}
			agree(p.sdp(append(audio, "a=inactive")...))
			if p.sends() {
				t.Error("the door sends on hold")
			}
			agree(p.sdp(append(audio, "a=sendrecv")...))
			if p.sends() {
				t.Error("a device takes from an offer what was not in it")
			}
			p.confirm(p.again("INVITE", p.sdp(audio...)), "") // resumes
			if !p.sends() {
				t.Fatal("the call stays on hold")
			}
			agree(moved.sdp(audio...))
			if !moved.sends() || p.sends() {
				t.Error("the sound does not follow the device")
			}
			agree(p.sdp(map[string][]string{"clear": {"m=audio PORT RTP/SAVP 0", key}, "encrypted": {"m=audio PORT RTP/AVP 0"}}[name]...))
			if !moved.sends() || p.sends() {
				t.Error("an answer that fits no offer is agreed to")
			}
			c.Hangup(t.Context())
		})
	}
}
