package lobby_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"vestibule/lobby"
	"vestibule/mail"
	"vestibule/meeting"
	"vestibule/store"
)

// mailOf answers what is known of an invitee's letter.
func (s *site) mailOf(t *testing.T, id meeting.ID, name string, l meeting.Letter) meeting.Mail {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range snap.Invitations {
		if v.Name == name {
			return v.Letter(l)
		}
	}
	t.Fatalf("nobody is called %s", name)
	return meeting.Mail{}
}

// says has the mail server answer so from now on.
func (b *box) says(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fault = err
}

// tried answers the invitations that were tried.
func (b *box) tried() []mail.Invite {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.invites)
}

// in makes a meeting that begins after the given time and lasts an hour.
func (s *site) in(t *testing.T, before time.Duration, remind meeting.Reminders, names ...string) meeting.ID {
	t.Helper()
	d := draft(names...)
	d.Starts = time.Now().Add(before)
	d.Ends, d.Settings.Remind = d.Starts.Add(time.Hour), remind
	id, err := s.Create(t.Context(), s.host, d, "")
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// A mail server that says "not now" is asked again, with growing patience and
// the same mail, until it takes it.
func TestDeferredMailIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 2, store.NewMemory())[0]
		d.box.says(&mail.Fault{Kind: mail.Deferred, Code: 451})
		began := time.Now()
		var mu sync.Mutex
		var tries []time.Duration
		d.box.onMail = func() {
			mu.Lock()
			defer mu.Unlock()
			tries = append(tries, time.Since(began).Round(time.Minute))
		}
		id := d.in(t, 48*time.Hour, meeting.Reminders{}, "Jeanne")
		time.Sleep(90 * time.Minute)
		synctest.Wait()
		m := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter)
		if m.State != meeting.MailDeferred || m.Fault != "deferred" || m.Next.Before(time.Now()) {
			t.Errorf("mail = %+v, want deferred, with the next try to come", m)
		}
		want := []time.Duration{0, time.Minute, 6 * time.Minute, 21 * time.Minute, 81 * time.Minute}
		mu.Lock()
		if diff := cmp.Diff(want, tries); diff != "" {
			t.Errorf("tries after (-want +got):\n%s", diff)
		}
		mu.Unlock()
		d.box.says(nil)
		time.Sleep(time.Hour)
		synctest.Wait()
		if m := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter); m.State != meeting.Mailed || m.Tries != 6 {
			t.Errorf("mail = %+v, want mailed at the sixth try", m)
		}
		for _, x := range d.box.tried() {
			if x.ID == "" || x.ID != d.box.tried()[0].ID || x.Sequence != 0 {
				t.Errorf("a try is mail %q, sequence %d; want the same each time", x.ID, x.Sequence)
			}
		}
	})
}

// Who cannot be written to for a day, or until the meeting is over, is given
// up; the host sees it and can send it again.
func TestMailIsGivenUp(t *testing.T) {
	for _, c := range []struct{ starts, most time.Duration }{
		{26 * time.Hour, 24 * time.Hour}, {10 * time.Minute, 70 * time.Minute},
	} {
		synctest.Test(t, func(t *testing.T) {
			d := doors(t, 1, store.NewMemory())[0]
			d.box.says(&mail.Fault{Kind: mail.Down})
			began := time.Now()
			var last atomic.Int64
			d.box.onMail = func() { last.Store(int64(time.Since(began))) }
			id := d.in(t, c.starts, meeting.Reminders{}, "Jeanne")
			time.Sleep(c.most + 20*time.Minute)
			synctest.Wait()
			if m := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter); m.State != meeting.MailFailed || m.Fault != "down" {
				t.Errorf("mail = %+v, want failed: down", m)
			}
			if last := time.Duration(last.Load()); last > c.most {
				t.Errorf("tried after %v, want at most %v", last, c.most)
			}
			if c.starts < time.Hour {
				return
			}
			d.box.says(nil)
			snap, err := d.Snapshot(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			for v := range snap.Invitations {
				if err := d.Remail(t.Context(), id, d.host.Key(), v); err != nil {
					t.Errorf("Remail = %v", err)
				}
			}
			synctest.Wait()
			if m := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter); m.State != meeting.Mailed {
				t.Errorf("mail = %+v, want mailed", m)
			}
		})
	}
}

// An address that is refused for good is not tried again, and is not written to
// when the meeting moves or is called off.
func TestBouncedMailRests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		d.box.says(&mail.Fault{Kind: mail.Bounced, Code: 550, Status: "5.1.1"})
		id := d.in(t, 4*time.Hour, meeting.Reminders{time.Hour}, "Jeanne")
		synctest.Wait()
		if m := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter); m.State != meeting.MailBounced || m.Fault != mail.ClassAddress {
			t.Errorf("mail = %+v, want bounced: address", m)
		}
		d.box.says(nil)
		if err := d.Alter(t.Context(), id, d.host.Key(), later(t, d.site, id), anyMeeting, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Hour)
		synctest.Wait()
		if len(d.box.tried()) != 1 || len(d.box.reminders) != 0 {
			t.Errorf("%d invitations and %d reminders, want 1 and 0", len(d.box.tried()), len(d.box.reminders))
		}
	})
}

