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
	head := append([]string{
		"SIP/2.0 " + status, "Via: " + r.get("via"), "From: " + r.get("from"), "To: " + r.get("to"), "Call-ID: " + r.get("call-id"), "CSeq: " + r.get("cseq"),
	}, lines...)
	p.raw(strings.Join(append(head, "Content-Length: 0"), "\r\n") + "\r\n\r\n")
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
