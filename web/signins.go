package web

import "time"

// SignIns is where somebody is signed in.
type SignIns struct {
	Frame
	Zone string // in which times are told
	List []SignIn
}

func (SignIns) file() string { return "sign-ins" }

// Others reports whether there is a sign-in besides this browser's.
func (p SignIns) Others() bool {
	for _, s := range p.List {
		if !s.Here {
			return true
		}
	}
	return false
}

// SignIn is one browser in which somebody is signed in.
type SignIn struct {
	ID    string // names it in the form; opens nothing
	Agent string // "Firefox, Android"; empty: not known
	Began time.Time
	Seen  time.Time // when it was last used, to about a quarter of an hour
	Here  bool      // the browser that asks
}
