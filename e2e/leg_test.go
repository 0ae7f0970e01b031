package e2e_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// serverHertz is what the conference server of these tests says.
const serverHertz = 600

// admitsCaller lets the one caller of a house in once they wait.
func (h *house) admitsCaller(t *testing.T) (host *visitor, console, admission string) {
	t.Helper()
	host = h.asHost(t)
	console = host.at.String()
	eventually(t, "the caller waits", func() bool { return host.waits(console, h.Dialin.For) })
	host.open(console).submit("/enter", nil).submit("/-/enter", nil)
	admission = host.open(console).form("/answer").Values.Get("admission")
	host.answers(console, admission, "admit")
	return host, console, admission
}

// TestLegToATelephone has a caller put through to a conference server that is a
// telephone itself: they hear each other, and who is put out is off both lines
// at once.
func TestLegToATelephone(t *testing.T) {
	at := net.JoinHostPort("127.0.0.1", freePort(t))
	server := newBaresipAt(t, serverHertz, at, ";answermode=auto")
	h := openHouse(t, "--leg", "sip:salle1@"+at)
	phone := newBaresip(t, callerHertz)
	phone.do("dial", "sip:"+h.Dialin.Meeting+"."+h.Dialin.Code+"@"+h.Dialin.SIP)
	phone.waits("CALL_ESTABLISHED", 10*time.Second)
	host, console, admission := h.admitsCaller(t)
	server.waits("CALL_ESTABLISHED", 20*time.Second)
	time.Sleep(9 * time.Second) // of the welcome and each other, for the recordings
	start := time.Now()
	host.expels(console, admission)
	took := max(phone.waits("CALL_CLOSED", 5*time.Second).at.Sub(start), server.waits("CALL_CLOSED", 5*time.Second).at.Sub(start))
	t.Logf("both lines were off %v after the host's click", took.Round(time.Millisecond))
	if took > bound { // of a loaded machine; TestLeg measures the leg itself
		t.Errorf("both lines were off after %v", took)
	}
	time.Sleep(300 * time.Millisecond)
	said(t, "the caller", phone.heard(), serverHertz)
	said(t, "the conference server", server.heard(), callerHertz)
}

// said asks for two seconds of a tone in what was heard.
func said(t *testing.T, who string, s []float64, hertz float64) {
	t.Helper()
	pieces := 0
	const piece = phoneRate / 10
	for i := 0; i+piece <= len(s); i += piece {
		if p, share := goertzel(s[i:i+piece], hertz); p > 1e-4 && share > 0.8 {
			pieces++
		}
	}
	t.Logf("%s hears the other's tone for %.1f s of %d", who, float64(pieces)/10, len(s)/phoneRate)
	if pieces < 20 {
		t.Errorf("%s hears the other's tone for %.1f s, want 2", who, float64(pieces)/10)
	}
}

// uas has sipp be the conference server.
func uas(t *testing.T, at string, args ...string) (ended chan error) {
	t.Helper()
	program, err := exec.LookPath("sipp")
	if err != nil {
		t.Fatal("sipp is missing: apt-get install sip-tester")
	}
	_, port, err := net.SplitHostPort(at)
	if err != nil {
		t.Fatal(err)
	}
	scenarios, err := filepath.Abs(filepath.Join("testdata", "sipp"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	for i, a := range args {
		if filepath.Ext(a) == ".xml" {
			args[i] = filepath.Join(scenarios, a)
		}
	}
	cmd := exec.CommandContext(ctx, program, append([]string{"-i", "127.0.0.1", "-p", port, "-m", "1", "-nostdin", "-trace_err", "-error_file", "errors.log"}, args...)...)
	cmd.Dir = t.TempDir()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended = make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		if t.Failed() {
			b, _ := os.ReadFile(filepath.Join(cmd.Dir, "errors.log"))
			t.Logf("sipp said: %.1000s", b)
		}
	})
	return ended
}

// TestLegToSipp puts callers through to sipp, which sends their sound back, over
// UDP and TCP, and to one that is busy: then the caller is told.
func TestLegToSipp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		transport string
		args      []string
		busy      bool
	}{
		"udp":   {"udp", []string{"-sn", "uas", "-rtp_echo"}, false},
		"tcp":   {"tcp", []string{"-sn", "uas", "-rtp_echo", "-t", "t1"}, false},
		"busy":  {"udp", []string{"-sf", "busy.xml"}, true},
		"moved": {"udp", []string{"-sf", "leg-moved.xml"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			at := net.JoinHostPort("127.0.0.1", freePort(t))
			canary, err := net.ListenPacket("udp", "127.0.0.98:5999")
			if err != nil {
				t.Fatal(err)
			}
			defer canary.Close()
			ended := uas(t, at, c.args...)
			h := openHouse(t, "--leg", "sip:{bridge}@"+at+";transport="+c.transport)
			phone := newBaresip(t, callerHertz)
			phone.do("dial", "sip:"+h.Dialin.Meeting+"."+h.Dialin.Code+"@"+h.Dialin.SIP)
			phone.waits("CALL_ESTABLISHED", 10*time.Second)
			host, console, admission := h.admitsCaller(t)
			if c.busy {
				phone.waits("CALL_CLOSED", 30*time.Second) // after the words
			} else {
				time.Sleep(9 * time.Second) // of the welcome and themselves
				host.expels(console, admission)
				phone.waits("CALL_CLOSED", 5*time.Second)
				said(t, "the caller", phone.heard(), callerHertz)
			}
			if err := <-ended; err != nil {
				t.Errorf("sipp: %v", err)
			}
			_ = canary.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			if n, _, err := canary.ReadFrom(make([]byte, 2000)); err == nil {
				t.Errorf("%d bytes went where a redirection led", n)
			}
		})
	}
}
