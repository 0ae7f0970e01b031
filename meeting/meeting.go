// Package meeting holds what a meeting is made of: the meeting itself, its
// personal invitations, the persons who show up and their admissions, and the
// rules by which one state follows another.
//
// It refuses to do anything: no storage, no network, no clock, no goroutine.
// Apply takes documents and an event and returns the documents that follow.
package meeting

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"time"
)

// ID names a meeting: 128 random bits as 32 hexadecimal digits. It is no
// secret and opens nothing.
type ID string

// NewID returns a fresh random ID.
func NewID() ID { return ID(random(16)) }

// NewAdmissionID returns a fresh admission id: 128 random bits in
// hexadecimal. The same id names the token, the TURN user and the log line.
func NewAdmissionID() string { return random(16) }

// NewInvitationID returns a fresh invitation id: 64 random bits in
// hexadecimal, unique within its meeting.
func NewInvitationID() string { return random(8) }

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // crypto/rand.Read never fails since Go 1.24.
	return hex.EncodeToString(b)
}

// Role is what a person may do in a meeting. The zero value may do least.
type Role uint8

// The roles, from least to most.
const (
	Guest Role = iota
	Host
)

// Phase is where a meeting stands. The zero value lets nobody in.
type Phase uint8

// The phases, in order. Ended and Cancelled are final.
const (
	Planned Phase = iota // nobody is inside yet; guests wait
	Open                 // the host has entered
	Ended
	Cancelled
)

// Meeting is the header document: small, written rarely, read by every knock.
// It is kept until Expires, then the store forgets it.
type Meeting struct {
	ID    ID     `json:"id"`
	Title string `json:"title"` // as the host wrote it; shown to invitees
	// Owner is who created the meeting.
	Owner Contact `json:"owner"`
	// Hosts are the persons who may admit and expel: the owner and each
	// co-host from the first time they prove who they are.
	Hosts  []Key     `json:"hosts"`
	Starts time.Time `json:"starts"`
	Ends   time.Time `json:"ends"`
	Zone   string    `json:"zone"` // IANA name, for showing times
	Lang   string    `json:"lang"` // "fr" or "en"
	Phase  Phase     `json:"phase"`
	Locked bool      `json:"locked"`
	// Room is the conference server's name for this meeting: random, minted
	// here, so that no spelling of a title can reach another's room (T28).
	Room     string   `json:"room"`
	Settings Settings `json:"settings"`
	// Banned are the persons who were expelled; they cannot come back
	// through any invitation of this meeting.
	Banned []Key `json:"banned,omitempty"`
	// Number says which of the derived dial-in numbers is this meeting's: the
	// first that no other meeting had.
	Number int `json:"number,omitempty"`
	// Missed are the wrong dial-in codes of the last hour.
	Missed []Miss `json:"missed,omitempty"`
	// Seats are the hosts' own admissions, made without a link.
	Seats   []Seat    `json:"seats,omitempty"`
	Created time.Time `json:"created"`
	// Changed is when the phase or lock last changed.
	Changed time.Time `json:"changed"`
	// Sequence counts the changes that invitees were told of (RFC 5545
	// §3.8.7.4).
	Sequence int `json:"sequence,omitempty"`
	// Altered is the attempt that altered the meeting last.
	Altered string `json:"altered,omitempty"`
	// Expires is when every document of the meeting is forgotten.
	Expires time.Time `json:"expires"`
}

// Settings is what the host chose for a meeting. The zero value is the
// strictest: guests wait for the host and have microphone and camera only.
type Settings struct {
	// JoinBeforeHost lets admitted guests talk before a host has entered.
	JoinBeforeHost bool `json:"join_before_host,omitempty"`
	// GuestScreen lets guests share their screen.
	GuestScreen bool `json:"guest_screen,omitempty"`
	// GuestChat lets guests send chat messages.
	GuestChat bool `json:"guest_chat,omitempty"`
	// Members is how members of the institution come without an invitation of
	// their own.
	Members Welcome `json:"members,omitempty"`
	// Remind is how long before Starts invitees are reminded; zero: not.
	Remind Reminders `json:"remind,omitzero"`
	// Chime tells callers by a short tone of who comes and goes.
	Chime bool `json:"chime,omitempty"`
	// Early is how long before Starts a personal link begins to work.
	Early time.Duration `json:"early"`
	// Grace is how long after Ends a link still works.
	Grace time.Duration `json:"grace"`
}

// Welcome is how somebody is let in who was not invited by name. The zero value
// does not let them in.
type Welcome string

// The welcomes.
const (
	ByName Welcome = ""      // by invitation only
	Knocks Welcome = "wait"  // they wait for a host
	Enters Welcome = "admit" // they are let in by rule
)

// Known reports whether w is one of the welcomes.
func (w Welcome) Known() bool { return w == ByName || w == Knocks || w == Enters }

// Reminders are at most two times before the start.
type Reminders [2]time.Duration

// HostedBy reports whether the person named by k may act as host.
func (m *Meeting) HostedBy(k Key) bool {
	return k != "" && slices.Contains(m.Hosts, k)
}

// Over reports whether nobody may enter any more at the given time.
func (m *Meeting) Over(now time.Time) bool {
	if m.Phase > Open {
		return true
	}
	return now.After(m.Ends.Add(m.Settings.Grace))
}

// TooEarly reports whether personal links do not work yet at the given time.
func (m *Meeting) TooEarly(now time.Time) bool {
	return now.Before(m.Starts.Add(-m.Settings.Early))
}
