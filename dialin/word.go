package dialin

import "vestibule/meeting"

// Word names one thing that is said to a caller. Each has a recording in each
// language.
type Word string

// The words.
const (
	Greet    Word = "greet"    // who we are, and the notice
	AskMeet  Word = "number"   // the meeting number, then #
	AskCode  Word = "code"     // your personal code, then #
	Nothing  Word = "nothing"  // nobody has typed anything
	Wrong    Word = "wrong"    // number or code do not fit
	Patience Word = "patience" // many calls: please hold
	Hold     Word = "hold"     // the meeting opens when the host enters
	Waiting  Word = "waiting"  // the host has been told you are here
	Welcome  Word = "welcome"  // you are let in
	NowMuted Word = "muted"    // you are muted, *6 to speak
	NowHeard Word = "unmuted"  // you can be heard
	Bye      Word = "bye"      // goodbye
	TooEarly Word = "too_early"
	IsOver   Word = "over"
	OffNow   Word = "called_off"
	Turned   Word = "by_host"
	PutAway  Word = "removed"
	Closed   Word = "locked"
	InUse    Word = "in_use"   // another call uses this code
	OldCall  Word = "old_call" // one does still: please hold
	NotByTel Word = "no"       // this invitation cannot be used by telephone
	Trouble  Word = "busy"     // our fault: again in a minute
)

// Words lists every word, for whoever records them.
func Words() []Word {
	return []Word{
		Greet, AskMeet, AskCode, Nothing, Wrong, Patience, Hold, Waiting, Welcome, NowMuted, NowHeard, Bye,
		TooEarly, IsOver, OffNow, Turned, PutAway, Closed, InUse, OldCall, NotByTel, Trouble,
	}
}

// fail is the spoken prompt of a refusal; the only place that says.
func fail(r meeting.Reason) Word {
	switch r {
	case meeting.WrongCode, meeting.NotFound, meeting.Revoked, meeting.CodeSpent, meeting.CodeExpired:
		return Wrong
	case meeting.TooMany:
		return Patience
	case meeting.TooEarly:
		return TooEarly
	case meeting.Over:
		return IsOver
	case meeting.CalledOff:
		return OffNow
	case meeting.ByHost:
		return Turned
	case meeting.Removed:
		return PutAway // who calls again; whoever is put out while inside hears nothing more
	case meeting.IsLocked:
		return Closed
	case meeting.Stale:
		return InUse
	case meeting.Busy:
		return Trouble
	default:
		return NotByTel
	}
}
