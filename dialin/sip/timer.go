package sip

import (
	"strconv"
	"strings"
	"time"
)

// The bounds of session timers (RFC 4028).
const (
	minInterval = 90 * time.Second
	maxInterval = 30 * time.Minute
)

// interval is how often a session is to be refreshed, and by whom. Zero: never.
type interval struct {
	every time.Duration
	ours  bool // we refresh
}

// interval chooses the session timer of a request, or says that what it asks
// for is too short (RFC 4028 §9, table 2).
func (r *request) interval(shortest time.Duration) (interval, bool) {
	if !r.lists("timer", "Supported", "k") && !r.lists("timer", "Require") {
		return interval{}, false // a device that cannot refresh is not asked to
	}
	v, params, _ := strings.Cut(r.header("Session-Expires", "x"), ";")
	every := maxInterval
	if v != "" {
		n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31)
		if err != nil {
			return interval{}, false
		}
		asked := time.Duration(n) * time.Second
		if asked < shortest {
			return interval{}, true
		}
		every = min(asked, maxInterval)
	}
	if n, err := strconv.ParseUint(strings.TrimSpace(r.header("Min-SE")), 10, 31); err == nil {
		every = max(every, time.Duration(n)*time.Second) // theirs may be longer than we like
	}
	return interval{every: every, ours: strings.Contains(strings.ToLower(params), "refresher=uas")}, false
}

// headers of the answer that agrees to an interval.
func (i interval) headers() []string {
	if i.every == 0 {
		return nil
	}
	who := "uac"
	if i.ours {
		who = "uas"
	}
	h := []string{"Session-Expires: " + strconv.Itoa(int(i.every.Seconds())) + ";refresher=" + who}
	if !i.ours {
		h = append(h, "Require: timer")
	}
	return h
}

// refreshing are the headers of a refresh of ours: in it we are the client,
// and go on to refresh (§7.4).
func (i interval) refreshing() []string {
	return []string{"Session-Expires: " + strconv.Itoa(int(i.every.Seconds())) + ";refresher=uac"}
}

// agreed is the session timer that a target agreed to (§7.2).
func agreed(m headed, shortest time.Duration) interval {
	v, params, _ := strings.Cut(header(m, "Session-Expires", "x"), ";")
	n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 31)
	if err != nil {
		return interval{}
	}
	every := max(time.Duration(n)*time.Second, shortest)
	return interval{every: every, ours: !strings.Contains(strings.ToLower(params), "refresher=uas")}
}

// due is when to refresh, or when a session that nobody refreshed has ended
// (§10).
func (i interval) due() time.Duration {
	if i.ours {
		return i.every / 2
	}
	return i.every - min(32*time.Second, i.every/3)
}
