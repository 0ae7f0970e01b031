package web

import (
	"time"

	"vestibule/meeting"
)

// Console is what a host has before the eyes while people come: who waits,
// with the evidence, and who is inside. It is live through /m/{id}/events,
// whose event "console" carries Fragment(ConsoleLive).
type Console struct {
	Frame
	Meeting string
	Title   string
	Times   Times
	Phase   meeting.Phase
	Locked  bool
	// MayEnter says whether the host can go into the room now.
	MayEnter bool
	Waiting  []Card
	Inside   []Participant
	Refused  []Turned
	Invitees []Invitee
	// Calm stops the page without a script from refreshing, to write in peace.
	Calm   bool
	Shared Shared
	// Members is the link for members of the institution.
	Members MemberLink
	// Log is what happened a moment ago, newest first.
	Log []Entry
}

func (Console) file() string { return "console" }

// ConsoleLive is the part of a console that changes: the same values, rendered
// alone.
type ConsoleLive Console

func (ConsoleLive) file() string { return "console" }

// Live returns the part that changes.
func (c Console) Live() ConsoleLive { return ConsoleLive(c) }

// Shared is the dial-in code that the host may read out to many. Whoever comes
// by it is not verified.
type Shared struct {
	May        bool   // the host may open one
	Invitation string // empty: none is open
	Dial       Dial
}

// MemberLink is the link by which members of the institution come without an
// invitation of their own.
type MemberLink struct {
	On         bool // the host chose to have one
	Admits     bool // who comes by it is let in by rule
	Invitation string
	Link       string // empty: it is withdrawn
}

// PhaseKey names the phase in the catalogue.
func (c ConsoleLive) PhaseKey() string { return phaseKey(c.Phase) }

// Over reports whether there is nothing left to do.
func (c ConsoleLive) Over() bool { return c.Phase == meeting.Ended || c.Phase == meeting.Cancelled }

// MaxWords bounds what a host writes to a guest, in characters.
func (ConsoleLive) MaxWords() int { return meeting.MaxWords }

// Started reports whether the host has been in.
func (c ConsoleLive) Started() bool { return c.Phase == meeting.Open }

// Verified returns how many of those who wait can be admitted at once: never
// one who proved nothing, never one with a warning.
func (c ConsoleLive) Verified() int {
	n := 0
	for _, card := range c.Waiting {
		if card.Sure {
			n++
		}
	}
	return n
}

// Present counts those who are inside now: not who lost the connection.
func (c ConsoleLive) Present() int {
	n := 0
	for i := range c.Inside {
		if !c.Inside[i].Away {
			n++
		}
	}
	return n
}

// Participant is one who is inside.
type Participant struct {
	Admission string
	Name      string // what the others see
	Invited   string // the name on the invitation; empty for the owner
	Role      meeting.Role
	You       bool
	// Away is set while the connection is lost.
	Away bool
	// Mutable reports whether the host may take their sound from the room.
	Mutable bool
	// Doubled is set once another device came with their pass.
	Doubled bool
	Proof   Proof
}

// Turned is one whom a host refused, and may let in after all.
type Turned struct {
	Admission, Name string
	At              time.Time
	Phone           bool // the call has ended: there is nobody to wait
	Proof           Proof
}

// Renamable reports whether the host may give them another name.
func (p Participant) Renamable() bool { return !p.You && p.Role != meeting.Host }

// RoleKey names the role in the catalogue.
func (p Participant) RoleKey() string { return roleKey(p.Role) }

// Entry is one line of the log.
type Entry struct {
	At   time.Time
	Deed Deed
	Name string // whom it is about
	Was  string // what they were called before, after a renaming
	By   string // which other host did it; empty: you, or they themselves
	// Incident is the reference of a removal that was reported.
	Incident string
	// Cuts are what was cut, after Expelled or Ended.
	Cuts []Cut
}

// Deed is what an entry tells.
type Deed uint8

// The deeds.
const (
	Knocked Deed = iota
	DidAdmit
	DidRefuse
	DidExpel
	DidLock
	DidUnlock
	DidEnd
	DidEnter
	DidLeave
	DidMail
	DidRevoke
	Guessed // somebody guesses dial-in codes
	DidHold
	DidAsk
	DidReply
	DidRename
	ChangedName // the guest, of their own
	DidLapse    // did not say that they are still there
	Doubled     // another device came with their pass, and was turned away
	Replaced    // the same, and has their place
	Moved       // came back into a locked meeting on another device
	DidReissue
	DidMute
	DidReconsider
)

// Key names the deed in the catalogue.
func (e Entry) Key() string {
	deed := [...]string{
		"knocked", "admitted", "refused", "expelled", "locked", "unlocked",
		"ended", "entered", "left", "mailed", "revoked", "guessed",
		"held", "asked", "replied", "renamed", "changed", "lapsed",
		"doubled", "replaced", "moved", "reissued", "muted", "reconsidered",
	}[e.Deed%24]
	switch e.Deed {
	case Knocked, DidEnter, DidLeave, Guessed, DidReply, ChangedName, DidLapse, Doubled, Replaced, Moved: // no host's doing
		return deed
	}
	if e.By != "" {
		return deed + ".by"
	}
	return deed
}

// Cut is one thing that was cut, or could not be confirmed.
type Cut struct {
	What Cutting
	Took time.Duration
	OK   bool
}

// Cutting names what is cut.
type Cutting uint8

// What is cut.
const (
	CutConference Cutting = iota // sound and image at the conference server
	CutSignalling                // the proxied connections
	CutRelay                     // the media relay
	CutLink                      // the link, code and session
	CutPhone                     // the phone leg
	CutNodes                     // whatever other nodes of the site held
)

// Key names the cut in the catalogue.
func (c Cut) Key() string {
	what := [...]string{"conference", "signalling", "relay", "link", "phone", "nodes"}[c.What%6]
	if !c.OK {
		return what + ".unsure"
	}
	return what
}

// Seconds returns how long it took, for a text.
func (c Cut) Seconds() float64 { return c.Took.Seconds() }
