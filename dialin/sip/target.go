package sip

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/emiago/sipgo/sip"

	"vestibule/conference"
)

// Target is the conference server that admitted callers are put through to.
// Nobody else is ever called, whatever it answers (T53).
type Target struct {
	// URI is whom to call, as sip:{room}@192.0.2.8:5060;transport=tcp. Only
	// what stands before the @ may hold words; see Header.
	URI string
	// Registered is the peer whose registration is called, in place of URI.
	Registered string
	// Headers are added to each INVITE.
	Headers []Header
	// User and Secret answer the target's challenges (RFC 8760).
	User, Secret string
	// DangerouslyAnswerMD5 answers challenges that know nothing better.
	DangerouslyAnswerMD5 bool
	// Encrypt asks for encrypted sound; the zero value is plain.
	Encrypt bool
	// Media are further addresses that its sound may be at. Default: the one
	// that is called and no other.
	Media []netip.Prefix
	// RootCAs are trusted where it is called over TLS. Default the system's.
	RootCAs *x509.CertPool
	// Passes gives {token} its meaning; nil: there is none.
	Passes Passes
}

// Passes is the conference server's side. Leg MUST return a token that lets in
// the person of g and nobody else.
type Passes interface {
	Leg(g conference.Grants) (url, token string, err error)
}

// Header is one of an INVITE. Its value may hold words: {room}, the conference
// server's name of the meeting; {bridge}, the same in digits; {name}, what the
// others see of the caller; {admission}; and {token}.
type Header struct{ Name, Value string }

// fault tells all that is wrong with a target.
func (t *Target) fault(peers []Peer) error {
	var faults []error
	fault := func(bad bool, what string) {
		if bad {
			faults = append(faults, errors.New("sip: target: "+what))
		}
	}
	fault((t.URI == "") == (t.Registered == ""), "needs either a URI or a registered peer")
	if t.URI != "" {
		_, _, err := t.split()
		fault(err != nil, "the URI is not sip:USER@HOST, or has words behind the @")
	}
	known := slices.ContainsFunc(peers, func(p Peer) bool { return p.Name == t.Registered && p.Registers })
	fault(t.Registered != "" && !known, "no such peer registers")
	fault((t.User == "") != (t.Secret == ""), "needs both user and secret")
	for i, h := range t.Headers {
		fault(!headerName(h.Name) || strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' }), fmt.Sprintf("header %d cannot be set", i+1))
		fault(strings.Contains(h.Value, "{token}") && t.Passes == nil, fmt.Sprintf("header %d: the conference server gives no token", i+1))
	}
	return errors.Join(faults...)
}

// headerName keeps off what makes the call itself.
func headerName(n string) bool {
	own := []string{
		"via", "v", "from", "f", "to", "t", "call-id", "i", "cseq", "contact", "m", "route", "record-route", "max-forwards", "content-length", "l",
		"content-type", "c", "content-encoding", "e", "authorization", "proxy-authorization", "require", "proxy-require", "supported", "k",
		"session-expires", "x", "min-se", "refer-to", "r", "replaces", "allow",
	}
	return n != "" && len(n) <= 64 && strings.Trim(strings.ToLower(n), "abcdefghijklmnopqrstuvwxyz0123456789-") == "" && !slices.Contains(own, strings.ToLower(n))
}

// split takes the URI apart: what may hold words, and the host, which may not.
func (t *Target) split() (user string, host sip.Uri, err error) {
	scheme, rest, ok := strings.Cut(t.URI, ":")
	user, at, named := strings.Cut(rest, "@")
	if !ok || !named || strings.ContainsAny(at, "{}@") || !tokensLong(user) || scheme != "sip" && scheme != "sips" {
		return "", host, errors.New("sip: no such target")
	}
	if err := sip.ParseUri(scheme+":x@"+at, &host); err != nil || host.Host == "" {
		return "", host, errors.New("sip: no such target")
	}
	return user, host, nil
}

// proto is the transport that a URI asks for (RFC 3263 §4.1 without NAPTR: what is
// configured needs none), and its usual port where it names none.
func proto(u *sip.Uri) (name string, port uint16) {
	name, port = "UDP", 5060
	transport, _ := u.UriParams.Get("transport")
	switch {
	case strings.EqualFold(transport, "tls") || u.Scheme == "sips":
		name, port = "TLS", 5061
	case strings.EqualFold(transport, "tcp"):
		name = "TCP"
	}
	if u.Port > 0 && u.Port <= 65535 {
		port = uint16(u.Port)
	}
	return name, port
}

// sounds reports whether the target's sound may be at an address.
func (t *Target) sounds(a netip.Addr) bool {
	return slices.ContainsFunc(t.Media, func(p netip.Prefix) bool { return p.Contains(a.Unmap()) })
}

// words fills in templates for one caller.
func (t *Target) words(g conference.Grants) (*strings.Replacer, error) {
	token := ""
	if t.Passes != nil && slices.ContainsFunc(t.Headers, func(h Header) bool { return strings.Contains(h.Value, "{token}") }) {
		var err error
		if _, token, err = t.Passes.Leg(g); err != nil {
			return nil, err
		}
	}
	return strings.NewReplacer("{room}", plain(g.Room), "{bridge}", conference.Bridge(g.Room), "{name}", plain(g.Name), "{admission}", plain(g.Admission), "{token}", plain(token)), nil
}

// plain leaves nothing that could end a line.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s)
}

// escape writes the user of a URI (RFC 3261 §25.1).
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("-_.!~*'()&=+$,;?/", c) >= 0 {
			b.WriteByte(c)
			continue
		}
		b.WriteString("%" + strings.ToUpper(strconv.FormatUint(uint64(c)|0x100, 16)[1:]))
	}
	return b.String()
}

// quoted is a display name.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(plain(s)) + `"`
}
