package sip_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"vestibule/dialin/media"
	"vestibule/dialin/sip"
)

// answered is a call that a test holds by its sound.
type answered struct {
	*sip.Call

	sound *media.Session
}

// operator hands each call with its sound to the test.
func operator(t testing.TB, change func(*sip.Config), before ...func(*sip.Server)) (*door, chan answered) {
	t.Helper()
	calls := make(chan answered, 100)
	d := open(t, func(c *sip.Config) {
		c.Answer = func(ctx context.Context, c *sip.Call) {
			s, err := c.Answer(ctx)
			if err != nil {
				return
			}
			calls <- answered{c, s}
			select {
			case <-ctx.Done():
			case <-c.Gone():
			}
		}
		if change != nil {
			change(c)
		}
	}, before...)
	return d, calls
}

func within(t testing.TB, calls chan answered) answered {
	t.Helper()
	select {
	case c := <-calls:
		return c
	case <-time.After(5 * time.Second):
		t.Fatal("no call arrives")
		return answered{}
	}
}

func TestCallFromBeginningToEnd(t *testing.T) {
	for _, network := range []string{"udp", "tcp"} {
		t.Run(network, func(t *testing.T) {
			d, calls := operator(t, nil)
			p := dial(t, d, network)
			p.say("INVITE", "sip:123456789.12345678@vestibule", p.sdp())
			r := p.final("INVITE")
			if r.code != 200 || !strings.Contains(r.body, "a=rtpmap:101 telephone-event/8000") {
				t.Fatalf("answer = %q\n%s", r.start, r.body)
			}
			time.Sleep(150 * time.Millisecond) // what would be sent too early is sent now
			if n := p.heard.Load(); n != 0 {
				t.Errorf("%d packets before the ACK", n)
			}
			p.confirm(r, "")
			c := within(t, calls)
			if c.Dialled() != "123456789.12345678" {
				t.Errorf("Dialled = %q", c.Dialled())
			}
			who := c.Caller()
			if who.Line.Kind != "SIP" || who.Line.Claims != "Salle 1" || who.Line.Address != "127.0.0.1" || who.Line.Encrypted {
				t.Errorf("Caller = %+v", who)
			}
			if r := p.again("INFO", "Signal=7\r\nDuration=160\r\n", "Content-Type: application/dtmf-relay"); r.code != 200 {
				t.Errorf("INFO = %q", r.start)
			}
			if got := keys(t, c.sound, 1); got != "7" {
				t.Errorf("INFO 7, heard %q", got)
			}
			p.press("19#*", 101)
			if got := keys(t, c.sound, 4); got != "19#*" {
				t.Errorf("pressed 19#*, heard %q", got)
			}
			if p.heard.Load() == 0 {
				t.Error("the phone hears nothing")
			}
			if r := p.again("BYE", ""); r.code != 200 {
				t.Errorf("BYE = %q", r.start)
			}
			<-c.Gone()
			if n := d.Calls(); n != 0 {
				t.Errorf("%d calls left", n)
			}
		})
	}
}

