package lobby_test

import (
	"fmt"
	"testing"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/policy"
)

// member is somebody for whom the institution's provider vouches.
func member(n int) meeting.Person {
	p := doctor()
	p.Subject, p.Name, p.Email = fmt.Sprint("member-", n), fmt.Sprint("Member ", n), fmt.Sprintf("m%d@hopital.example", n)
	return p
}

// welcoming makes a meeting with a link for members and answers the link.
func (s *site) welcoming(t *testing.T, w meeting.Welcome) (meeting.ID, string) {
	t.Helper()
	set := s.Defaults()
	set.Members = w
	id, err := s.Create(t.Context(), s.host, lobby.Draft{
		Title: "Cours", Starts: time.Now().Add(time.Minute), Ends: time.Now().Add(time.Hour), Zone: "Europe/Paris", Lang: "fr",
		Settings: set, Invitees: []lobby.Invitee{{Name: "Jeanne"}}, // no mail changes her invitation meanwhile
	}, "")
	if err != nil {
		t.Fatal(err)
	}
	return id, s.memberLink(t, id)
}

func (s *site) memberLink(t *testing.T, id meeting.ID) string {
	t.Helper()
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	v, works := snap.MemberLink()
	if !works {
		t.Fatal("there is no link for members")
	}
	return s.Link(id, &v)
}

func (s *site) comes(t *testing.T, link string, p meeting.Person, device string) (string, error) {
	t.Helper()
	_, a, err := s.Knock(t.Context(), link, lobby.Arrival{Person: p, Device: device, Consent: true}, "")
	return a, err
}

