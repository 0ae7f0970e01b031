package sfu_test

import (
	"testing"

	"vestibule/conference/conferencetest"
	"vestibule/conference/livekit"
	"vestibule/deploy/demo/sfu"
)

// TestContract holds the real server to what every backend promises.
func TestContract(t *testing.T) {
	s := start(t, sfu.Config{})
	defer stop(t, s)
	b, err := livekit.New(livekit.Config{URL: s.URL, Key: s.Key, Secret: s.Secret})
	if err != nil {
		t.Fatal(err)
	}
	conferencetest.Run(t, conferencetest.LiveKit(b, s.Key, s.Secret))
}
