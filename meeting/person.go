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
	Provider string `json:"provider,omitempty"`
	// ProviderID is its id in the configuration; empty in what older versions
	// wrote, and then no claim is believed.
	ProviderID    string    `json:"provider_id,omitempty"`
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

// The claims that need no configuration.
const (
	SubjectClaim = "sub"
	EmailClaim   = "email"
	DomainClaim  = "domain" // any verified address there
)

// Match is a claim that an invitation asks of whoever uses it.
type Match struct {
	Claim string `json:"claim"` // one of those above, or a configured one
	Value string `json:"value"`
	// Provider is the id of who must vouch for it. What one provider calls a
	// subject or a number, the users of another may be free to choose, so that
	// without it only an address is met.
	Provider string `json:"provider,omitempty"`
}

// Meets reports whether the person carries the claim, from whom it is asked.
func (p *Person) Meets(m Match) bool {
	e := &p.Evidence
	if m.Provider != "" && (e.Method != OIDC || e.ProviderID != m.Provider) {
		return false
	}
	switch m.Claim {
	case "":
		return true
	case EmailClaim:
		return e.EmailVerified && FoldAddress(p.Email) == FoldAddress(m.Value)
	case DomainClaim:
		_, domain, _ := strings.Cut(FoldAddress(p.Email), "@")
		return e.EmailVerified && domain != "" && domain == FoldAddress(m.Value)
	case SubjectClaim:
		return m.Provider != "" && p.Subject == m.Value
	default:
		return m.Provider != "" && slices.Contains(e.Claims[m.Claim], m.Value)
	}
}
