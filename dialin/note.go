package dialin

import (
	"time"

	"vestibule/dialin/media"
)

// Notes is a voice that speaks no language: a short note for every word. It is
// for trying out a line, and for tests.
type Notes struct{}

// Say implements Voice.
func (Notes) Say(_ string, w Word) media.Sound {
	hertz := 440.0
	for _, c := range w {
		hertz += float64(c % 13)
	}
	return media.Chain(media.Tone(hertz, 200*time.Millisecond, -20), media.Silence(100*time.Millisecond))
}
