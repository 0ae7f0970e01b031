package e2e_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// baresip is a real telephone, driven over its control port.
type baresip struct {
	t      *testing.T
	conn   net.Conn
	events chan event
	dir    string
}

// event is what it tells of a call, and when.
type event struct {
	Type  string `json:"type"`
	Param string `json:"param"`
	at    time.Time
}

// newBaresip starts a telephone that says a tone of hertz and records what it
// hears.
func newBaresip(t *testing.T, hertz float64) *baresip {
	t.Helper()
	return newBaresipAt(t, hertz, "127.0.0.1:0", "")
}

// newBaresipAt starts one that can be called, with further settings of its
// account.
func newBaresipAt(t *testing.T, hertz float64, at, account string) *baresip {
	t.Helper()
	program, err := exec.LookPath("baresip")
	if err != nil {
		t.Fatal("baresip is missing: apt-get install baresip-core")
	}
	b := &baresip{t: t, dir: t.TempDir(), events: make(chan event, 256)}
	control := freePort(t)
	writeTone(t, filepath.Join(b.dir, "say.wav"), hertz, 90*time.Second)
	config := []string{
		"sip_listen " + at, "audio_source aufile," + filepath.Join(b.dir, "say.wav"), "audio_player aufile," + filepath.Join(b.dir, "heard.wav"),
		"audio_alert aufile," + filepath.Join(b.dir, "alert.wav"), "snd_path " + b.dir, "module_path /usr/lib/baresip/modules",
		"module g711.so", "module sndfile.so", "module aufile.so", "module account.so", "module menu.so", "module ctrl_tcp.so",
		"ctrl_tcp_listen 127.0.0.1:" + control,
	}
	for name, text := range map[string]string{
		"config": strings.Join(config, "\n") + "\n", "accounts": "<sip:salle1@127.0.0.1>;regint=0" + account + "\n", "contacts": "",
	} {
		if err := os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, "-f", b.dir)
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if b.conn != nil {
			_ = b.conn.Close()
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the telephone said:\n%.3000s", strings.ReplaceAll(out.String(), "\r", "\n"))
		}
	})
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if b.conn, err = net.Dial("tcp", "127.0.0.1:"+control); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the telephone does not start: %v\n%s", err, out)
		}
	}
	go b.listen()
	return b
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// listen reads netstrings (length:text,).
func (b *baresip) listen() {
	var have []byte
	buf := make([]byte, 4096)
	for {
		n, err := b.conn.Read(buf)
		if err != nil {
			return
		}
		have = append(have, buf[:n]...)
		for {
			i := strings.IndexByte(string(have), ':')
			if i < 0 {
				break
			}
			size, err := strconv.Atoi(string(have[:i]))
			if err != nil || len(have) < i+size+2 {
				break
			}
			e := event{at: time.Now()}
			if json.Unmarshal(have[i+1:i+1+size], &e) == nil && e.Type != "" {
				b.events <- e
			}
			have = have[i+size+2:]
		}
	}
}

func (b *baresip) do(command, params string) {
	b.t.Helper()
	j, err := json.Marshal(map[string]string{"command": command, "params": params})
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(b.conn, "%d:%s,", len(j), j); err != nil {
		b.t.Fatal(err)
	}
}

// waits for an event of the call.
func (b *baresip) waits(kind string, patience time.Duration) event {
	b.t.Helper()
	end := time.After(patience)
	for {
		select {
		case e := <-b.events:
			if e.Type == kind {
				return e
			}
		case <-end:
			b.t.Fatalf("the telephone was not told %s", kind)
		}
	}
}

// types presses keys as a person does.
func (b *baresip) types(keys string) {
	b.t.Helper()
	for _, k := range keys {
		b.do("sndcode", string(k))
		time.Sleep(200 * time.Millisecond)
	}
}

// heard is the recording of what the telephone played.
func (b *baresip) heard() []float64 {
	b.t.Helper()
	files, err := filepath.Glob(filepath.Join(b.dir, "*-dec.wav"))
	if err != nil || len(files) == 0 {
		b.t.Fatalf("the telephone recorded nothing: %v", err)
	}
	raw, err := os.ReadFile(files[0])
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.MkdirAll("out", 0o755); err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile("out/telephone-heard.wav", raw, 0o644); err != nil {
		b.t.Fatal(err)
	}
	var s []float64
	for i := 44; i+1 < len(raw); i += 2 {
		s = append(s, float64(int16(binary.LittleEndian.Uint16(raw[i:])))/32768)
	}
	return s
}

const phoneRate = 8000

func writeTone(t *testing.T, path string, hertz float64, d time.Duration) {
	t.Helper()
	n := int(d.Seconds() * phoneRate)
	b := make([]byte, 44, 44+2*n)
	copy(b, "RIFF")
	binary.LittleEndian.PutUint32(b[4:], uint32(36+2*n))
	copy(b[8:], "WAVEfmt ")
	for i, v := range []uint32{16, 1 | 1<<16, phoneRate, 2 * phoneRate, 2 | 16<<16} {
		binary.LittleEndian.PutUint32(b[16+4*i:], v)
	}
	copy(b[36:], "data")
	binary.LittleEndian.PutUint32(b[40:], uint32(2*n))
	for i := range n {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(8000*math.Sin(2*math.Pi*hertz*float64(i)/phoneRate))))
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// goertzel is the power of one frequency in a piece of sound, as a share of
// the piece's whole.
func goertzel(s []float64, hertz float64) (power, share float64) {
	w := 2 * math.Cos(2*math.Pi*hertz/phoneRate)
	var a, b, all float64
	for _, x := range s {
		a, b = x+w*a-b, a
		all += x * x
	}
	power = (a*a + b*b - w*a*b) / float64(len(s)*len(s)) * 4
	if all == 0 {
		return 0, 0
	}
	return power, power / 2 / (all / float64(len(s)))
}