func TestOffers(t *testing.T) {
	video := []string{"m=video 6000 RTP/AVP 97 34", "a=rtpmap:97 H264/90000"}
	audio := func(pt string) []string {
		return []string{"m=audio PORT RTP/AVP 8 0 " + pt, "a=rtpmap:" + pt + " telephone-event/8000", "a=ptime:30"}
	}
	bfcp := []string{"m=application 6002 TCP/BFCP *", "m=application 6004 RTP/AVP 110"}
	list := func(parts ...[]string) (all []string) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	for name, c := range map[string]struct {
		offer []string
		want  []string
		pt    byte
	}{
		"payload 96":  {audio("96"), []string{"RTP/AVP 8 96\r\n", "a=ptime:30\r\n"}, 96},
		"payload 127": {audio("127"), []string{"RTP/AVP 8 127\r\n"}, 127},
		"video first": {list(video, audio("101"), bfcp), []string{"m=video 0 RTP/AVP 97 34\r\n", "m=application 0 TCP/BFCP *\r\n", "m=application 0 RTP/AVP 110\r\n"}, 101},
		"two audios":  {list(audio("101"), audio("101")), []string{"m=audio 0 RTP/AVP 8 0 101\r\n"}, 101},
		"dynamic": {
			[]string{"m=audio PORT RTP/AVP 9 112 101", "a=rtpmap:9 G722/8000", "a=rtpmap:112 PCMU/8000/1", "a=rtpmap:101 telephone-event/8000"},
			[]string{"RTP/AVP 112 101\r\n", "a=rtpmap:112 PCMU/8000\r\n"},
			101,
		},
		"wide events first": {
			[]string{"m=audio PORT RTP/AVP 0 100 101", "a=rtpmap:100 telephone-event/48000", "a=rtpmap:101 telephone-event/8000"},
			[]string{"RTP/AVP 0 101\r\n"},
			101,
		},
	} {
		t.Run(name, func(t *testing.T) {
			d, calls := operator(t, nil)
			p := dial(t, d, "udp")
			r := p.call(meetingURI, p.sdp(c.offer...))
			for _, w := range c.want {
				if !strings.Contains(r.body, w) {
					t.Errorf("answer lacks %q:\n%s", w, r.body)
				}
			}
			if got := strings.Count(r.body, "m="); got != strings.Count(strings.Join(c.offer, "\n"), "m=") {
				t.Errorf("%d m-lines in the answer:\n%s", got, r.body)
			}
			p.press("5", c.pt)
			if got := keys(t, within(t, calls).sound, 1); got != "5" {
				t.Errorf("pressed 5, heard %q", got)
			}
		})
	}
}

func TestDialled(t *testing.T) {
	d := open(t, nil)
	for uri, want := range map[string]string{
		"sip:123456789.12345678@vestibule":        "123456789.12345678",
		"sip:123456789%23%2312345678@vestibule":   "123456789##12345678",
		"sip:123456789**12345678@vestibule":       "123456789**12345678",
		"sip:123456789$$12345678@vestibule":       "123456789$$12345678",
		"sip:vestibule##123456789#12345678":       "vestibule##123456789#12345678",
		"sip:123456789@vestibule;transport=udp":   "123456789",
		"sips:vestibule":                          "",
		"sip:%zz@vestibule":                       "%zz",
		"sip:door:password@vestibule;user=phone?": "door",
	} {
		p := dial(t, d, "udp")
		p.call(uri, p.sdp())
		if got := (<-d.calls).Dialled(); got != want {
			t.Errorf("%s: Dialled = %q, want %q", uri, got, want)
		}
	}
}

func TestUnusableOffers(t *testing.T) {
	d, _ := operator(t, nil)
	for name, sdp := range map[string]string{
		"rubbish":   "hello",
		"no audio":  "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=video 6000 RTP/AVP 97\r\n",
		"no codec":  "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 9 18\r\n",
		"a name":    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 evil.example\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n",
		"multicast": "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 224.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/AVP 0\r\n",
		"savp":      "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 6000 RTP/SAVP 0\r\n",
	} {
		p := dial(t, d, "udp")
		p.say("INVITE", meetingURI, sdp)
		if r := p.final("INVITE"); r.code != 488 {
			t.Errorf("%s: %q, want 488", name, r.start)
		}
		p.say("ACK", meetingURI, "")
	}
	p := dial(t, d, "udp")
	p.say("INVITE", meetingURI, "hello", "Content-Type: text/plain")
	if r := p.final("INVITE"); r.code != 415 {
		t.Errorf("text: %q, want 415", r.start)
	}
	p = dial(t, d, "udp")
	p.say("INVITE", meetingURI, p.sdp(), "Require: 100rel, timer")
	if r := p.final("INVITE"); r.code != 420 || r.get("unsupported") != "100rel" {
		t.Errorf("Require: %q %q, want 420", r.start, r.get("unsupported"))
	}
}

func TestLateOffer(t *testing.T) {
	d, calls := operator(t, nil)
	p := dial(t, d, "udp")
	p.say("INVITE", meetingURI, "")
	r := p.final("INVITE")
	if r.code != 200 || !strings.Contains(r.body, "RTP/AVP 0 8 101") {
		t.Fatalf("%q\n%s", r.start, r.body)
	}
	p.confirm(r, p.sdp("m=audio PORT RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000"))
	c := within(t, calls)
	p.press("3", 101)
	if got := keys(t, c.sound, 1); got != "3" {
		t.Errorf("pressed 3, heard %q", got)
	}
}

