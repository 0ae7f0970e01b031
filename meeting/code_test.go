package meeting_test

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vestibule/meeting"
)

// T04: codes that are open at the same time share their tries. However codes
// and guesses alternate, no code is compared with more than five answers, so
// ten codes a day are at most fifty comparisons, as with one code at a time.
func TestT04OpenCodesShareTries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
		d := meeting.Docs{
			Meeting:    meeting.Meeting{ID: "m", Starts: now, Ends: now.Add(48 * time.Hour)},
			Invitation: meeting.Invitation{ID: "i", Email: "jeanne@exemple.fr", Phone: "+33612345642"},
		}
		ways := []meeting.Method{meeting.Mailbox, meeting.Telephone}
		try := func(by meeting.Method, code string) meeting.TryCode {
			return meeting.TryCode{MACs: map[meeting.Method][]byte{by: []byte(code)}}
		}
		sent := map[string]meeting.Method{}
		compared := map[string]int{}
		first := now
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 200).Draw(t, "seconds")) * time.Second)
			if rapid.Bool().Draw(t, "send") {
				by := rapid.SampledFrom(ways).Draw(t, "by")
				code := "code" + strconv.Itoa(len(sent))
				next, happened, _ := meeting.Apply(d, meeting.SendCode{By: by, MAC: []byte(code)}, now)
				if len(happened) > 0 {
					d, sent[code] = next, by
				}
				continue
			}
			for code, by := range sent {
				if _, _, no := meeting.Apply(d, try(by, code), now); no == nil {
					compared[code]++
				}
			}
			d, _, _ = meeting.Apply(d, try(meeting.Mailbox, "wrong"), now)
		}
		total := 0
		for code, n := range compared {
			if total += n; n > meeting.CodeTries {
				t.Fatalf("%s was compared with %d answers", code, n)
			}
		}
		if now.Sub(first) < 24*time.Hour && total > meeting.CodesPerDay*meeting.CodeTries {
			t.Fatalf("%d comparisons in a day", total)
		}
	})
}

// A code that wrong answers killed counts no more of them: its count is shown
// and kept, and never passes the bound.
func TestADeadCodeCountsNoTries(t *testing.T) {
	now := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	d := meeting.Docs{
		Meeting:    meeting.Meeting{ID: "m", Starts: now, Ends: now.Add(time.Hour)},
		Invitation: meeting.Invitation{ID: "i", Email: "jeanne@exemple.fr"},
	}
	do := func(e meeting.Event) {
		now = now.Add(meeting.CodeResend)
		d, _, _ = meeting.Apply(d, e, now)
	}
	wrong := meeting.TryCode{MACs: map[meeting.Method][]byte{meeting.Mailbox: []byte("wrong")}}
	do(meeting.SendCode{By: meeting.Mailbox, MAC: []byte("first")})
	for range meeting.CodeTries - 1 {
		do(wrong)
	}
	do(meeting.SendCode{By: meeting.Mailbox, MAC: []byte("second")})
	do(wrong)
	do(wrong)
	open := d.Invitation.Code.Open
	if len(open) != 2 || open[0].Tries != meeting.CodeTries || open[1].Tries != 2 {
		t.Fatalf("open codes after the wrong answers = %+v, want %d tries of the first and 2 of the second", open, meeting.CodeTries)
	}
}
