// Package turn carries the sound and picture of admitted participants to
// the conference server, and of nobody else: every relay hangs on one
// admission and ends with it.
//
// It refuses to reach any address but the listed media addresses of the
// conference server, to keep more relays for an admission than its quota,
// to carry one packet more once an admission is cut or its credentials have
// run out, and to hand pion/turn a datagram or stream frame that its strict
// reading of STUN (RFC 8489) and TURN (RFC 8656) does not vouch for.
package turn

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	minSecret       = 32
	maxRealm        = 127
	defaultLifetime = 10 * time.Minute
	minLifetime     = time.Minute
	maxLifetime     = 24 * time.Hour
	defaultQuota    = 3
	maxQuota        = 100
	defaultRate     = 4 << 20
	minRate         = 16 << 10
	defaultMinPort  = 49152
	defaultMaxPort  = 65535
	lowestPort      = 1024
	defaultConns    = 4096
	defaultPerHost  = 128
)

// Config is everything a Server needs to know.
type Config struct {
	// Secret makes the credentials. Servers that share it take each other's,
	// and those of before a restart, whatever was cut elsewhere or before.
	// Required, at least 32 bytes.
	Secret []byte

	// Realm is announced to clients (RFC 8489 §9.2). Required, at most
	// 127 printable ASCII characters.
	Realm string

	// PublicIPs are the addresses under which relays are announced, at
	// most one of each family. Required. A client that names no family
	// gets the IPv4 one when there is one.
	PublicIPs []netip.Addr

	// RelayIP is the local address relay sockets are bound to. Default:
	// every address of the family, which also reaches a conference server
	// on loopback.
	RelayIP netip.Addr

	// Host is the name in the URLs given to clients; TLS clients compare
	// it with the certificate. Default: the PublicIPs.
	Host string

	// URLs replaces the URLs derived from the listeners, where a port
	// mapping stands in front. Default: derived.
	URLs []string

	// Peers is whom relays may reach. The zero value reaches nobody.
	Peers PeerPolicy

	// Lifetime is how long a credential lives. Default 10m; 1m to 24h.
	Lifetime time.Duration

	// Quota is how many relays one admission may hold. Default 3; 1 to 100.
	Quota int

	// BytesPerSecond bounds what one admission sends and receives in sum.
	// Default 4 MiB; at least 16 KiB.
	BytesPerSecond int

	// MinPort and MaxPort bound the ports of relays, inclusive.
	// Default 49152 to 65535; not below 1024.
	MinPort, MaxPort uint16

	// Connections bounds open TCP and TLS connections, and
	// ConnectionsPerSource those of one address (IPv6: one /64).
	// Default 4096 and 128.
	Connections, ConnectionsPerSource int

	// Trusted are addresses that many people come from, such as an
	// institution's exit: ConnectionsPerSource does not hold for them, and as
	// strangers they are answered trustedShare times as often. Default none.
	Trusted []netip.Prefix

	// TLS carries the certificate of the TLS listeners. Nil: no TLS.
	TLS *tls.Config

	// Plain has every packet go through pion one by one, also where the
	// kernel takes and gives many at a time (Linux), to tell one from the
	// other. Default false.
	Plain bool

	// Logger gets relays opened and ended, with admission ids and no
	// addresses of persons. Nil: discard.
	Logger *slog.Logger
}

// Server is a TURN server. It is used once: New, Listen, Serve.
type Server struct {
	c   Config
	log *slog.Logger

	// clock is the wall clock in nanoseconds, moved by Serve every tick, so
	// that a packet costs an atomic load instead of a reading of the time.
	clock atomic.Int64

	// waiting is how many shards wait in a system call.
	waiting atomic.Int32

	challenges *limiter
	sources    *census

	// mu guards what follows and every grant's tuples.
	mu      sync.Mutex
	grants  map[string]*grant
	swept   time.Time
	bound   sockets
	streams map[*guard]struct{}
	closing bool
	batched bool // shards move the data of UDP clients
}

