//go:build race

package gateway_test

// every is the share of long lists of inputs that is tried; `make unit` tries the
// whole without the race detector.
const every = 10

// crowdedMeetings have 1,000 people wait: the race detector watches each of
// them.
const crowdedMeetings = 2
