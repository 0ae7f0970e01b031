package web

import (
	"strings"
	"unicode/utf8"

	"vestibule/meeting"
)

// Proof is how somebody showed who they are, in what a host can judge.
type Proof struct {
	Method       meeting.Method
	Provider     string // "ProConnect"
	Name         string // as the provider vouches for it
	Organisation string
	Mailbox      string // the proved or vouched address, masked
	MailVerified bool
	// Level is the provider's own word for how, where it gave one
	// ("eidas2, otp").
	Level string
}

// ProofOf puts a proved person into words.
func ProofOf(p meeting.Person) Proof {
	level := p.Evidence.AMR
	if p.Evidence.ACR != "" {
		level = append([]string{p.Evidence.ACR}, level...)
	}
	return Proof{
		Method: p.Evidence.Method, Provider: p.Evidence.Provider, Name: p.Name,
		Organisation: p.Evidence.Organisation, Mailbox: MaskMailbox(p.Email),
		MailVerified: p.Evidence.EmailVerified, Level: strings.Join(level, ", "),
	}
}

// Key names the proof in the catalogue.
func (p Proof) Key() string {
	switch p.Method {
	case meeting.OIDC:
		return "oidc"
	case meeting.Mailbox:
		return "mailbox"
	case meeting.DialCode:
		return "dial"
	case meeting.Unproved:
	}
	return "none"
}

// Verified reports whether anything was proved.
func (p Proof) Verified() bool { return p.Method != meeting.Unproved }

// MaskMailbox shows enough of an address for its owner to know it, and too
// little for anybody else to learn it: "j•••@exemple.fr".
func MaskMailbox(address string) string {
	local, domain, ok := strings.Cut(address, "@")
	if !ok || local == "" || domain == "" {
		return ""
	}
	first, _ := utf8.DecodeRuneInString(local)
	return string(first) + "•••@" + domain
}
