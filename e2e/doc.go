// Package e2e opens a whole house and walks through it as the people who use
// it do: in real browsers, with a real conference server, relay, Redis,
// provider and mail server.
//
// It refuses to skip: a program that is missing fails the test and is named.
package e2e
