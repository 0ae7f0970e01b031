// Package media is the voice of the phone door: it plays the prompts and the
// waiting tone to a caller, reads the digits they press, and carries sound
// between their telephone and the room once a host has let them in.
//
// It refuses sound from anybody but the address that the call was agreed
// with, sound of a kind that was not agreed, and a second source that knows
// the first one's numbers. It sends nothing before Start, which the front end
// calls once the caller has confirmed the answer; it never logs a digit; and
// it knows nothing of SIP, of meetings or of conference servers.
package media
