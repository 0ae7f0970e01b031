package meeting_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vestibule/meeting"
)

// TestAnyOrder lets everything happen in any order and looks after each step
// for what must never be.
func TestAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newChaos(t)
		t.Repeat(map[string]func(*rapid.T){"events": func(t *rapid.T) {
			for range 3 {
				c.step(t)
			}
		}})
	})
}

// chaos plays random events on one meeting and remembers what it must.
type chaos struct {
	*world
	number   int // of the last admission or ticket
	tickets  []ticket
	redeemed map[string]bool
}

type ticket struct{ of, word string }

func newChaos(t *rapid.T) *chaos {
	c := &chaos{world: newWorld(), redeemed: map[string]bool{}}
	line := words{"meeting"}
	if rapid.Bool().Draw(t, "before-host") {
		line = append(line, "before-host")
	}
	owner := person("oidc:claire", c.now)
	c.create(line, owner.Key())
	for _, n := range []string{"jeanne", "paul", "cohost"} {
		v := meeting.Invitation{ID: n, Name: n, Email: n + "@exemple.fr"}
		if n == "cohost" {
			v.Role = meeting.Host
		}
		c.invitations[n] = v
	}
	return c
}

func (c *chaos) step(t *rapid.T) {
	c.now = c.now.Add(time.Duration(rapid.IntRange(0, 10).Draw(t, "seconds")) * time.Second)
	invitation, admission, e := c.event(t)
	before := c.docs(invitation, admission)
	was := text(before)
	after, entries, no := meeting.Apply(before, e, c.now)
	if text(before) != was {
		t.Fatalf("%T changed what it was given", e)
	}
	// Another event on the same documents must not reach into the answer to
	// this one, through a slice they share.
	is := text(after)
	_, _, other := c.event(t)
	meeting.Apply(before, other, c.now)
	if text(after) != is {
		t.Fatalf("%T changed what %T had answered", other, e)
	}
	c.check(t, e, &before, &after, no)
	if len(entries) > 1 {
		t.Fatalf("%T tells of %d things", e, len(entries))
	}
	c.meeting = after.Meeting
	if after.Invitation.ID != "" {
		c.invitations[after.Invitation.ID] = after.Invitation
	}
	if after.Admission.ID != "" {
		c.admissions[after.Admission.ID] = after.Admission
	}
}

// text is a deep copy that can be compared.
func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func (c *chaos) event(t *rapid.T) (invitation, admission string, e meeting.Event) {
	known := sorted(c.admissions)
	if len(known) > 0 {
		admission = rapid.SampledFrom(known).Draw(t, "admission")
	}
	invitation = rapid.SampledFrom([]string{"jeanne", "paul", "cohost"}).Draw(t, "invitation")
	p := c.person(t)
	by := p.Key()
	switch rapid.IntRange(0, 17).Draw(t, "event") {
	case 0, 1, 2, 3, 4:
		return c.knocking(t, invitation, &p)
	case 5, 6, 7:
		return "", admission, meeting.Answer{By: by, Admit: rapid.IntRange(0, 3).Draw(t, "yes") > 0}
	case 8:
		return "", admission, meeting.Leave{}
	case 9:
		return "", admission, meeting.Expel{By: by}
	case 10, 11:
		c.number++
		c.tickets = append(c.tickets, ticket{admission, fmt.Sprint("t", c.number)})
		return "", admission, meeting.Step{Device: c.admissions[admission].Device, MAC: []byte(c.tickets[len(c.tickets)-1].word)}
	case 12, 13:
		shown := ticket{of: admission, word: "none"}
		if n := len(c.tickets); n > 0 {
			shown = c.tickets[rapid.IntRange(max(0, n-3), n-1).Draw(t, "ticket")]
		}
		return "", shown.of, meeting.Redeem{MAC: []byte(shown.word), Pass: []byte("pass")}
	case 14:
		return "", "", meeting.Lock{By: by, On: rapid.Bool().Draw(t, "on")}
	case 15:
		return invitation, "", meeting.Revoke{By: by, Reissue: rapid.IntRange(0, 4).Draw(t, "reissue") > 0}
	case 16:
		return invitation, "", meeting.SendCode{By: meeting.Mailbox, MAC: []byte("code")}
	default:
		return invitation, "", meeting.TryCode{MACs: map[meeting.Method][]byte{meeting.Mailbox: []byte(rapid.SampledFrom([]string{"code", "other"}).Draw(t, "code"))}}
	}
}

func (c *chaos) person(t *rapid.T) meeting.Person {
	return person(rapid.SampledFrom([]string{
		"oidc:claire", "oidc:claire", "oidc:cohost", "mail:cohost", "mail:jeanne", "oidc:stranger", "nobody:x",
	}).Draw(t, "person"), c.now)
}

