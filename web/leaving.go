package web

// Leaving is the short stop on the way to a provider, to sign in or out. The
// browser goes on by itself (Refresh). A redirect in answer to a form would not
// do: a browser that comes from a form follows it only to hosts that the form's
// page named (CSP form-action), and nobody knows all those on the way through a
// provider.
type Leaving struct {
	Frame
	Provider string // in words
	To       string
	Out      bool // to sign out
	// Fields are what is posted to To; without them it is an address. A script
	// sends the form at once, without it the person does.
	Fields map[string][]string
}

func (Leaving) file() string { return "leaving" }

// Key names the direction in the catalogue.
func (l Leaving) Key() string {
	if l.Out {
		return "out"
	}
	return "in"
}
