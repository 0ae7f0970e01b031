package cert_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"vestibule/cert"
)

// issue writes a self-signed certificate for the hosts and returns it in PEM.
func issue(t *testing.T, serial int64, ends time.Time, hosts ...string) (crt, key []byte) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: hosts[0]}, DNSNames: hosts,
		NotBefore: ends.Add(-90 * 24 * time.Hour), NotAfter: ends,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	bits, err := x509.MarshalECPrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: bits})
}

// given writes a pair of files that ends in sixty days.
func given(t *testing.T, serial int64, hosts ...string) cert.Files {
	t.Helper()
	dir := t.TempDir()
	f := cert.Files{Cert: filepath.Join(dir, "crt.pem"), Key: filepath.Join(dir, "key.pem")}
	crt, key := issue(t, serial, time.Now().Add(60*24*time.Hour), hosts...)
	write(t, f, crt, key)
	return f
}

func write(t *testing.T, f cert.Files, crt, key []byte) {
	t.Helper()
	if err := errors.Join(os.WriteFile(f.Cert, crt, 0o644), os.WriteFile(f.Key, key, 0o600)); err != nil {
		t.Fatal(err)
	}
}

// shake tries a handshake and returns what the client saw.
func shake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		s := tls.Server(a, server)
		if s.HandshakeContext(t.Context()) != nil {
			a.Close()
		}
	}()
	client.InsecureSkipVerify = true
	c := tls.Client(b, client)
	err := c.HandshakeContext(t.Context())
	b.Close()
	<-done
	return c.ConnectionState(), err
}

func TestNewNamesEveryFault(t *testing.T) {
	_, err := cert.New(cert.Config{Hosts: []string{"*.example.org", "10.0.0.1", "localhost"}, Directory: "http://ca", StorageDir: "certs", HTTPPort: 70000})
	if err == nil {
		t.Fatal("New = nil, want faults")
	}
	for _, want := range []string{`"*.example.org"`, `"10.0.0.1"`, "agree", `"http://ca"`, `"certs"`, "70000"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("New = %v, want it to name %s", err, want)
		}
	}
	if _, err := cert.New(cert.Config{}); err == nil {
		t.Error("New of nothing = nil, want faults")
	}
	if _, err := cert.New(cert.Config{Hosts: []string{"localhost"}, Agree: true, StorageDir: t.TempDir()}); err == nil {
		t.Error("New of localhost at a public authority = nil, want a fault")
	}
}

func TestGivenFilesByName(t *testing.T) {
	both := cert.Config{
		Hosts: []string{"door.example.org", "Room.Example.Org."},
		Files: []cert.Files{given(t, 1, "door.example.org"), given(t, 2, "*.example.org")},
	}
	c := must(t, both)
	if err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int64{"door.example.org": 1, "room.example.org": 2, "DOOR.example.org": 1} {
		state, err := shake(t, c.TLS(), &tls.Config{ServerName: host, NextProtos: []string{"h2"}})
		if err != nil {
			t.Errorf("%s: %v", host, err)
			continue
		}
		if got := state.PeerCertificates[0].SerialNumber.Int64(); got != want {
			t.Errorf("%s: got certificate %d, want %d", host, got, want)
		}
		if state.NegotiatedProtocol != "h2" {
			t.Errorf("%s: got protocol %q, want h2", host, state.NegotiatedProtocol)
		}
	}
	// The second certificate would fit; the name is not the door's.
	for _, host := range []string{"other.example.org", "example.net", ""} {
		if _, err := shake(t, c.TLS(), &tls.Config{ServerName: host}); err == nil || !strings.Contains(err.Error(), "unrecognized name") {
			t.Errorf("%q: got %v, want unrecognized name", host, err)
		}
	}
}

func TestOnlyAuthenticatedEncryption(t *testing.T) {
	c := must(t, cert.Config{Hosts: []string{"door.example.org"}, Files: []cert.Files{given(t, 1, "door.example.org")}})
	if err := c.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	try := func(version uint16, suites ...uint16) error {
		_, err := shake(t, c.TLS(), &tls.Config{ServerName: "door.example.org", MinVersion: version, MaxVersion: version, CipherSuites: suites})
		return err
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		if err := try(version, c.TLS().CipherSuites...); err != nil {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11} {
		if err := try(version); err == nil {
			t.Errorf("%s: got a connection, want none", tls.VersionName(version))
		}
	}
	allowed := 0
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		if suite.SupportedVersions[0] == tls.VersionTLS13 || strings.Contains(suite.Name, "_RSA_WITH") && strings.HasPrefix(suite.Name, "TLS_ECDHE_RSA") {
			continue // the key here is ECDSA
		}
		err := try(tls.VersionTLS12, suite.ID)
		if aead := strings.Contains(suite.Name, "GCM") || strings.Contains(suite.Name, "POLY1305"); err == nil && !aead {
			t.Errorf("%s: got a connection, want none", suite.Name)
		} else if err == nil {
			allowed++
		}
	}
	if allowed != 3 {
		t.Errorf("got %d suites of TLS 1.2 for an ECDSA key, want 3", allowed)
	}
}

func TestGivenFilesFaults(t *testing.T) {
	good := given(t, 1, "door.example.org")
	open := given(t, 1, "door.example.org")
	if err := os.Chmod(open.Key, 0o644); err != nil {
		t.Fatal(err)
	}
	other := given(t, 2, "door.example.org")
	for name, c := range map[string]struct {
		hosts []string
		files cert.Files
		want  string
	}{
		"missing":      {[]string{"door.example.org"}, cert.Files{Cert: good.Cert, Key: "/nowhere"}, "/nowhere"},
		"not a pair":   {[]string{"door.example.org"}, cert.Files{Cert: good.Cert, Key: other.Key}, "does not match"},
		"open key":     {[]string{"door.example.org"}, open, "everybody"},
		"another host": {[]string{"door.example.org", "room.example.org"}, good, "room.example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			err := must(t, cert.Config{Hosts: c.hosts, Files: []cert.Files{c.files}}).Load(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Load = %v, want it to name %s", err, c.want)
			}
		})
	}
}

func must(t *testing.T, c cert.Config) *cert.Certs {
	t.Helper()
	certs, err := cert.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return certs
}
