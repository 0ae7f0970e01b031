package sfu_test

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"vestibule/conference/livekit"
	"vestibule/dialin/media"
	"vestibule/dialin/room"
)

// aRoom is how many callers a meeting has.
const aRoom = 10

// The steps in which the benchmark grows, and where it ends.
const (
	aStep   = 3 * aRoom
	most    = 300
	tooLate = 1.0 // per cent
)

// BenchmarkBridged finds how many telephones the door can carry into a real
// LiveKit, ten in a meeting where one more person talks: 30 more a step, up to 300,
// until 1 % of the packets leave the door 10 ms late, and then back to the last
// step that was good, which is measured again and counts. What is not the door is
// a process of its own on the same cores.
func BenchmarkBridged(b *testing.B) {
	f, conf := startFar(b)
	rooms, err := room.New(room.Config{Passes: conf, Patience: 30 * time.Second})
	if err != nil {
		b.Fatal(err)
	}
	ports, err := media.New(media.Config{Addr: netip.MustParseAddr("127.0.0.1")})
	if err != nil {
		b.Fatal(err)
	}
	var calls []*bridged
	defer func() { hangUp(calls) }()
	begun := time.Now()
	look := func() measured {
		m := measure(b, f, calls)
		b.Logf("after %.0f s, %d callers: %.2f %% left 10 ms late, %.2f %% came 40 ms late, %.2f ms of CPU per call and second", time.Since(begun).Seconds(), len(calls), m.late, m.came, m.cpu)
		return m
	}
	for b.Loop() {
		m := measured{}
		for m.late < tooLate && len(calls) < most {
			for range aStep / aRoom {
				calls = append(calls, callIn(b, f, rooms, ports, len(calls)/aRoom)...)
			}
			m = look()
		}
		for m.late >= tooLate && len(calls) > aStep {
			keep := len(calls) - aStep
			hangUp(calls[keep:])
			calls = calls[:keep]
			m = look()
		}
		b.ReportMetric(float64(len(calls)), "callers")
		b.ReportMetric(m.late, "late-%")
		b.ReportMetric(m.came, "40ms-late-%")
		b.ReportMetric(m.cpu, "cpu-ms/call/s")
		b.ReportMetric(1000/m.cpu, "calls/core")
		in, out := delays(b, f)
		b.ReportMetric(in, "mouth-to-room-ms")
		b.ReportMetric(out, "room-to-ear-ms")
	}
}

// startFar starts the process with the conference server and the telephones.
func startFar(b *testing.B) (*farSide, *livekit.Backend) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.CommandContext(b.Context(), self)
	cmd.Env = append(os.Environ(), farVariable+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	f := &farSide{in: in, out: bufio.NewReader(out)}
	var url, key, secret string
	if _, err := fmt.Fscanln(f.out, &url, &key, &secret); err != nil {
		b.Fatal(err)
	}
	conf, err := livekit.New(livekit.Config{URL: url, Key: key, Secret: secret})
	if err != nil {
		b.Fatal(err)
	}
	return f, conf
}

// bridged is one caller of the benchmark.
type bridged struct {
	leg     media.Leg
	session *media.Session
}

// callIn opens a meeting and fills it.
func callIn(b *testing.B, f *farSide, rooms *room.Rooms, ports *media.Ports, n int) []*bridged {
	b.Helper()
	name := fmt.Sprint("bench", n)
	if _, err := f.ask("room", name); err != nil {
		b.Fatal(err)
	}
	calls := make([]*bridged, aRoom)
	var work sync.WaitGroup
	for i := range calls {
		work.Go(func() {
			leg, err := rooms.Join(b.Context(), grants(name, fmt.Sprint(name, "-", i)))
			if err != nil {
				b.Error(err)
				return
			}
			calls[i] = &bridged{leg: leg}
		})
	}
	work.Wait()
	if b.Failed() {
		b.FailNow()
	}
	for _, c := range calls {
		c.dial(b, f, ports)
	}
	return calls
}

func (c *bridged) dial(b *testing.B, f *farSide, ports *media.Ports) {
	b.Helper()
	p, err := ports.Listen()
	if err != nil {
		b.Fatal(err)
	}
	at, err := f.ask("phone", p.Addr())
	if err != nil {
		b.Fatal(err)
	}
	phone, err := netip.ParseAddrPort("127.0.0.1:" + strings.TrimSpace(at))
	if err != nil {
		b.Fatal(err)
	}
	if c.session, err = p.Start(phone, media.Format{Codec: media.PCMU, EventType: 101}, nil); err != nil {
		b.Fatal(err)
	}
	c.session.Bridge(c.leg)
}

func hangUp(calls []*bridged) {
	var work sync.WaitGroup
	for _, c := range calls {
		work.Go(func() {
			if c.session != nil {
				c.session.Close()
			}
			c.leg.Close()
		})
	}
	work.Wait()
}

// measured is what six seconds of so many calls were: packets late in per
// cent, and the door's CPU in milliseconds per second of a call. The seconds are
// those that were sent: where the machine has no time for a call, it spends none.
type measured struct{ late, came, cpu float64 }

func measure(b *testing.B, f *farSide, calls []*bridged) (m measured) {
	b.Helper()
	time.Sleep(3 * time.Second) // until joins and goodbyes are over
	count := func() (sent, late uint64) {
		for _, c := range calls {
			st := c.session.Stats()
			sent, late = sent+st.Sent, late+st.Behind
		}
		return sent, late
	}
	if _, err := f.ask("listen"); err != nil {
		b.Fatal(err)
	}
	sent, late := count()
	cpu := spent()
	time.Sleep(6 * time.Second)
	used := spent() - cpu
	sent2, late2 := count()
	var came, all float64
	answer, err := f.ask("late")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := fmt.Sscan(answer, &came, &all); err != nil {
		b.Fatal(err)
	}
	m.late = 100 * float64(late2-late) / float64(sent2-sent)
	m.came = 100 * came / all
	m.cpu = 1000 * used.Seconds() / (float64(sent2-sent) / 50)
	return m
}

// spent is the CPU time of this process.
func spent() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // of oneself: cannot fail
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// delays are the medians of nine, in milliseconds.
func delays(b *testing.B, f *farSide) (in, out float64) {
	b.Helper()
	var ins, outs []float64
	for range 9 {
		answer, err := f.ask("delay")
		if err != nil {
			b.Fatal(err)
		}
		var x, y float64
		if _, err := fmt.Sscan(answer, &x, &y); err != nil || x == 0 || y == 0 {
			b.Fatalf("the tone is not heard: %s", answer)
		}
		ins, outs = append(ins, x/1000), append(outs, y/1000)
	}
	slices.Sort(ins)
	slices.Sort(outs)
	b.Logf("telephone to room %.0f ms, room to telephone %.0f ms", ins, outs)
	return ins[4], outs[4]
}
