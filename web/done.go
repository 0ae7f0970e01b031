package web

import "vestibule/meeting"

// Kind is how a meeting ended for somebody. The zero value leads nowhere.
type Kind uint8

// The ends.
const (
	WasEnded Kind = iota
	WasExpelled
	WasRefused
	HasLeft // by themselves, from the room or the waiting room
	Lapsed  // did not say that they are still there
)

// Done is the page after the meeting.
type Done struct {
	Frame
	Kind  Kind
	Title string
	// Rejoin is the path that leads back, for one who left by themselves;
	// empty: no way back. It is a plain link, because looking changes
	// nothing.
	Rejoin string
	// Why and Message are what the host gave to read with a refusal.
	Why      meeting.Why
	Message  string
	HostName string
}

func (Done) file() string { return "done" }

// Key names the kind in the catalogue.
func (d Done) Key() string {
	return [...]string{"ended", "expelled", "refused", "left", "lapsed"}[d.Kind%5]
}

// Back returns the way back, which nobody has who was put out.
func (d Done) Back() string {
	if d.Kind != HasLeft && d.Kind != Lapsed {
		return ""
	}
	return d.Rejoin
}

// Calls reports whether the page says whom to call.
func (d Done) Calls() bool { return d.Kind == WasExpelled || d.Kind == WasRefused }

// Refused is the answer no, whatever its reason. What must not be told apart
// is meeting.NotFound and reads the same.
type Refused struct {
	Frame
	Reason meeting.Reason
	// Times and Opens say when, where the reason is about time.
	Times Times
	// Back is a path to go on from; empty: none.
	Back string
	// Providers are shown where signing in is what is missing.
	Providers []Way
	// Away says, beside meeting.Busy, that it is a provider that does not
	// answer: other ways in are open.
	Away bool
}

func (Refused) file() string { return "refused" }

// Key names the reason in the catalogue.
func (r Refused) Key() string {
	if r.Away {
		return "away"
	}
	return r.Reason.String()
}

// SignIn reports whether signing in is what is missing.
func (r Refused) SignIn() bool {
	return r.Reason == meeting.SignIn || r.Reason == meeting.NotHost
}

// Passing reports whether the same attempt may succeed in a minute.
func (r Refused) Passing() bool { return r.Reason == meeting.Busy && !r.Away }

// Fault is our fault: one neutral sentence and a reference for whoever looks
// into it.
type Fault struct {
	Frame
	Reference string
}

func (Fault) file() string { return "fault" }
