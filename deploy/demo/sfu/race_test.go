//go:build race

package sfu_test

// expulsions from each meeting. The race detector makes everything six times
// as slow, so that times say nothing: it looks for races in a few of them.
const expulsions = 20