// Members come by the link for them and wait, or are let in where the host says
// so; of anybody else nothing is noted, so that the host sees none of it.
func TestMembersCome(t *testing.T) {
	s := open(t)
	for welcome, want := range map[meeting.Welcome]meeting.State{meeting.Knocks: meeting.Waiting, meeting.Enters: meeting.Admitted} {
		id, link := s.welcoming(t, welcome)
		for i := range 3 {
			a, err := s.comes(t, link, member(i), "desk")
			if got := s.admission(t, id, a); err != nil || got.State != want || got.Role != meeting.Guest || got.Elsewhere {
				t.Errorf("%s: member %d = %+v, %v", welcome, i, got, err)
			}
		}
		before, err := s.store.All(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for name, change := range map[string]func(*meeting.Person){
			"no member":            func(p *meeting.Person) { p.Evidence.Member = false },
			"a mailbox":            func(p *meeting.Person) { *p = meeting.MailboxPerson("m1@hopital.example", time.Now()) },
			"a mailbox and member": func(p *meeting.Person) { p.Evidence.Method = meeting.Mailbox },
			"a dial-in code":       func(p *meeting.Person) { p.Evidence.Method = meeting.DialCode },
			"nobody":               func(p *meeting.Person) { *p = meeting.Person{} },
		} {
			p := member(9)
			change(&p)
			if _, err := s.comes(t, link, p, "elsewhere"); reason(err) != meeting.NotInvited {
				t.Errorf("%s: %s = %v, want not_invited", welcome, name, err)
			}
		}
		if _, err := s.CheckCode(t.Context(), link, "123456", ""); reason(err) != meeting.NotFound {
			t.Errorf("a code for it = %v, want not_found", err)
		}
		if err := s.SendCode(t.Context(), link, meeting.Mailbox, ""); reason(err) != meeting.NotFound {
			t.Errorf("asking for a code for it = %v, want not_found", err)
		}
		after, err := s.store.All(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for name, doc := range after {
			if doc.Version != before[name].Version {
				t.Errorf("%s: strangers changed %s", welcome, name)
			}
		}
	}
}

// T03: a member's second browser waits, marked, whatever the meeting says; the
// other members are no reason to mark anybody.
func TestT03MemberOnTwoDevices(t *testing.T) {
	s := open(t)
	id, link := s.welcoming(t, meeting.Enters)
	first, err := s.comes(t, link, member(1), "desk")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.comes(t, link, member(2), "ward"); err != nil {
		t.Fatal(err)
	}
	second, err := s.comes(t, link, member(1), "phone")
	if got := s.admission(t, id, second); err != nil || got.State != meeting.Waiting || !got.Elsewhere {
		t.Errorf("the second browser = %+v, %v", got, err)
	}
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := snap.Admission(second)
	uses := snap.Uses(&a)
	if len(uses) != 1 || uses[0].ID != first || snap.Sure(&a) {
		t.Errorf("the host is shown %d other uses, sure=%v", len(uses), snap.Sure(&a))
	}
	for range meeting.MaxSeats {
		_, err = s.comes(t, link, member(1), fmt.Sprint("d", time.Now().UnixNano()))
	}
	if reason(err) != meeting.TooMany {
		t.Errorf("one member with many browsers = %v, want too_many", err)
	}
	if _, err := s.comes(t, link, member(3), "other"); err != nil {
		t.Errorf("the next member = %v", err)
	}
}

// T41: who comes by the link for members is a guest, locks and bans hold, and
// nobody dials it.
func TestT41MemberIsNoHost(t *testing.T) {
	s := open(t)
	id, link := s.welcoming(t, meeting.Enters)
	in, err := s.comes(t, link, member(1), "desk")
	if err != nil {
		t.Fatal(err)
	}
	one := member(1)
	if err := s.Lock(t.Context(), id, one.Key(), true); reason(err) != meeting.NotHost {
		t.Errorf("a member locks = %v, want not_host", err)
	}
	if _, err := s.Expel(t.Context(), id, s.host.Key(), in, ""); err != nil {
		t.Fatal(err)
	}
	for _, device := range []string{"desk", "phone"} {
		if _, err := s.comes(t, link, member(1), device); reason(err) != meeting.Removed {
			t.Errorf("who was put out comes by %s = %v, want removed", device, err)
		}
	}
	if _, err := s.comes(t, link, member(2), "desk"); err != nil {
		t.Errorf("the others come still: %v", err)
	}
	if err := s.Lock(t.Context(), id, s.host.Key(), true); err != nil {
		t.Fatal(err)
	}
	if _, err := s.comes(t, link, member(3), "desk"); reason(err) != meeting.IsLocked {
		t.Errorf("a locked meeting = %v, want locked", err)
	}
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := snap.MemberLink(); s.DialCode(id, &v) != "" {
		t.Error("the link for members has a dial-in code")
	}
}

// The link is replaced and withdrawn like any other, and dies with the choice.
func TestMemberLinkEnds(t *testing.T) {
	s := open(t)
	id, link := s.welcoming(t, meeting.Knocks)
	snap, err := s.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	v, _ := snap.MemberLink()
	if err := s.Reissue(t.Context(), id, s.host.Key(), v.ID, ""); err != nil {
		t.Fatal(err)
	}
	next := s.memberLink(t, id)
	if _, err := s.comes(t, link, member(1), "desk"); reason(err) != meeting.Revoked || next == link {
		t.Errorf("the replaced link = %v, want revoked", err)
	}
	if _, err := s.comes(t, next, member(1), "desk"); err != nil {
		t.Errorf("the new link = %v", err)
	}
	d := later(t, s, id)
	d.Starts, d.Ends = d.Starts.Add(-time.Hour), d.Ends.Add(-time.Hour)
	d.Settings.Members = meeting.ByName
	if err := s.Alter(t.Context(), id, s.host.Key(), d, anyMeeting, "off"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Look(t.Context(), next); reason(err) != meeting.Revoked {
		t.Errorf("looking once members need an invitation = %v, want revoked", err)
	}
	if _, err := s.comes(t, next, member(2), "desk"); reason(err) != meeting.Revoked {
		t.Errorf("coming once members need an invitation = %v, want revoked", err)
	}
	d.Settings.Members = meeting.Enters
	if err := s.Alter(t.Context(), id, s.host.Key(), d, anyMeeting, "on"); err != nil {
		t.Fatal(err)
	}
	if err := s.Revoke(t.Context(), id, s.host.Key(), v.ID, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := s.comes(t, next, member(2), "desk"); reason(err) != meeting.Revoked {
		t.Errorf("the withdrawn link = %v, want revoked", err)
	}
	// A meeting that had none gets one when it is altered.
	other, _ := s.meet(t, "Paul")
	d = later(t, s, other)
	d.Settings.Members = meeting.Knocks
	if err := s.Alter(t.Context(), other, s.host.Key(), d, anyMeeting, "on"); err != nil {
		t.Fatal(err)
	}
	s.memberLink(t, other)
}

// A full link gives back the seats of those who have gone, and of nobody else.
func TestMemberLinkIsBounded(t *testing.T) {
	s := open(t)
	id, link := s.welcoming(t, meeting.Knocks)
	first := ""
	for i := range meeting.MaxMembers {
		a, err := s.comes(t, link, member(i), "desk")
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first = a
		}
	}
	if _, err := s.comes(t, link, member(1000), "desk"); reason(err) != meeting.TooMany {
		t.Errorf("one too many = %v, want too_many", err)
	}
	if _, err := s.comes(t, link, member(5), "desk"); err != nil {
		t.Errorf("who waits already = %v", err)
	}
	if err := s.Leave(t.Context(), id, first); err != nil {
		t.Fatal(err)
	}
	if _, err := s.comes(t, link, member(1000), "desk"); err != nil {
		t.Errorf("after somebody left = %v", err)
	}
}

// The site's rules have the last word over what a host chose.
func TestSiteRulesOverMembers(t *testing.T) {
	for rules, want := range map[string]meeting.State{
		`permit (principal, action == Action::"wait", resource) when { context.member_link };`:                                           meeting.Waiting,
		`permit (principal, action, resource) when { context.member_link && principal.email_domain == "hopital.example" };`:              meeting.Admitted,
		`permit (principal, action, resource) when { context.invited };`:                                                                 meeting.Outside,
		anybody + `@reason("sign_in") forbid (principal, action == Action::"admit", resource) when { context.member_link };`:             meeting.Waiting,
		anybody + `@reason("not_invited") forbid (principal, action, resource) when { context.member_link && resource.admits_members };`: meeting.Outside,
	} {
		r, err := policy.Load("rules.cedar", []byte(rules))
		if err != nil {
			t.Fatal(err)
		}
		s := open(t, func(c *lobby.Config) { c.Rules = r })
		id, link := s.welcoming(t, meeting.Enters)
		a, err := s.comes(t, link, member(1), "desk")
		if got := s.admission(t, id, a).State; got != want || (want == meeting.Outside) != (reason(err) == meeting.NotInvited) {
			t.Errorf("%s: %v, %v, want %v", rules, got, err, want)
		}
	}
}
