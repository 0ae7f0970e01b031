package meeting

// Reason says why somebody was not let in. Each has a page, a status, an audit
// word and, on the phone, a prompt. The zero value tells nothing on purpose.
type Reason uint8

// The reasons.
const (
	NotFound    Reason = iota // unknown, forged, or not to be told apart from it
	TooEarly                  // the link does not work yet
	Over                      // the meeting has ended
	CalledOff                 // the host cancelled it
	Revoked                   // the link was withdrawn
	ByHost                    // the host said no
	Removed                   // expelled; no way back
	IsLocked                  // nobody new is let in
	NotInvited                // a rule refuses this person
	NotYou                    // the invitation is for somebody else
	Unverified                // nothing was proved
	WrongCode                 // the one-time code does not fit
	CodeExpired               // the one-time code is too old or used
	CodeSpent                 // too many wrong codes: ask for a new one
	TooMany                   // too many codes, seats or requests: later
	NotHost                   // only a host may do this
	SignIn                    // sign in first
	Stale                     // the page is older than the state it wants to change
	Invalid                   // the form holds something that cannot be used
	NoConsent                 // the notice was not agreed to
	TicketSpent               // the step into the room was used or too late
	HostAway                  // the meeting opens when the host enters
	Busy                      // the store or conference server does not answer: nobody new
	NameChanged               // the guest shows another name than the one answered
)

// reasonWords are the audit words: stable, lower case, never translated.
func reasonWord(r Reason) string {
	words := [...]string{
		"not_found", "too_early", "over", "called_off", "revoked", "by_host",
		"removed", "locked", "not_invited", "not_you", "unverified",
		"wrong_code", "code_expired", "code_spent", "too_many", "not_host",
		"sign_in", "stale", "invalid", "no_consent", "ticket_spent",
		"host_away", "busy", "name_changed",
	}
	if int(r) >= len(words) {
		return "not_found"
	}
	return words[r]
}

// String returns the audit word of the reason.
func (r Reason) String() string { return reasonWord(r) }

// Refusal is the answer no. It is an answer, not a fault.
type Refusal struct {
	Reason Reason
	// Left is how many tries remain, where the reason is about tries.
	Left int
	// Field names the form field that cannot be used, where there is one.
	Field string
}

// Error implements error. It names no person.
func (r *Refusal) Error() string { return "refused: " + r.Reason.String() }

// Refuse returns a refusal for the reason.
func Refuse(r Reason) *Refusal { return &Refusal{Reason: r} }
