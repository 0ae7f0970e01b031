package dialin

import (
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
)

// State is where a call stands. The zero value has not been answered.
type State uint8

// The states of a call, in order.
const (
	Ringing   State = iota
	Number          // greeted and asked for the meeting number
	Code            // asked for the personal code
	Verifying       // both are being looked at
	Holding         // in the waiting room; the host is not there yet
	Queued          // in the waiting room; the host sees the caller
	Entering        // let in, on the way into the room
	Bridged         // in the room
	Ended           // final
)

// String returns the state in a word.
func (s State) String() string {
	words := [...]string{"ringing", "number", "code", "verifying", "holding", "queued", "entering", "bridged", "ended"}
	if int(s) >= len(words) {
		return "?"
	}
	return words[s]
}

// The times and budgets of a call.
const (
	Silence    = 15 * time.Second // then the question is asked again
	Preface    = 8 * time.Second  // what is said before a question
	Settle     = 3 * time.Second  // after the last digit of a full number, without #
	TypingTime = time.Minute      // for number and code, each time anew (T51)
	Tries      = 3                // wrong answers a call (T52)
	Verdict    = 2 * time.Second  // a wrong answer takes exactly this long
	Again      = 5 * time.Second  // between looks at number and code
	Redial     = 40 * time.Second // until a call that died no longer uses its code
	Reminder   = 20 * time.Second // between prompts while waiting
	JoinTime   = 20 * time.Second // into the room
)

// Call is all that the machine knows of a call. Number and Code are secrets:
// they are never logged (T57).
type Call struct {
	State  State
	Typed  string // so far
	Number string
	Code   string
	Lang   string
	Tries  int // wrong ones
	// Since is when the state began, Until when patience ends; Next is when
	// Tick is due, zero for never.
	Since, Until, Next time.Time
	// Denied holds a refusal until its time has come.
	denied *meeting.Reason
	again  bool // number and code are to be looked at again at Next
	told   bool // what the caller waits for
	muted  bool
	star   bool // * was pressed in the room
}

// Step answers what a call becomes by an event, and what is to be done.
func Step(c Call, e Event, now time.Time) (Call, []Action) {
	if c.State == Ended {
		return c, nil
	}
	switch e := e.(type) {
	case HungUp:
		return c.gone(now)
	case PutOut:
		return c.off(now)
	case Fault:
		return c.refuse(meeting.Busy, now)
	case Answered:
		return c.answered(e, now)
	case Digit:
		return c.digit(e.Key, now)
	case Tick:
		return c.tick(now)
	case Proved:
		if c.State != Verifying {
			return c, nil
		}
		c.Lang, c.denied, c.told = e.Lang, nil, false
		c.Number, c.Code = "", ""
		return c.wait(Holding, now), nil // the first look says more
	case Denied:
		return c.refused(e.Reason, now)
	case Seen:
		return c.seen(e, now)
	case InRoom:
		if c.State != Entering {
			return c, nil
		}
		c.State, c.Since, c.Next = Bridged, now, time.Time{}
		return c, []Action{Say{[]Word{Welcome}}}
	case MutedBy:
		return c.mutedBy(e.On)
	}
	return c, nil
}

func (c Call) answered(e Answered, now time.Time) (Call, []Action) {
	if c.State != Ringing {
		return c, nil
	}
	if e.Number != "" && e.Code != "" {
		c.Number, c.Code = e.Number, e.Code
		return c.verify(now, Greet)
	}
	if e.Number != "" {
		c.Number = e.Number
		return c.ask(Code, now, Greet)
	}
	return c.ask(Number, now, Greet)
}

// ask begins a question, after what is said before it.
func (c Call) ask(s State, now time.Time, before ...Word) (Call, []Action) {
	heard := now
	if len(before) > 0 {
		heard = now.Add(Preface) // nobody answers a question before they have heard it
	}
	c.State, c.Typed, c.Since, c.Until = s, "", now, heard.Add(TypingTime)
	c.Next = heard.Add(Silence)
	return c, []Action{Say{append(before, c.question())}}
}

func (c Call) question() Word {
	if c.State == Code {
		return AskCode
	}
	return AskMeet
}

