package ca_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vestibule/deploy/demo/ca"
)

// TestTrustInChromium asks a real browser with a home of its own.
func TestTrustInChromium(t *testing.T) {
	browser := program(t, "chromium", "chromium")
	program(t, "certutil", "libnss3-tools")
	home := t.TempDir()
	t.Setenv("HOME", home)
	a := authority(t)
	url := serve(t, a)

	if page := visit(t, browser, home, url); strings.Contains(page, greeting) {
		t.Error("the browser accepted the certificate before it was trusted")
	}
	for range 2 { // a second demonstration after one that was killed
		if err := a.Trust(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if page := visit(t, browser, home, url); !strings.Contains(page, greeting) {
		t.Errorf("the browser refused the certificate once trusted:\n%.400s", page)
	}
	if got := installed(t, home); got != 1 {
		t.Errorf("%d certificates of ours in the list after trusting twice, want 1", got)
	}
	if err := a.Distrust(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := installed(t, home); got != 0 {
		t.Errorf("%d certificates of ours in the list after Distrust, want 0", got)
	}
	if page := visit(t, browser, home, url); strings.Contains(page, greeting) {
		t.Error("the browser accepts the certificate after Distrust")
	}
}

func TestTrustWithoutCertutil(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	err := authority(t).Trust(t.Context())
	if !errors.Is(err, ca.ErrNoCertutil) || !strings.Contains(err.Error(), "libnss3-tools") {
		t.Errorf("Trust without certutil: %v, want the package to install named", err)
	}
	if _, err := os.Stat(filepath.Join(os.Getenv("HOME"), ".pki")); err == nil {
		t.Error("Trust left a directory behind although it could do nothing")
	}
}

const greeting = "you-are-at-the-door"

// serve answers at a door.localhost of its own.
func serve(t *testing.T, a *ca.Authority) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(greeting)) }),
		ReadHeaderTimeout: time.Second,
	}
	t.Cleanup(func() { _ = s.Close() })
	go func() { _ = s.Serve(tls.NewListener(ln, &tls.Config{GetCertificate: a.Certificate})) }()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return "https://door.localhost:" + port + "/"
}

// visit returns the page the browser ends up with.
func visit(t *testing.T, browser, home, url string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu",
		"--disable-quic", "--disable-component-update", "--disable-sync", "--disable-background-networking",
		"--user-data-dir="+filepath.Join(home, "profile"), "--dump-dom", url)
	out, err := cmd.Output()
	if err != nil && ctx.Err() != nil {
		t.Fatalf("running the browser: %v", err)
	}
	return string(out)
}

func installed(t *testing.T, home string) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "certutil", "-L", "-d", "sql:"+filepath.Join(home, ".pki", "nssdb")).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(out), "vestibule demo")
}

func program(t *testing.T, name, pkg string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is missing: apt install %s", name, pkg)
	}
	return path
}
