package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"vestibule/meeting"
)

// The bounds of what one call may ask. They are far above what a meeting of a
// thousand people needs and below what a Lua stack or a reply buffer bears.
const (
	maxWord   = 256     // bytes of a document name, key, kind or attempt id
	maxDocs   = 1000    // documents read or written at once
	maxEvents = 1000    // events appended or read at once
	maxValue  = 1 << 20 // bytes of one value
	maxCount  = 1000    // highest limit of Count: its state is a time a try
	// maxStream is where the oldest events of one meeting begin to go. They
	// are the audit's source: a meeting that reaches it is under attack.
	maxStream = 100_000
)

// errFirst is a fault of the caller: without it a key would live for ever.
var errFirst = errors.New("first commit of a meeting without Expires")

// word reports whether s may be part of a key: printable ASCII, and no brace,
// which would move the key to another node of a cluster.
func word(s string) bool {
	if s == "" || len(s) > maxWord {
		return false
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '{' || c == '}' {
			return false
		}
	}
	return true
}

func (c *Commit) check(m meeting.ID) error {
	var errs []error
	if !word(string(m)) {
		errs = append(errs, errors.New("malformed meeting id"))
	}
	if c.Attempt != "" && !word(c.Attempt) {
		errs = append(errs, errors.New("malformed attempt id"))
	}
	if len(c.Reads) > maxDocs || len(c.Writes) > maxDocs || len(c.Events) > maxEvents {
		errs = append(errs, errors.New("too large a commit"))
	}
	for name := range c.Reads {
		if !word(name) {
			errs = append(errs, errors.New("malformed document name"))
		}
	}
	if len(c.Answer) > maxValue {
		errs = append(errs, errors.New("too long an answer"))
	}
	for _, e := range c.Events {
		if len(e) > maxValue {
			errs = append(errs, errors.New("too long an event"))
		}
	}
	return errors.Join(append(errs, c.checkWrites())...)
}

func (c *Commit) checkWrites() error {
	for i, w := range c.Writes {
		if !word(w.Name) {
			return errors.New("malformed document name")
		}
		if len(w.Value) > maxValue {
			return errors.New("too long a document")
		}
		for _, v := range c.Writes[:i] {
			if v.Name == w.Name {
				return errors.New("document written twice in one commit")
			}
		}
	}
	return nil
}

// docs returns the names of the documents the commit writes.
func (c *Commit) docs() []string {
	names := make([]string, len(c.Writes))
	for i, w := range c.Writes {
		names[i] = w.Name
	}
	return names
}

// step is by how much the version of a commit exceeds the last one. It is
// random, so that a version handed out by a Redis that then lost the write in
// a failover is not handed out again for another content (T09).
func step() uint32 {
	return 1 + rand.Uint32N(1<<20) //nolint:gosec // told apart, not kept secret
}

func checkKey(kind, key string) error {
	if !word(kind) || !word(key) {
		return fmt.Errorf("malformed key of kind %q", kind)
	}
	return nil
}

func checkPut(kind, key string, value []byte, ttl time.Duration) error {
	if ttl <= 0 {
		return fmt.Errorf("value of kind %q without time to live", kind)
	}
	if len(value) > maxValue {
		return fmt.Errorf("too long a value of kind %q", kind)
	}
	return checkKey(kind, key)
}

func checkTake(kind, key, attempt string) error {
	if attempt != "" && !word(attempt) {
		return errors.New("malformed attempt id")
	}
	return checkKey(kind, key)
}

func checkCount(kind, key string, limit int, window time.Duration) error {
	if limit < 1 || limit > maxCount || window <= 0 {
		return fmt.Errorf("count of kind %q outside 1 to %d or without window", kind, maxCount)
	}
	return checkKey(kind, key)
}

func checkIndex(owner string, m meeting.ID, expires time.Time) error {
	if owner == "" || !word(string(m)) || expires.IsZero() {
		return errors.New("index entry without owner, meeting or expiry")
	}
	return nil
}

func checkRoster(m meeting.ID, node string, who []byte, life time.Duration) error {
	if !word(string(m)) || !word(node) || life <= 0 || len(who) > maxValue {
		return errors.New("malformed roster, or one without an end")
	}
	return nil
}

func checkLimit(limit, most int) error {
	if limit < 1 || limit > most {
		return fmt.Errorf("limit %d outside 1 to %d", limit, most)
	}
	return nil
}

// milliseconds rounds up: a value never lives shorter than was asked.
func milliseconds(d time.Duration) int64 {
	return int64((d + time.Millisecond - 1) / time.Millisecond)
}