// digit is a key: * clears, # ends.
func (c Call) digit(key rune, now time.Time) (Call, []Action) {
	switch c.State {
	case Number, Code:
	case Bridged:
		return c.command(key)
	default:
		return c, nil
	}
	if !now.Before(c.Until) {
		return c.tick(now)
	}
	c.Next = earlier(now.Add(Silence), c.Until)
	switch {
	case key == '*' && c.Typed == "" && c.State == Code:
		return c.ask(Number, now) // a mistake in the number
	case key == '*':
		c.Typed = ""
		return c, []Action{Say{[]Word{c.question()}}}
	case key == '#':
		return c.done(now)
	case key < '0' || key > '9':
		return c, nil
	}
	// Whoever types on and on is wrong, and fills no memory.
	if len(c.Typed) <= lobby.NumberDigits {
		c.Typed += string(key)
	}
	if c.full() {
		c.Next = earlier(now.Add(Settle), c.Until)
	}
	if len(c.Typed) == 1 {
		return c, []Action{Say{}} // who types has heard enough
	}
	return c, nil
}

func (c Call) full() bool {
	if c.State == Code {
		return len(c.Typed) == lobby.CodeDigits
	}
	return len(c.Typed) == lobby.NumberDigits
}

// done is the end of what was typed. An empty answer is no try: some people
// press # twice.
func (c Call) done(now time.Time) (Call, []Action) {
	switch {
	case c.Typed == "":
		return c, nil
	case c.State == Number:
		c.Number = c.Typed
		return c.ask(Code, now)
	}
	c.Code = c.Typed
	return c.verify(now)
}

func (c Call) verify(now time.Time, before ...Word) (Call, []Action) {
	c.State, c.Typed, c.Since, c.Until, c.denied = Verifying, "", now, now.Add(TypingTime), nil
	c.again, c.told, c.Next = false, false, now.Add(Verdict)
	do := []Action{Verify{c.Number, c.Code}}
	if len(before) > 0 {
		do = append([]Action{Say{before}}, do...)
	}
	return c, do
}

// refused is a no, whether to a code or on the way into the room. A wrong code
// is told at a fixed time after it was typed, so that the delay says nothing.
func (c Call) refused(r meeting.Reason, now time.Time) (Call, []Action) {
	switch {
	case c.State == Entering && r == meeting.HostAway:
		return c.hold(now)
	case c.State != Verifying:
		if c.State == Entering {
			return c.refuse(r, now)
		}
		return c, nil
	}
	c.denied = &r
	if now.Before(c.Since.Add(Verdict)) {
		return c, nil
	}
	return c.tell(now)
}

// tell says what was decided of number and code.
func (c Call) tell(now time.Time) (Call, []Action) {
	word := fail(*c.denied)
	switch word {
	case Wrong:
		c.Tries++
		c.Number, c.Code, c.denied = "", "", nil
		if c.Tries >= Tries {
			c, _ = c.end(now)
			return c, []Action{Say{[]Word{Wrong, Bye}}, HangUp{}}
		}
		return c.ask(Number, now, Wrong)
	case Patience:
		if !now.Before(c.Until) {
			return c.refuse(meeting.Busy, now)
		}
		return c.stay(Patience, now)
	case InUse:
		// Mostly by their own call before, whose line died without a word and
		// which counts as live for a while.
		if !now.Before(c.Since.Add(Redial)) {
			return c.refuse(*c.denied, now)
		}
		return c.stay(OldCall, now)
	default:
		return c.refuse(*c.denied, now)
	}
}

// stay keeps the caller waiting for another look, and says why once.
func (c Call) stay(why Word, now time.Time) (Call, []Action) {
	first := !c.told
	c.denied, c.again, c.told, c.Next = nil, true, true, now.Add(Again)
	if first {
		return c, []Action{Tone{[]Word{why}}}
	}
	return c, nil
}

// refuse says why and ends the call.
func (c Call) refuse(r meeting.Reason, now time.Time) (Call, []Action) {
	in := c.waits()
	word := fail(r)
	c, do := c.end(now)
	do = append([]Action{Say{[]Word{word}}}, do...)
	if in && r == meeting.Busy {
		do = append(do, Leave{}) // whoever we lost does not wait any more
	}
	return c, do
}

func (c Call) end(now time.Time) (Call, []Action) {
	c.State, c.Since, c.Next, c.Number, c.Code, c.Typed, c.denied = Ended, now, time.Time{}, "", "", "", nil
	return c, []Action{HangUp{}}
}

