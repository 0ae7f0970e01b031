package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strings"

	"vestibule/cert"
	"vestibule/conference/livekit"
	"vestibule/house"
	"vestibule/lobby"
	"vestibule/mail"
	"vestibule/policy"
	"vestibule/store"
	"vestibule/web"
)

// Built is every room's configuration, with the secrets read.
type Built struct {
	House house.Config
	Certs *cert.Certs
	Store *store.Redis
	Mail  *mail.Sender // nil: no mail leaves
	File  *File
}

// builder gathers faults while secrets and files are read.
type builder struct {
	f      *File
	log    *slog.Logger
	faults []*Fault
}

// Build makes the rooms' configurations. It reads secrets and files and reaches
// nobody. The error joins every fault, each with its place in the file.
func (f *File) Build(log *slog.Logger) (*Built, error) {
	b := &builder{f: f, log: log}
	out := &Built{File: f}
	var err error
	out.Store, err = store.Open(store.Config{
		URL: f.Store.URL, Username: f.Store.Username, Password: b.secret(f.Store.Password, "store.password"),
		Replicas: f.Store.Replicas, Timeout: f.Store.Timeout, Logger: log,
	})
	b.fault("store", err)
	out.Certs, err = cert.New(b.certs(f.names()...))
	b.fault("certificates", err)
	h := &out.House
	h.Door, h.Room, h.Store, h.Logger = f.Door, f.Room, out.Store, log
	h.Secret = []byte(b.secret(f.Secret, "secret"))
	if len(h.Secret) < 32 && len(b.faults) == 0 {
		b.fault("secret", errors.New("needs at least 32 bytes: openssl rand -base64 48"))
	}
	backend, err := livekit.New(livekit.Config{
		URL: f.Conference.LiveKit.URL, Key: f.Conference.LiveKit.Key,
		Secret: b.secret(f.Conference.LiveKit.Secret, "conference.livekit.secret"), Timeout: f.Conference.LiveKit.Timeout,
		RootCAs:                   b.pool(f.Conference.LiveKit.CAFile, "conference.livekit.ca_file"),
		DangerouslyAllowPlainHTTP: f.Conference.LiveKit.PlainHTTP, Logger: log,
	})
	b.fault("conference.livekit", err)
	h.Backend = backend
	out.Mail = b.mail()
	if out.Mail != nil {
		h.Mailer = out.Mail
	}
	b.sms(h)
	b.providers(h)
	b.turn(h, out.Certs)
	b.dialin(h, out.Certs, backend)
	b.rules(h)
	b.api(h)
	h.Site = web.Site{Name: f.Site.Name, Contact: f.Site.Contact, NoticeURL: f.Site.Notice}
	h.Pages = web.Config{Lang: f.Site.Lang, ThemeDir: f.Site.ThemeDir}
	h.Zone = f.Site.Zone
	h.Limits = house.Limits{
		PerSource: f.Listen.PerSource, Trusted: b.prefixes(f.Listen.Trusted, "listen.trusted"),
		Proxies: b.prefixes(f.Listen.Proxies, "listen.proxies"), Balancers: b.prefixes(f.Listen.Balancers, "listen.balancers"),
	}
	h.LinkInCalendar = f.Mail.LinkInCalendar
	copy(h.Remind[:], f.Meetings.Reminders)
	h.Early, h.Grace, h.Keep = f.Meetings.Early, f.Meetings.Grace, f.Meetings.Keep
	h.Names, h.Emails = lobby.NameRule(f.Meetings.Names), lobby.Emails(f.Meetings.Emails)
	h.KeepIncidents, h.State = f.Meetings.KeepIncidents, f.State
	h.SignOutLeaves = f.Meetings.SignOutLeaves
	h.SessionIdle, h.SessionLife = f.Sessions.Idle, f.Sessions.Absolute
	if err := join(b.faults); err != nil {
		return nil, err
	}
	return out, nil
}

// fault notes what is wrong at a key. Where a secret below the key could not
// be read, what follows from that is not told again.
func (b *builder) fault(key string, err error) {
	if err == nil || slices.ContainsFunc(b.faults, func(f *Fault) bool { return f.Key == key || strings.HasPrefix(f.Key, key+".") }) {
		return
	}
	p := b.f.at(key)
	for _, what := range each(err) {
		b.faults = append(b.faults, &Fault{File: b.f.name, Line: p.line, Col: p.col, Key: key, What: what.Error()})
	}
}

// each takes a join of errors apart.
func each(err error) []error {
	if j, ok := err.(interface{ Unwrap() []error }); ok {
		return j.Unwrap()
	}
	return []error{err}
}

func (b *builder) secret(s Secret, key string) string {
	v, err := s.Read()
	b.fault(key, err)
	return v
}

func (b *builder) pool(path, key string) *x509.CertPool {
	if path == "" {
		return nil
	}
	pem, err := os.ReadFile(path)
	b.fault(key, err)
	pool := x509.NewCertPool()
	if err == nil && !pool.AppendCertsFromPEM(pem) {
		b.fault(key, errors.New("holds no certificate in PEM form"))
	}
	return pool
}

// names are those that certificates are for: both addresses and, where it
// listens for TLS, the relay.
func (f *File) names() []string {
	names := []string{host(f.Door), host(f.Room)}
	if len(f.Turn.TLS) > 0 && !slices.Contains(names, f.Turn.Host) {
		names = append(names, f.Turn.Host)
	}
	return names
}

func host(origin string) string {
	u, err := url.Parse(origin)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// certs is where certificates come from.
func (b *builder) certs(names ...string) cert.Config {
	x := &b.f.Certificates
	c := cert.Config{
		Hosts: names, Agree: x.ACME.Agree, Directory: x.ACME.Directory, CAFile: x.ACME.CAFile, Email: x.ACME.Email,
		StorageDir: x.Storage, Logger: b.log,
	}
	for _, f := range x.Files {
		c.Files = append(c.Files, cert.Files{Cert: f.Cert, Key: f.Key})
	}
	return c
}

func (b *builder) mail() *mail.Sender {
	m := &b.f.Mail
	if m.Addr == "" {
		return nil
	}
	s, err := mail.New(mail.Config{
		Addr: m.Addr, TLS: m.TLS, DangerouslyPlain: m.DangerouslyPlain, Username: m.Username,
		Password: b.secret(m.Password, "mail.password"), From: m.From, FromName: m.FromName, HELO: m.HELO,
		Bounces: m.Bounces.Address, Relays: b.prefixes(m.Bounces.Relays, "mail.bounces.relays"), Logger: b.log,
	})
	b.fault("mail", err)
	return s
}

func (b *builder) rules(h *house.Config) {
	path := b.f.Policy.Rules
	if path == "" {
		return
	}
	src, err := os.ReadFile(path)
	b.fault("policy.rules", err)
	if err != nil {
		return
	}
	h.Rules, err = policy.Load(path, src)
	b.fault("policy.rules", err)
}

func (b *builder) prefixes(list []string, key string) []netip.Prefix {
	var all []netip.Prefix
	for i, a := range list {
		p, err := netip.ParsePrefix(a)
		b.fault(fmt.Sprintf("%s[%d]", key, i), err)
		all = append(all, p)
	}
	return all
}
