package dialin_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"vestibule/dialin"
	"vestibule/meeting"
)

var update = flag.Bool("update", false, "write what the conversations answer into testdata")

// TestConversations plays testdata/*.txtar: a line that begins with ">" happens
// to the call, the lines below it are what the machine does. -update writes
// them.
func TestConversations(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no conversations: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			a, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for i := range a.Files {
				want := string(a.Files[i].Data)
				got := play(t, want)
				if diff := cmp.Diff(want, got); diff != "" && !*update {
					t.Errorf("%s (-want +got):\n%s", a.Files[i].Name, diff)
				}
				a.Files[i].Data = []byte(got)
			}
			if *update {
				if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func play(t *testing.T, script string) string {
	t.Helper()
	start := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	now := start
	var c dialin.Call
	var out strings.Builder
	step := func(e dialin.Event) {
		var do []dialin.Action
		c, do = dialin.Step(c, e, now)
		for _, a := range do {
			fmt.Fprintln(&out, "  "+written(a))
		}
	}
	for line := range strings.Lines(script) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, ">") {
			if strings.HasPrefix(line, "#") || line == "" {
				fmt.Fprintln(&out, line)
			}
			continue
		}
		fmt.Fprintln(&out, line)
		f := strings.Fields(line[1:])
		switch f[0] {
		case "clock": // since the start; whatever is due before happens
			d, err := time.ParseDuration(f[1])
			if err != nil {
				t.Fatal(err)
			}
			for end := start.Add(d); ; {
				if c.Next.IsZero() || c.Next.After(end) {
					now = end
					break
				}
				now = later(now, c.Next)
				fmt.Fprintf(&out, "  at %s\n", now.Sub(start))
				step(dialin.Tick{})
			}
		case "keys":
			for _, k := range f[1] {
				step(dialin.Digit{Key: k})
			}
		default:
			step(happening(t, f))
		}
		fmt.Fprintf(&out, "  = %s\n", c.State)
	}
	return out.String()
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func happening(t *testing.T, f []string) dialin.Event {
	t.Helper()
	arg := func(i int) string {
		if i < len(f) {
			return f[i]
		}
		return ""
	}
	reasons := map[string]meeting.Reason{}
	for r := meeting.NotFound; r <= meeting.Busy; r++ {
		reasons[r.String()] = r
	}
	switch f[0] {
	case "answered":
		return dialin.Answered{Number: arg(1), Code: arg(2)}
	case "proved":
		return dialin.Proved{Lang: arg(1)}
	case "denied":
		return dialin.Denied{Reason: reasons[arg(1)]}
	case "seen":
		states := map[string]meeting.State{
			"waiting": meeting.Waiting, "admitted": meeting.Admitted, "refused": meeting.Refused, "expelled": meeting.Expelled, "left": meeting.Left,
		}
		return dialin.Seen{State: states[arg(1)], Open: arg(2) == "open", Over: arg(2) == "over", Reason: reasons[arg(3)]}
	case "room":
		return dialin.InRoom{}
	case "muted":
		return dialin.MutedBy{On: true}
	case "unmuted":
		return dialin.MutedBy{}
	case "put-out":
		return dialin.PutOut{}
	case "fault":
		return dialin.Fault{}
	case "hung-up":
		return dialin.HungUp{}
	}
	t.Fatalf("unknown happening %q", f[0])
	return nil
}

func written(a dialin.Action) string {
	switch a := a.(type) {
	case dialin.Say:
		return fmt.Sprint("say ", a.Words)
	case dialin.Tone:
		return fmt.Sprint("tone ", a.Words)
	case dialin.Verify:
		return fmt.Sprintf("verify %s %s", a.Number, a.Code)
	case dialin.Mute:
		return fmt.Sprint("mute ", a.On)
	case dialin.Enter:
		return "enter"
	case dialin.Leave:
		return "leave"
	case dialin.HangUp:
		return "hang up"
	}
	return "?"
}

// Whatever happens in whatever order: a call that is over stays over and asks
// for nothing, no more codes are looked at than the budget of a call allows,
// and nobody enters who was not seen as admitted.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
		c, _ := dialin.Step(dialin.Call{}, dialin.Answered{}, now)
		wrong, admitted, ended := 0, false, false
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 30_000).Draw(t, "ms")) * time.Millisecond)
			e := anything(t)
			if s, ok := e.(dialin.Seen); ok {
				admitted = s.State == meeting.Admitted && s.Open && !s.Over
			}
			before := c
			var do []dialin.Action
			c, do = dialin.Step(c, e, now)
			if d, ok := e.(dialin.Denied); ok && d.Reason == meeting.WrongCode && before.State == dialin.Verifying {
				wrong = c.Tries
			}
			if ended && len(do) > 0 {
				t.Fatalf("an ended call does %v on %T", do, e)
			}
			for _, a := range do {
				if _, ok := a.(dialin.Enter); ok && !admitted {
					t.Fatal("entered without being admitted")
				}
			}
			ended = ended || c.State == dialin.Ended
			if c.State == dialin.Ended && (c.Number != "" || c.Code != "" || c.Typed != "") {
				t.Fatal("an ended call remembers digits")
			}
			if len(c.Typed) > 10 || wrong >= dialin.Tries && c.State != dialin.Ended {
				t.Fatalf("%d digits kept, %d wrong answers, %s", len(c.Typed), wrong, c.State)
			}
		}
	})
}

func anything(t *rapid.T) dialin.Event {
	return rapid.OneOf(
		rapid.Map(rapid.SampledFrom([]rune("0123456789*#A")), func(r rune) dialin.Event { return dialin.Digit{Key: r} }),
		rapid.Just[dialin.Event](dialin.Tick{}), rapid.Just[dialin.Event](dialin.Proved{Lang: "fr"}),
		rapid.Map(rapid.SampledFrom([]meeting.Reason{meeting.WrongCode, meeting.TooMany, meeting.HostAway, meeting.Over}),
			func(r meeting.Reason) dialin.Event { return dialin.Denied{Reason: r} }),
		rapid.Custom(func(t *rapid.T) dialin.Event {
			return dialin.Seen{
				State: rapid.SampledFrom([]meeting.State{0, 1, 1, 1, 2, 2, 2, 3, 4, 5}).Draw(t, "state"),
				Open:  rapid.Bool().Draw(t, "open"), Over: rapid.IntRange(0, 20).Draw(t, "over") == 0,
			}
		}),
		rapid.Just[dialin.Event](dialin.InRoom{}), rapid.Just[dialin.Event](dialin.MutedBy{On: true}),
	).Draw(t, "event")
}
