package lobby_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"vestibule/lobby"
	"vestibule/mail"
	"vestibule/meeting"
)

// written answers the mails of a kind once there are n.
func (b *box) written(t *testing.T, cancel bool, n int) []mail.Invite {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	for {
		b.mu.Lock()
		list := b.invites
		if cancel {
			list = b.cancels
		}
		list = list[:len(list):len(list)]
		b.mu.Unlock()
		if len(list) >= n {
			return list
		}
		select {
		case <-ctx.Done():
			t.Fatalf("%d mails, want %d", len(list), n)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func anyMeeting(*meeting.Meeting) bool { return true }

// draft is the meeting as it stands, an hour later.
func later(t *testing.T, s *site, id meeting.ID) lobby.Draft {
	t.Helper()
	m, err := s.Header(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return lobby.Draft{Title: m.Title, Starts: m.Starts.Add(time.Hour), Ends: m.Ends.Add(time.Hour), Zone: m.Zone, Lang: m.Lang, Settings: m.Settings}
}

// A site's links may begin with the meeting and die with it: no time beforehand or
// afterwards is none, and not what somebody else thought usual.
func TestNoTimeBeforeAndAfter(t *testing.T) {
	s := still(t, func(c *lobby.Config) { c.Early, c.Grace = 0, 0 })
	id, links := s.meet(t, "Jane") // begins in a minute
	p := doctor()
	p.Subject = "another"
	if _, _, err := s.Knock(t.Context(), links["Jane"], lobby.Arrival{Person: p, Device: "phone", Consent: true}, ""); reason(err) != meeting.TooEarly {
		t.Errorf("a minute before the start, knocking answers %v", err)
	}
	m, err := s.Header(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Alter(t.Context(), id, s.host.Key(), later(t, s, id), anyMeeting, ""); err != nil {
		t.Fatal(err)
	}
	after, err := s.Header(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []meeting.Meeting{m, after} {
		if m.Settings.Early != 0 || m.Settings.Grace != 0 || !m.Over(m.Ends.Add(time.Second)) {
			t.Errorf("links work %s before and %s after", m.Settings.Early, m.Settings.Grace)
		}
	}
}

// The calendar entry of each invitee goes through every change and the
// cancellation under one UID with a number that only grows.
func TestAlterTellsInvitees(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne", "Paul")
	first := s.box.written(t, false, 2)
	d := later(t, s, id)
	if err := s.Alter(t.Context(), id, s.host.Key(), d, anyMeeting, "move"); err != nil {
		t.Fatal(err)
	}
	moved := s.box.written(t, false, 4)[2:]
	if !moved[0].Starts.Equal(d.Starts) || moved[0].Sequence != 1 || first[0].Sequence != 0 {
		t.Errorf("moved mail = %v, sequence %d after %d; want the new start and 1 after 0", moved[0].Starts, moved[0].Sequence, first[0].Sequence)
	}
	// The same attempt again: the reply was lost (T07).
	if err := s.Alter(t.Context(), id, s.host.Key(), d, func(*meeting.Meeting) bool { return false }, "move"); err != nil {
		t.Errorf("the same attempt again = %v, want nil", err)
	}
	ids, err := s.Invite(t.Context(), id, s.host.Key(), []lobby.Invitee{{Name: "Late", Email: "late@exemple.fr"}}, "late")
	if err != nil || len(ids) != 1 {
		t.Fatalf("Invite = %v, %v", ids, err)
	}
	if m := s.box.written(t, false, 5)[4]; m.Sequence != 0 || m.To != "late@exemple.fr" {
		t.Errorf("first mail to a late invitee = %s, sequence %d; want 0: nothing changed for them", m.To, m.Sequence)
	}
	if again, err := s.Invite(t.Context(), id, s.host.Key(), []lobby.Invitee{{Name: "Late", Email: "late@exemple.fr"}}, "late"); err != nil || again[0] != ids[0] {
		t.Errorf("the same attempt again = %v, %v; want %v", again, err, ids)
	}
	if err := s.End(t.Context(), id, s.host.Key(), true); err != nil {
		t.Fatal(err)
	}
	sequence := map[string]int{}
	for _, m := range s.box.written(t, true, 3) {
		sequence[m.To] = m.Sequence
	}
	want := map[string]int{"jeanne@exemple.fr": 2, "paul@exemple.fr": 2, "late@exemple.fr": 1}
	if fmt.Sprint(sequence) != fmt.Sprint(want) {
		t.Errorf("cancellations = %v, want %v", sequence, want)
	}
}

// A change that comes while the mail before it is on its way is told too.
func TestAlterWhileMailIsOnItsWay(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne")
	s.box.written(t, false, 1)
	s.box.mu.Lock() // the mail server takes its time
	if err := s.Alter(t.Context(), id, s.host.Key(), later(t, s, id), anyMeeting, ""); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // the sender stands at the lock, if it is quick
	if err := s.End(t.Context(), id, s.host.Key(), true); err != nil {
		t.Fatal(err)
	}
	s.box.mu.Unlock()
	if got := s.box.written(t, true, 1)[0].Sequence; got != 2 {
		t.Errorf("sequence = %d, want 2", got)
	}
}

// A meeting that is changed and called off while the first invitation is under
// way is called off for whoever gets that one, too.
func TestCalledOffWhileInvitationIsUnderWay(t *testing.T) {
	s := open(t)
	var id meeting.ID
	made := make(chan struct{})
	var once sync.Once
	s.box.onMail = func() {
		once.Do(func() {
			<-made
			if err := s.Alter(t.Context(), id, s.host.Key(), later(t, s, id), anyMeeting, ""); err != nil {
				t.Error(err)
			}
			if err := s.End(t.Context(), id, s.host.Key(), true); err != nil {
				t.Error(err)
			}
		})
	}
	id, _ = s.meet(t, "Jeanne")
	close(made)
	s.box.written(t, true, 1)
}

// What is refused puts off no mail that is due: a cancellation, say, beside
// which somebody else had the meeting open for a change.
func TestRefusedChangeDelaysNoMail(t *testing.T) {
	s := still(t)
	id, _ := s.meet(t, "Jeanne")
	stranger := meeting.Key("https://id.example|eve")
	if err := s.Alter(t.Context(), id, stranger, later(t, s, id), anyMeeting, ""); reason(err) != meeting.NotHost {
		t.Fatalf("Alter by a stranger = %v", err)
	}
	now := time.Now()
	due, err := s.store.Lease(t.Context(), "mail", now, now.Add(time.Minute), 1)
	if err != nil || len(due) != 1 || due[0] != id {
		t.Errorf("mails due of %v, %v; want those of the meeting", due, err)
	}
}

func TestAlterIsRefused(t *testing.T) {
	s := open(t)
	id, links := s.meet(t, "Jeanne")
	stranger := meeting.Key("https://id.example|eve")
	cases := []struct {
		name string
		host meeting.Key
		edit func(*lobby.Draft)
		fit  func(*meeting.Meeting) bool
		want meeting.Reason
	}{
		{"by a stranger", stranger, nil, anyMeeting, meeting.NotHost},
		{"of another version", s.host.Key(), nil, func(*meeting.Meeting) bool { return false }, meeting.Stale},
		{"into the past", s.host.Key(), func(d *lobby.Draft) { d.Starts, d.Ends = d.Starts.Add(-9*time.Hour), d.Ends.Add(-9*time.Hour) }, anyMeeting, meeting.Invalid},
	}
	for _, c := range cases {
		d := later(t, s, id)
		if c.edit != nil {
			c.edit(&d)
		}
		if err := s.Alter(t.Context(), id, c.host, d, c.fit, ""); reason(err) != c.want {
			t.Errorf("Alter %s = %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := s.Invite(t.Context(), id, stranger, []lobby.Invitee{{Name: "x"}}, ""); reason(err) != meeting.NotHost {
		t.Errorf("Invite by a stranger = %v, want not_host", err)
	}
	if _, err := s.Invite(t.Context(), id, s.host.Key(), []lobby.Invitee{{Name: "x", Email: "a@b@c"}}, ""); reason(err) != meeting.Invalid {
		t.Errorf("Invite of no address = %v, want invalid", err)
	}
	if err := s.End(t.Context(), id, s.host.Key(), true); err != nil {
		t.Fatal(err)
	}
	if err := s.Alter(t.Context(), id, s.host.Key(), later(t, s, id), anyMeeting, ""); reason(err) != meeting.CalledOff {
		t.Errorf("Alter of a cancelled meeting = %v, want called_off", err)
	}
	if _, err := s.Look(t.Context(), links["Jeanne"]); reason(err) != meeting.CalledOff {
		t.Errorf("Look = %v, want called_off", err)
	}
}

// A hundred changes do not fill a mailbox.
func TestT11AlterationsAreCapped(t *testing.T) {
	s := open(t)
	id, _ := s.meet(t, "Jeanne")
	s.box.written(t, false, 1)
	capped := 0
	for range 100 {
		err := s.Alter(t.Context(), id, s.host.Key(), later(t, s, id), anyMeeting, "")
		if reason(err) == meeting.TooMany {
			capped++
		}
		var no *meeting.Refusal
		if err != nil && !errors.As(err, &no) {
			t.Fatal(err)
		}
	}
	if err := s.End(t.Context(), id, s.host.Key(), true); err != nil {
		t.Fatal(err)
	}
	s.box.written(t, true, 1)
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	if n := len(s.box.invites); n > 6 || capped != 95 {
		t.Errorf("%d mails and %d refused, want at most 6 and 95", n, capped)
	}
}

func TestHostedLeafsThroughAll(t *testing.T) {
	s := open(t)
	want := map[meeting.ID]bool{}
	ends := time.Now().Add(time.Hour)
	for range 7 { // all end at once: the leaf is found by id
		id, err := s.Create(t.Context(), s.host, lobby.Draft{Title: "x", Starts: ends.Add(-time.Hour), Ends: ends, Zone: "UTC", Lang: "en"}, "")
		if err != nil {
			t.Fatal(err)
		}
		want[id] = true
	}
	from, after := time.Time{}, meeting.ID("")
	leaves := 0
	for more := true; more; leaves++ {
		var list []meeting.Meeting
		var err error
		list, more, err = s.Hosted(t.Context(), s.host.Key(), from, after, 3)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if !want[m.ID] {
				t.Errorf("meeting %s comes twice", m.ID)
			}
			delete(want, m.ID)
			from, after = m.Ends, m.ID
		}
	}
	if len(want) != 0 || leaves != 3 {
		t.Errorf("%d meetings missed in %d leaves, want 0 in 3", len(want), leaves)
	}
}

// A meeting that is moved by days is among those of its co-hosts still.
func TestMovedMeetingStaysWithItsCohosts(t *testing.T) {
	s := open(t)
	id, link := s.cohosted(t)
	co := colleague()
	if _, err := s.comes(t, link, co, "co"); err != nil {
		t.Fatal(err)
	}
	d := later(t, s, id)
	d.Starts, d.Ends = d.Starts.AddDate(0, 0, 7), d.Ends.AddDate(0, 0, 7)
	if err := s.Alter(t.Context(), id, s.host.Key(), d, anyMeeting, ""); err != nil {
		t.Fatal(err)
	}
	for _, k := range []meeting.Key{s.host.Key(), co.Key()} {
		list, _, err := s.Hosted(t.Context(), k, time.Now().AddDate(0, 0, 1), "", 9)
		if err != nil || len(list) != 1 || list[0].ID != id {
			t.Errorf("a day later %s has %d meetings, %v; want this one", k, len(list), err)
		}
	}
}

// colleague is a doctor who is no owner.
func colleague() meeting.Person {
	p := doctor()
	p.Subject, p.Name, p.Email = "colleague", "Dr Hugo Petit", "hugo@hopital.example"
	return p
}

// cohosted makes a meeting with a co-host and answers their link.
func (s *site) cohosted(t *testing.T) (meeting.ID, string) {
	t.Helper()
	co := colleague()
	id, err := s.Create(t.Context(), s.host, lobby.Draft{
		Title: "Staff", Starts: time.Now().Add(time.Minute), Ends: time.Now().Add(time.Hour), Zone: "Europe/Paris", Lang: "fr",
		Settings: s.Defaults(), Invitees: []lobby.Invitee{{Name: "Hugo", Email: co.Email, Role: meeting.Host}},
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	return id, s.links(t, id)["Hugo"]
}

// One mailbox is not filled by many meetings either, and the host sees it.
func TestT11ManyMeetingsOneMailbox(t *testing.T) {
	s := open(t)
	ends := time.Now().Add(time.Hour)
	for range 40 {
		_, err := s.Create(t.Context(), s.host, lobby.Draft{
			Title: "x", Starts: ends.Add(-time.Hour), Ends: ends, Zone: "UTC", Lang: "en",
			Invitees: []lobby.Invitee{{Name: "V", Email: "victim@exemple.fr"}},
		}, "")
		if err != nil {
			t.Fatal(err)
		}
	}
	until(t, func() bool {
		failed := 0
		list, _, err := s.Hosted(t.Context(), s.host.Key(), time.Time{}, "", 100)
		for _, m := range list {
			snap, serr := s.Snapshot(t.Context(), m.ID)
			err = errors.Join(err, serr)
			for _, v := range snap.Invitations {
				if v.Mail.State == meeting.MailDeferred && v.Mail.Fault == "too_many" {
					failed++
				}
			}
		}
		return err == nil && failed == 10
	})
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	if n := len(s.box.invites); n != 30 {
		t.Errorf("%d mails, want 30", n)
	}
}

// until waits for something that other goroutines bring about.
func until(t *testing.T, done func() bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Second)
	defer stop()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatal("it does not come about")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