// Many nodes look into the queue; each mail is sent by one, also while the mail
// server is slow and hosts send again.
func TestManyNodesSendOneMail(t *testing.T) {
	everyStore(t, func(t *testing.T, k keeper) {
		d := doors(t, 1, k)[0]
		d.box.delay = 50 * time.Millisecond // longer than a lease
		for range 4 {
			n := dead(t, d)
			n.Hurry(5*time.Millisecond, 20*time.Millisecond, 5*time.Second, time.Second)
			run(t, n.Lobby)
		}
		var names []string
		for i := range 12 {
			names = append(names, fmt.Sprintf("g%d", i))
		}
		id := dead(t, d).in(t, 48*time.Hour, meeting.Reminders{}, names...)
		d.box.written(t, false, 12)
		eventually(t, "all are noted as mailed", 10*time.Second, func() bool {
			return !slices.ContainsFunc(names, func(n string) bool {
				return d.mailOf(t, id, n, meeting.InvitationLetter).State != meeting.Mailed
			})
		})
		time.Sleep(100 * time.Millisecond) // several looks and leases long
		to := map[string]int{}
		for _, m := range d.box.written(t, false, 12) {
			to[m.To]++
		}
		for who, n := range to {
			if n != 1 {
				t.Errorf("%s is written to %d times, want once", who, n)
			}
		}
		if len(to) != 12 {
			t.Errorf("%d invitees are written to, want 12", len(to))
		}
	})
}

// dead is a lobby that never runs: what a node leaves behind that is killed
// between the host's click and the mail.
func dead(t *testing.T, d *door) *door {
	t.Helper()
	l, err := lobby.New(lobby.Config{
		Documents: d.wire, Shelf: d.wire, Backend: d.server, Mailer: d.box,
		Secret: []byte("kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk"), Door: "https://door.example",
		Early: 15 * time.Minute, Grace: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	return &door{site: &site{Lobby: l, server: d.server, box: d.box, host: d.host}, wire: d.wire}
}

// A node that dies with mails to send leaves them to the others, at whatever
// point it dies, and no mail is sent twice.
func TestNodeDiesBeforeItsMails(t *testing.T) {
	t.Run("after the change", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := doors(t, 1, store.NewMemory())[0]
			dead(t, d).in(t, 48*time.Hour, meeting.Reminders{}, "Jeanne", "Paul")
			time.Sleep(12 * time.Second)
			synctest.Wait()
			if n := len(d.box.tried()); n != 2 {
				t.Errorf("%d mails, want 2", n)
			}
		})
	})
	t.Run("between the change and the call to send", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			d := doors(t, 1, store.NewMemory())[0]
			id := d.in(t, 48*time.Hour, meeting.Reminders{}, "Jeanne")
			synctest.Wait()
			d.wire.dumb.Store(true)
			if err := d.Alter(t.Context(), id, d.host.Key(), later(t, d.site, id), anyMeeting, ""); err == nil {
				t.Fatal("a change was made whose mails nobody would look for")
			}
			d.wire.dumb.Store(false)
			d.wire.onCommit(func() { d.wire.dumb.Store(true) })
			if err := d.Alter(t.Context(), id, d.host.Key(), later(t, d.site, id), anyMeeting, ""); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			if n := len(d.box.tried()); n != 2 {
				t.Errorf("%d mails, want 2", n)
			}
		})
	})
	t.Run("with a mail under way", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			list := doors(t, 2, store.NewMemory())
			d := list[0]
			var hangs atomic.Bool
			d.box.onMail = func() {
				// The door that sends is gone; the mail server never hears the end.
				if hangs.CompareAndSwap(false, true) {
					<-t.Context().Done()
				}
			}
			id := d.in(t, 48*time.Hour, meeting.Reminders{}, "Jeanne", "Paul")
			time.Sleep(80 * time.Second)
			synctest.Wait()
			if n := len(d.box.tried()); n != 1 {
				t.Errorf("%d mails after the lease, want the other one", n)
			}
			time.Sleep(3 * time.Minute)
			synctest.Wait()
			if n := len(d.box.tried()); n != 2 || d.box.tried()[0].To == d.box.tried()[1].To {
				t.Errorf("%d mails after the claim, want 2 to two people", n)
			}
			if m := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter); m.State != meeting.Mailed {
				t.Errorf("mail = %+v, want mailed", m)
			}
		})
	})
}

// A store that goes away, before a mail or in the middle of it, loses none and
// doubles none.
func TestT63StoreAwayLosesNoMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		var taken atomic.Int32
		d.box.onMail = func() {
			if taken.Add(1) == 1 {
				d.wire.away.Store(true) // the mail is taken, and cannot be noted
			}
		}
		id := d.in(t, 48*time.Hour, meeting.Reminders{}, "Jeanne", "Paul", "Lise")
		time.Sleep(20 * time.Second)
		d.wire.away.Store(false)
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		if n := taken.Load(); n != 3 {
			t.Errorf("%d mails, want 3", n)
		}
		for _, who := range []string{"Jeanne", "Paul", "Lise"} {
			if m := d.mailOf(t, id, who, meeting.InvitationLetter); m.State != meeting.Mailed {
				t.Errorf("mail of %s = %+v, want mailed", who, m)
			}
		}
	})
}

// A door that is shut brings the mail under way to its end, and leaves the
// others to the next start at once.
func TestShutWithMailsToSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		gone := dead(t, d)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		d.box.onMail = stop
		go func() { ended <- gone.Run(ctx) }()
		id := gone.in(t, 48*time.Hour, meeting.Reminders{}, "Jeanne", "Paul")
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
		time.Sleep(12 * time.Second)
		synctest.Wait()
		if n := len(d.box.tried()); n != 2 {
			t.Errorf("%d mails, want 2", n)
		}
		if m := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter); m.State != meeting.Mailed {
			t.Errorf("mail = %+v, want mailed", m)
		}
	})
}
