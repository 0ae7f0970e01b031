package web

// Name is where a guest says how the others will see them, and agrees to the
// notice.
type Name struct {
	Frame
	Link     string
	HostName string
	Proof    Proof
	// Suggested is the name filled in: what was typed before, or the site's
	// rule.
	Suggested string
	// Fixed says that the site's rule leaves no other name.
	Fixed bool
	// Initials are offered instead of a full name; empty: not offered.
	Initials string
	// NameFault and ConsentFault mark what has to be put right.
	NameFault    bool
	ConsentFault bool
	KeptDays     int
}

func (Name) file() string { return "name" }

// Faulty reports whether anything has to be put right.
func (n Name) Faulty() bool { return n.NameFault || n.ConsentFault }
