package lobby_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/lobby"
	"vestibule/mail"
	"vestibule/meeting"
	"vestibule/store"
)

func unknown() *mail.Fault { return &mail.Fault{Kind: mail.Bounced, Code: 550, Status: "5.1.1"} }

// sole answers the one invitation's id.
func (s *site) sole(t *testing.T, id meeting.ID) string {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for v := range snap.Invitations {
		return v
	}
	t.Fatal("nobody is invited")
	return ""
}

// entries counts what happened in a meeting.
func (s *site) entries(t *testing.T, id meeting.ID) int {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return len(snap.Recent)
}

// A mail that comes back hours after it was taken is as one that was refused at
// once: the host is told why, and nobody writes to the address again. Any node
// may be told, and more than once.
func TestMailComesBackLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 2, store.NewMemory())
		id := d[0].in(t, 24*time.Hour, meeting.Reminders{time.Hour}, "Jeanne")
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		token := d[0].box.tried()[0].Token
		if m := d[0].mailOf(t, id, "Jeanne", meeting.InvitationLetter); m.State != meeting.Mailed {
			t.Fatalf("mail = %+v, want mailed", m)
		}
		if !d[1].Sent(token) || !d[1].Sent(strings.ToUpper(token)) {
			t.Error("another node does not know the mail")
		}
		if err := d[1].Returned(t.Context(), strings.ToUpper(token), unknown()); err != nil {
			t.Fatal(err)
		}
		m := d[0].mailOf(t, id, "Jeanne", meeting.InvitationLetter)
		if m.State != meeting.MailBounced || m.Fault != mail.ClassAddress {
			t.Errorf("mail = %+v, want bounced: address", m)
		}
		n := d[0].entries(t, id)
		for _, f := range []*mail.Fault{unknown(), {Kind: mail.Bounced, Status: "5.2.2"}, {Kind: mail.Deferred, Status: "4.4.1"}} {
			if err := d[0].Returned(t.Context(), token, f); err != nil {
				t.Fatal(err)
			}
		}
		if got := d[0].mailOf(t, id, "Jeanne", meeting.InvitationLetter); got != m || d[0].entries(t, id) != n {
			t.Errorf("told again it is %+v with %d entries, want %+v with %d", got, d[0].entries(t, id), m, n)
		}
		if err := d[0].Alter(t.Context(), id, d[0].host.Key(), later(t, d[0].site, id), anyMeeting, ""); err != nil {
			t.Fatal(err)
		}
		if err := d[0].End(t.Context(), id, d[0].host.Key(), true); err != nil {
			t.Fatal(err)
		}
		time.Sleep(48 * time.Hour)
		synctest.Wait()
		if a, b, c := len(d[0].box.tried()), len(d[0].box.reminders), len(d[0].box.cancels); a != 1 || b+c != 0 {
			t.Errorf("%d invitations, %d reminders, %d cancellations; want 1, 0, 0", a, b, c)
		}
	})
}

// An invitee who has an invitation is still told of the end when a later mail
// comes back.
func TestLaterMailComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id := d.in(t, 24*time.Hour, meeting.Reminders{}, "Jeanne")
		synctest.Wait()
		time.Sleep(time.Minute)
		if err := d.Remail(t.Context(), id, d.host.Key(), d.sole(t, id)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if err := d.Returned(t.Context(), d.box.tried()[1].Token, unknown()); err != nil {
			t.Fatal(err)
		}
		d.revoke(t, id)
		synctest.Wait()
		if n := len(d.box.cancels); n != 1 {
			t.Errorf("%d cancellations, want one: the first invitation was not returned", n)
		}
	})
}

// Whoever was never reached is not told that their link was withdrawn.
func TestNobodyIsToldOfWhatCameBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id := d.in(t, 24*time.Hour, meeting.Reminders{}, "Jeanne")
		synctest.Wait()
		if err := d.Returned(t.Context(), d.box.tried()[0].Token, unknown()); err != nil {
			t.Fatal(err)
		}
		d.revoke(t, id)
		synctest.Wait()
		if n := len(d.box.cancels); n != 0 {
			t.Errorf("%d cancellations, want none", n)
		}
	})
}

// What is delayed on its way is not sent again by us, and may come back still.
func TestMailIsDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id := d.in(t, 48*time.Hour, meeting.Reminders{}, "Jeanne")
		synctest.Wait()
		token := d.box.tried()[0].Token
		for range 2 {
			if err := d.Returned(t.Context(), token, &mail.Fault{Kind: mail.Deferred, Status: "4.4.1"}); err != nil {
				t.Fatal(err)
			}
		}
		if m := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter); m.State != meeting.Mailed || m.Fault != "delayed" {
			t.Errorf("mail = %+v, want mailed, delayed", m)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := len(d.box.tried()); n != 1 {
			t.Errorf("%d mails, want one", n)
		}
		if err := d.Returned(t.Context(), token, &mail.Fault{Kind: mail.Bounced, Status: "5.4.1"}); err != nil {
			t.Fatal(err)
		}
		if m := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter); m.State != meeting.MailBounced || m.Fault != mail.ClassAway {
			t.Errorf("mail = %+v, want bounced: away", m)
		}
	})
}

// A mail server may be quick: what came back before it is noted as taken has
// come back.
func TestMailComesBackAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		d.box.delay = time.Second
		id := d.in(t, 48*time.Hour, meeting.Reminders{}, "Jeanne")
		synctest.Wait() // the mail is under way
		snap, err := d.Snapshot(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		v := snap.Invitations[d.sole(t, id)]
		if err := d.Returned(t.Context(), d.Token(id, &v, meeting.InvitationLetter), unknown()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if m := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter); m.State != meeting.MailBounced {
			t.Errorf("mail = %+v, want bounced", m)
		}
	})
}

