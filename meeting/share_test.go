package meeting_test

import (
	"testing"
	"time"

	"vestibule/meeting"
)

// A knock by a code that many share waits, even with a verdict that admits.
func TestT52SharedCodeIsNoVerdict(t *testing.T) {
	now := time.Now()
	d := meeting.Docs{
		Meeting:    meeting.Meeting{ID: "m", Starts: now, Ends: now.Add(time.Hour), Phase: meeting.Open},
		Invitation: meeting.Invitation{ID: "i", Shared: true},
	}
	k := meeting.Knock{
		ID: "a", Person: meeting.Person{Issuer: meeting.SharedIssuer, Subject: "call"}, Name: "Salle 1", Device: "d", Consented: now, Admit: true, Rule: "all",
	}
	next, _, no := meeting.Apply(d, k, now)
	if no != nil || next.Admission.State != meeting.Waiting {
		t.Errorf("admitted by rule: %v, %v; want waiting", next.Admission.State, no)
	}
	d.Invitation.Shared = false
	if _, _, no := meeting.Apply(d, k, now); no == nil || no.Reason != meeting.Unverified {
		t.Errorf("the same without the shared code = %v, want unverified", no)
	}
}
