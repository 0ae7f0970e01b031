//go:build !race

package lobby_test

const raced = false
