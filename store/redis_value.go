package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"vestibule/meeting"
)

func (s *Redis) valueKey(kind, key string) string { return s.prefix + "v:" + kind + ":{" + key + "}" }
func (s *Redis) takenKey(kind, key string) string { return s.valueKey(kind, key) + ":t" }
func (s *Redis) countKey(kind, key string) string { return s.prefix + "c:" + kind + ":{" + key + "}" }

// Put keeps a value for the given time, in place of any before.
func (s *Redis) Put(ctx context.Context, kind, key string, data []byte, ttl time.Duration) error {
	if err := checkPut(kind, key, data, ttl); err != nil {
		return fmt.Errorf("putting: %w", err)
	}
	k := s.valueKey(kind, key)
	return s.do(ctx, "putting a "+kind, k, true, func(ctx context.Context, node *redis.Client) error {
		return node.Do(ctx, "SET", k, data, "PX", milliseconds(ttl)).Err()
	})
}

// Get returns a value, nil when there is none.
func (s *Redis) Get(ctx context.Context, kind, key string) ([]byte, error) {
	if err := checkKey(kind, key); err != nil {
		return nil, fmt.Errorf("getting: %w", err)
	}
	k := s.valueKey(kind, key)
	var data []byte
	err := s.do(ctx, "getting a "+kind, k, true, func(ctx context.Context, node *redis.Client) (err error) {
		data, err = node.Get(ctx, k).Bytes()
		return err
	})
	return data, err
}

// Swap puts data in the place of old, and answers false where something else is
// there by now. A nil old stands for no value. Two who read the same cannot
// both write.
func (s *Redis) Swap(ctx context.Context, kind, key string, old, data []byte, ttl time.Duration) (bool, error) {
	if err := checkPut(kind, key, data, ttl); err != nil {
		return false, fmt.Errorf("swapping: %w", err)
	}
	there := 0
	if old != nil {
		there = 1
	}
	reply, err := s.run(ctx, call{
		doing:  "swapping a " + kind,
		script: s.swap,
		keys:   []string{s.valueKey(kind, key)},
		args:   []any{old, there, data, milliseconds(ttl)},
		again:  true,
	})
	return err == nil && reply == int64(1), err
}

// Take returns a value and uses it up. The same attempt gets it again for
// AttemptLife; any other gets nil. Where there are replicas they hold that it
// is used up before Take returns it: what was taken stays taken (T09).
func (s *Redis) Take(ctx context.Context, kind, key, attempt string) ([]byte, error) {
	if err := checkTake(kind, key, attempt); err != nil {
		return nil, fmt.Errorf("taking: %w", err)
	}
	reply, err := s.run(ctx, call{
		doing:   "taking a " + kind,
		script:  s.take,
		keys:    []string{s.valueKey(kind, key), s.takenKey(kind, key)},
		args:    []any{attempt, life()},
		durable: true,
		again:   attempt != "",
	})
	if text, ok := reply.(string); ok && err == nil {
		return []byte(text), nil
	}
	return nil, err
}

// Delete forgets a value, also for the attempt that took it. It is a
// revocation, so replicas confirm it, where there are any.
func (s *Redis) Delete(ctx context.Context, kind, key string) error {
	if err := checkKey(kind, key); err != nil {
		return fmt.Errorf("deleting: %w", err)
	}
	_, err := s.run(ctx, call{
		doing:   "deleting a " + kind,
		script:  s.delete,
		keys:    []string{s.valueKey(kind, key), s.takenKey(kind, key)},
		durable: true,
		again:   true,
	})
	return err
}

// Count counts one try and says whether it is among the limit allowed in any
// window. A try that is not allowed is not counted.
func (s *Redis) Count(ctx context.Context, kind, key string, limit int, window time.Duration) (bool, error) {
	if err := checkCount(kind, key, limit, window); err != nil {
		return false, fmt.Errorf("counting: %w", err)
	}
	reply, err := s.run(ctx, call{
		doing:  "counting a " + kind,
		script: s.count,
		keys:   []string{s.countKey(kind, key)},
		args:   []any{limit, milliseconds(window), mark(), 0},
		again:  true,
		// The script looks for its mark only then: a lost reply must not
		// count twice against somebody (T07).
		resend: func(args []any) { args[3] = 1 },
	})
	return err == nil && reply == int64(1), err
}

// indexKeys hashes the owner: the key is short and names nobody.
func (s *Redis) indexKeys(owner string) []string {
	sum := sha256.Sum256([]byte(owner))
	tag := s.prefix + "o:{" + hex.EncodeToString(sum[:16]) + "}"
	return []string{tag + ":ends", tag + ":expires"}
}

func (s *Redis) indexed(ctx context.Context, doing, owner string, args ...any) (any, error) {
	return s.run(ctx, call{
		doing:  doing,
		script: s.index,
		keys:   s.indexKeys(owner),
		args:   args,
		again:  true,
	})
}

// Index notes a meeting among its owner's until it expires.
func (s *Redis) Index(ctx context.Context, owner string, m meeting.ID, ends, expires time.Time) error {
	if err := checkIndex(owner, m, expires); err != nil {
		return fmt.Errorf("indexing: %w", err)
	}
	_, err := s.indexed(ctx, "indexing", owner, "put", string(m), millis(ends), millis(expires))
	return err
}

// Unindex takes a meeting from its owner's.
func (s *Redis) Unindex(ctx context.Context, owner string, m meeting.ID) error {
	_, err := s.indexed(ctx, "unindexing", owner, "drop", string(m))
	return err
}

// Owned returns at most limit meetings of an owner that end at the given time
// or later, the earliest end first.
func (s *Redis) Owned(ctx context.Context, owner string, from time.Time, limit int) ([]meeting.ID, error) {
	if err := checkLimit(limit, maxDocs); err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	reply, err := s.indexed(ctx, "reading the index", owner, "list", millis(from), limit)
	if err != nil {
		return nil, err
	}
	return meetings(reply), nil
}

func meetings(reply any) []meeting.ID {
	list, _ := reply.([]any)
	var ids []meeting.ID
	for _, v := range list {
		if id, ok := v.(string); ok {
			ids = append(ids, meeting.ID(id))
		}
	}
	return ids
}

// Lease gives at most limit meetings of an owner whose end has come the end
// until, and returns them: nobody else is given them before. An owner can so be
// a queue, with the end as the time at which a meeting is due.
func (s *Redis) Lease(ctx context.Context, owner string, now, until time.Time, limit int) ([]meeting.ID, error) {
	if err := checkLimit(limit, maxDocs); err != nil {
		return nil, fmt.Errorf("leasing: %w", err)
	}
	reply, err := s.indexed(ctx, "leasing", owner, "lease", millis(now), millis(until), limit)
	if err != nil {
		return nil, err
	}
	return meetings(reply), nil
}

// Release gives a meeting that was leased until then its next end, or takes it
// from its owner's where that is zero. A meeting that was indexed meanwhile
// stays as it is.
func (s *Redis) Release(ctx context.Context, owner string, m meeting.ID, until, next time.Time) error {
	to := ""
	if !next.IsZero() {
		to = millis(next)
	}
	_, err := s.indexed(ctx, "releasing", owner, "release", string(m), millis(until), to)
	return err
}
