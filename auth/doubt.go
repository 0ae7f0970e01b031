package auth

import (
	"fmt"

	"vestibule/meeting"
)

// Doubt is why a sign-in proved nobody. It is an answer: errors.As finds the
// *meeting.Refusal that the person is shown. Check is for the operator, a
// word out of this package that holds nothing of the person.
type Doubt struct {
	Provider string
	Check    string
	Refusal  *meeting.Refusal
}

// Error implements error.
func (d *Doubt) Error() string {
	return fmt.Sprintf("doubting %s: %s: %v", d.Provider, d.Check, d.Refusal)
}

// Unwrap returns the refusal.
func (d *Doubt) Unwrap() error { return d.Refusal }

// Unavailable says that a provider does not answer, or answers what cannot be
// used. Others can still sign in elsewhere or by a code.
type Unavailable struct {
	Provider string // its id
	Name     string // its name in words, for the page
	Err      error  // for the operator; holds no reply's text
}

// Error implements error.
func (u *Unavailable) Error() string {
	return fmt.Sprintf("asking provider %s: %v", u.Provider, u.Err)
}

// Unwrap returns the cause.
func (u *Unavailable) Unwrap() error { return u.Err }

func (p *provider) doubt(r meeting.Reason, check string) error {
	return &Doubt{Provider: p.ID, Check: check, Refusal: meeting.Refuse(r)}
}

func (p *provider) unavailable(err error) error {
	return &Unavailable{Provider: p.ID, Name: p.Name, Err: err}
}
