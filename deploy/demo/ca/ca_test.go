package ca_test

import (
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"vestibule/deploy/demo/ca"
)

func TestNewNamesEveryFault(t *testing.T) {
	_, err := ca.New(ca.Config{Names: []string{"door.localhost", "bank.example", "notlocalhost"}})
	if err == nil {
		t.Fatal("New signed for names that are not below localhost")
	}
	for _, name := range []string{"bank.example", "notlocalhost"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("New: %v, want %s named", err, name)
		}
	}
	if _, err := ca.New(ca.Config{}); err == nil {
		t.Error("New without names succeeded")
	}
}

func TestCertificate(t *testing.T) {
	a := authority(t)
	leaf, err := a.Certificate(&tls.ClientHelloInfo{ServerName: "Door.localhost"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Leaf.Verify(x509.VerifyOptions{Roots: a.Pool(), DNSName: "door.localhost"}); err != nil {
		t.Errorf("verifying door.localhost: %v", err)
	}
	if err := leaf.Leaf.VerifyHostname("room.localhost"); err == nil {
		t.Error("the certificate of door.localhost also speaks for room.localhost")
	}
	for _, name := range []string{"", "localhost", "x.door.localhost", "bank.example"} {
		if _, err := a.Certificate(&tls.ClientHelloInfo{ServerName: name}); err == nil {
			t.Errorf("Certificate(%q) gave one", name)
		}
	}
}

// TestConstraints signs, with a root's key, what the root must not vouch
// for.
func TestConstraints(t *testing.T) {
	root, key, err := ca.NewRoot(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(root)
	for _, c := range []struct {
		name string
		leaf x509.Certificate
		ok   bool
	}{
		{"below localhost", x509.Certificate{DNSNames: []string{"a.localhost"}}, true},
		{"elsewhere", x509.Certificate{DNSNames: []string{"bank.example"}}, false},
		{"elsewhere beside localhost", x509.Certificate{DNSNames: []string{"a.localhost", "bank.example"}}, false},
		{"an IPv4 address", x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1).To4()}}, false},
		{"an IPv6 address", x509.Certificate{IPAddresses: []net.IP{net.IPv6loopback}}, false},
		{"a mailbox", x509.Certificate{DNSNames: []string{"a.localhost"}, EmailAddresses: []string{"a@bank.example"}}, false},
		{"a mail client", x509.Certificate{DNSNames: []string{"a.localhost"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageEmailProtection}}, false},
	} {
		c.leaf.SerialNumber = big.NewInt(7)
		c.leaf.NotBefore, c.leaf.NotAfter = time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
		leaf, err := ca.Sign(&c.leaf, root, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		usage := c.leaf.ExtKeyUsage
		if usage == nil {
			usage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		}
		_, err = leaf.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: usage})
		if got := err == nil; got != c.ok {
			t.Errorf("%s: accepted %v, want %v (%v)", c.name, got, c.ok, err)
		}
	}
}

func TestWritePEM(t *testing.T) {
	a, dir := authority(t), t.TempDir()
	path, err := a.WritePEM(dir)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "PRIVATE") || !strings.HasPrefix(string(b), "-----BEGIN CERTIFICATE-----") {
		t.Errorf("%s is not a certificate alone:\n%s", path, b)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("%v written, want the certificate only (%v)", files, err)
	}
	if !regexp.MustCompile(`^([0-9A-F]{2}:){31}[0-9A-F]{2}$`).MatchString(a.Fingerprint()) {
		t.Errorf("Fingerprint() = %s, want 32 pairs", a.Fingerprint())
	}
}

func authority(t *testing.T) *ca.Authority {
	t.Helper()
	a, err := ca.New(ca.Config{Names: []string{"door.localhost", "room.localhost"}})
	if err != nil {
		t.Fatal(err)
	}
	return a
}
