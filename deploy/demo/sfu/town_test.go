//go:build linux

package sfu_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// townVariable marks the process that is in a network of its own.
const townVariable = "VESTIBULE_TOWN"

// inTown runs the test t once more in a process that has its network and its
// mounts for itself, where it may build what it likes: all of it goes with
// that process. It reports whether this is that process.
func inTown(t *testing.T) bool {
	t.Helper()
	if os.Getenv(townVariable) != "" {
		return true
	}
	for program, pkg := range map[string]string{"ip": "iproute2", "nft": "nftables"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("%s is missing: install the Debian package %s", program, pkg)
		}
	}
	cmd := exec.CommandContext(t.Context(), executable(t), "-test.v", "-test.timeout=2m", "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	cmd.Env = append(os.Environ(), townVariable+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if os.Getuid() != 0 {
		// Whoever is not root is root in a user namespace.
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	t.Logf("in a network of its own:\n%s", out)
	var failed *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &failed):
		t.Error("it failed there")
	default:
		t.Fatalf("no network of its own (%v): run the tests as root, or allow user namespaces (sysctl kernel.unprivileged_userns_clone=1)", err)
	}
	return false
}

func executable(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// streets are where the machines of a town are.
type streets struct {
	Participant string
	Outside     string // of the door, as participants see it
	Inside      string // of the door, as the conference server sees it
	Conference  string
}

// buildTown makes a participant's machine, the door's and the conference
// server's. The door's forwards everything: what keeps the participant from
// the conference server is that one's own rules.
func buildTown(t *testing.T, s streets) {
	t.Helper()
	run, err := filepath.EvalSymlinks("/var/run")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("town", run, "tmpfs", 0, ""), // where ip keeps the names
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	bits := "/24"
	if strings.Contains(s.Inside, ":") {
		bits = "/64 nodad"
	}
	for line := range strings.Lines(`
ip netns add participant
ip netns add door
ip netns add conference
ip -n door link add outside type veth peer name eth0 netns participant
ip -n door link add inside type veth peer name eth0 netns conference
ip -n participant address add dev eth0 ` + s.Participant + bits + `
ip -n door address add dev outside ` + s.Outside + bits + `
ip -n door address add dev inside ` + s.Inside + bits + `
ip -n conference address add dev eth0 ` + s.Conference + bits + `
ip -n participant link set lo up
ip -n participant link set eth0 up
ip -n door link set lo up
ip -n door link set outside up
ip -n door link set inside up
ip -n conference link set lo up
ip -n conference link set eth0 up
ip -n participant route add default via ` + s.Outside + `
ip -n conference route add default via ` + s.Inside + `
ip netns exec door tee /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv6/conf/all/forwarding
`) {
		if words := strings.Fields(line); len(words) > 0 {
			command(t, words...)
		}
	}
}

func command(t *testing.T, words ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Stdin = strings.NewReader("1") // to tee
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(words, " "), err, out)
	}
	return string(out)
}

// guardConference loads the rules that sites are given, with the addresses
// and ports of the town.
func guardConference(t *testing.T, s streets, signalling, media string) {
	t.Helper()
	text, err := os.ReadFile("../../nftables/conference.nft")
	if err != nil {
		t.Fatal(err)
	}
	door := "door4"
	if strings.Contains(s.Inside, ":") {
		door = "door6"
	}
	for name, value := range map[string]string{door: s.Inside, "signalling": signalling, "media": media} {
		define := regexp.MustCompile(`(?m)^define ` + name + ` = .*$`)
		if !define.Match(text) {
			t.Fatalf("the rules define no %s", name)
		}
		text = define.ReplaceAll(text, []byte("define "+name+" = { "+value+" }"))
	}
	file := filepath.Join(t.TempDir(), "conference.nft")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	command(t, "ip", "netns", "exec", "conference", "nft", "-f", file)
}

// person is a process on one of the machines.
type person struct {
	out  *bufio.Reader
	stop func()
}

// send has somebody do something on a machine; see do.
func send(t *testing.T, machine string, e errand) *person {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ip", "netns", "exec", machine, executable(t))
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), errandVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &person{out: bufio.NewReader(out)}
	p.stop = func() {
		_ = in.Close()
		_ = cmd.Wait()
	}
	t.Cleanup(p.stop)
	return p
}

// tells waits for what p reports.
func (p *person) tells(t *testing.T) report {
	t.Helper()
	lines := make(chan []byte, 1)
	go func() {
		line, _ := p.out.ReadBytes('\n')
		lines <- line
	}()
	var r report
	select {
	case line := <-lines:
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
	case <-time.After(40 * time.Second):
		t.Fatal("nothing was reported for 40 s")
	}
	if r.Fault != "" {
		t.Fatal(r.Fault)
	}
	return r
}
