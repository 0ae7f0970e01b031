// Package sfu holds the conference server of the demonstration: a real
// LiveKit, inside the same process, so that a first meeting needs nothing
// but one command.
//
// It refuses to be reached from anywhere but this machine, to open a room
// nobody asked for, and to hand out the address of a public STUN server. It
// is for the demonstration and the tests: one at a time in a process, since
// LiveKit keeps its counters and its logger in package variables.
package sfu

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"github.com/livekit/livekit-server/pkg/config"
	"github.com/livekit/livekit-server/pkg/routing"
	"github.com/livekit/livekit-server/pkg/service"
	livekitmetrics "github.com/livekit/livekit-server/pkg/telemetry/prometheus"
	"github.com/livekit/protocol/livekit"
	"github.com/livekit/protocol/logger"
	"github.com/prometheus/client_golang/prometheus"
)

// place is where a server listens. Outside of tests there is only here.
type place struct {
	// IP is the only address it is told of, NIC the interface that has it.
	IP, NIC string
	// ICE is what it tells browsers to ask, in its own YAML.
	ICE string
}

// here is the loopback. Nothing listens on port 9: the door puts its own relay
// there for each participant. It is named as a relay and not as a STUN server,
// which whoever joins from inside would ask, and wait for, at every beginning.
func here() place {
	return place{IP: "127.0.0.1", NIC: "lo", ICE: `turn_servers: [{host: 127.0.0.1, port: 9, protocol: udp, username: nobody, credential: nothing}]`}
}

// attempts is how often free ports are looked for again: between finding a
// port free and LiveKit opening it, another program may take it.
const attempts = 5

// Config says how the server runs.
type Config struct {
	// Logger receives LiveKit's messages without their attributes: it logs
	// refused tokens whole. Nil discards them.
	Logger *slog.Logger
}

// Server is a running LiveKit.
type Server struct {
	// URL is where its API and signalling answer, http://127.0.0.1:PORT.
	URL string
	// Key and Secret are the API key pair, made at start and kept in memory.
	Key, Secret string
	// Media are the addresses its media comes from: what a TURN server in
	// front of it has to let through, and no more.
	Media netip.Prefix
	// Port is the one UDP port all of its media uses.
	Port int

	livekit *service.LivekitServer
	ended   chan error // receives what LiveKit's Start returned, once
}

