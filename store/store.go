// Package store keeps what the door must remember: meetings, invitations,
// admissions and short-lived secrets' fingerprints, in Redis or in memory.
//
// It refuses to understand them: it knows documents with versions, and it
// commits all of a change or nothing. It refuses to keep anything for ever:
// every key has its end. When it cannot be reached or cannot confirm, it says
// ErrUnavailable, and the door stays shut.
//
// Redis and Memory are twins: same methods, same answers. The contract both
// pass is in storetest.
package store

import (
	"errors"
	"time"
)

// ErrConflict is answered by Commit when a document read is no longer as it
// was. The caller reads again and decides again.
var ErrConflict = errors.New("document changed meanwhile")

// ErrUnavailable wraps every failure to reach the store or to have a durable
// write confirmed. The door stays shut on it. What was asked may have happened
// all the same: ask again with the same attempt id to learn it.
var ErrUnavailable = errors.New("store unavailable")

// Doc is one document as stored. Version 0 with a nil Value means: absent.
// Versions of a meeting's documents grow with every commit, by no fixed step,
// and are never handed out twice, not even after a delete.
type Doc struct {
	Version uint64
	Value   []byte
}

// Write replaces one document; a nil Value deletes it.
type Write struct {
	Name  string
	Value []byte
}

// Commit is one change of one meeting: everything or nothing.
type Commit struct {
	// Attempt makes the commit idempotent: the same attempt id gets the same
	// answer again and changes nothing (a reply may be lost, T07). Empty
	// means no such memory. Remembered for AttemptLife. A conflict is not
	// remembered: the same attempt may decide again.
	Attempt string
	// Reads are the versions the decision rests on; 0 means must be absent.
	Reads map[string]uint64
	// Writes are applied together; each document's version grows.
	Writes []Write
	// Events are appended to the meeting's stream in the same step, each
	// with the names of the documents written.
	Events [][]byte
	// Answer is remembered for the attempt.
	Answer []byte
	// Expires is when all keys of the meeting are forgotten; in the past, it
	// forgets them at once. Zero leaves the time as it is; a meeting's first
	// commit must set it.
	Expires time.Time
	// Durable asks that replicas, where configured, hold the change before
	// Commit returns; else it answers ErrUnavailable.
	Durable bool
}

// AttemptLife is how long the answer to an attempt is remembered.
const AttemptLife = 10 * time.Minute

// Event is one entry of a meeting's stream.
type Event struct {
	ID    string // grows; opaque: give it to Events, do not compare it
	Value []byte
	// Docs names the documents written by the same commit.
	Docs []string
}
