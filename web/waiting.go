package web

import (
	"time"

	"vestibule/meeting"
)

// Waiting is where a guest waits to be let in. It is live through
// /a/{admission}/events and, without a script, by asking again.
type Waiting struct {
	Frame
	Admission string
	HostName  string
	Title     string
	Times     Times
	Name      string // what the others will see
	// HostInside says whether the host has come.
	HostInside bool
	// Position is the place in the queue, the first being 1; 0: not told.
	Position int
	// Waited is how long it has been.
	Waited time.Duration
	// Held says that the host asks for more patience, Message in what words.
	Held    bool
	Message string
	// Question is the host's, with its number Asks; Reply the guest's answer
	// once given.
	Question string
	Asks     int
	Reply    string
	// Renamed says that the host chose Name.
	Renamed bool
	// Rev changes with what the host said; a page with another fetches itself
	// again.
	Rev string
	// Asked is set when the page asks whether the guest is still there
	// (answered by POST /a/{admission}/stay).
	Asked bool
	// State is Waiting or Admitted; the other states have pages of their own.
	State meeting.State
}

func (Waiting) file() string { return "waiting" }

// Admitted reports whether the guest may enter.
func (w Waiting) Admitted() bool { return w.State == meeting.Admitted }

// Open reports whether a question waits for an answer. Such a page does not
// refresh by itself without a script: it would take away what was typed.
func (w Waiting) Open() bool { return w.Question != "" && w.Reply == "" && !w.Admitted() }

// MaxWords bounds an answer, in characters.
func (Waiting) MaxWords() int { return meeting.MaxWords }

// Before returns how many are let in first; -1: not told.
func (w Waiting) Before() int { return w.Position - 1 }

// Minutes returns the whole minutes waited.
func (w Waiting) Minutes() int { return minutes(w.Waited) }

// Seconds returns the seconds waited, for the script to count on from.
func (w Waiting) Seconds() int { return seconds(w.Waited) }

// Entering carries the ticket from the door to the room by a form, so that it
// never stands in an address.
type Entering struct {
	Frame
	Action string // on the room origin
	Ticket string
	Title  string
}

func (Entering) file() string { return "entering" }