// Start runs a LiveKit on free ports of the loopback and returns when it
// answers.
func Start(ctx context.Context, c Config) (*Server, error) {
	h := slog.DiscardHandler
	if c.Logger != nil {
		h = c.Logger.Handler()
	}
	listener().Store(&h)

	var faults []error
	for range attempts {
		s, err := start(ctx, here())
		if err == nil {
			return s, nil
		}
		faults = append(faults, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, fmt.Errorf("starting the conference server: %w", errors.Join(faults...))
}

func start(ctx context.Context, at place) (*Server, error) {
	ip, err := netip.ParseAddr(at.IP)
	if err != nil {
		return nil, fmt.Errorf("reading its address: %w", err)
	}
	s := &Server{
		Key:    "demo" + rand.Text()[:8],
		Secret: rand.Text() + rand.Text(),
		Media:  netip.PrefixFrom(ip, ip.BitLen()),
		ended:  make(chan error, 1),
	}
	web, err := freePort(ctx, "tcp", at.IP)
	if err != nil {
		return nil, err
	}
	if s.Port, err = freePort(ctx, "udp", at.IP); err != nil {
		return nil, err
	}
	s.URL = "http://" + net.JoinHostPort(at.IP, strconv.Itoa(web))
	if s.livekit, err = build(s, web, at); err != nil {
		return nil, err
	}
	go func() { s.ended <- s.livekit.Start() }()
	if err := s.answers(ctx); err != nil {
		s.abandon()
		return nil, err
	}
	return s, nil
}

// abandon ends a server that did not come up. LiveKit's Stop does nothing
// before its Start is through, which is a tenth of a second away at most,
// or has returned, leaving the UDP port open.
func (s *Server) abandon() {
	for !s.livekit.IsRunning() {
		select {
		case err := <-s.ended:
			s.ended <- err // whoever asks Done wants it
			s.livekit.RoomManager().Stop()
			return
		case <-time.After(5 * time.Millisecond):
		}
	}
	s.livekit.Stop(true)
}

// build makes the server without opening its web port.
func build(s *Server, web int, at place) (*service.LivekitServer, error) {
	conf, err := config.NewConfig(settings(s, web, at), true, nil, nil)
	if err != nil {
		return nil, fmt.Errorf("reading its settings: %w", err)
	}
	if err := conf.ValidateKeys(); err != nil {
		return nil, fmt.Errorf("checking its key pair: %w", err)
	}
	node, err := routing.NewLocalNode(conf)
	if err != nil {
		return nil, fmt.Errorf("naming its node: %w", err)
	}
	if err := register(); err != nil {
		return nil, fmt.Errorf("preparing its counters: %w", err)
	}
	srv, err := service.InitializeServer(conf, node)
	if err != nil {
		return nil, fmt.Errorf("putting it together: %w", err)
	}
	return srv, nil
}

// LiveKit keeps its logger and its counters in package variables, and
// goroutines that outlive a server read them: they are set once a process.
var (
	// listener is where LiveKit's messages go at present.
	listener = sync.OnceValue(func() *atomic.Pointer[slog.Handler] {
		to := &atomic.Pointer[slog.Handler]{}
		h := slog.DiscardHandler
		to.Store(&h)
		logger.SetLogger(logger.LogRLogger(logr.FromSlogHandler(messagesOnly{to})), "livekit")
		return to
	})
	// register makes the counters, in a registry nobody reads: in the
	// default one they would mix with the door's.
	register = sync.OnceValue(func() error {
		mine := prometheus.DefaultRegisterer
		prometheus.DefaultRegisterer = prometheus.NewRegistry()
		defer func() { prometheus.DefaultRegisterer = mine }()
		return livekitmetrics.Init("demo", livekit.NodeType_SERVER)
	})
)

// settings is LiveKit's own configuration file.
//
//   - tcp_port 0, or it listens for media on every interface.
//   - node_ip and a relay are named because LiveKit otherwise asks, and tells
//     browsers to ask, public STUN servers.
//   - auto_create false: a room exists when the door has made it.
func settings(s *Server, web int, at place) string {
	return fmt.Sprintf(`
port: %d
bind_addresses: [%q]
rtc:
  node_ip: %[2]q
  use_external_ip: false
  enable_loopback_candidate: true
  interfaces: {includes: [%[6]s]}
  ips: {includes: [%[8]q]}
  udp_port: %[3]d
  tcp_port: 0
  %[7]s
room:
  auto_create: false
keys:
  %[4]s: %[5]s
logging:
  level: warn
  pion_level: error
`, web, at.IP, s.Port, s.Key, s.Secret, at.NIC, at.ICE, s.Media)
}

// answers returns when the health page says OK.
func (s *Server) answers(ctx context.Context) error {
	client := &http.Client{Timeout: time.Second}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		// IsRunning alone would do, had it not been set before a stranger's
		// program on the same port was ruled out.
		if s.livekit.IsRunning() && healthy(ctx, client, s.URL) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for an answer: %w", ctx.Err())
		case err := <-s.ended:
			s.ended <- err // abandon reads it too
			return fmt.Errorf("ended before it answered: %w", err)
		case <-tick.C:
		}
	}
}

func healthy(ctx context.Context, client *http.Client, url string) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	res, err := client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	return res.StatusCode == http.StatusOK
}

// Done yields what the server ended with, once.
func (s *Server) Done() <-chan error { return s.ended }

// Stop puts everybody out and ends the server. It returns when the ports are
// free again, or when ctx ends.
func (s *Server) Stop(ctx context.Context) error {
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		s.livekit.Stop(true)
	}()
	select {
	case <-stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopping the conference server: %w", ctx.Err())
	}
}

// freePort finds a port of ip that nobody uses now, below those that
// the system hands to outgoing connections: LiveKit opens it itself, later, and
// none of those may take it in between.
func freePort(ctx context.Context, network, ip string) (int, error) {
	var lc net.ListenConfig
	for range 100 {
		port := 30_000 + mathrand.IntN(2_700) //nolint:gosec // a port, no secret
		at := net.JoinHostPort(ip, strconv.Itoa(port))
		var c io.Closer
		var err error
		if network == "udp" {
			c, err = lc.ListenPacket(ctx, "udp", at)
		} else {
			c, err = lc.Listen(ctx, "tcp", at)
		}
		if err != nil {
			continue
		}
		return port, c.Close()
	}
	return 0, fmt.Errorf("no %s port is free for the conference server", network)
}

// messagesOnly drops every attribute, for a refused token is one of them.
type messagesOnly struct{ to *atomic.Pointer[slog.Handler] }

// Enabled asks the present listener.
func (h messagesOnly) Enabled(ctx context.Context, l slog.Level) bool {
	return (*h.to.Load()).Enabled(ctx, l)
}

// Handle passes the message on, alone.
func (h messagesOnly) Handle(ctx context.Context, r slog.Record) error {
	return (*h.to.Load()).Handle(ctx, slog.NewRecord(r.Time, r.Level, r.Message, r.PC))
}

// WithAttrs keeps nothing.
func (h messagesOnly) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup keeps nothing.
func (h messagesOnly) WithGroup(string) slog.Handler { return h }
