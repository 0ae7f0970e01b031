package meeting

import "time"

// Incident is a removal that a host reported: who was put out, as they were
// proved, when and by whom, frozen as it then was. It is kept until Until,
// under a retention of its own: the meeting may be forgotten long before, and
// whoever looks into what happened would find nothing.
type Incident struct {
	// Reference is what host and administrator call it by.
	Reference string    `json:"reference"`
	At        time.Time `json:"at"`
	Meeting   ID        `json:"meeting"`
	Title     string    `json:"title"`
	Admission string    `json:"admission"`
	// Person is who was put out, with the evidence; Name is what the others
	// saw, Invited whom the host had invited by that link.
	Person  Person    `json:"person"`
	Name    string    `json:"name"`
	Invited string    `json:"invited,omitempty"`
	Role    Role      `json:"role"`
	Agent   string    `json:"agent,omitempty"`
	Line    Line      `json:"line,omitzero"`
	Knocked time.Time `json:"knocked"`
	Entered time.Time `json:"entered,omitzero"`
	// By is the host who reported.
	By   Contact `json:"by"`
	Cuts []Cut   `json:"cuts"`
	// Until is when it is forgotten (CNIL: at most one year).
	Until time.Time `json:"until"`
}

// Cut is what became of one channel of somebody who was put out.
type Cut struct {
	What         string `json:"what"` // "conference", "signalling", "relay", "link", "phone", "nodes"
	Milliseconds int64  `json:"milliseconds"`
	Confirmed    bool   `json:"confirmed"`
}
