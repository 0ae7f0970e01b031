package web

// Dial is how an invitee comes in by telephone or room device. Zero: not at
// all.
type Dial struct {
	Number, Code string
	// Addresses are what to dial, as the site says it, Strings what a device
	// dials that is to be asked nothing.
	Addresses, Strings []string
}

// Zero reports whether there is no way in by telephone.
func (d Dial) Zero() bool { return d.Number == "" || d.Code == "" || len(d.Addresses) == 0 }

// SpokenNumber and SpokenCode are the digits in groups that can be read out.
func (d Dial) SpokenNumber() string { return groups(d.Number, 3) }

// SpokenCode is SpokenNumber's for the code.
func (d Dial) SpokenCode() string { return groups(d.Code, 4) }

func groups(s string, n int) string {
	out := ""
	for i, c := range s {
		if i > 0 && i%n == 0 {
			out += "\u00a0"
		}
		out += string(c)
	}
	return out
}

// Line is a telephone or room device that waits. Claims is its own word.
type Line struct {
	Kind    string // "SIP", "H.323"; empty: a browser
	Claims  string
	Address string
}
