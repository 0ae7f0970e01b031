package house_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"vestibule/house"
)

// TestTurnedAwayInOneLine turns connections away for two minutes, one a second.
func TestTurnedAwayInOneLine(t *testing.T) {
	var log bytes.Buffer
	note := house.Turned(slog.New(slog.NewTextHandler(&log, nil)))
	for begun, i := time.Now(), 0; i <= 120; i++ {
		note(begun.Add(time.Duration(i) * time.Second))
	}
	var got []string
	for l := range strings.Lines(log.String()) {
		_, n, _ := strings.Cut(strings.TrimSpace(l), "connections=")
		got = append(got, n)
	}
	if strings.Join(got, " ") != "1 60 60" {
		t.Errorf("121 connections in two minutes are told as %v, want 1, 60 and 60", got)
	}
}
