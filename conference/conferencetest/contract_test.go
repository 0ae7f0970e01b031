package conferencetest_test

import (
	"testing"

	"vestibule/conference/conferencetest"
	"vestibule/conference/livekit"
)

func TestFake(t *testing.T) {
	f := conferencetest.NewFake(t)
	b, err := livekit.New(livekit.Config{URL: f.URL, Key: f.Key, Secret: f.Secret})
	if err != nil {
		t.Fatal(err)
	}
	conferencetest.Run(t, conferencetest.LiveKit(b, f.Key, f.Secret))
}
