package gateway_test

import (
	"context"
	"fmt"
	"regexp"
	"sync"
	"sync/atomic"
	"time"

	"vestibule/house"
	"vestibule/meeting"
	"vestibule/store"
)

// valve is a store that can be shut or slowed in the middle.
type valve struct {
	house.Store
	shut  atomic.Bool
	delay atomic.Int64 // nanoseconds of every call
	odd   sync.Map     // words asked for that no part of the house minted
	// meanwhile is called once, before the next commit.
	meanwhile atomic.Pointer[func()]
}

var minted = regexp.MustCompile(`^(m|[ia]:[0-9a-f]+|[0-9a-f]{32})$`)

func (v *valve) pass(ctx context.Context, words ...string) error {
	for _, w := range words {
		if !minted.MatchString(w) {
			v.odd.Store(w, true)
		}
	}
	if d := time.Duration(v.delay.Load()); d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	if v.shut.Load() {
		return fmt.Errorf("asking the store: %w", store.ErrUnavailable)
	}
	return nil
}

func (v *valve) Read(ctx context.Context, m meeting.ID, names ...string) (map[string]store.Doc, error) {
	if err := v.pass(ctx, append(names[:len(names):len(names)], string(m))...); err != nil {
		return nil, err
	}
	return v.Store.Read(ctx, m, names...)
}

func (v *valve) All(ctx context.Context, m meeting.ID) (map[string]store.Doc, error) {
	if err := v.pass(ctx, string(m)); err != nil {
		return nil, err
	}
	return v.Store.All(ctx, m)
}

func (v *valve) Commit(ctx context.Context, m meeting.ID, c store.Commit) ([]byte, bool, error) {
	if err := v.pass(ctx, string(m)); err != nil {
		return nil, false, err
	}
	if f := v.meanwhile.Swap(nil); f != nil {
		(*f)()
	}
	return v.Store.Commit(ctx, m, c)
}

func (v *valve) Events(ctx context.Context, m meeting.ID, after string, limit int) ([]store.Event, error) {
	if err := v.pass(ctx, string(m)); err != nil {
		return nil, err
	}
	return v.Store.Events(ctx, m, after, limit)
}

func (v *valve) Index(ctx context.Context, owner string, m meeting.ID, ends, expires time.Time) error {
	if err := v.pass(ctx); err != nil {
		return err
	}
	return v.Store.Index(ctx, owner, m, ends, expires)
}

func (v *valve) Owned(ctx context.Context, owner string, from time.Time, limit int) ([]meeting.ID, error) {
	if err := v.pass(ctx); err != nil {
		return nil, err
	}
	return v.Store.Owned(ctx, owner, from, limit)
}

func (v *valve) Count(ctx context.Context, kind, key string, limit int, window time.Duration) (bool, error) {
	if err := v.pass(ctx); err != nil {
		return false, err
	}
	return v.Store.Count(ctx, kind, key, limit, window)
}

func (v *valve) Put(ctx context.Context, kind, key string, value []byte, ttl time.Duration) error {
	if err := v.pass(ctx); err != nil {
		return err
	}
	return v.Store.Put(ctx, kind, key, value, ttl)
}

func (v *valve) Get(ctx context.Context, kind, key string) ([]byte, error) {
	if err := v.pass(ctx); err != nil {
		return nil, err
	}
	return v.Store.Get(ctx, kind, key)
}

func (v *valve) Delete(ctx context.Context, kind, key string) error {
	if err := v.pass(ctx); err != nil {
		return err
	}
	return v.Store.Delete(ctx, kind, key)
}

func (v *valve) Swap(ctx context.Context, kind, key string, old, data []byte, ttl time.Duration) (bool, error) {
	if err := v.pass(ctx); err != nil {
		return false, err
	}
	return v.Store.Swap(ctx, kind, key, old, data, ttl)
}

func (v *valve) Take(ctx context.Context, kind, key, attempt string) ([]byte, error) {
	if err := v.pass(ctx); err != nil {
		return nil, err
	}
	return v.Store.Take(ctx, kind, key, attempt)
}
