package store

import (
	"context"
	"crypto/tls"
	_ "embed"
	"errors"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Config says where Redis is and how long the door waits for it.
type Config struct {
	// URL is one of
	//
	//	redis://[user@]host:port[/db]         rediss:// over TLS
	//	unix:///path/to/socket
	//	redis+sentinel://host:port/name[/db]  rediss+sentinel:// over TLS
	//	redis+cluster://host:port             rediss+cluster:// over TLS
	//
	// where name is the master's. Further sentinels or cluster nodes are given
	// as ?addr=host:port, or in Addrs. A password in it works and is unwise.
	URL string
	// Addrs are further sentinels or cluster nodes, host:port.
	Addrs []string
	// Username and Password are for Redis itself; they win over the URL's.
	Username string
	Password string
	// SentinelPassword is for the sentinels, where they ask for one.
	SentinelPassword string
	// MasterName is the name the sentinels know the master by. It may stand
	// in the URL instead.
	MasterName string
	// TLS is used with the rediss schemes. Default: the system's authorities,
	// TLS 1.2 or later.
	TLS *tls.Config
	// Replicas is how many replicas must hold a durable write before it
	// counts. Default 0: there are none, and a failover may hand used links
	// back (T09). At most 5.
	Replicas int
	// Timeout is how long one call may take altogether, a second sending
	// included. Default 800ms; 100ms to 10s.
	Timeout time.Duration
	// PoolSize is the number of connections to each node. Default 20; at
	// most 1000. More do not make one Redis faster.
	PoolSize int
	// Prefix begins every key, so that two doors may share one Redis.
	// Default "vestibule:".
	Prefix string
	// Logger is told when the wake-up line breaks. Default: nobody.
	Logger *slog.Logger
}

// The scripts are the only things that write more than one key.
var (
	//go:embed lua/commit.lua
	commitLua string
	//go:embed lua/take.lua
	takeLua string
	//go:embed lua/count.lua
	countLua string
	//go:embed lua/roster.lua
	rosterLua string
	//go:embed lua/index.lua
	indexLua string
	//go:embed lua/swap.lua
	swapLua string
)

const (
	deleteLua = `return redis.call('DEL', KEYS[1], KEYS[2])`
	readyLua  = `redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) return redis.call('GET', KEYS[1])`
)

// Redis keeps everything in Redis: one server, one found by sentinels, or a
// cluster. All keys of a meeting, of a value and of a person's index carry one
// hash tag, so that a script touches one node only.
type Redis struct {
	client   redis.UniversalClient
	prefix   string
	channel  string
	replicas int
	timeout  time.Duration
	name     string // of this node, in its readiness key
	log      *slog.Logger

	commit, take, swap, count, index, roster, delete, ready *redis.Script
}

// Open returns a store that connects when it is first used. The error is a
// join of every fault of the Config.
func Open(c Config) (*Redis, error) {
	o, err := c.options()
	if err != nil {
		return nil, err
	}
	// The library would write to standard error on its own.
	logging.Disable()
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return &Redis{
		client:   redis.NewUniversalClient(o),
		prefix:   c.Prefix,
		channel:  c.Prefix + "wake",
		replicas: c.Replicas,
		timeout:  c.Timeout,
		name:     mark(),
		log:      c.Logger,
		commit:   redis.NewScript(commitScript(c.Prefix + "wake")),
		take:     redis.NewScript(takeLua),
		swap:     redis.NewScript(swapLua),
		count:    redis.NewScript(countLua),
		index:    redis.NewScript(indexLua),
		roster:   redis.NewScript(strings.ReplaceAll(rosterLua, "CHANNEL, ARGV", strconv.Quote(c.Prefix+"wake")+", ARGV")),
		delete:   redis.NewScript(deleteLua),
		ready:    redis.NewScript(readyLua),
	}, nil
}

// commitScript puts the constants into the script: an argument costs more.
func commitScript(channel string) string {
	return strings.NewReplacer(
		"CHANNEL, argv", strconv.Quote(channel)+", argv",
		"STREAM, '*'", strconv.Itoa(maxStream)+", '*'",
		"LIFE)", strconv.FormatInt(life(), 10)+")",
	).Replace(commitLua)
}

// options fills in the defaults of c and turns it into go-redis's words.
func (c *Config) options() (*redis.UniversalOptions, error) {
	if c.Timeout == 0 {
		c.Timeout = 800 * time.Millisecond
	}
	if c.PoolSize == 0 {
		c.PoolSize = 20
	}
	if c.Prefix == "" {
		c.Prefix = "vestibule:"
	}
	at, err := c.place()
	errs := []error{err}
	if c.Timeout < 100*time.Millisecond || c.Timeout > 10*time.Second {
		errs = append(errs, errors.New("redis timeout outside 100ms to 10s"))
	}
	if c.PoolSize < 1 || c.PoolSize > 1000 {
		errs = append(errs, errors.New("redis pool size outside 1 to 1000"))
	}
	if c.Replicas < 0 || c.Replicas > 5 {
		errs = append(errs, errors.New("redis replicas outside 0 to 5"))
	}
	if !word(c.Prefix) {
		errs = append(errs, errors.New("redis prefix is not printable ASCII without braces"))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	// Two sendings fit: one that gets no answer, and a second.
	each := c.Timeout * 5 / 8
	return &redis.UniversalOptions{
		Addrs:            at.addrs,
		MasterName:       at.master,
		IsClusterMode:    at.cluster,
		DB:               at.db,
		Username:         at.username,
		Password:         at.password,
		SentinelPassword: c.SentinelPassword,
		TLSConfig:        at.tls,
		Protocol:         2,
		DisableIdentity:  true,
		// A stopped Redis would otherwise hold a caller for 6 s.
		ContextTimeoutEnabled: true,
		DialTimeout:           each,
		ReadTimeout:           each,
		WriteTimeout:          each,
		PoolTimeout:           each,
		DialerRetries:         1,
		// The library would send again what may have been done already. We
		// send again ourselves, and only what bears it (T07).
		MaxRetries:   -1,
		MaxRedirects: -1,
		PoolSize:     c.PoolSize,
		// One pool for all: pipelines are used for WAIT only.
		PipelinePoolSize:         -1,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}, nil
}

// Ready writes and reads back, as durably as a redemption: a node that is
// reachable but read-only, or without its replicas, is not ready (T64).
func (s *Redis) Ready(ctx context.Context) error {
	word := mark()
	reply, err := s.run(ctx, call{
		doing:  "probing",
		script: s.ready,
		keys:   []string{s.prefix + "ready:{" + s.name + "}"},
		args:   []any{word, time.Minute.Milliseconds()},
		// The same word again changes nothing.
		durable: true, again: true,
	})
	if err != nil {
		return err
	}
	if reply != word {
		return unavailable("probing", errors.New("read back something else"))
	}
	return nil
}

// Close ends all connections. Watch must have ended before.
func (s *Redis) Close() error { return s.client.Close() }
