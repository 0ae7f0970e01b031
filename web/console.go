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
	Invitees []Invitee
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

// PhaseKey names the phase in the catalogue.
func (c ConsoleLive) PhaseKey() string { return phaseKey(c.Phase) }

// Over reports whether there is nothing left to do.
func (c ConsoleLive) Over() bool { return c.Phase == meeting.Ended || c.Phase == meeting.Cancelled }

// Started reports whether the host has been in.
func (c ConsoleLive) Started() bool { return c.Phase == meeting.Open }

// Verified returns how many of those who wait can be admitted at once: never
// one who proved nothing, never one with a warning.
func (c ConsoleLive) Verified() int {
	n := 0
	for _, card := range c.Waiting {
		if card.Sure() {
			n++
		}
	}
	return n
}

// Card is the evidence about one who waits.
type Card struct {
	Admission string
	Invited   string // the name on the invitation
	Name      string // the name the others would see
	CoHost    bool
	Proof     Proof
	Waited    time.Duration
	Agent     string // "Firefox, Android"
	// Line is set for a caller.
	Line     Line
	Warnings []Warning
}

// Sure reports whether the host may admit this card together with others: it
// proves something and nothing about it is odd. POST /m/{id}/admit-verified
// must take these and no others.
func (c Card) Sure() bool { return c.Proof.Verified() && len(c.Warnings) == 0 }

// Renamed reports whether the name to be shown is not the invitation's.
func (c Card) Renamed() bool { return c.Name != "" && c.Name != c.Invited }

// Minutes returns the whole minutes waited.
func (c Card) Minutes() int { return minutes(c.Waited) }

// Seconds returns the seconds waited, for the script to count on from.
func (c Card) Seconds() int { return seconds(c.Waited) }

// Warning is something a host should see before admitting.
type Warning uint8

// The warnings.
const (
	NothingProved  Warning = iota
	LinkElsewhere          // the link was opened on another device
	NameDiffers            // the proved name is not the invitation's
	LooksLikeYou           // the name to be shown resembles the host's
	AddressDiffers         // the proved address is not the invitation's
	NotEncrypted           // a call that others on the way can hear
)

// Key names the warning in the catalogue.
func (w Warning) Key() string {
	return [...]string{"unproved", "elsewhere", "name", "you", "address", "plain"}[w%6]
}

// Participant is one who is inside.
type Participant struct {
	Admission string
	Name      string // what the others see
	Invited   string // the name on the invitation; empty for the owner
	Role      meeting.Role
	You       bool
	// Away is set while the connection is lost.
	Away  bool
	Proof Proof
}

// RoleKey names the role in the catalogue.
func (p Participant) RoleKey() string { return roleKey(p.Role) }

// Entry is one line of the log.
type Entry struct {
	At   time.Time
	Deed Deed
	Name string // whom it is about
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
)

// Key names the deed in the catalogue.
func (e Entry) Key() string {
	deed := [...]string{
		"knocked", "admitted", "refused", "expelled", "locked", "unlocked",
		"ended", "entered", "left", "mailed", "revoked", "guessed",
	}[e.Deed%12]
	if e.By != "" && e.Deed != Knocked && e.Deed != DidEnter && e.Deed != DidLeave {
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
)

// Key names the cut in the catalogue.
func (c Cut) Key() string {
	what := [...]string{"conference", "signalling", "relay", "link", "phone"}[c.What%5]
	if !c.OK {
		return what + ".unsure"
	}
	return what
}

// Seconds returns how long it took, for a text.
func (c Cut) Seconds() float64 { return c.Took.Seconds() }
