//go:build race

package gateway_test

// crowdedMeetings have 1,000 people wait: the race detector watches each of
// them.
const crowdedMeetings = 2
