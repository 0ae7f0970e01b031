// Package dialin is the phone door: it greets whoever calls, asks for the
// meeting number and the personal code, keeps them in the same waiting room as
// everybody, and takes them into the room once a host lets them in.
//
// It refuses to know any protocol: a call is a Leg, whatever device is behind
// it. It refuses to tell which of number and code was wrong, to let a caller
// try for ever, to keep a line open for who says nothing, and to write down a
// digit (T57).
package dialin
