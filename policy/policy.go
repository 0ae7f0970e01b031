// Package policy decides what happens to somebody who knocks: they are
// refused, they wait for the host, or they are admitted. The rules are the
// site's, written in Cedar; the limits that no rule may lift are here.
//
// It refuses to do anything else: no storage, no network, no clock, and no
// error once the rules are loaded. Every Facts gets a Decision, and where the
// facts are missing or a rule cannot be evaluated the Decision is Refuse.
package policy

import (
	"time"

	"vestibule/meeting"
)

// Verdict is what happens to somebody who knocks. The zero value refuses.
type Verdict uint8

// The verdicts.
const (
	Refuse Verdict = iota
	Wait
	Admit
)

// String returns the verdict in a word.
func (v Verdict) String() string {
	switch v {
	case Wait:
		return "wait"
	case Admit:
		return "admit"
	default:
		return "refuse"
	}
}

// The rules that are not in any file.
const (
	BuiltIn = "built-in"       // a limit that no rule may lift
	ForHost = "built-in: host" // a host is never locked out (T42)
	NoRule  = "no rule"        // nothing permits it
)

// Decision is the answer to one knock.
type Decision struct {
	Verdict Verdict
	// Rule is the rule that made it: its @id, else its file and line, else
	// one of BuiltIn, ForHost and NoRule.
	Rule string
	// Reason says why where Verdict is Refuse; otherwise it means nothing.
	Reason meeting.Reason
}

// Facts is all that is known when somebody knocks. The zero value is refused.
type Facts struct {
	Now        time.Time
	Meeting    Meeting
	Invitation Invitation
	Person     Person
	// Back is set when this person was let in before, on this device: the
	// network dropped, or they went out for a while (T40).
	Back bool
}

// Meeting is what matters of the meeting.
type Meeting struct {
	Phase  meeting.Phase
	Locked bool
	Starts time.Time
	Ends   time.Time
	// Opens is when personal links begin to work, Closes when they stop.
	// Zero: Starts and Ends.
	Opens  time.Time
	Closes time.Time
	// HostInside is set while a host is in the room.
	HostInside     bool
	JoinBeforeHost bool
	// AdmitsMembers is set where the host lets members in who come by the link
	// for them.
	AdmitsMembers bool
}

// Invitation is what matters of the personal link they came with. The zero
// value is: they came without one.
type Invitation struct {
	Present bool
	Revoked bool
	Role    meeting.Role
	// MatchesClaim is set when they carry the claim it asks for, or it asks
	// for none.
	MatchesClaim bool
	// AddressMatches is set when they proved the address it was sent to.
	AddressMatches bool
	// Shared is set when it is a code that many share: it proves nobody.
	Shared bool
	// Members is set when it is the link for members: they were not invited.
	Members bool
	// UsedElsewhere is set when the link was used before, on another device
	// or by somebody else (T03).
	UsedElsewhere bool
}

// Person is what was proved of them, never what they typed.
type Person struct {
	Verified      bool
	Method        meeting.Method
	Issuer        string
	Member        bool
	ACR           string
	AMR           []string
	EmailVerified bool
	EmailDomain   string
	Organisation  string
	// Role is Host only where the lobby has found them among the meeting's
	// hosts; nothing they sent can set it (T41).
	Role meeting.Role
	// Banned is set when they were expelled from this meeting.
	Banned bool
}
