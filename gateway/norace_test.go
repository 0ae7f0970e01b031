//go:build !race

package gateway_test

// every is the share of long lists of inputs that is tried: all of them.
const every = 1

// crowdedMeetings have 10,000 people wait.
const crowdedMeetings = 20
