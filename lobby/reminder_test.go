package lobby_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vestibule/lobby"
	"vestibule/mail"
	"vestibule/meeting"
	"vestibule/store"
)

// remindedAt answers how long before the start each reminder went.
func (b *box) remindedAt() []time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reminded
}

// Reminders come at the times the meeting says, once over all nodes, to those
// who are expected and not there yet.
func TestReminders(t *testing.T) {
	const long, half = 3 * time.Hour, 30 * time.Minute
	for _, c := range []struct {
		name   string
		starts time.Duration // from now
		remind meeting.Reminders
		then   func(*testing.T, *door, meeting.ID)
		want   []time.Duration
	}{
		{name: "both", starts: 6 * time.Hour, remind: meeting.Reminders{long, half}, want: []time.Duration{long, half}},
		{name: "in any order", starts: 6 * time.Hour, remind: meeting.Reminders{half, long}, want: []time.Duration{long, half}},
		{name: "none", starts: 6 * time.Hour},
		{name: "invited after the first", starts: 3 * time.Hour, remind: meeting.Reminders{long, half}, want: []time.Duration{half}},
		{name: "invited just before", starts: 80 * time.Minute, remind: meeting.Reminders{long, half}},
		{name: "moved", starts: 6 * time.Hour, remind: meeting.Reminders{long, half}, want: []time.Duration{long, long, half}, then: func(t *testing.T, d *door, id meeting.ID) {
			time.Sleep(4 * time.Hour)
			x := later(t, d.site, id)
			x.Starts, x.Ends = x.Starts.Add(2*long), x.Ends.Add(2*long)
			if err := d.Alter(t.Context(), id, d.host.Key(), x, anyMeeting, ""); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "called off", starts: 6 * time.Hour, remind: meeting.Reminders{long, half}, want: []time.Duration{long}, then: func(t *testing.T, d *door, id meeting.ID) {
			time.Sleep(4 * time.Hour)
			if err := d.End(t.Context(), id, d.host.Key(), true); err != nil {
				t.Fatal(err)
			}
		}},
		{name: "withdrawn", starts: 6 * time.Hour, remind: meeting.Reminders{long}, then: func(t *testing.T, d *door, id meeting.ID) {
			synctest.Wait()
			d.revoke(t, id)
		}},
		{name: "at the door already", starts: 6 * time.Hour, remind: meeting.Reminders{10 * time.Minute}, then: func(t *testing.T, d *door, id meeting.ID) {
			time.Sleep(6*time.Hour - 12*time.Minute)
			link := d.links(t, id)["Jeanne"]
			if _, _, err := d.Knock(t.Context(), link, lobby.Arrival{Person: d.prove(t, link), Device: "phone", Consent: true}, ""); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := doors(t, 2, store.NewMemory())[0]
				id := d.in(t, c.starts, c.remind, "Jeanne")
				if c.then != nil {
					c.then(t, d, id)
				}
				time.Sleep(12 * time.Hour)
				got := d.box.remindedAt()
				if len(got) != len(c.want) {
					t.Fatalf("reminded %v before the start, want %v", got, c.want)
				}
				for i := range got {
					if late := c.want[i] - got[i]; late < 0 || late > 10*time.Second {
						t.Errorf("reminded %v before the start, want %v", got[i], c.want[i])
					}
				}
			})
		})
	}
}

// A reminder that the mail server did not take yet is not sent once its meeting
// is called off, nor as a second word of that.
func TestCalledOffWhileAReminderWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 2, store.NewMemory())[0]
		id := d.in(t, 6*time.Hour, meeting.Reminders{3 * time.Hour}, "Jeanne")
		time.Sleep(2 * time.Hour)
		d.box.says(&mail.Fault{Kind: mail.Deferred, Code: 451})
		time.Sleep(time.Hour + 10*time.Second)
		d.box.says(nil)
		tried := len(d.box.remindedAt())
		if err := d.End(t.Context(), id, d.host.Key(), true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(12 * time.Hour)
		if n := len(d.box.remindedAt()); tried == 0 || n != tried {
			t.Errorf("the reminder was tried %d times before the end and %d after it, want some and none", tried, n-tried)
		}
		if n := len(d.box.written(t, true, 1)); n != 1 {
			t.Errorf("the invitee was told %d times that it is called off, want once", n)
		}
	})
}

// revoke withdraws everybody's link.
func (s *site) revoke(t *testing.T, id meeting.ID) {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for v := range snap.Invitations {
		if err := s.Revoke(t.Context(), id, s.host.Key(), v, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// A withdrawn link leaves the invitee's calendar too; who was never reached is
// not written to.
func TestRevokeTellsInvitee(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id := d.in(t, 48*time.Hour, meeting.Reminders{}, "Jeanne")
		synctest.Wait()
		d.revoke(t, id)
		d.revoke(t, id)
		synctest.Wait()
		if n := len(d.box.cancels); n != 1 || !d.box.cancels[0].Withdrawn || d.box.cancels[0].Sequence != 1 || d.box.cancels[0].UID != d.box.invites[0].UID {
			t.Fatalf("%d cancellations: %+v; want one, withdrawn, of the same entry", n, d.box.cancels)
		}
		snap, err := d.Snapshot(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for v := range snap.Invitations {
			if err := d.Reissue(t.Context(), id, d.host.Key(), v, ""); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if n := len(d.box.invites); n != 2 || d.box.invites[1].Sequence != 2 {
			t.Errorf("%d invitations, the last of sequence %d; want the entry back with 2", n, d.box.invites[n-1].Sequence)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		d.box.says(&mail.Fault{Kind: mail.Bounced, Code: 550})
		id := d.in(t, 48*time.Hour, meeting.Reminders{}, "Jeanne")
		synctest.Wait()
		d.box.says(nil)
		d.revoke(t, id)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(d.box.cancels); n != 0 {
			t.Errorf("%d cancellations to an address that is none, want 0", n)
		}
	})
}
