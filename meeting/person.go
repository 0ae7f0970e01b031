package meeting

import (
	"slices"
	"strings"
	"time"
)

// Key names one person for as long as the issuer stands: issuer and subject,
// never an address alone, because addresses are handed on (OIDC Core §5.7).
type Key string

// The issuers of a person of whom only a mailbox or a telephone was proved.
const (
	MailboxIssuer   = "mailto:"
	TelephoneIssuer = "tel:"
)

// Method is how a person was proved. The zero value is: not at all.
type Method uint8

// The methods, from weakest to strongest.
const (
	Unproved  Method = iota
	DialCode         // a personal dial-in code
	Mailbox          // a one-time code sent to a mailbox; proves no more than that
	Telephone        // a one-time code sent by SMS to a number; proves no more than that
	OIDC             // a sign-in at an identity provider
)

// Person is somebody as proved, never as typed.
type Person struct {
	// Issuer is the provider's issuer URL, MailboxIssuer or TelephoneIssuer.
	Issuer string `json:"issuer"`
	// Subject is the provider's sub, the lower-cased mailbox, or the number.
	Subject string `json:"subject"`
	// Name is the name the issuer vouches for; empty for a mailbox.
	Name string `json:"name,omitempty"`
	// Email is the address the issuer gave; Evidence says if it is verified.
	Email string `json:"email,omitempty"`
	// Phone is the number that was proved by a code.
	Phone    string   `json:"phone,omitempty"`
	Evidence Evidence `json:"evidence"`
}

// Evidence is what the host is shown about how a person was proved.
type Evidence struct {
	Method Method `json:"method"`
	// Provider is the identity provider's name in words ("Hôpital Saint-Jean").
	Provider      string    `json:"provider,omitempty"`
	Organisation  string    `json:"organisation,omitempty"`
	EmailVerified bool      `json:"email_verified,omitempty"`
	Member        bool      `json:"member,omitempty"` // of the site's own institution, by the provider's member rule
	ACR           string    `json:"acr,omitempty"`
	AMR           []string  `json:"amr,omitempty"`
	At            time.Time `json:"at"`
	// Claims are the further claims that invitations may match, as configured.
	Claims map[string][]string `json:"claims,omitempty"`
}

// Key returns the person's stable name; empty for nobody.
func (p *Person) Key() Key {
	if p.Issuer == "" || p.Subject == "" {
		return ""
	}
	return Key(p.Issuer + "|" + p.Subject)
}

// Verified reports whether anything at all was proved.
func (p *Person) Verified() bool {
	return p.Evidence.Method != Unproved && p.Key() != ""
}

// Contact is a person as others are told of them.
type Contact struct {
	Key   Key    `json:"key"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
}

// MailboxPerson returns the person proved by a code sent to address.
func MailboxPerson(address string, at time.Time) Person {
	a := FoldAddress(address)
	return Person{
		Issuer:   MailboxIssuer,
		Subject:  a,
		Email:    a,
		Evidence: Evidence{Method: Mailbox, EmailVerified: true, At: at},
	}
}

// PhonePerson returns the person proved by a code sent to a number.
func PhonePerson(number string, at time.Time) Person {
	return Person{
		Issuer: TelephoneIssuer, Subject: number, Phone: number,
		Evidence: Evidence{Method: Telephone, At: at},
	}
}

// FoldAddress returns the form in which two addresses are compared: trimmed
// and lower-cased. Tags and dots are kept, because only the mailbox's own
// server knows what they mean (RFC 5321 §2.3.11).
func FoldAddress(a string) string { return strings.ToLower(strings.TrimSpace(a)) }

// FoldMailbox returns the form in which mails to one mailbox are counted: also
// without a tag and without dots, which many servers ignore, so that a budget is
// not had again by another spelling (T05). Two people whose addresses differ in
// nothing else share a budget, and that is all they share.
func FoldMailbox(a string) string {
	local, domain, ok := strings.Cut(FoldAddress(a), "@")
	if !ok {
		return local // a telephone number
	}
	if plain, _, tagged := strings.Cut(local, "+"); tagged && plain != "" {
		local = plain
	}
	return strings.ReplaceAll(local, ".", "") + "@" + domain
}

// Match is a claim that an invitation asks of whoever uses it.
type Match struct {
	Claim string `json:"claim"` // "sub", "email" or a configured claim
	Value string `json:"value"`
}

// Meets reports whether the person carries the claim.
func (p *Person) Meets(m Match) bool {
	switch m.Claim {
	case "":
		return true
	case "sub":
		return p.Evidence.Method == OIDC && p.Subject == m.Value
	case "email":
		return p.Evidence.EmailVerified && FoldAddress(p.Email) == FoldAddress(m.Value)
	default:
		return slices.Contains(p.Evidence.Claims[m.Claim], m.Value)
	}
}
