package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"vestibule/house"
	"vestibule/mail"
	"vestibule/meeting"
	"vestibule/policy"
)

// Load reads and checks a configuration file. The error joins every *Fault, in
// the order of the file.
func Load(path string) (*File, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration: %w", err)
	}
	f, faults := Parse(path, src)
	if err := join(faults); err != nil {
		return nil, err
	}
	return f, nil
}

func inOrder(faults []*Fault) {
	slices.SortStableFunc(faults, func(a, b *Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
}

// join makes one error of faults, in the order of the file.
func join(faults []*Fault) error {
	inOrder(faults)
	all := make([]error, len(faults))
	for i, f := range faults {
		all[i] = f
	}
	return errors.Join(all...)
}

// Parse reads a configuration and answers everything that is wrong with it. It
// reads no secret and reaches nobody.
func Parse(name string, src []byte) (*File, []*Fault) {
	f := defaults()
	d := &decoder{name: name, where: map[string]position{}}
	readable := d.decode(src, f)
	f.where, f.name = d.where, name
	if readable {
		c := &checker{f: f, d: d}
		c.all()
	}
	inOrder(d.faults)
	return f, d.faults
}

// defaults are what holds where nothing is written.
func defaults() *File {
	return &File{
		Listen:       Listen{HTTPS: ":443", HTTP: ":80", Ops: "127.0.0.1:9464", PerSource: 20},
		Site:         Site{Lang: "fr", Zone: "Europe/Paris"},
		Store:        Store{Timeout: 800 * time.Millisecond},
		Certificates: Certificates{Storage: "/var/lib/vestibule/certificates"},
		Mail:         Mail{TLS: "starttls"},
		SMS:          SMS{Timeout: 4 * time.Second},
		Turn: Turn{
			Lifetime: 10 * time.Minute, Quota: 3, BytesPerSecond: 4 << 20, MinPort: 49152, MaxPort: 65535,
		},
		Dialin:     defaultDialin(),
		Conference: Conference{LiveKit: LiveKit{Timeout: 5 * time.Second}},
		Meetings: Meetings{
			Early: 15 * time.Minute, Grace: time.Hour, Keep: 24 * time.Hour, KeepIncidents: 180 * 24 * time.Hour,
			Names: "free", Emails: "full", Reminders: []time.Duration{24 * time.Hour},
		},
		Sessions: Sessions{Idle: 2 * time.Hour, Absolute: 12 * time.Hour},
		State:    "/var/lib/vestibule",
		API:      API{Rate: 600},
		Log:      Log{Level: "info"},
	}
}

// checker tells what a well-formed file gets wrong.
type checker struct {
	f *File
	d *decoder
}

// bad notes a fault at a key, or where the key should stand.
func (c *checker) bad(is bool, key, what, hint string) {
	if !is || c.told(key) {
		return
	}
	c.d.fault(c.f.at(key), key, what, hint)
}

// told reports whether the key has a fault already: one is enough.
func (c *checker) told(key string) bool {
	return slices.ContainsFunc(c.d.faults, func(f *Fault) bool { return f.Key == key })
}

// at is where a key stands, or the nearest thing around it that does.
func (f *File) at(key string) position {
	for k := key; ; {
		if p, ok := f.where[k]; ok {
			return p
		}
		i := lastCut(k)
		if i <= 0 {
			return position{1, 1}
		}
		k = k[:i]
	}
}

func lastCut(k string) int {
	for i := len(k) - 1; i > 0; i-- {
		if k[i] == '.' || k[i] == '[' {
			return i
		}
	}
	return 0
}

func (c *checker) all() {
	f := c.f
	c.origin(f.Door, "door")
	c.origin(f.Room, "room")
	c.bad(f.Door != "" && f.Door == f.Room, "room", "is the same as door", "give the conference server an address of its own, such as room.visio.example.org")
	c.bad(f.Secret == "", "secret", "is missing", "openssl rand -base64 48 > FILE; chmod 600 FILE; secret: file:FILE")
	c.address(f.Listen.HTTPS, "listen.https", false)
	c.address(f.Listen.HTTP, "listen.http", true)
	if !unixSocket(f.Listen.Ops) {
		c.address(f.Listen.Ops, "listen.ops", true)
	}
	c.between(f.Listen.PerSource, "listen.per_source", 1, 1<<20)
	c.prefixes(f.Listen.Trusted, "listen.trusted")
	c.prefixes(f.Listen.Proxies, "listen.proxies")
	c.prefixes(f.Listen.Balancers, "listen.balancers")
	c.apart()
	c.oneOf(f.Site.Lang, "site.lang", "fr", "en")
	_, err := time.LoadLocation(f.Site.Zone)
	c.bad(err != nil || f.Site.Zone == "Local", "site.zone", quoted(f.Site.Zone)+" is no time zone", "such as Europe/Paris")
	c.bad(f.Store.URL == "", "store.url", "is missing", "redis://127.0.0.1:6379")
	c.between(f.Store.Replicas, "store.replicas", 0, 5)
	c.within(f.Store.Timeout, "store.timeout", 100*time.Millisecond, 10*time.Second)
	c.certificates()
	c.mail()
	c.sms()
	for i := range f.Providers {
		c.provider(&f.Providers[i], fmt.Sprintf("providers[%d]", i))
	}
	c.conference()
	c.turn()
	c.dialin()
	c.within(f.Meetings.Early, "meetings.early", 0, 24*time.Hour)
	c.within(f.Meetings.Grace, "meetings.grace", 0, 12*time.Hour)
	c.bad(len(f.Meetings.Reminders) > len(meeting.Reminders{}), "meetings.reminders", "holds more than two", "[24h, 30m]")
	for i, d := range f.Meetings.Reminders {
		c.within(d, fmt.Sprintf("meetings.reminders[%d]", i), time.Minute, 7*24*time.Hour)
	}
	c.within(f.Meetings.Keep, "meetings.keep", time.Hour, 365*24*time.Hour)
	c.oneOf(f.Meetings.Names, "meetings.names", "free", "initials", "identity")
	c.oneOf(f.Meetings.Emails, "meetings.emails", "full", "masked", "hidden")
	c.within(f.Meetings.KeepIncidents, "meetings.keep_incidents", 24*time.Hour, 365*24*time.Hour)
	c.sessions()
	c.bad(f.State != "" && !filepath.IsAbs(f.State), "state", quoted(f.State)+" is not an absolute path", "/var/lib/vestibule")
	c.oneOf(f.Log.Level, "log.level", "debug", "info", "warn", "error")
	c.policy()
	c.api()
}

func (c *checker) sessions() {
	s := &c.f.Sessions
	c.within(s.Idle, "sessions.idle", 5*time.Minute, 12*time.Hour)
	c.within(s.Absolute, "sessions.absolute", time.Hour, 24*time.Hour)
	c.bad(s.Absolute < s.Idle, "sessions.absolute", fmt.Sprintf("%s is less than sessions.idle", s.Absolute), "such as {idle: 30m, absolute: 1h}")
}

func (c *checker) origin(s, key string) {
	u, err := url.Parse(s)
	ok := err == nil && u.Scheme == "https" && u.Host != "" && u.Path == "" && u.RawQuery == "" && u.User == nil
	c.bad(s == "", key, "is missing", "https://visio.example.org")
	c.bad(!ok, key, quoted(s)+" is not an https address without a path", "https://visio.example.org")
}

func (c *checker) address(s, key string, optional bool) {
	if s == "" && optional {
		return
	}
	_, port, err := net.SplitHostPort(s)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	c.bad(err != nil, key, quoted(s)+" is not host:port", `":443" or "192.0.2.1:443"`)
}

func unixSocket(s string) bool {
	path, unix := strings.CutPrefix(s, house.UnixPrefix)
	return unix && filepath.IsAbs(path)
}

func (c *checker) oneOf(s, key string, words ...string) {
	c.bad(!slices.Contains(words, s), key, quoted(s)+" is none of "+fmt.Sprint(words), "")
}

func (c *checker) between(n int, key string, least, most int) {
	c.bad(n < least || n > most, key, fmt.Sprintf("%d is not between %d and %d", n, least, most), "")
}

func (c *checker) within(t time.Duration, key string, least, most time.Duration) {
	c.bad(t < least || t > most, key, fmt.Sprintf("%s is not between %s and %s", t, least, most), "")
}

func (c *checker) certificates() {
	x := &c.f.Certificates
	acme := x.ACME != ACME{}
	c.bad(!acme && len(x.Files) == 0, "certificates", "neither acme nor files", "acme: {email: …, agree: true}")
	c.bad(acme && len(x.Files) > 0, "certificates.files", "acme and files at once", "keep one")
	c.bad(acme && !x.ACME.Agree, "certificates.acme.agree", "is not true", "read the authority's terms, then agree: true")
	c.bad(acme && x.Storage == "", "certificates.storage", "is missing", "a folder that is backed up")
	for i, p := range x.Files {
		key := fmt.Sprintf("certificates.files[%d]", i)
		c.bad(p.Cert == "" || p.Key == "", key, "needs cert and key", "")
	}
}

func (c *checker) mail() {
	m := &c.f.Mail
	c.bounces()
	if m.Addr == "" {
		return
	}
	c.address(m.Addr, "mail.addr", false)
	c.bad(m.TLS == "none" && !m.DangerouslyPlain, "mail.tls", "none would send codes readable by anybody on the way", "starttls, or dangerously_plain: true for a relay on this machine")
	if m.TLS != "none" {
		c.oneOf(m.TLS, "mail.tls", "starttls", "implicit")
	}
	c.bad(m.From == "", "mail.from", "is missing", "the address that guests see")
}

// bounces are taken where all of it is said.
func (c *checker) bounces() {
	b := &c.f.Mail.Bounces
	if b.Address == "" && b.LMTP == "" && len(b.Relays) == 0 {
		return
	}
	c.bad(c.f.Mail.Addr == "", "mail.bounces", "is of no use without mail.addr", "")
	c.bad(b.Address == "", "mail.bounces.address", "is missing", "bounce@visio.example.org")
	if err := mail.CheckBounces(b.Address); err != nil {
		c.bad(true, "mail.bounces.address", strings.TrimPrefix(err.Error(), "bounces: "), "bounce@visio.example.org")
	}
	c.bad(b.LMTP == "", "mail.bounces.lmtp", "is missing", "127.0.0.1:2424")
	if !unixSocket(b.LMTP) {
		c.address(b.LMTP, "mail.bounces.lmtp", false)
		host, _, _ := net.SplitHostPort(b.LMTP)
		ip, err := netip.ParseAddr(host)
		c.bad((err != nil || !ip.IsLoopback()) && host != "localhost" && len(b.Relays) == 0, "mail.bounces.lmtp", quoted(b.LMTP)+" is not of this machine alone", "127.0.0.1:2424, or name the mail servers that may come under relays")
	}
	c.prefixes(b.Relays, "mail.bounces.relays")
}

func (c *checker) conference() {
	l := &c.f.Conference.LiveKit
	c.bad(l.URL == "", "conference.livekit.url", "is missing", "where LiveKit's API answers: http://127.0.0.1:7880")
	c.bad(l.Key == "", "conference.livekit.key", "is missing", "the API key's name")
	c.bad(l.Secret == "", "conference.livekit.secret", "is missing", "file:PATH of the API secret")
	c.within(l.Timeout, "conference.livekit.timeout", 100*time.Millisecond, time.Minute)
}

func (c *checker) prefixes(list []string, key string) {
	for i, a := range list {
		_, err := netip.ParsePrefix(a)
		c.bad(err != nil, fmt.Sprintf("%s[%d]", key, i), quoted(a)+" is no address range", "192.0.2.5/32")
	}
}

// apart tells of balancers that are something else too: whether a connection
// begins with a PROXY header must not be a guess.
func (c *checker) apart() {
	others := slices.Concat(c.f.Listen.Trusted, c.f.Listen.Proxies)
	for i, a := range c.f.Listen.Balancers {
		b, err := netip.ParsePrefix(a)
		both := err == nil && slices.ContainsFunc(others, func(o string) bool {
			p, err := netip.ParsePrefix(o)
			return err == nil && p.Overlaps(b)
		})
		c.bad(both, fmt.Sprintf("listen.balancers[%d]", i), quoted(a)+" is also among trusted or proxies", "keep one")
	}
}

func (c *checker) policy() {
	path := c.f.Policy.Rules
	if path == "" {
		return
	}
	src, err := os.ReadFile(path)
	if err != nil {
		c.bad(true, "policy.rules", "cannot be read: "+err.Error(), "")
		return
	}
	if _, err := policy.Load(path, src); err != nil {
		c.bad(true, "policy.rules", err.Error(), "")
	}
}
