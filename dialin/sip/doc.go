// Package sip answers telephones and room devices that dial the door, and
// hands each call on, whatever transport it came by.
//
// Where the conference server takes calls itself, it puts admitted callers
// through to it by a leg of their own.
//
// It refuses to call anybody but that one configured Target: what it must send
// goes to the target, or back to where a call came from, whatever a Contact,
// Route, Via or redirection says (T53). It refuses to be found by who searches for
// telephone systems: whoever has not called before gets no answer to anything
// but a call, and all extensions are alike (T50). It refuses to send sound
// before the caller has confirmed the answer, and never writes down a digit
// (T57).
//
// Of the library it uses the parser and nothing else: its transports dial, and
// remember every source they ever heard.
package sip