func (c *chaos) knocking(t *rapid.T, invitation string, p *meeting.Person) (string, string, meeting.Event) {
	if rapid.IntRange(0, 2).Draw(t, "without link") == 0 {
		invitation = ""
	}
	c.number++
	k := meeting.Knock{
		ID: fmt.Sprint("a", c.number), Person: *p, Device: rapid.StringMatching("d[0-9]{1,2}").Draw(t, "device"),
		Consented: c.now, Role: meeting.Role(rapid.IntRange(0, 1).Draw(t, "role")),
		Admit: rapid.Bool().Draw(t, "admit"), Wait: rapid.Bool().Draw(t, "wait"), Rule: "rule", Why: meeting.NotInvited,
	}
	seats := c.meeting.Seats
	if invitation != "" {
		seats = c.invitations[invitation].Seats
	}
	// Mostly somebody who was here before.
	if len(seats) > 0 && rapid.IntRange(0, 3).Draw(t, "again") > 0 {
		s := rapid.SampledFrom(seats).Draw(t, "seat")
		k.Person, k.Device = c.admissions[s.Admission].Person, s.Device
		return invitation, s.Admission, k
	}
	return invitation, "", k
}

// check looks for what must never be.
func (c *chaos) check(t *rapid.T, e meeting.Event, before, after *meeting.Docs, no *meeting.Refusal) {
	a := &after.Admission
	banned := slices.Contains(after.Meeting.Banned, a.Person.Key())
	if no == nil && banned && (after.MayEnter(c.now) == nil || a.State == meeting.Admitted && before.Admission.State != meeting.Admitted) {
		t.Fatalf("%T lets in somebody who was expelled", e)
	}
	if a.State == meeting.Admitted && (a.ID != before.Admission.ID || before.Admission.State != meeting.Admitted) {
		switch e := e.(type) {
		case meeting.Knock:
			if !e.Admit {
				t.Fatalf("%+v admits without the policy", e)
			}
		case meeting.Answer:
			if !e.Admit || !before.Meeting.HostedBy(e.By) {
				t.Fatalf("%+v admits without a host", e)
			}
		default:
			t.Fatalf("%T admits", e)
		}
	}
	if before.Admission.State == meeting.Expelled && a.State != meeting.Expelled {
		t.Fatalf("%T takes an expulsion back", e)
	}
	if r, ok := e.(meeting.Redeem); ok && no == nil {
		if c.redeemed[string(r.MAC)] {
			t.Fatalf("ticket %s redeemed twice", r.MAC)
		}
		c.redeemed[string(r.MAC)] = true
		if a.Role != meeting.Host && after.Meeting.Phase != meeting.Open && !after.Meeting.Settings.JoinBeforeHost {
			t.Fatal("a guest is inside before the host")
		}
	}
	c.bounds(t, after)
}

func (c *chaos) bounds(t *rapid.T, d *meeting.Docs) {
	if n := len(d.Invitation.Seats); n > meeting.MaxSeats {
		t.Fatalf("%d seats on one link", n)
	}
	own := map[meeting.Key]int{}
	for _, s := range d.Meeting.Seats {
		if own[s.Person]++; own[s.Person] > meeting.MaxSeats {
			t.Fatalf("%d seats of one host", own[s.Person])
		}
	}
	for _, o := range d.Invitation.Code.Open {
		if o.Tries > meeting.CodeTries {
			t.Fatalf("%d tries of one code", o.Tries)
		}
	}
	for _, k := range d.Meeting.Hosts {
		if k != "https://id.example|claire" && k != "https://id.example|cohost" && k != "https://id.example|stranger" {
			t.Fatalf("%s became a host without a sign-in", k)
		}
	}
	if !d.Meeting.HostedBy(d.Meeting.Owner.Key) {
		t.Fatal("the owner is no host any more")
	}
}

