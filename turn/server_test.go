package turn_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pion/logging"
	pion "github.com/pion/turn/v3"

	"vestibule/turn"
)

// roleVariable says which server a child process of BenchmarkRelay is.
const roleVariable = "VESTIBULE_TURN_ROLE"

// rival is a server to be measured: a process of its own, so that its CPU
// time and memory are its own.
type rival struct {
	name string
	pid  int
	at   netip.AddrPort
	cred func(i int) turn.Credentials
}

// play is the child: it serves until its standard input ends.
func play(role string) {
	ctx, stop := context.WithCancel(context.Background())
	var at string
	switch role {
	case "pion":
		at = playPion()
	default:
		c := config()
		c.BytesPerSecond, c.Plain = 1<<40, role == "plain"
		s, err := turn.New(c)
		if err != nil {
			panic(err)
		}
		if err := s.Listen(ctx, turn.Addresses{UDP: []string{"127.0.0.1:0"}}); err != nil {
			panic(err)
		}
		go func() { _ = s.Serve(ctx) }()
		at = s.Addrs().UDP[0].String()
	}
	fmt.Println("at", at)
	_, _ = io.Copy(io.Discard, os.Stdin)
	stop()
}

// playPion is pion/turn as its examples use it, and one socket a core.
func playPion() string {
	logs := logging.NewDefaultLoggerFactory()
	logs.DefaultLogLevel = logging.LogLevelDisabled
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		panic(err)
	}
	_ = conn.SetReadBuffer(4 << 20)
	_, err = pion.NewServer(pion.ServerConfig{
		Realm: "visio.example.org", LoggerFactory: logs,
		AuthHandler: func(user, realm string, _ net.Addr) ([]byte, bool) {
			return pion.GenerateAuthKey(user, realm, "p"), true
		},
		PacketConnConfigs: []pion.PacketConnConfig{{
			PacketConn: conn,
			RelayAddressGenerator: &pion.RelayAddressGeneratorStatic{
				RelayAddress: net.IPv4(127, 0, 0, 1), Address: "127.0.0.1",
			},
		}},
	})
	if err != nil {
		panic(err)
	}
	return conn.LocalAddr().String()
}

// ourselves starts a child of this program in a role.
func ourselves(b *testing.B, role string) rival {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
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
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatalf("%s does not start: %v", role, err)
	}
	r := rival{name: role, pid: cmd.Process.Pid, at: netip.MustParseAddrPort(strings.TrimSpace(strings.TrimPrefix(line, "at ")))}
	r.cred = func(int) turn.Credentials { return turn.Credentials{Username: "u", Password: "p"} }
	if role != "pion" {
		// A server with the same secret may issue what another honours.
		issuer, err := turn.New(config())
		if err != nil {
			b.Fatal(err)
		}
		r.cred = func(i int) turn.Credentials { return issuer.Issue("adm-"+strconv.Itoa(i), time.Now()) }
	}
	return r
}

// coturn starts Debian's, with its own defaults but for what loopback needs.
func coturn(b *testing.B) rival {
	b.Helper()
	path, err := exec.LookPath("turnserver")
	if err != nil {
		b.Fatal("turnserver is missing: install the Debian package coturn")
	}
	free, err := net.ListenPacket("udp4", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	at := netip.MustParseAddrPort(free.LocalAddr().String())
	_ = free.Close()
	dir := b.TempDir()
	cmd := exec.Command(path, "-n", "--listening-ip", "127.0.0.1", "--relay-ip", "127.0.0.1",
		"--listening-port", strconv.Itoa(int(at.Port())), "--no-tls", "--no-dtls", "--no-tcp", "--no-cli",
		"--lt-cred-mech", "--user", "u:p", "--realm", "visio.example.org", "--allow-loopback-peers",
		"--no-stdout-log", "--simple-log", "--log-file", "/dev/null", "--no-software-attribute",
		"--userdb", dir+"/db", "--pidfile", dir+"/pid")
	cmd.Dir = dir
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	r := rival{name: "coturn", pid: cmd.Process.Pid, at: at}
	r.cred = func(int) turn.Credentials { return turn.Credentials{Username: "u", Password: "p"} }
	for end := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		c := r.dial(b, 1)
		code, answered := c.tryAllocate(100 * time.Millisecond)
		_ = c.conn.Close()
		if answered {
			b.Logf("coturn is up: %d", code)
			return r
		}
		if time.Now().After(end) {
			b.Fatal("coturn does not answer")
		}
	}
}

// dial is a client of r at a loopback address of its own.
func (r rival) dial(b *testing.B, i int) *caller {
	b.Helper()
	from := &net.UDPAddr{IP: net.IPv4(127, 1, byte(i>>8), byte(i))}
	conn, err := net.DialUDP("udp4", from, net.UDPAddrFromAddrPort(r.at))
	if err != nil {
		b.Fatal(err)
	}
	return &caller{tb: b, conn: conn, cred: r.cred(i)}
}

// cpu is what the threads of r have used so far.
func (r rival) cpu(b *testing.B) time.Duration {
	b.Helper()
	dir := fmt.Sprintf("/proc/%d/task", r.pid)
	tasks, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	var sum time.Duration
	for _, task := range tasks {
		text, err := os.ReadFile(dir + "/" + task.Name() + "/schedstat")
		if err != nil {
			continue // the thread has gone
		}
		ns, err := strconv.ParseInt(strings.Fields(string(text))[0], 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(ns)
	}
	return sum
}

// memory is the resident set of r.
func (r rival) memory(b *testing.B) int {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.pid))
	if err != nil {
		b.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if size, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kB, err := strconv.Atoi(strings.Fields(size)[0])
			if err != nil {
				b.Fatal(err)
			}
			return kB << 10
		}
	}
	b.Fatal("no VmRSS")
	return 0
}
