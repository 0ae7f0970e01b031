package media

// Room is what a call can be bridged to. Sound is 16-bit, mono, Rate samples a
// second, in pieces of 10 to 60 ms. Both methods are called by one goroutine
// in time with the call, so they MUST return at once and MUST NOT keep pcm.
type Room interface {
	// Say takes what the caller said.
	Say(pcm []int16)
	// Hear fills pcm with what everybody else says; silence is zeros.
	Hear(pcm []int16)
}

// Leg is one call's place in a conference, as a joiner returns it:
//
//	Join(ctx context.Context, g conference.Grants) (media.Leg, error)
type Leg interface {
	Room
	// Mute tells the room that the caller muted or unmuted themselves.
	Mute(on bool)
	// Signals tells what happens in the room, in order. It is closed after
	// the last of Removed, Over and Lost, or after Close.
	Signals() <-chan Signal
	// Close leaves the room at once. Closing twice is no fault.
	Close()
}

// Signal is something that happens in a room and that a caller cannot see.
type Signal uint8

// The signals of a leg.
const (
	NoSignal Signal = iota
	Joined          // somebody else came in
	Left            // somebody else went
	Muted           // the host or the caller muted the caller
	Unmuted
	Removed // the caller was put out; there is no way back
	Over    // the meeting was ended for everybody
	Lost    // the room cannot be reached any more: our fault
)
