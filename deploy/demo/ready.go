package demo

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// ready describes an open house to whoever drives it: tests, mostly. It
// holds links and codes that open the door, so the file is its owner's only.
type ready struct {
	Door        string       `json:"door"`
	Room        string       `json:"room"`
	ID          string       `json:"id"`
	Mail        string       `json:"mail"`
	CA          string       `json:"ca"`
	Host        host         `json:"host"`
	Meeting     string       `json:"meeting"`
	Invitations []invitation `json:"invitations"`
	Dialin      dialin       `json:"dialin"`
	TURN        string       `json:"turn"`    // host:port
	Metrics     string       `json:"metrics"` // URL
	Key         string       `json:"key"`     // of a program, for the API
}

// host is who opens the meeting.
type host struct {
	Email string `json:"email"`
	Login string `json:"login"` // URL
}

// invitation is one personal link.
type invitation struct {
	For   string `json:"for"`
	By    string `json:"by"` // oidc or mail
	Email string `json:"email"`
	Link  string `json:"link"`
}

// dialin is what a phone dials.
type dialin struct {
	SIP     string `json:"sip"` // host:port, UDP and TCP
	For     string `json:"for"` // whose code it is
	Meeting string `json:"meeting"`
	Code    string `json:"code"`
}

// write puts r at path whole or not at all: whoever waits for the file never
// reads half of it.
func (r ready) write(path string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".ready-*") // mode 0600
	if err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	defer os.Remove(f.Name()) // renamed by then, unless something failed
	_, err = f.Write(append(b, '\n'))
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("writing the ready file: %w", err)
	}
	return nil
}
