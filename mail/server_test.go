package mail_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"mime/quotedprintable"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"vestibule/mail"
)

// office is a real SMTP server that can be told to be difficult.
type office struct {
	addr  string
	roots *x509.CertPool

	onRcpt  error  // the answer to RCPT
	onData  error  // the answer after the mail
	dropAt  string // "rcpt", "data", "reset": the connection ends there
	hangAt  string // the same, but it just stays silent
	users   map[string]string
	release chan struct{}

	mu    sync.Mutex // guards the rest
	taken []taken
	seen  int // sessions
}

type taken struct {
	from, to string
	data     []byte
	tls      bool
	helo     string
}

func open(t *testing.T, implicit bool, edit func(*office, *smtp.Server)) *office {
	t.Helper()
	o := &office{release: make(chan struct{})}
	s := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.seen++
		return &clerk{office: o, conn: c}, nil
	}))
	cert, roots := certificate(t)
	o.roots = roots
	s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	s.ErrorLog = quiet{}
	if edit != nil {
		edit(o, s)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.addr = ln.Addr().String()
	if implicit {
		ln = tls.NewListener(ln, s.TLSConfig)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(ln)
	}()
	t.Cleanup(func() {
		close(o.release)
		_ = s.Close()
		_ = ln.Close() // Serve may not have begun when Close was called.
		<-done
	})
	return o
}

// sender returns a sender that trusts the office.
func (o *office) sender(t *testing.T, edit func(*mail.Config)) *mail.Sender {
	t.Helper()
	c := mail.Config{
		Addr: o.addr, From: "visio@hospital.example", FromName: "Hôpital Saint-Jean, visio",
		HELO: "door.example", RootCAs: o.roots, Timeout: 5 * time.Second,
	}
	if edit != nil {
		edit(&c)
	}
	s, err := mail.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (o *office) mails() []taken {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.taken
}

type clerk struct {
	office *office
	conn   *smtp.Conn
	mail   taken
}

func (c *clerk) at(stage string) error {
	if c.office.hangAt == stage {
		<-c.office.release
	}
	if c.office.dropAt == stage {
		_ = c.conn.Conn().Close()
		return errors.New("gone")
	}
	return nil
}

func (c *clerk) AuthMechanisms() []string {
	if c.office.users == nil {
		return nil
	}
	return []string{sasl.Plain}
}

func (c *clerk) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if p, ok := c.office.users[user]; ok && p == password {
			return nil
		}
		return smtp.ErrAuthFailed
	}), nil
}

func (c *clerk) Mail(from string, _ *smtp.MailOptions) error {
	c.mail.from, c.mail.helo = from, c.conn.Hostname()
	_, c.mail.tls = c.conn.TLSConnectionState()
	return nil
}

func (c *clerk) Rcpt(to string, _ *smtp.RcptOptions) error {
	c.mail.to = to
	if err := c.at("rcpt"); err != nil {
		return err
	}
	return c.office.onRcpt
}

func (c *clerk) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if err := c.at("data"); err != nil {
		return err
	}
	if c.office.onData != nil {
		return c.office.onData
	}
	c.mail.data = b
	c.office.mu.Lock()
	c.office.taken = append(c.office.taken, c.mail)
	c.office.mu.Unlock()
	return nil
}

func (c *clerk) Reset() {
	if len(c.office.mails()) > 0 {
		_ = c.at("reset")
	}
}

func (c *clerk) Logout() error { return nil }

type quiet struct{}

func (quiet) Printf(string, ...any) {}
func (quiet) Println(...any)        {}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "office"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}, &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "office"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, roots
}

func decoded(t *testing.T, encoding string, body io.Reader) string {
	t.Helper()
	switch encoding {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
