package web

import "time"

// CodeTrouble is why the code page is shown again. The zero value: it is shown
// for the first time.
type CodeTrouble uint8

// The troubles with a code.
const (
	CodeFresh   CodeTrouble = iota
	CodeWrong               // Left tries remain
	CodeSpent               // too many wrong tries
	CodeExpired             // too old, or used
	CodeUnsent              // what carries codes does not answer
	CodeTooMany             // no more codes today
	CodePartial             // what was typed is no six digits; Left tries remain, none is spent
)

// Code is where the six digits are typed.
type Code struct {
	Frame
	Link string
	// Mailbox and Phone are where codes may go, masked; empty: nowhere.
	Mailbox, Phone string
	// SMS is whether the newest code went to the telephone.
	SMS     bool
	Trouble CodeTrouble
	Left    int
	// Open is whether a code that was sent before still works.
	Open bool
	// ResendIn is how long until another code may be sent.
	ResendIn    time.Duration
	ResendsLeft int
}

func (Code) file() string { return "code" }

// Wrong reports whether what was typed is to be corrected.
func (c Code) Wrong() bool { return c.Trouble == CodeWrong || c.Trouble == CodePartial }

// Fault returns what is wrong; empty: nothing is.
func (c Code) Fault() string {
	if c.Trouble == CodeUnsent && c.SMS {
		return "unsent_sms"
	}
	return [...]string{"", "wrong", "spent", "expired", "unsent", "many", "partial"}[c.Trouble%7]
}

// Usable reports whether there is a code to type: one that could not be sent, or
// that there are no more of, leaves those before it as they were.
func (c Code) Usable() bool { return c.Trouble == CodeFresh || c.Wrong() || c.Open }

// Wait returns the seconds until another code may be sent.
func (c Code) Wait() int { return seconds(c.ResendIn) }

// Other reports whether a code could go another way than the newest did.
func (c Code) Other() bool { return c.Mailbox != "" && c.Phone != "" }
