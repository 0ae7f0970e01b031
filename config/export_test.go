package config

import (
	"log/slog"

	"vestibule/auth"
	"vestibule/house"
	"vestibule/turn"
)

// OIDC builds the sign-in alone: the rest of an example needs a machine.
func (f *File) OIDC() (auth.Config, error) {
	b, h := &builder{f: f, log: slog.New(slog.DiscardHandler)}, &house.Config{}
	b.providers(h)
	return h.OIDC, join(b.faults)
}

// Relay builds the relay alone.
func (f *File) Relay() (turn.Config, error) {
	b, h := &builder{f: f, log: slog.New(slog.DiscardHandler)}, &house.Config{}
	b.turn(h, nil)
	return h.Turn, join(b.faults)
}

// Names are those that certificates are for.
func (f *File) Names() []string { return f.names() }
