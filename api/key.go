package api

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"vestibule/meeting"
)

// Key is a credential that the site itself gave out. Only its hash is kept: a
// stolen configuration opens nothing.
type Key struct {
	// ID names the key in logs and is part of it: a-z, 0-9 and dash, at most
	// 32.
	ID string
	// Hash is what NewKey answered beside the key. The secret in a key has
	// 256 random bits, so a plain SHA-256 is enough: there is nothing to guess.
	Hash   string
	Scopes []string
	Owner  Owner
}

// Client is a program known to the identity provider.
type Client struct {
	// ID is the client id at the provider.
	ID string
	// Scopes bounds what its tokens may grant here. Empty: all they name.
	Scopes []string
	Owner  Owner
}

// Owner is the host in whose name a program acts. The administrator vouches for
// them, as a sign-in would.
type Owner struct {
	// Issuer and Subject are the person's at the site's provider, so that they
	// find the program's meetings among their own when they sign in. Empty:
	// nobody who signs in is this owner, and hosts are invited as such.
	Issuer, Subject string
	Name, Email     string // as invitees read them
}

// Scopes are what a program can be allowed.
func Scopes() []string {
	return []string{"meetings:read", "meetings:write", "invitations:write", "waiting:read", "decisions:write", "events:read"}
}

const (
	keyMark  = "vestibule_"
	hashMark = "sha256:"
)

// NewKey makes a fresh key and the hash of it. The key is shown once and never
// kept.
func NewKey(id string) (key, hash string, err error) {
	if !goodID(id) {
		return "", "", errors.New("want an id of 1 to 32 of a-z, 0-9 and dash")
	}
	secret := rand.Text() + rand.Text()
	return keyMark + id + "_" + secret, hashOf(secret), nil
}

func hashOf(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hashMark + hex.EncodeToString(sum[:])
}

func goodID(id string) bool {
	return id != "" && len(id) <= 32 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// Check answers every fault of the key, each as "field: what".
func (k *Key) Check() error {
	var faults []error
	if !goodID(k.ID) {
		faults = append(faults, errors.New("id: want 1 to 32 of a-z, 0-9 and dash"))
	}
	sum, err := hex.DecodeString(strings.TrimPrefix(k.Hash, hashMark))
	if err != nil || len(sum) != sha256.Size || !strings.HasPrefix(k.Hash, hashMark) {
		faults = append(faults, errors.New("hash: want what vestibule apikey prints"))
	}
	if len(k.Scopes) == 0 {
		faults = append(faults, errors.New("scopes: none"))
	}
	return errors.Join(append(faults, checkScopes(k.Scopes), k.Owner.check())...)
}

// Check answers every fault of the client, each as "field: what".
func (c *Client) Check() error {
	var faults []error
	if c.ID == "" {
		faults = append(faults, errors.New("id: missing"))
	}
	return errors.Join(append(faults, checkScopes(c.Scopes), c.Owner.check())...)
}

func checkScopes(list []string) error {
	var faults []error
	for _, s := range list {
		if !slices.Contains(Scopes(), s) {
			faults = append(faults, fmt.Errorf("scopes: %q is none of %s", s, strings.Join(Scopes(), ", ")))
		}
	}
	return errors.Join(faults...)
}

func (o *Owner) check() error {
	var faults []error
	if strings.TrimSpace(o.Name) == "" {
		faults = append(faults, errors.New("owner.name: in whose name are guests invited?"))
	}
	if o.Email != "" && !meeting.Address(o.Email) {
		faults = append(faults, errors.New("owner.email: want an address"))
	}
	if (o.Issuer == "") != (o.Subject == "") {
		faults = append(faults, errors.New("owner: issuer and subject go together"))
	}
	// A person proved by a mailbox must never meet an owner of the same key.
	if o.Issuer != "" && !strings.HasPrefix(o.Issuer, "https://") && !strings.HasPrefix(o.Issuer, "http://") {
		faults = append(faults, errors.New("owner.issuer: want a provider's issuer"))
	}
	return errors.Join(faults...)
}

// person is the owner as the lobby knows hosts.
func (o *Owner) person(id string) meeting.Person {
	return meeting.Person{
		Issuer: or(o.Issuer, "urn:vestibule:api"), Subject: or(o.Subject, id), Name: o.Name, Email: o.Email,
		Evidence: meeting.Evidence{Method: meeting.OIDC, Member: true},
	}
}

// key finds the key that a credential is.
func (s *Server) key(credential string) *Key {
	id, secret, ok := strings.Cut(strings.TrimPrefix(credential, keyMark), "_")
	if !ok {
		return nil
	}
	// Every credential costs one hash, known id or not.
	got, want := hashOf(secret), hashOf("")
	var found *Key
	for i := range s.c.Keys {
		if s.c.Keys[i].ID == id {
			found, want = &s.c.Keys[i], strings.ToLower(s.c.Keys[i].Hash)
		}
	}
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 || secret == "" {
		return nil
	}
	return found
}
