package lobby

import "vestibule/meeting"

// Emails is what a site lets hosts see of addresses.
type Emails string

// What hosts see of addresses.
const (
	EmailsFull   Emails = "full"
	EmailsMasked Emails = "masked" // "j•••@exemple.fr"
	EmailsHidden Emails = "hidden"
)

// Email answers an address as the site lets a host see it; empty where it does
// not.
func (l *Lobby) Email(address string) string {
	switch l.c.Emails {
	case EmailsFull:
		return address
	case EmailsMasked:
		return meeting.MaskAddress(address)
	default:
		return ""
	}
}

// Phone answers a number likewise: masked, "+33 … 42".
func (l *Lobby) Phone(number string) string {
	switch l.c.Emails {
	case EmailsFull:
		return number
	case EmailsMasked:
		return meeting.CountryPhone(number)
	default:
		return ""
	}
}
