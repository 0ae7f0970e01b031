package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"

	"vestibule/meeting"
)

// The three kinds of keys of a meeting; the last one ends with the attempt.
func (s *Redis) docsKey(m meeting.ID) string   { return s.prefix + "{m:" + string(m) + "}:d" }
func (s *Redis) streamKey(m meeting.ID) string { return s.prefix + "{m:" + string(m) + "}:e" }
func (s *Redis) attemptKey(m meeting.ID, id string) string {
	return s.prefix + "{m:" + string(m) + "}:a:" + id
}

// Read returns the named documents of a meeting in one round trip; one that is
// absent has Version 0.
func (s *Redis) Read(ctx context.Context, m meeting.ID, names ...string) (map[string]Doc, error) {
	if len(names) > maxDocs {
		return nil, errors.New("reading documents: too many names")
	}
	docs := make(map[string]Doc, len(names))
	for _, n := range names {
		docs[n] = Doc{}
	}
	// An id or name that cannot exist is absent, as any other.
	if !word(string(m)) || len(names) == 0 {
		return docs, nil
	}
	const doing = "reading documents"
	key := s.docsKey(m)
	var values []any
	err := s.do(ctx, doing, key, true, func(ctx context.Context, node *redis.Client) (err error) {
		values, err = node.HMGet(ctx, key, names...).Result()
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, v := range values {
		text, ok := v.(string)
		if !ok || names[i] == "" {
			continue
		}
		if docs[names[i]], err = parse(text); err != nil {
			return nil, unavailable(doing, err)
		}
	}
	return docs, nil
}

// All returns every document of a meeting.
func (s *Redis) All(ctx context.Context, m meeting.ID) (map[string]Doc, error) {
	docs := map[string]Doc{}
	if !word(string(m)) {
		return docs, nil
	}
	const doing = "reading all documents"
	key := s.docsKey(m)
	var values map[string]string
	err := s.do(ctx, doing, key, true, func(ctx context.Context, node *redis.Client) (err error) {
		values, err = node.HGetAll(ctx, key).Result()
		return err
	})
	if err != nil {
		return nil, err
	}
	delete(values, "") // the meeting's own version and expiry
	for n, text := range values {
		if docs[n], err = parse(text); err != nil {
			return nil, unavailable(doing, err)
		}
	}
	return docs, nil
}

func parse(text string) (Doc, error) {
	version, payload, ok := strings.Cut(text, ":")
	n, err := strconv.ParseUint(version, 10, 64)
	if !ok || err != nil {
		return Doc{}, errors.New("document not written by this program")
	}
	return Doc{Version: n, Value: []byte(payload)}, nil
}

// Commit applies all of a change or nothing. It answers what the same attempt
// was answered before, if it was, and then replayed is true; so it is also
// when the first reply was lost and Commit had to ask twice.
func (s *Redis) Commit(ctx context.Context, m meeting.ID, c Commit) (answer []byte, replayed bool, err error) {
	if err := c.check(m); err != nil {
		return nil, false, fmt.Errorf("committing: %w", err)
	}
	keys := make([]string, 0, 3)
	keys = append(keys, s.docsKey(m), s.streamKey(m))
	if c.Attempt != "" {
		keys = append(keys, s.attemptKey(m, c.Attempt))
	}
	reply, err := s.run(ctx, call{
		doing:   "committing",
		script:  s.commit,
		keys:    keys,
		args:    s.commitArgs(m, &c),
		durable: c.Durable,
		again:   c.Attempt != "",
	})
	if err != nil {
		return nil, false, err
	}
	switch reply := reply.(type) {
	case string:
		return some([]byte(reply)), true, nil
	case int64:
		return c.outcome(reply)
	}
	return nil, false, unavailable("committing", errors.New("unexpected reply"))
}

func (c *Commit) outcome(code int64) ([]byte, bool, error) {
	switch code {
	case 1:
		return some(c.Answer), false, nil
	case 0:
		return nil, false, ErrConflict
	default:
		return nil, false, fmt.Errorf("committing: %w", errFirst)
	}
}

// some returns b, nil if it is empty: Redis cannot tell the two apart.
func some(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return b
}

// commitArgs lays the commit out as lua/commit.lua reads it.
func (s *Redis) commitArgs(m meeting.ID, c *Commit) []any {
	args := make([]any, 0, 5+2*len(c.Reads)+2*len(c.Writes)+len(c.Events))
	expires := ""
	if !c.Expires.IsZero() {
		expires = millis(c.Expires)
	}
	args = append(args, "", expires, string(m))
	if c.Attempt != "" {
		args = append(args, c.Answer)
	}
	names := slices.Collect(maps.Keys(c.Reads))
	for _, name := range names {
		args = append(args, name)
	}
	for _, name := range names {
		version := ""
		if v := c.Reads[name]; v > 0 {
			version = strconv.FormatUint(v, 10) + ":"
		}
		args = append(args, version)
	}
	deletes := 0
	for _, w := range c.Writes {
		if w.Value == nil {
			deletes++
			continue
		}
		args = append(args, w.Name, w.Value)
	}
	for _, w := range c.Writes {
		if w.Value == nil {
			args = append(args, w.Name)
		}
	}
	if len(c.Events) > 0 {
		args = append(args, strings.Join(c.docs(), " "))
	}
	for _, e := range c.Events {
		args = append(args, e)
	}
	args[0] = c.shape(deletes, c.Durable && s.replicas > 0)
	return args
}

// shape packs the numbers the script needs: each argument costs Redis more
// than reading a byte does. All fit, for check bounds them.
func (c *Commit) shape(deletes int, durable bool) []byte {
	b := make([]byte, 0, 12)
	for _, n := range [...]int{len(c.Reads), len(c.Writes) - deletes, deletes, len(c.Events)} {
		b = binary.BigEndian.AppendUint16(b, uint16(n)) // at most 1000
	}
	var last uint32
	if durable {
		last = 1 << 24
	}
	return binary.BigEndian.AppendUint32(b, last|step())
}

// Events returns at most limit events of a meeting that come after the given
// id, oldest first; all when after is empty.
func (s *Redis) Events(ctx context.Context, m meeting.ID, after string, limit int) ([]Event, error) {
	const doing = "reading events"
	if err := checkLimit(limit, maxEvents); err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	from := "-"
	if after != "" {
		if !eventID(after) {
			return nil, errors.New(doing + ": malformed event id")
		}
		from = "(" + after
	}
	if !word(string(m)) {
		return nil, nil
	}
	key := s.streamKey(m)
	var found []redis.XMessage
	err := s.do(ctx, doing, key, true, func(ctx context.Context, node *redis.Client) (err error) {
		found, err = node.XRangeN(ctx, key, from, "+", int64(limit)).Result()
		return err
	})
	if err != nil || len(found) == 0 {
		return nil, err
	}
	events := make([]Event, len(found))
	for i, x := range found {
		value, _ := x.Values["v"].(string)
		docs, _ := x.Values["d"].(string)
		events[i] = Event{ID: x.ID, Value: []byte(value), Docs: strings.Fields(docs)}
	}
	return events, nil
}

// eventID reports whether id is two numbers as Redis makes them.
func eventID(id string) bool {
	ms, seq, ok := strings.Cut(id, "-")
	_, err := strconv.ParseUint(ms, 10, 64)
	_, err2 := strconv.ParseUint(seq, 10, 64)
	return ok && err == nil && err2 == nil
}
