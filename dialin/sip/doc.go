// Package sip answers telephones and room devices that dial the door, and
// hands each call on, whatever transport it came by.
//
// It refuses to call anybody: there is no socket here but those it listens on,
// and what it must send goes back to where the call came from, whatever a
// Contact, Route or Via says (T53). It refuses to be found by who searches for
// telephone systems: whoever has not called before gets no answer to anything
// but a call, and all extensions are alike (T50). It refuses to send sound
// before the caller has confirmed the answer, and never writes down a digit
// (T57).
//
// Of the library it uses the parser and nothing else: its transports dial, and
// remember every source they ever heard.
package sip
