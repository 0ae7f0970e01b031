// Package cert gives the door its certificates, so that a visitor's browser
// can tell it from an impostor: obtained from an authority and renewed in
// time, or read from files that somebody else renews.
//
// It refuses to speak for any name but the door's own, to speak anything older
// than TLS 1.2 or without authenticated encryption, and to keep the door shut
// because an authority is down: the last certificate is served until there is
// a newer one.
package cert

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/caddyserver/certmagic"
)

// Config says for which names, and where from.
type Config struct {
	// Hosts are the names the door answers to. At least one; any other name
	// in a handshake, or none, is refused.
	Hosts []string
	// Files are given certificates; where there is one there is no authority,
	// and they must cover every host.
	Files []Files
	// Reload is how often Files are looked at. Default 1m; at least 1s.
	Reload time.Duration

	// Agree must be set to use an authority: its terms are agreed to.
	Agree bool
	// Directory is the authority's ACME directory (RFC 8555 §7.1.1). Default
	// Let's Encrypt.
	Directory string
	// CAFile is a PEM file of roots to trust when speaking to the authority.
	// Default the system's.
	CAFile string
	// Email is whom the authority writes to. Optional.
	Email string
	// StorageDir is where keys and certificates are kept, in an absolute
	// path; required to use an authority. Its loss costs an order per host,
	// and authorities count those.
	StorageDir string
	// HTTPPort and HTTPSPort are where this machine receives what the world
	// sends to ports 80 and 443, to which the authority comes with its
	// questions. Default 80 and 443.
	HTTPPort, HTTPSPort int
	// RedirectPort is the port of the door as visitors see it. Default 443.
	RedirectPort int

	// Logger; nil discards.
	Logger *slog.Logger
}

// Files are one certificate chain and its key, in PEM. The key must not be
// readable by everybody.
type Files struct {
	Cert, Key string
}

// Certs holds the door's certificates.
type Certs struct {
	c Config
	l *slog.Logger
	// given is by host; nil where an authority is used.
	given atomic.Pointer[map[string]*tls.Certificate]
	// managed is set once Run has begun.
	managed atomic.Pointer[managed]
}

// New checks the settings. It reads nothing.
func New(c Config) (*Certs, error) {
	if c.Reload == 0 {
		c.Reload = time.Minute
	}
	if c.Directory == "" {
		c.Directory = certmagic.LetsEncryptProductionCA
	}
	if c.HTTPPort == 0 {
		c.HTTPPort = 80
	}
	if c.HTTPSPort == 0 {
		c.HTTPSPort = 443
	}
	if c.RedirectPort == 0 {
		c.RedirectPort = 443
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.Hosts = slices.Clone(c.Hosts)
	for i := range c.Hosts {
		c.Hosts[i] = fold(c.Hosts[i])
	}
	faults := c.hostFaults()
	if len(c.Files) > 0 {
		faults = append(faults, c.fileFaults()...)
	} else {
		faults = append(faults, c.authorityFaults()...)
	}
	for _, port := range [...]int{c.HTTPPort, c.HTTPSPort, c.RedirectPort} {
		if port < 1 || port > 65535 {
			faults = append(faults, fmt.Errorf("port %d: want 1 to 65535", port))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return &Certs{c: c, l: c.Logger}, nil
}

func (c *Config) hostFaults() []error {
	var faults []error
	if len(c.Hosts) == 0 {
		faults = append(faults, errors.New("hosts: want at least one name"))
	}
	for _, h := range c.Hosts {
		switch {
		case h == "" || strings.ContainsAny(h, "*/:@ ") || net.ParseIP(h) != nil:
			faults = append(faults, fmt.Errorf("host %q: want a plain DNS name", h))
		case len(c.Files) == 0 && c.Directory == certmagic.LetsEncryptProductionCA && !certmagic.SubjectQualifiesForPublicCert(h):
			faults = append(faults, fmt.Errorf("host %q: no public authority certifies it; give files, or the directory of your own authority", h))
		}
	}
	return faults
}

func (c *Config) fileFaults() []error {
	var faults []error
	for _, f := range c.Files {
		if f.Cert == "" || f.Key == "" {
			faults = append(faults, fmt.Errorf("files %q and %q: want a certificate and its key", f.Cert, f.Key))
		}
	}
	if c.Reload < time.Second {
		faults = append(faults, fmt.Errorf("reload %s: want at least 1s", c.Reload))
	}
	return faults
}

func (c *Config) authorityFaults() []error {
	var faults []error
	if !c.Agree {
		faults = append(faults, errors.New("agree: the authority's terms must be agreed to, or certificate files given"))
	}
	if u, err := url.Parse(c.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
		faults = append(faults, fmt.Errorf("directory %q: want an https URL", c.Directory))
	}
	if !filepath.IsAbs(c.StorageDir) {
		faults = append(faults, fmt.Errorf("storage directory %q: want an absolute path", c.StorageDir))
	}
	return faults
}

// fold returns the form in which two host names are compared.
func fold(host string) string {
	return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(host)), ".")
}

// TLS returns the settings of the door's listener.
func (c *Certs) TLS() *tls.Config {
	t := Handshake(c.certificate)
	if len(c.c.Files) == 0 {
		t.NextProtos = append(t.NextProtos, "acme-tls/1") // RFC 8737 §3: the authority's own check
	}
	return t
}

// Handshake is how a door shakes hands, whoever gives it its certificates.
func Handshake(certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		// TLS 1.3 has no others; of TLS 1.2 only what is authenticated and
		// forgets its keys (RFC 9325 §4.2).
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		NextProtos:     []string{"h2", "http/1.1"},
		GetCertificate: certificate,
	}
}

// certificate answers nil for a name that is not the door's, which crypto/tls
// turns into the alert unrecognized_name (RFC 6066 §3).
func (c *Certs) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	host := fold(hello.ServerName)
	if !slices.Contains(c.c.Hosts, host) {
		return nil, nil
	}
	if given := c.given.Load(); given != nil {
		return (*given)[host], nil
	}
	m := c.managed.Load()
	if m == nil {
		return nil, errNone
	}
	crt, err := m.config.GetCertificateWithContext(hello.Context(), hello)
	if err != nil {
		return nil, errNone // certmagic's own error holds the visitor's address
	}
	return crt, nil
}

var errNone = errors.New("no certificate yet")

// Run keeps the certificates until ctx ends. It returns at once only where
// given files cannot be used; an authority that is down is asked again.
func (c *Certs) Run(ctx context.Context) error {
	if len(c.c.Files) > 0 {
		return c.watch(ctx)
	}
	return c.manage(ctx)
}
