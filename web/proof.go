package web

import "vestibule/meeting"

// Proof is how somebody showed who they are, in what a host can judge.
type Proof struct {
	Method       meeting.Method
	Provider     string // "ProConnect"
	Name         string // as the provider vouches for it
	Organisation string
	Mailbox      string // the proved or vouched address, masked
	MailVerified bool
	Phone        string // the proved number, masked
	// Level is how sure the provider is (acr), Means by what the person signed
	// in there (amr).
	Level Word
	Means []Word
}

// ProofOf puts a proved person into words.
func ProofOf(p meeting.Person) Proof {
	return Proof{
		Method: p.Evidence.Method, Provider: p.Evidence.Provider, Name: p.Name,
		Organisation: p.Evidence.Organisation, Mailbox: meeting.MaskAddress(p.Email), Phone: meeting.CountryPhone(p.Phone),
		MailVerified: p.Evidence.EmailVerified, Level: levelOf(p.Evidence.ACR), Means: meansOf(p.Evidence.AMR),
	}
}

// Issuer is who vouches, in words: "ProConnect, Mairie de Toulouse".
func (p Proof) Issuer() string {
	if p.Organisation == "" {
		return p.Provider
	}
	return p.Provider + ", " + p.Organisation
}

// Key names the proof in the catalogue.
func (p Proof) Key() string {
	switch p.Method {
	case meeting.OIDC:
		return "oidc"
	case meeting.Mailbox:
		return "mailbox"
	case meeting.Telephone:
		return "phone"
	case meeting.DialCode:
		return "dial"
	case meeting.Unproved:
	}
	return "none"
}

// Verified reports whether anything was proved.
func (p Proof) Verified() bool { return p.Method != meeting.Unproved }
