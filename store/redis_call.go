package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// call is one script to run on the node that holds its keys.
type call struct {
	doing   string // for the error
	script  *redis.Script
	keys    []string
	args    []any
	durable bool // replicas must confirm it
	again   bool // may be sent twice without harm
	// resend changes the arguments of a second sending, where it must.
	resend func(args []any)
}

// run runs a script. A nil reply is nil, not an error.
func (s *Redis) run(ctx context.Context, c call) (reply any, err error) {
	sent := false
	err = s.do(ctx, c.doing, c.keys[0], c.again, func(ctx context.Context, node *redis.Client) error {
		if sent && c.resend != nil {
			c.resend(c.args)
		}
		sent = true
		if c.durable && s.replicas > 0 {
			reply, err = s.confirmed(ctx, node, c)
		} else {
			reply, err = c.script.Run(ctx, node, c.keys, c.args...).Result()
		}
		return err
	})
	return reply, err
}

// confirmed runs a script and asks, over the same connection and in the same
// round trip, whether the replicas hold what it wrote (T09).
func (s *Redis) confirmed(ctx context.Context, node *redis.Client, c call) (any, error) {
	reply, held, err := s.wait(ctx, node, func(p redis.Pipeliner) *redis.Cmd {
		return c.script.EvalSha(ctx, p, c.keys, c.args...)
	})
	if redis.HasErrorPrefix(err, "NOSCRIPT") {
		reply, held, err = s.wait(ctx, node, func(p redis.Pipeliner) *redis.Cmd {
			return c.script.Eval(ctx, p, c.keys, c.args...)
		})
	}
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, err
	}
	if held < int64(s.replicas) {
		return nil, errUnconfirmed
	}
	return reply, err
}

func (s *Redis) wait(ctx context.Context, node *redis.Client, add func(redis.Pipeliner) *redis.Cmd) (any, int64, error) {
	p := node.Pipeline()
	reply := add(p)
	held := p.Do(ctx, "WAIT", s.replicas, (s.timeout / 2).Milliseconds())
	if _, err := p.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
		return nil, 0, err
	}
	n, err := held.Int64()
	if err != nil {
		return nil, 0, err
	}
	v, err := reply.Result()
	return v, n, err
}

// do runs f on the node that holds the key, and once more if that is without
// harm and may help. Whatever goes wrong is ErrUnavailable.
func (s *Redis) do(ctx context.Context, doing, key string, again bool, f func(context.Context, *redis.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	err := s.once(ctx, key, f)
	if err == nil || errors.Is(err, redis.Nil) {
		return nil
	}
	if ctx.Err() == nil && resendable(err, again) {
		err = s.once(ctx, key, f)
		if err == nil || errors.Is(err, redis.Nil) {
			return nil
		}
	}
	return unavailable(doing, err)
}

func (s *Redis) once(ctx context.Context, key string, f func(context.Context, *redis.Client) error) error {
	switch client := s.client.(type) {
	case *redis.Client: // also behind sentinels
		return f(ctx, client)
	case *redis.ClusterClient:
		// The cluster client would follow a redirection, but would also send
		// again after a lost reply; so we go to the node ourselves.
		node, err := client.MasterForKey(ctx, key)
		if err != nil {
			return err
		}
		err = f(ctx, node)
		if addr, ok := redis.IsMovedError(err); ok {
			client.ReloadState(ctx)
			if node = s.node(ctx, client, addr); node != nil {
				return f(ctx, node)
			}
		}
		return err
	default:
		return fmt.Errorf("unexpected client %T", client)
	}
}

// node finds the node of a cluster that a redirection names. A key that is
// being moved (ASK) is unavailable until it has arrived.
func (s *Redis) node(ctx context.Context, client *redis.ClusterClient, addr string) *redis.Client {
	found := make(chan *redis.Client, 1)
	_ = client.ForEachShard(ctx, func(_ context.Context, node *redis.Client) error {
		if node.Options().Addr == addr {
			select {
			case found <- node:
			default:
			}
		}
		return nil
	})
	select {
	case node := <-found:
		return node
	default:
		return nil
	}
}

// errUnconfirmed means: done here, but not known to outlive a failover.
var errUnconfirmed = errors.New("not confirmed by the replicas")

// resendable reports whether sending again is without harm and may help. A
// read-only node did nothing, and its connection is closed by now: the next
// one may lead to the new master.
func resendable(err error, again bool) bool {
	var reply redis.Error
	if errors.As(err, &reply) {
		return redis.IsReadOnlyError(err)
	}
	return again && !errors.Is(err, errUnconfirmed) && !errors.Is(err, redis.ErrClosed)
}

// unavailable makes an error of a failure. A reply of Redis is cut before
// anything it may quote, since errors are logged.
func unavailable(doing string, err error) error {
	var reply redis.Error
	if errors.As(err, &reply) {
		text := reply.Error()
		if i := strings.IndexAny(text, "'`\"{"); i >= 0 {
			text = text[:i]
		}
		err = errors.New("redis answers " + strings.TrimSpace(text))
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrUnavailable, err)
}

// mark returns a word that tells one sending from another.
func mark() string {
	return strconv.FormatUint(rand.Uint64(), 36) //nolint:gosec // told apart, not kept secret
}

func life() int64 { return AttemptLife.Milliseconds() }

func millis(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