// New returns a server that does nothing yet. The error joins every fault
// of the configuration.
func New(c Config) (*Server, error) {
	c = c.withDefaults()
	if err := c.faults(); err != nil {
		return nil, err
	}
	s := &Server{
		c:          c,
		log:        c.Logger,
		challenges: newLimiter(),
		sources:    newCensus(c.Connections),
		grants:     make(map[string]*grant),
		streams:    make(map[*guard]struct{}),
	}
	s.clock.Store(time.Now().UnixNano())
	return s, nil
}

func (c Config) withDefaults() Config {
	if c.Lifetime == 0 {
		c.Lifetime = defaultLifetime
	}
	if c.Quota == 0 {
		c.Quota = defaultQuota
	}
	if c.BytesPerSecond == 0 {
		c.BytesPerSecond = defaultRate
	}
	if c.MinPort == 0 && c.MaxPort == 0 {
		c.MinPort, c.MaxPort = defaultMinPort, defaultMaxPort
	}
	if c.Connections == 0 {
		c.Connections = defaultConns
	}
	if c.ConnectionsPerSource == 0 {
		c.ConnectionsPerSource = defaultPerHost
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) faults() error {
	var faults []error
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			faults = append(faults, fmt.Errorf("turn: "+format, args...))
		}
	}
	fault(len(c.Secret) < minSecret, "secret has %d bytes, needs %d", len(c.Secret), minSecret)
	fault(!validRealm(c.Realm), "realm must be 1 to %d printable ASCII characters without quotes", maxRealm)
	faults = append(faults, faultsOfPublicIPs(c.PublicIPs)...)
	if c.RelayIP.IsValid() {
		fault(!hasFamily(c.PublicIPs, c.RelayIP), "relay IP %s has no public IP of its family", c.RelayIP)
	}
	fault(c.Lifetime < minLifetime || c.Lifetime > maxLifetime, "lifetime %s is outside %s to %s", c.Lifetime, minLifetime, maxLifetime)
	fault(c.Quota < 1 || c.Quota > maxQuota, "quota %d is outside 1 to %d", c.Quota, maxQuota)
	fault(c.BytesPerSecond < minRate, "bytes per second %d is below %d", c.BytesPerSecond, minRate)
	fault(c.MinPort < lowestPort || c.MaxPort < c.MinPort, "relay ports %d to %d are not a range above %d", c.MinPort, c.MaxPort, lowestPort-1)
	fault(c.Connections < 1, "connections %d is below 1", c.Connections)
	fault(c.ConnectionsPerSource < 1, "connections per source %d is below 1", c.ConnectionsPerSource)
	// Else one participant's relay would be another's peer.
	fault(len(c.Peers.Prefixes) > 0 && c.Peers.MinPort <= c.MaxPort && c.MinPort <= c.Peers.MaxPort,
		"peer ports %d to %d are among the relay ports %d to %d", c.Peers.MinPort, c.Peers.MaxPort, c.MinPort, c.MaxPort)
	faults = append(faults, c.Peers.faults()...)
	for _, p := range c.Trusted {
		fault(!p.IsValid(), "trusted prefix %s is none", p)
	}
	return errors.Join(faults...)
}

// trusts reports whether many people come from a.
func (s *Server) trusts(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(s.c.Trusted, func(p netip.Prefix) bool { return p.Contains(a) })
}

func validRealm(realm string) bool {
	return realm != "" && len(realm) <= maxRealm && !strings.ContainsFunc(realm, func(r rune) bool {
		return r < ' ' || r > '~' || r == '"' || r == '\\'
	})
}

func faultsOfPublicIPs(ips []netip.Addr) []error {
	if len(ips) == 0 {
		return []error{errors.New("turn: a public IP is missing")}
	}
	var faults []error
	for i, ip := range ips {
		switch {
		case !ip.IsValid() || ip.IsUnspecified() || ip.IsMulticast() || ip.Is4In6() || ip.Zone() != "":
			faults = append(faults, fmt.Errorf("turn: public IP %s cannot be announced", ip))
		case hasFamily(ips[:i], ip):
			faults = append(faults, fmt.Errorf("turn: public IP %s is the second of its family", ip))
		}
	}
	return faults
}

func hasFamily(ips []netip.Addr, like netip.Addr) bool {
	for _, ip := range ips {
		if ip.Is4() == like.Is4() {
			return true
		}
	}
	return false
}
