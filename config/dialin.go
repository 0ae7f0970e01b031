package config

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"vestibule/cert"
	"vestibule/dialin/media"
	"vestibule/dialin/prompts"
	"vestibule/dialin/room"
	"vestibule/dialin/sip"
	"vestibule/house"
)

// Dialin is the phone door.
type Dialin struct {
	UDP       []string `yaml:"udp"`
	TCP       []string `yaml:"tcp"`
	TLS       []string `yaml:"tls"`
	Public    string   `yaml:"public"`
	MinPort   int      `yaml:"min_port"`
	MaxPort   int      `yaml:"max_port"`
	SRTP      string   `yaml:"srtp"`
	Dial      []string `yaml:"dial"`
	Lang      string   `yaml:"lang"`
	Prompts   string   `yaml:"prompts"`
	Chime     bool     `yaml:"chime"`
	Calls     int      `yaml:"calls"`
	PerSource int      `yaml:"per_source"`
	PerMinute int      `yaml:"per_minute"`
	Peers     []Peer   `yaml:"peers"`
	OnlyPeers bool     `yaml:"only_peers"`
	Shared    bool     `yaml:"shared_codes"`
	Leg       Leg      `yaml:"leg"`
}

// Leg is how callers are put through to a conference server that takes calls.
// Without target and registered they join LiveKit itself.
type Leg struct {
	Target     string            `yaml:"target"`
	Registered string            `yaml:"registered"`
	Headers    map[string]string `yaml:"headers"`
	User       string            `yaml:"user"`
	Secret     Secret            `yaml:"secret"`
	MD5        bool              `yaml:"dangerously_answer_md5"`
	SRTP       bool              `yaml:"srtp"`
	Media      []string          `yaml:"media"`
	CAFile     string            `yaml:"ca_file"`
}

func (l *Leg) on() bool { return l.Target != "" || l.Registered != "" }

// Peer is a trunk or a room device that is known.
type Peer struct {
	Name      string   `yaml:"name"`
	Addresses []string `yaml:"addresses"`
	User      string   `yaml:"user"`
	Secret    Secret   `yaml:"secret"`
	Registers bool     `yaml:"registers"`
	MD5       bool     `yaml:"dangerously_allow_md5"`
}

func (d *Dialin) on() bool { return len(d.UDP)+len(d.TCP)+len(d.TLS) > 0 }

func defaultDialin() Dialin {
	return Dialin{SRTP: "prefer", Lang: "fr", MinPort: 20000, MaxPort: 29999, Calls: 2000, PerSource: 20, PerMinute: 60}
}

func (c *checker) dialin() {
	d := &c.f.Dialin
	if !d.on() {
		return
	}
	for _, l := range []struct {
		key  string
		list []string
	}{{"udp", d.UDP}, {"tcp", d.TCP}, {"tls", d.TLS}} {
		for i, a := range l.list {
			c.address(a, fmt.Sprintf("dialin.%s[%d]", l.key, i), false)
		}
	}
	if d.Public != "" {
		_, err := netip.ParseAddr(d.Public)
		c.bad(err != nil, "dialin.public", quoted(d.Public)+" is no IP address", "the address under which devices reach this machine")
	}
	c.bad(len(d.Dial) == 0, "dialin.dial", "is missing", "what people dial: [sip:visio.example.org, +33 5 61 00 00 00]")
	c.oneOf(d.SRTP, "dialin.srtp", "prefer", "require", "never")
	c.oneOf(d.Lang, "dialin.lang", "fr", "en")
	c.between(d.MinPort, "dialin.min_port", 1024, 65535)
	c.between(d.MaxPort, "dialin.max_port", max(d.MinPort+1, 1024), 65535)
	c.between(d.Calls, "dialin.calls", 1, 20000)
	c.between(d.PerSource, "dialin.per_source", 1, 20000)
	c.between(d.PerMinute, "dialin.per_minute", 1, 1<<20)
	for i := range d.Peers {
		p, key := &d.Peers[i], fmt.Sprintf("dialin.peers[%d]", i)
		c.bad(p.Name == "", key+".name", "is missing", "a short word for logs and budgets")
		c.bad(len(p.Addresses) == 0 && p.User == "", key, "has neither addresses nor user", "addresses: [192.0.2.5/32]")
		c.prefixes(p.Addresses, key+".addresses")
		c.bad((p.User == "") != (p.Secret == ""), key, "needs both user and secret, or neither", "")
		c.bad(p.Registers && (len(p.Addresses) == 0 || p.Secret == ""), key+".registers", "needs addresses, user and secret", "who may register is named by both")
	}
	c.leg()
	c.bad(d.OnlyPeers && len(d.Peers) == 0, "dialin.only_peers", "lets nobody call without peers", "")
}

