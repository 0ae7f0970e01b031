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
	// ResendIn is how long until another code may be sent.
	ResendIn    time.Duration
	ResendsLeft int
}

func (Code) file() string { return "code" }

// Wrong reports whether tries remain after a wrong code.
func (c Code) Wrong() bool { return c.Trouble == CodeWrong }

// Fault returns what to say beside the field; empty: nothing is wrong.
func (c Code) Fault() string {
	if c.Trouble == CodeUnsent && c.SMS {
		return "unsent_sms"
	}
	return [...]string{"", "wrong", "spent", "expired", "unsent", "many"}[c.Trouble%6]
}

// Usable reports whether there is a code to type.
func (c Code) Usable() bool { return c.Trouble == CodeFresh || c.Trouble == CodeWrong }

// Wait returns the seconds until another code may be sent.
func (c Code) Wait() int { return seconds(c.ResendIn) }

// Other reports whether a code could go another way than the newest did.
func (c Code) Other() bool { return c.Mailbox != "" && c.Phone != "" }
