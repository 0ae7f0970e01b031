//go:build !race

package gateway_test

// crowdedMeetings have 10,000 people wait.
const crowdedMeetings = 20
