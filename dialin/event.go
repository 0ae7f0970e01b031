package dialin

import "vestibule/meeting"

// Event is something that happens to a call.
type Event interface{ event() }

// The events.
type (
	// Answered says that the caller hears us. Number and Code are what the
	// device dialled; empty: the caller is asked.
	Answered struct{ Number, Code string }
	// Digit is a key pressed: 0 to 9, * or #.
	Digit struct{ Key rune }
	// Tick says that Call.Next has come.
	Tick struct{}
	// Proved says that number and code fit; the caller waits in Lang.
	Proved struct{ Lang string }
	// Denied says why not.
	Denied struct{ Reason meeting.Reason }
	// Seen is the admission as the store has it now.
	Seen struct {
		State meeting.State
		// Open is set when whoever is let in may go into the room now.
		Open bool
		// Over is set when nobody may enter any more, for Reason.
		Over   bool
		Reason meeting.Reason
	}
	// InRoom says that the room hears the caller.
	InRoom struct{}
	// MutedBy says that the room muted the caller, or no longer does.
	MutedBy struct{ On bool }
	// PutOut says that the caller lost the right to be here; Taken: to another
	// call of theirs.
	PutOut struct{ Taken bool }
	// Fault says that something of ours failed.
	Fault struct{}
	// HungUp says that the line is gone.
	HungUp struct{}
)

func (Answered) event() {}
func (Digit) event()    {}
func (Tick) event()     {}
func (Proved) event()   {}
func (Denied) event()   {}
func (Seen) event()     {}
func (InRoom) event()   {}
func (MutedBy) event()  {}
func (PutOut) event()   {}
func (Fault) event()    {}
func (HungUp) event()   {}

// Action is something that is to be done for a call, in order.
type Action interface{ action() }

// The actions.
type (
	// Say plays words instead of what is playing.
	Say struct{ Words []Word }
	// Tone plays words, then the waiting tone until told otherwise.
	Tone struct{ Words []Word }
	// Verify asks whether number and code fit; answer Proved, Denied or Fault.
	Verify struct{ Number, Code string }
	// Enter takes the caller into the room; answer InRoom, Denied or Fault.
	Enter struct{}
	// Mute mutes the caller in the room, or no longer.
	Mute struct{ On bool }
	// Leave takes who waited out of the waiting room.
	Leave struct{}
	// HangUp ends the call once what is said has been said.
	HangUp struct{}
)

func (Say) action()    {}
func (Tone) action()   {}
func (Verify) action() {}
func (Enter) action()  {}
func (Mute) action()   {}
func (Leave) action()  {}
func (HangUp) action() {}
