// Package ca holds a certificate authority that lives as long as one
// demonstration and can speak for this machine's own names only.
//
// It refuses to sign for anything but localhost and the names below it, in
// the root itself, so that a browser which trusts it still trusts it for
// nothing else. Its private key exists while New runs and is never written
// anywhere.
package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// lifetime is how long the certificates hold. A demonstration left running
// over a fortnight is started again.
const lifetime = 14 * 24 * time.Hour

// Config says for whom the authority speaks.
type Config struct {
	// Names get a certificate each: localhost itself or names below it. One
	// certificate each, so that a browser never reuses the connection of one
	// origin for another.
	Names []string
}

// Authority is a root certificate and what it signed while it could.
type Authority struct {
	root   *x509.Certificate
	leaves map[string]*tls.Certificate // by name; read-only after New
}

// New makes the root, signs one certificate a name and forgets the root's
// private key.
func New(c Config) (*Authority, error) {
	return newAuthority(c, time.Now())
}

func newAuthority(c Config, now time.Time) (*Authority, error) {
	var faults []error
	if len(c.Names) == 0 {
		faults = append(faults, errors.New("ca: no names"))
	}
	for _, n := range c.Names {
		if n != "localhost" && !strings.HasSuffix(n, ".localhost") {
			faults = append(faults, fmt.Errorf("ca: %q is not below localhost", n))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	root, key, err := newRoot(now)
	if err != nil {
		return nil, fmt.Errorf("making the root certificate: %w", err)
	}
	a := &Authority{root: root, leaves: make(map[string]*tls.Certificate, len(c.Names))}
	for _, n := range c.Names {
		if a.leaves[n], err = newLeaf(n, root, key, now); err != nil {
			return nil, fmt.Errorf("making the certificate of %s: %w", n, err)
		}
	}
	return a, nil
}

// newRoot makes a root that may sign for names below localhost (RFC 5280
// §4.2.1.10), for no address at all, for servers only, and nothing that
// signs in turn.
func newRoot(now time.Time) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber:                serial,
		Subject:                     pkix.Name{CommonName: label, Organization: []string{"vestibule"}},
		NotBefore:                   now.Add(-time.Hour),
		NotAfter:                    now.Add(lifetime),
		KeyUsage:                    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage:                 []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid:       true,
		IsCA:                        true,
		MaxPathLenZero:              true,
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost"},
		// A constraint on names leaves addresses and mailboxes free; these
		// close them. The mail one is a name nobody can own (RFC 2606).
		ExcludedIPRanges: []*net.IPNet{
			{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
			{IP: net.IPv6zero, Mask: net.CIDRMask(0, 128)},
		},
		PermittedEmailAddresses: []string{"nobody.invalid"},
	}
	root, err := sign(t, t, key.Public(), key)
	return root, key, err
}

func newLeaf(name string, root *x509.Certificate, by *ecdsa.PrivateKey, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	serial, err := newSerial()
	if err != nil {
		return nil, err
	}
	leaf, err := sign(&x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: name},
		NotBefore:             now.Add(-time.Hour),
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
		DNSNames:              []string{name},
	}, root, key.Public(), by)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}, nil
}

func sign(t, parent *x509.Certificate, key crypto.PublicKey, by *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, t, parent, key, by)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// newSerial draws 127 bits: positive and within the 20 octets of RFC 5280
// §4.1.2.2.
func newSerial() (*big.Int, error) {
	return rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
}

// Certificate answers a TLS handshake. A name it has no certificate for, or
// none at all, ends the handshake.
func (a *Authority) Certificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if leaf, ok := a.leaves[strings.ToLower(h.ServerName)]; ok {
		return leaf, nil
	}
	return nil, errors.New("ca: no certificate for the name asked for")
}

// Pool trusts this authority and no other.
func (a *Authority) Pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.root)
	return p
}

// PEM is the root certificate as browsers import it.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.root.Raw})
}

// WritePEM writes the root certificate into dir and returns its path.
func (a *Authority) WritePEM(dir string) (string, error) {
	path := filepath.Join(dir, "vestibule-demo-ca.pem")
	if err := os.WriteFile(path, a.PEM(), 0o600); err != nil {
		return "", fmt.Errorf("writing the root certificate: %w", err)
	}
	return path, nil
}

// Fingerprint is the SHA-256 of the root certificate as browsers show it:
// pairs of capital hexadecimal digits with colons between.
func (a *Authority) Fingerprint() string {
	sum := sha256.Sum256(a.root.Raw)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = fmt.Sprintf("%02X", b)
	}
	return strings.Join(pairs, ":")
}
