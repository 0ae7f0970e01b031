package media

import (
	"encoding/binary"
	"strings"
	"time"
)

// eventKeys are the digits by the event numbers of RFC 4733 §3.2.
const eventKeys = "0123456789*#ABCD"

// events reads telephone-event packets (RFC 4733). A press is a dozen packets
// with one timestamp, each may be lost, and so the first that comes counts.
type events struct {
	any   bool
	code  byte
	ts    uint32 // of the press
	last  uint32 // of the last packet that belonged to it
	span  uint32 // how long the press was so far
	ended bool
}

// sameWithin is how far the timestamps of one press may drift apart: some
// devices wrongly count on with every packet. No finger presses twice in 50 ms.
const sameWithin = Rate / 20

// forgetAfter is how far back a timestamp is taken for a clock set anew.
const forgetAfter = 5 * Rate

// take reads one payload and returns the digit if it begins one, else 0.
func (e *events) take(ts uint32, payload []byte) rune {
	if len(payload) < 4 || int(payload[0]) >= len(eventKeys) {
		return 0
	}
	code, ended := payload[0], payload[1]&0x80 != 0
	span := uint32(binary.BigEndian.Uint16(payload[2:]))
	if since := int32(ts - e.ts); e.any && since > -forgetAfter {
		if since < 0 {
			return 0 // reordered, of a press before
		}
		// RFC 4733 §2.5.1.3: a press too long for its counter goes on with a
		// timestamp where the counter ended.
		on := since > 0 && e.span >= 0xFF00 && uint32(since) == e.span
		on = on && !e.ended && code == e.code
		near := code == e.code && ts-e.last <= sameWithin && (!e.ended || ended && span == e.span)
		if since == 0 || on || near {
			if on {
				e.ts, e.span = ts, 0
			}
			e.last, e.span, e.ended = ts, max(e.span, span), e.ended || ended
			return 0
		}
	}
	*e = events{any: true, code: code, ts: ts, last: ts, span: span, ended: ended}
	return rune(eventKeys[code])
}

// source is how a digit came, the surest last.
type source uint8

const (
	inBand source = iota
	signalled
	event
)

// presses lets each digit pass once, although some devices send it in two
// ways at a time: from when a surer way was seen, the others are not listened
// to any more.
type presses struct {
	best source
	last rune
	from source
	when time.Time
}

// echoWithin is how long after a digit the same digit by another way is the
// same press.
const echoWithin = 400 * time.Millisecond

// pass reports whether the digit is to be told.
func (p *presses) pass(r rune, from source, now time.Time) bool {
	if from < p.best || !strings.ContainsRune(eventKeys, r) {
		return false
	}
	p.best = from
	echo := r == p.last && from != p.from && now.Sub(p.when) < echoWithin
	p.last, p.from, p.when = r, from, now
	return !echo
}
