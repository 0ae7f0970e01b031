// Package e2e opens a whole house and walks through it as the people who use
// it do: in real browsers, with a real conference server, relay, Redis,
// provider and mail server.
// Tests with a real meeting run one at a time, since a machine decodes only so
// many pictures; the others mostly wait, and do so side by side.
//
// It refuses to skip: a program that is missing fails the test and is named.
package e2e
