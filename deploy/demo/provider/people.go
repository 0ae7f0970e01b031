package provider

import (
	"errors"
	"fmt"
	"strings"
)

// Person is somebody who can be chosen on the sign-in page. None of them
// exists: example domains belong to nobody (RFC 2606).
type Person struct {
	// Subject identifies the person for ever; it says nothing about them.
	Subject string
	// Role is a key of the catalogue: who this is in the story.
	Role                string
	Name, Given, Family string
	Email               string
	// EmailVerified is whether the organisation vouches for the address.
	EmailVerified bool
	// Organisation is the claim "organization".
	Organisation string
	// ACR and AMR are how strongly the person is said to have proved who
	// they are.
	ACR string
	AMR []string
}

// People are the three of the demonstration: the host, a colleague of the
// same hospital, and a stranger whose address nobody vouches for.
func People() []Person {
	return []Person{
		{
			Subject: "c7f0a1d4-2b7e-4f6e-9d0a-51c3a8e0b101", Role: "role.host",
			Name: "Dr Claire Martin", Given: "Claire", Family: "Martin",
			Email: "claire.martin@hopital.example", EmailVerified: true,
			Organisation: "hopital.example", ACR: "eidas2", AMR: []string{"pwd", "otp", "mfa"},
		},
		{
			Subject: "5e4d9b06-8c1f-4a35-b7d2-0f6a9c2e7702", Role: "role.colleague",
			Name: "Dr Hugo Bernard", Given: "Hugo", Family: "Bernard",
			Email: "hugo.bernard@hopital.example", EmailVerified: true,
			Organisation: "hopital.example", ACR: "eidas1", AMR: []string{"pwd"},
		},
		{
			Subject: "91b2c3e8-6d40-4c9b-8a17-3f5d7e0c4403", Role: "role.stranger",
			Name: "Sam Rivers", Given: "Sam", Family: "Rivers",
			Email: "sam.rivers@elsewhere.example", EmailVerified: false,
			Organisation: "elsewhere.example", ACR: "0", AMR: []string{"pwd"},
		},
	}
}

func checkPeople(people []Person) error {
	var faults []error
	seen := map[string]bool{}
	for i, p := range people {
		if p.Subject == "" || seen[p.Subject] || p.Name == "" || strings.Count(p.Email, "@") != 1 {
			faults = append(faults, fmt.Errorf("provider: person %d lacks a subject of their own, a name or an address", i))
		}
		seen[p.Subject] = true
	}
	if len(people) == 0 {
		faults = append(faults, errors.New("provider: nobody to choose"))
	}
	return errors.Join(faults...)
}

// person finds one of the people by subject.
func (p *Provider) person(subject string) *Person {
	for i := range p.c.People {
		if p.c.People[i].Subject == subject {
			return &p.c.People[i]
		}
	}
	return nil
}

// claims are what a scope lets an application know (OpenID Connect Core
// §5.4); "organization" goes with the profile.
func (p *Person) claims(scopes []string) map[string]any {
	c := map[string]any{"sub": p.Subject}
	for _, s := range scopes {
		switch s {
		case "profile":
			c["name"], c["given_name"], c["family_name"] = p.Name, p.Given, p.Family
			c["organization"] = p.Organisation
		case "email":
			c["email"], c["email_verified"] = p.Email, p.EmailVerified
		}
	}
	return c
}
