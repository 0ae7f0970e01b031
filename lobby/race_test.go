//go:build race

package lobby_test

// raced is whether the race detector runs, which makes everything six times
// slower: long histories are then much shorter. `make unit` runs them whole.
const raced = true
