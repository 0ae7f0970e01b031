package web

// Home is the front door for somebody who came without a link.
type Home struct {
	Frame
	// Providers are the ways in which a host signs in.
	Providers []Way
}

func (Home) file() string { return "home" }