// FuzzApply throws whatever can be stored at every event: it answers, it does
// not panic, and it leaves what it was given alone.
func FuzzApply(f *testing.F) {
	w := newWorld()
	owner := person("oidc:claire", w.now)
	w.create(words{"meeting"}, owner.Key())
	m := text(w.meeting)
	for kind := range byte(12) {
		f.Add(kind, "{}", "{}", "{}", "{}", int64(0))
		f.Add(kind, m, `{"id":"i","email":"a@b","seats":[{}]}`, `{"id":"a","state":4,"person":{}}`,
			`{"By":"https://id.example|claire","MAC":"eA==","Pass":"eA==","ID":"x","Admit":true,"Role":1}`, w.now.Unix())
		f.Add(kind, `{"id":"x","phase":255,"settings":{"early":-9223372036854775808,"grace":9223372036854775807}}`,
			`{"generation":4294967295}`, `{"id":"a","state":200,"role":9}`, `{"Role":7,"Why":200}`, int64(-1<<62))
	}
	f.Fuzz(func(t *testing.T, kind byte, header, invitation, admission, event string, at int64) {
		var d meeting.Docs
		_ = json.Unmarshal([]byte(header), &d.Meeting)
		_ = json.Unmarshal([]byte(invitation), &d.Invitation)
		_ = json.Unmarshal([]byte(admission), &d.Admission)
		e := decoded(kind, event)
		now, was := time.Unix(at, 0), text(d)
		after, _, no := meeting.Apply(d, e, now)
		if text(d) != was {
			t.Errorf("%T changed what it was given", e)
		}
		if no != nil && no.Error() == "" {
			t.Errorf("%T refuses without a word", e)
		}
		zero := after.Meeting.Phase > meeting.Open || after.Admission.State != meeting.Admitted || after.Admission.ID == ""
		if zero && after.MayEnter(now) == nil {
			t.Errorf("%T: %+v may enter", e, after)
		}
	})
}

func decoded(kind byte, event string) meeting.Event {
	into := func(e any) { _ = json.Unmarshal([]byte(event), e) }
	switch kind % 12 {
	case 0:
		var e meeting.Knock
		into(&e)
		return e
	case 1:
		var e meeting.Answer
		into(&e)
		return e
	case 2:
		return meeting.Leave{}
	case 3:
		var e meeting.Expel
		into(&e)
		return e
	case 4:
		var e meeting.Step
		into(&e)
		return e
	case 5:
		var e meeting.Redeem
		into(&e)
		return e
	case 6:
		var e meeting.Lock
		into(&e)
		return e
	case 7:
		var e meeting.End
		into(&e)
		return e
	case 8:
		var e meeting.Revoke
		into(&e)
		return e
	case 9:
		var e meeting.SendCode
		into(&e)
		return e
	case 10:
		var e meeting.TryCode
		into(&e)
		return e
	default:
		var e meeting.MailTold
		into(&e)
		return e
	}
}

// What says nothing lets nobody in.
func TestZeroValuesRefuse(t *testing.T) {
	now := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	host := person("oidc:claire", now)
	whole := meeting.Docs{
		Meeting: meeting.Meeting{
			ID: "m", Phase: meeting.Open, Hosts: []meeting.Key{host.Key()}, Ends: now.Add(time.Hour),
		},
		Admission: meeting.Admission{ID: "a", State: meeting.Admitted, Person: host},
	}
	if no := whole.MayEnter(now); no != nil {
		t.Fatalf("MayEnter = %v, want nil", no)
	}
	for name, spoil := range map[string]func(*meeting.Docs){
		"no meeting":     func(d *meeting.Docs) { d.Meeting = meeting.Meeting{} },
		"no admission":   func(d *meeting.Docs) { d.Admission = meeting.Admission{} },
		"no state":       func(d *meeting.Docs) { d.Admission.State = meeting.Outside },
		"unknown state":  func(d *meeting.Docs) { d.Admission.State = 77 },
		"unknown phase":  func(d *meeting.Docs) { d.Meeting.Phase = 77 },
		"planned":        func(d *meeting.Docs) { d.Meeting.Phase = meeting.Planned },
		"no end":         func(d *meeting.Docs) { d.Meeting.Ends = time.Time{} },
		"revoked link":   func(d *meeting.Docs) { d.Invitation = meeting.Invitation{ID: "i", Revoked: true} },
		"banned person":  func(d *meeting.Docs) { d.Meeting.Banned = []meeting.Key{host.Key()} },
		"waiting person": func(d *meeting.Docs) { d.Admission.State = meeting.Waiting },
	} {
		d := whole
		spoil(&d)
		if d.MayEnter(now) == nil {
			t.Errorf("%s: MayEnter = nil, want a refusal", name)
		}
	}
	// An admission in no known state does not come back by knocking.
	for _, s := range []meeting.State{meeting.Outside, 77} {
		d := whole
		d.Admission.State, d.Admission.Device = s, "desk"
		d, _, no := meeting.Apply(d, meeting.Knock{ID: "b", Person: host, Device: "desk", Role: meeting.Host, Admit: true}, now)
		if no == nil || d.Admission.State == meeting.Admitted {
			t.Errorf("knock in state %d = %v, want a refusal", s, no)
		}
	}
	for r := range meeting.Busy + 2 {
		if r.String() == "" {
			t.Errorf("reason %d has no word", r)
		}
	}
}