// off ends the call without a word, and without the end of what is being said.
func (c Call) off(now time.Time) (Call, []Action) {
	c, do := c.end(now)
	return c, append([]Action{Say{}}, do...)
}

func (c Call) gone(now time.Time) (Call, []Action) {
	in := c.waits()
	c, do := c.end(now)
	if in {
		return c, append(do, Leave{})
	}
	return c, do
}

// waits reports whether the caller stands in the waiting room.
func (c Call) waits() bool { return c.State == Holding || c.State == Queued }

func (c Call) tick(now time.Time) (Call, []Action) {
	switch c.State {
	case Number, Code:
		if !now.Before(c.Until) {
			c, _ = c.end(now)
			return c, []Action{Say{[]Word{Bye}}, HangUp{}}
		}
		if now.Before(c.Next) {
			return c, nil
		}
		if c.full() {
			return c.done(now)
		}
		words := []Word{c.question()}
		if c.Typed == "" {
			words = []Word{Nothing, c.question()}
		}
		c.Typed, c.Next = "", earlier(now.Add(Silence), c.Until)
		return c, []Action{Say{words}}
	case Verifying:
		return c.look(now)
	case Holding, Queued:
		if now.Before(c.Next) {
			return c, nil
		}
		c.Next = now.Add(Reminder)
		return c, []Action{Tone{[]Word{c.reminder()}}}
	case Entering:
		if !now.Before(c.Until) {
			return c.refuse(meeting.Busy, now)
		}
	case Ringing, Bridged, Ended:
	}
	return c, nil
}

// look goes on with number and code: tells what is known, or looks again.
func (c Call) look(now time.Time) (Call, []Action) {
	switch {
	case now.Before(c.Next):
		return c, nil
	case c.denied != nil:
		return c.tell(now)
	case !now.Before(c.Until):
		return c.refuse(meeting.Busy, now)
	case c.again:
		c.again, c.Next = false, c.Until
		return c, []Action{Verify{c.Number, c.Code}}
	}
	c.Next = c.Until // the answer is late: it decides by itself
	return c, nil
}

func (c Call) reminder() Word {
	if c.State == Holding {
		return Hold
	}
	return Waiting
}

func (c Call) wait(s State, now time.Time) Call {
	c.State, c.Since, c.Next = s, now, now.Add(Reminder)
	return c
}

func (c Call) hold(now time.Time) (Call, []Action) {
	c = c.wait(Holding, now)
	c.told = true
	return c, []Action{Tone{[]Word{Hold}}}
}

// seen moves a waiting caller as the host decides.
func (c Call) seen(e Seen, now time.Time) (Call, []Action) {
	if c.State < Holding {
		return c, nil
	}
	if e.Over {
		return c.refuse(e.Reason, now)
	}
	switch e.State {
	case meeting.Expelled:
		return c.off(now)
	case meeting.Refused:
		c, do := c.end(now)
		return c, append([]Action{Say{[]Word{Turned}}}, do...)
	case meeting.Left, meeting.Outside:
		return c.off(now)
	case meeting.Waiting, meeting.Admitted:
	}
	if !c.waits() {
		return c, nil
	}
	switch {
	case e.State == meeting.Admitted && e.Open:
		c.State, c.Since, c.Until = Entering, now, now.Add(JoinTime)
		c.Next = c.Until
		return c, []Action{Enter{}}
	case !e.Open && (!c.told || c.State != Holding):
		return c.hold(now)
	case e.Open && c.State != Queued:
		c = c.wait(Queued, now)
		return c, []Action{Tone{[]Word{Waiting}}}
	}
	return c, nil
}

// command is a key pressed in the room: *6 mutes and unmutes.
func (c Call) command(key rune) (Call, []Action) {
	if c.star && key == '6' {
		c.star = false
		return c, []Action{Mute{!c.muted}}
	}
	c.star = key == '*'
	return c, nil
}

func (c Call) mutedBy(on bool) (Call, []Action) {
	if c.State != Bridged || c.muted == on {
		return c, nil
	}
	c.muted = on
	if on {
		return c, []Action{Say{[]Word{NowMuted}}}
	}
	return c, []Action{Say{[]Word{NowHeard}}}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
