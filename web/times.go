package web

import "time"

// Times is when a meeting is. Pages show it in the meeting's zone and, with a
// script, in the reader's where that differs.
type Times struct {
	Starts time.Time
	Ends   time.Time
	Zone   string // IANA name; unknown or empty: UTC
}

// Zero reports whether the times are to be left out.
func (t Times) Zero() bool { return t.Starts.IsZero() }

// ISO returns the start for machines.
func (t Times) ISO() string { return t.Starts.UTC().Format(time.RFC3339) }

// Minutes returns how long the meeting is planned to last.
func (t Times) Minutes() int { return int(t.Ends.Sub(t.Starts).Minutes()) }

// minutes returns a duration in whole minutes, never less than none.
func minutes(d time.Duration) int { return max(0, int(d.Minutes())) }

// seconds returns a duration in whole seconds, rounded up so that nothing is
// said to be ready before it is.
func seconds(d time.Duration) int { return max(0, int((d+time.Second-1)/time.Second)) }
