package livekit

import (
	"net/http"

	"vestibule/conference"
)

// Allow implements conference.Passage. Only the exact spelling of LiveKit's
// signalling passes; its API, WHIP and agents stay closed to browsers.
func (b *Backend) Allow(method, path string, upgrade bool) conference.Kind {
	if method != http.MethodGet {
		return conference.Refuse
	}
	switch path {
	case "/rtc", "/rtc/v1":
		if upgrade {
			return conference.Signal
		}
	case "/rtc/validate", "/rtc/v1/validate":
		if !upgrade {
			return conference.Page
		}
	}
	return conference.Refuse
}