// A reminder comes back under its own name.
func TestReminderComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id := d.in(t, 5*time.Hour, meeting.Reminders{time.Hour}, "Jeanne")
		time.Sleep(4*time.Hour + time.Minute)
		synctest.Wait()
		if len(d.box.reminders) != 1 {
			t.Fatalf("%d reminders, want one", len(d.box.reminders))
		}
		if err := d.Returned(t.Context(), d.box.reminders[0].Token, unknown()); err != nil {
			t.Fatal(err)
		}
		a, b := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter), d.mailOf(t, id, "Jeanne", meeting.ReminderLetter)
		if a.State != meeting.Mailed || b.State != meeting.MailBounced {
			t.Errorf("invitation %+v, reminder %+v; want mailed and bounced", a, b)
		}
	})
}

// T74: a report that somebody made up, or kept from before, changes nothing: not
// for another invitee, not for a mail that was sent anew, not for a new link.
func TestT74ForgedReportsChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id := d.in(t, 24*time.Hour, meeting.Reminders{}, "Jeanne")
		synctest.Wait()
		first := d.box.tried()[0].Token
		stands := func(token, what string) {
			t.Helper()
			before := d.entries(t, id)
			if err := d.Returned(t.Context(), token, unknown()); err != nil {
				t.Errorf("%s: %v", what, err)
			}
			if m := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter); m.State == meeting.MailBounced || d.entries(t, id) != before {
				t.Fatalf("%s has the mail returned: %+v", what, m)
			}
		}
		for i := range first {
			forged := []byte(first)
			forged[i] = 'a'
			if first[i] == 'a' {
				forged[i] = 'b'
			}
			if d.Sent(string(forged)) {
				t.Fatalf("a token with another letter at %d is taken", i)
			}
			stands(string(forged), "a forged token")
		}
		for _, token := range []string{"", first[1:], first + "a", first[:55] + "=", first[:55] + "\n", strings.Repeat("a", 56), strings.Repeat("é", 28)} {
			if d.Sent(token) {
				t.Errorf("the token %q is taken", token)
			}
			stands(token, "an odd token")
		}
		// With a store of its own: it would send mails of ours by its own box.
		other := doors(t, 1, store.NewMemory(), func(c *lobby.Config) { c.Secret = []byte(strings.Repeat("x", 32)) })[0]
		snap, err := d.Snapshot(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		v := snap.Invitations[d.sole(t, id)]
		if token := other.Token(id, &v, meeting.InvitationLetter); d.Sent(token) {
			t.Error("a token made with another secret is taken")
		}
		id2 := d.in(t, 24*time.Hour, meeting.Reminders{}, "Paul")
		synctest.Wait()
		stands(d.box.tried()[1].Token, "the report of another meeting")
		if m := d.mailOf(t, id2, "Paul", meeting.InvitationLetter); m.State != meeting.MailBounced {
			t.Errorf("the other meeting's mail = %+v, want bounced", m)
		}
		time.Sleep(time.Minute)
		if err := d.Remail(t.Context(), id, d.host.Key(), v.ID); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stands(first, "the report of the mail before")
		time.Sleep(time.Minute)
		if err := d.Reissue(t.Context(), id, d.host.Key(), v.ID, ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stands(first, "the report of the old link's mail")
		stands(d.box.tried()[2].Token, "the report of the old link's second mail")
	})
}

// T74: whoever sees tokens on the way learns neither meeting nor invitee, nor
// which of them belong together.
func TestT74TokensTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		d.in(t, 24*time.Hour, meeting.Reminders{}, "A", "B", "C", "D", "E", "F", "G", "H")
		synctest.Wait()
		list := d.box.tried()
		for i, m := range list {
			if len(m.Token) != 56 || strings.Trim(m.Token, "abcdefghijklmnopqrstuvwxyz234567") != "" {
				t.Fatalf("token %q: want 56 small letters and digits", m.Token)
			}
			for _, n := range list[:i] {
				same := 0
				for x := range m.Token {
					if m.Token[x] == n.Token[x] {
						same++
					}
				}
				if same > 16 { // of 56, one in 32 by chance; 28 are the meeting's
					t.Errorf("two tokens of one meeting have %d places in common", same)
				}
			}
		}
	})
}

// What cannot be noted is an error, and is brought again.
func TestReturnedWhileTheStoreIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id := d.in(t, 24*time.Hour, meeting.Reminders{}, "Jeanne")
		synctest.Wait()
		token := d.box.tried()[0].Token
		d.wire.away.Store(true)
		if err := d.Returned(t.Context(), token, unknown()); !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("Returned = %v, want the store's error", err)
		}
		d.wire.away.Store(false)
		if err := d.Returned(t.Context(), token, unknown()); err != nil {
			t.Fatal(err)
		}
		if m := d.mailOf(t, id, "Jeanne", meeting.InvitationLetter); m.State != meeting.MailBounced {
			t.Errorf("mail = %+v, want bounced", m)
		}
	})
}

// A meeting that is forgotten is not asked for.
func TestReturnedTooLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		v := meeting.Invitation{ID: meeting.NewInvitationID()}
		token := d.Token(meeting.NewID(), &v, meeting.InvitationLetter)
		if !d.Sent(token) {
			t.Fatal("the token is not taken")
		}
		if err := d.Returned(t.Context(), token, unknown()); err != nil {
			t.Errorf("Returned = %v, want nothing", err)
		}
	})
}
