package storetest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Redis starts a redis-server of its own for the test, without persistence,
// and returns its URL. It ends with the test.
func Redis(t testing.TB) string {
	t.Helper()
	return StartRedis(t).URL()
}

// Server is a redis-server that runs for one test.
type Server struct {
	Addr string // host:port on the loopback
	cmd  *exec.Cmd
	out  *bytes.Buffer // read only after the process has ended
	done chan struct{} // closed when the process has ended
}

// StartRedis starts a redis-server with further arguments, as on its command
// line, and waits until it answers. The first may be a configuration file.
func StartRedis(t testing.TB, args ...string) *Server {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is missing: apt-get install redis-server")
	}
	// The port is free when it is asked for, and may be taken by another
	// test before the server has it: then once more.
	for range 5 {
		s := &Server{Addr: freeAddr(t), out: &bytes.Buffer{}, done: make(chan struct{})}
		if s.start(t, program, args) {
			return s
		}
		t.Logf("redis-server did not start: %s", s.out)
	}
	t.Fatal("redis-server did not start five times")
	return nil
}

// freeAddr leaves room for the bus of a cluster, ten thousand ports above.
func freeAddr(t testing.TB) string {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().(*net.TCPAddr)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if addr.Port < 55_000 {
			return addr.String()
		}
	}
	t.Fatal("no free port below 55000")
	return ""
}

func (s *Server) start(t testing.TB, program string, args []string) bool {
	t.Helper()
	_, port, _ := net.SplitHostPort(s.Addr)
	dir, err := os.MkdirTemp("", "redis")
	if err != nil {
		t.Fatal(err)
	}
	var file []string
	if len(args) > 0 && !strings.HasPrefix(args[0], "--") {
		file, args = args[:1], args[1:]
	}
	s.cmd = exec.Command(program, slices.Concat(file, []string{
		"--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "",
		"--appendonly", "no", "--loglevel", "warning", "--daemonize", "no",
		"--repl-diskless-sync-delay", "0",
	}, args)...)
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("starting redis-server: %v", err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		s.Kill()
		_ = os.RemoveAll(dir)
	})
	end := time.After(10 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if got, err := s.Ask("PING"); err == nil && len(got) == 1 && got[0] == "PONG" {
			return true
		}
		select {
		case <-s.done:
			return false
		case <-end:
			s.Kill()
			return false
		case <-tick.C:
		}
	}
}

// URL returns the server's redis:// URL.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Stop freezes the process (SIGSTOP): it keeps its connections and answers
// nothing.
func (s *Server) Stop() { _ = s.cmd.Process.Signal(syscall.SIGSTOP) }

// Resume ends Stop.
func (s *Server) Resume() { _ = s.cmd.Process.Signal(syscall.SIGCONT) }

// Kill ends the process at once and waits for it.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// Do is Ask where an error ends the test.
func (s *Server) Do(t testing.TB, words ...string) []string {
	t.Helper()
	got, err := s.Ask(words...)
	if err != nil {
		t.Fatalf("redis %s: %v", words[0], err)
	}
	return got
}

// Ask sends one command over a connection of its own and returns the words of
// the reply, however nested. A word holds no space.
func (s *Server) Ask(words ...string) ([]string, error) {
	c, err := net.DialTimeout("tcp", s.Addr, time.Second)
	if err != nil {
		return nil, err
	}
	defer c.Close() // nothing to save
	if err := c.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, strings.Join(words, " ")+"\r\n"); err != nil {
		return nil, err
	}
	return reply(bufio.NewReader(c))
}

// reply reads one reply of RESP2.
func reply(r *bufio.Reader) ([]string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	line = strings.TrimRight(line, "\r\n")
	if line == "" {
		return nil, errors.New("empty line")
	}
	kind, rest := line[0], line[1:]
	switch kind {
	case '-':
		return nil, errors.New(rest)
	case '+', ':':
		return []string{rest}, nil
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return nil, fmt.Errorf("unexpected reply %q", line)
	}
	if kind == '$' && n >= 0 {
		b := make([]byte, n+2)
		_, err := io.ReadFull(r, b)
		return []string{string(b[:n])}, err
	}
	var all []string
	for range n {
		part, err := reply(r)
		if err != nil {
			return nil, err
		}
		all = append(all, part...)
	}
	return all, nil
}