// leg checks where callers are put through to.
func (c *checker) leg() {
	l := &c.f.Dialin.Leg
	const key = "dialin.leg"
	c.bad(l.Target != "" && l.Registered != "", key, "has both target and registered", "the one conference server is named once")
	c.bad(!l.on() && (len(l.Headers) > 0 || l.User != ""), key, "leads nowhere", "target: sip:{bridge}@192.0.2.8")
	c.bad((l.User == "") != (l.Secret == ""), key, "needs both user and secret, or neither", "")
	known := slices.ContainsFunc(c.f.Dialin.Peers, func(p Peer) bool { return p.Name == l.Registered && p.Registers })
	c.bad(l.Registered != "" && !known, key+".registered", quoted(l.Registered)+" is no peer that registers", "name it under peers, with registers: true")
	_, host, _ := strings.Cut(l.Target, "@")
	c.bad(l.Target != "" && (host == "" || strings.ContainsAny(host, "{}") || !strings.HasPrefix(l.Target, "sip")), key+".target",
		quoted(l.Target)+" is no sip:USER@HOST", "words such as {room} stand before the @ only")
	c.prefixes(l.Media, key+".media")
	for name, v := range l.Headers {
		for _, w := range regexp.MustCompile(`\{[^}]*\}`).FindAllString(v, -1) {
			c.bad(!slices.Contains([]string{"{room}", "{bridge}", "{name}", "{admission}", "{token}"}, w), key+".headers", quoted(name)+" has the unknown word "+quoted(w), "{room}, {bridge}, {name}, {admission} or {token}")
		}
	}
}

// leg builds the conference server that callers are put through to; nil: none.
func (b *builder) leg(passes sip.Passes) *sip.Target {
	l := &b.f.Dialin.Leg
	if !l.on() {
		return nil
	}
	t := &sip.Target{
		URI: l.Target, Registered: l.Registered, User: l.User, Secret: b.secret(l.Secret, "dialin.leg.secret"), DangerouslyAnswerMD5: l.MD5,
		Encrypt: l.SRTP, Media: b.prefixes(l.Media, "dialin.leg.media"), RootCAs: b.pool(l.CAFile, "dialin.leg.ca_file"), Passes: passes,
	}
	for _, name := range slices.Sorted(maps.Keys(l.Headers)) {
		t.Headers = append(t.Headers, sip.Header{Name: name, Value: l.Headers[name]})
	}
	return t
}

// dialin builds the phone door, where the file has one.
func (b *builder) dialin(h *house.Config, certs *cert.Certs, passes room.Passes) {
	d := &b.f.Dialin
	if !d.on() {
		return
	}
	voice, err := prompts.Load(prompts.Config{Dir: d.Prompts})
	b.fault("dialin.prompts", err)
	rooms, err := room.New(room.Config{Passes: passes, RootCAs: b.pool(b.f.Conference.LiveKit.CAFile, "conference.livekit.ca_file")})
	b.fault("dialin", err)
	at := netip.IPv6Unspecified()
	p := &house.Phone{
		SIP: sip.Config{
			UDP: d.UDP, TCP: d.TCP, TLS: d.TLS, Secrecy: secrecy(d.SRTP), OnlyPeers: d.OnlyPeers,
			Target: b.leg(passes), Total: d.Calls, PerSource: d.PerSource, PerMinute: d.PerMinute, Burst: d.PerSource,
		},
		Media:  media.Config{Addr: at, Low: uint16(d.MinPort), High: uint16(d.MaxPort)},
		Joiner: rooms, Voice: voice, Lang: d.Lang, Chime: d.Chime, Dial: d.Dial, SharedCodes: d.Shared,
	}
	if d.Public != "" {
		p.SIP.Public, err = netip.ParseAddr(d.Public)
		b.fault("dialin.public", err)
	}
	if len(d.TLS) > 0 {
		if certs == nil {
			b.fault("dialin.tls", errors.New("needs the certificates"))
			return
		}
		p.SIP.Certificates = certs.TLS().Clone()
		p.SIP.Certificates.NextProtos = nil // SIP has no ALPN
	}
	for i := range d.Peers {
		x, key := &d.Peers[i], fmt.Sprintf("dialin.peers[%d]", i)
		p.SIP.Peers = append(p.SIP.Peers, sip.Peer{
			Name: x.Name, Addresses: b.prefixes(x.Addresses, key+".addresses"), User: x.User, Secret: b.secret(x.Secret, key+".secret"),
			Registers: x.Registers, DangerouslyAllowMD5: x.MD5,
		})
	}
	h.Phone = p
}

func secrecy(word string) sip.Secrecy {
	switch word {
	case "require":
		return sip.Require
	case "never":
		return sip.Never
	}
	return sip.Prefer
}
