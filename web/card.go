package web

import (
	"hash/fnv"
	"strconv"
	"time"

	"vestibule/meeting"
)

// Card is the evidence about one who waits.
type Card struct {
	Admission string
	Invited   string // the name on the invitation
	Name      string // the name the others would see
	// Was is the name they showed before they changed it while they waited.
	Was    string
	CoHost bool
	// Member says that they were not invited: they came by the link for members.
	Member bool
	Proof  Proof
	Waited time.Duration
	Agent  string // "Firefox, Android"
	// Line is set for a caller.
	Line     Line
	Warnings []Warning
	// Sure says that the host may admit this card together with others: the
	// lobby says so, here it is only shown.
	Sure bool
	Talk CardTalk
	// Link is what became of the invitation before.
	Link Trace
	Net  Network
	// Zone is the meeting's, for the times on the card.
	Zone string
	// Others are who else came with the same link, oldest first.
	Others []Use
}

// CardTalk is what host and guest said to one another.
type CardTalk struct {
	Held     bool
	Message  string
	Question string
	Reply    string
}

// Trace is what is known of a link.
type Trace struct {
	By      string    // who invited
	Mailbox string    // the address as invited, as the site lets hosts see it
	Used    time.Time // first
	Codes   int       // wrong one-time codes
	Knocks  int       // knocks that were refused
	Last    time.Time // of those
}

// Tried reports whether there were other attempts.
func (t Trace) Tried() bool { return t.Codes+t.Knocks > 0 }

// Network is a network as a host is told of it. No address is known here.
type Network struct {
	Kind meeting.NetKind
	// Known says that the host's own network is known too, Yours that it is
	// the same.
	Known, Yours bool
}

// Key names the network in the catalogue; empty: not told.
func (n Network) Key() string {
	switch {
	case n.Kind == meeting.NoNet:
		return ""
	case n.Known && n.Yours:
		return "yours"
	default:
		return string(n.Kind)
	}
}

// Elsewhere reports whether it is known to be another than the host's.
func (n Network) Elsewhere() bool { return n.Known && !n.Yours }

// Use is another use of the same link.
type Use struct {
	Name  string // shown to others
	Proof Proof
	Agent string
	At    time.Time
	// SameNet says that it came from the network of the card's.
	SameNet bool
	State   InviteeState
}

// Renamed reports whether the name to be shown is not the invitation's.
func (c Card) Renamed() bool { return c.Name != "" && c.Name != c.Invited }

// Phone reports whether a caller waits, who can read nothing.
func (c Card) Phone() bool { return c.Line.Kind != "" }

// News names what a host should hear of again: it changes with each knock,
// answer and change of name.
func (c Card) News() string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(c.Talk.Reply + "\x00" + c.Name)) // never fails
	return strconv.FormatUint(uint64(h.Sum32()), 36)
}

// Minutes returns the whole minutes waited.
func (c Card) Minutes() int { return minutes(c.Waited) }

// Seconds returns the seconds waited, for the script to count on from.
func (c Card) Seconds() int { return seconds(c.Waited) }

// Warning is something a host should see before admitting, by the lobby's word
// for it.
type Warning string

// Key names the warning in the catalogue.
func (w Warning) Key() string { return string(w) }