func TestLateOfferNeverAnswered(t *testing.T) {
	d, _ := operator(t, nil)
	p := dial(t, d, "udp")
	p.say("INVITE", meetingURI, "")
	r := p.final("INVITE")
	p.confirm(r, "")
	if r := p.next(); !strings.HasPrefix(r.start, "BYE ") {
		t.Errorf("%q, want BYE", r.start)
	}
}

func TestHoldAndResume(t *testing.T) {
	d, calls := operator(t, nil)
	p := dial(t, d, "udp")
	p.call(meetingURI, p.sdp())
	within(t, calls)
	audio := []string{"m=audio PORT RTP/AVP 0 101", "a=rtpmap:101 telephone-event/8000"}
	for _, step := range []struct {
		direction, want string
		sends           bool
	}{{"a=sendonly", "a=recvonly", false}, {"a=sendrecv", "a=sendrecv", true}, {"a=inactive", "a=inactive", false}, {"", "a=sendrecv", true}} {
		lines := audio
		if step.direction != "" {
			lines = append(append([]string{}, audio...), step.direction)
		}
		r := p.again("INVITE", p.sdp(lines...))
		if r.code != 200 || !strings.Contains(r.body, step.want+"\r\n") {
			t.Fatalf("re-INVITE %s = %q\n%s", step.direction, r.start, r.body)
		}
		p.confirm(r, "")
		time.Sleep(50 * time.Millisecond) // what was under way
		before := p.heard.Load()
		time.Sleep(200 * time.Millisecond)
		if sends := p.heard.Load() > before+2; sends != step.sends {
			t.Errorf("after %q the door sends: %v, want %v", step.direction, sends, step.sends)
		}
	}
}

func TestUpdateWithoutOfferRefreshes(t *testing.T) {
	d, calls := operator(t, nil)
	p := dial(t, d, "udp")
	r := p.call(meetingURI, p.sdp(), "Supported: timer", "Session-Expires: 120;refresher=uac")
	if got := r.get("session-expires"); got != "120;refresher=uac" {
		t.Errorf("Session-Expires = %q", got)
	}
	within(t, calls)
	if r := p.again("UPDATE", "", "Supported: timer", "Session-Expires: 120;refresher=uac"); r.code != 200 || r.get("session-expires") == "" {
		t.Errorf("UPDATE = %q", r.start)
	}
	q := dial(t, d, "udp")
	q.say("INVITE", meetingURI, q.sdp(), "Supported: timer", "Session-Expires: 30")
	if r := q.final("INVITE"); r.code != 422 || r.get("min-se") != "90" {
		t.Errorf("Session-Expires 30 = %q", r.start)
	}
}

func TestCancel(t *testing.T) {
	held := make(chan struct{})
	d, _ := operator(t, func(c *sip.Config) {
		c.Answer = func(_ context.Context, c *sip.Call) {
			<-c.Gone()
			close(held)
		}
	})
	p := dial(t, d, "udp")
	p.say("INVITE", meetingURI, p.sdp())
	for r := p.next(); r.code != 180; r = p.next() {
		if r.start == "" {
			t.Fatal("no 180")
		}
	}
	p.say("CANCEL", meetingURI, "")
	if r := p.final("CANCEL"); r.code != 200 {
		t.Errorf("CANCEL = %q", r.start)
	}
	if r := p.final("INVITE"); r.code != 487 {
		t.Errorf("INVITE = %q, want 487", r.start)
	}
	<-held
}

// The line is off at once: BYE and silence before the other side says a word.
func TestT37HangupIsAtOnce(t *testing.T) {
	d, calls := operator(t, nil)
	p := dial(t, d, "udp")
	p.call(meetingURI, p.sdp())
	c := within(t, calls)
	c.Hangup(t.Context()) // waits for no answer: nobody gives one before this returns
	r := p.next()
	if !strings.HasPrefix(r.start, "BYE ") {
		t.Errorf("%q after Hangup, want BYE", r.start)
	}
	time.Sleep(30 * time.Millisecond)
	before := p.heard.Load()
	time.Sleep(200 * time.Millisecond)
	if p.heard.Load() != before {
		t.Error("sound goes on")
	}
	if r := p.next(); !strings.HasPrefix(r.start, "BYE ") {
		t.Errorf("an unanswered BYE is not repeated: %q", r.start)
	}
}
