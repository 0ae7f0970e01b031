package meeting

import "time"

// State is where an admission stands. The zero value is nowhere: outside.
type State uint8

// The states of an admission. Only Admitted opens the room.
const (
	Outside  State = iota
	Waiting        // seen by the host, not let in
	Admitted       // may be in the room
	Refused        // by the host or the policy
	Left           // went by themselves
	Expelled       // put out; final
)

// Admission is one person's way through the door on one device. Kept until
// the meeting's Expires.
type Admission struct {
	ID         string `json:"id"`
	Invitation string `json:"invitation,omitempty"` // empty for the owner
	Person     Person `json:"person"`
	// Name is what the other participants see, cleaned; it proves nothing.
	Name   string `json:"name"`
	Role   Role   `json:"role"`
	State  State  `json:"state"`
	Device string `json:"device"` // HMAC of the browser's device cookie
	// Agent is the kind of browser in words ("Firefox, Android").
	Agent string `json:"agent,omitempty"`
	// Line is the telephone or room device; zero for a browser.
	Line Line `json:"line,omitzero"`
	// Call names the one live call of a caller; another call replaces it.
	Call string `json:"call,omitempty"`
	// Redialled is set once a caller came back into the locked meeting.
	Redialled bool `json:"redialled,omitempty"`
	// Elsewhere is set when the same link was used by another browser or
	// person before.
	Elsewhere bool      `json:"elsewhere,omitempty"`
	Knocked   time.Time `json:"knocked"`
	// Stayed is when the person last said that they are still there.
	Stayed time.Time `json:"stayed,omitzero"`
	// Net is where they knocked from, told apart and no more.
	Net Net `json:"net,omitzero"`
	// Named tells of another Name than the one they knocked with.
	Named Named `json:"named,omitzero"`
	Talk  Talk  `json:"talk,omitzero"`
	// Decided is when a host or a rule decided; zero while nobody has.
	Decided time.Time `json:"decided,omitzero"`
	// DecidedBy is the host who decided; empty when a rule did.
	DecidedBy Key `json:"decided_by,omitempty"`
	// Rule is the policy rule or host action that led to State.
	Rule string `json:"rule,omitempty"`
	// Consented is when the person agreed to the notice.
	Consented time.Time `json:"consented,omitzero"`
	// Incident is the reference of the report, where who expelled made one.
	Incident string    `json:"incident,omitempty"`
	Entered  time.Time `json:"entered,omitzero"`
	// Replaced is when a host was last told that another device took the place.
	Replaced time.Time `json:"replaced,omitzero"`
	// Moved is when the person last came back on another device than before.
	Moved time.Time `json:"moved,omitzero"`
	// Doubled is when another device last came with this admission's pass.
	Doubled time.Time `json:"doubled,omitzero"`
	Ticket  Ticket    `json:"ticket"`
	// Pass is the HMAC of the room cookie that may act for this admission;
	// one at a time, so that a ticket spent again ends the pass before.
	Pass []byte `json:"pass,omitempty"`
}

// Net is a network as a host may know it. No address is kept: Mark is a keyed
// fingerprint of its /24 or /48, good for one meeting only, and forgotten with
// the admission.
type Net struct {
	Kind NetKind `json:"kind"`
	Mark string  `json:"mark,omitempty"`
}

// NetKind is what kind of network somebody comes from.
type NetKind string

// The kinds of network.
const (
	NoNet   NetKind = ""
	Private NetKind = "private" // of an institution or a VPN: RFC 1918, RFC 4193
	IPv4    NetKind = "ipv4"
	IPv6    NetKind = "ipv6"
)

// Same reports whether both are known to be one network.
func (n Net) Same(m Net) bool { return n.Mark != "" && n.Mark == m.Mark }

// Back reports whether the person was let in before and may come back unaided:
// their network dropped, or they went by their own will after being admitted.
// Who left the waiting room undecided was never let in.
func (a *Admission) Back() bool {
	return a.State == Admitted || a.State == Left && !a.Decided.IsZero()
}

// undecided reports whether nobody, host or rule, ever decided on it.
func (a *Admission) undecided() bool {
	return a.Decided.IsZero() && a.DecidedBy == "" && a.Entered.IsZero()
}

// Ticket is the single-use step from the door to the room.
type Ticket struct {
	MAC     []byte    `json:"mac,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
}

// TicketLife is how long a ticket can be redeemed.
const TicketLife = 30 * time.Second
