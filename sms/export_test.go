package sms

import "time"

// Hasten shortens the pauses between tries.
func Hasten(s *Sender) {
	for i := range s.pauses {
		s.pauses[i] = time.Millisecond
	}
}
