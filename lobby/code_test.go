package lobby_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/lobby"
	"vestibule/mail"
	"vestibule/meeting"
	"vestibule/store"
)

// wrong returns a code that is not the right one.
func wrong(code string, i int) string {
	n, _ := strconv.Atoi(code)
	return fmt.Sprintf("%06d", (n+1+i)%1_000_000)
}

// mailed answers how many codes went to an address.
func (b *box) mailed(to string) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range b.codes {
		if b.codes[i].To == to {
			n++
		}
	}
	return n
}

// T04: a thousand wrong codes at once through two doors: five are looked at.
func TestT04CodesInParallel(t *testing.T) {
	everyStore(t, func(t *testing.T, k keeper) {
		d := doors(t, 2, k)
		id, links := d[0].meet(t, "Jeanne", "Paul")
		link := links["Jeanne"]
		if err := d[0].SendCode(t.Context(), link, meeting.Mailbox, ""); err != nil {
			t.Fatal(err)
		}
		code := d[0].box.last()
		errs := atOnce(1000, func(i int) error {
			_, err := d[i%2].CheckCode(t.Context(), link, wrong(code, i), strconv.Itoa(i))
			return err
		})
		got := tally(errs)
		// Whoever comes too often while others are quicker is told so.
		if got["yes"] != 0 || got["wrong_code"] != 4 || got["wrong_code"]+got["code_spent"]+got["busy"] != 1000 {
			t.Errorf("answers = %v, want four wrong_code and the rest code_spent", got)
		}
		if n := count(d[1].history(t, id), meeting.CodeRefused); n != meeting.CodeTries {
			t.Errorf("%d codes looked at, want %d", n, meeting.CodeTries)
		}
		if _, err := d[1].CheckCode(t.Context(), link, code, ""); reason(err) != meeting.CodeSpent {
			t.Errorf("the right code after that = %v, want code_spent", err)
		}
		// Nothing lost: the right person gets a new code, and is in.
		if err := d[1].SendCodeAt(t.Context(), link, meeting.Mailbox, time.Now().Add(meeting.CodeResend)); err != nil {
			t.Fatal(err)
		}
		if p, err := d[0].CheckCode(t.Context(), link, d[0].box.last(), ""); err != nil || p.Email != "jeanne@exemple.fr" {
			t.Errorf("the new code = %v, want nil", err)
		}
		d[0].prove(t, links["Paul"]) // nothing lost for others (T12)
	})
}

// T04, nothing lost: the right person asks for a new code and is in.
func TestT04NewCode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		_, links := d.meet(t, "Jeanne")
		link := links["Jeanne"]
		if err := d.SendCode(t.Context(), link, meeting.Mailbox, ""); err != nil {
			t.Fatal(err)
		}
		for i := range meeting.CodeTries {
			if _, err := d.CheckCode(t.Context(), link, wrong(d.box.last(), i), ""); err == nil {
				t.Fatal("a wrong code is right")
			}
		}
		if err := d.SendCode(t.Context(), link, meeting.Mailbox, ""); reason(err) != meeting.TooMany {
			t.Errorf("SendCode at once = %v, want too_many", err)
		}
		time.Sleep(meeting.CodeResend)
		p := d.prove(t, link)
		if p.Email != "jeanne@exemple.fr" || p.Evidence.Method != meeting.Mailbox {
			t.Errorf("proved %+v", p)
		}
	})
}

// T05: however a code is spelled, it is one budget and one code.
func TestT05Spellings(t *testing.T) {
	d := doors(t, 1, store.NewMemory())[0]
	_, links := d.meet(t, "Jeanne")
	link := links["Jeanne"]
	if err := d.SendCode(t.Context(), link, meeting.Mailbox, ""); err != nil {
		t.Fatal(err)
	}
	code := d.box.last()
	for _, s := range []string{"", "12345", "1234567", "abcdef", strings.Repeat("1", 1<<20), "12345é"} {
		if _, err := d.CheckCode(t.Context(), link, s, ""); reason(err) != meeting.Invalid {
			t.Errorf("CheckCode(%.10q) = %v, want invalid: no code, no try", s, err)
		}
	}
	bad := wrong(code, 0)
	for i, s := range []string{bad, " " + bad + " ", bad[:3] + " " + bad[3:], bad[:3] + "-" + bad[3:], wide(bad)} {
		if _, err := d.CheckCode(t.Context(), link, s, ""); err == nil || i < 4 && reason(err) != meeting.WrongCode {
			t.Errorf("CheckCode(%q) = %v, want wrong_code", s, err)
		}
	}
	if _, err := d.CheckCode(t.Context(), link, code, ""); reason(err) != meeting.CodeSpent {
		t.Errorf("after five spellings = %v, want code_spent", err)
	}
}

// T05: however a mailbox is spelled, over however many invitations, it is one
// budget; and what is no plain address is nobody's.
func TestT05SpellingsOfAMailbox(t *testing.T) {
	d := doors(t, 1, store.NewMemory())[0]
	spell := []string{
		"jean.dupont@exemple.fr", "JEAN.DUPONT@exemple.fr", "jean.dupont@EXEMPLE.FR", "Jean.Dupont@Exemple.Fr", "jeandupont@exemple.fr",
		"j.e.a.n.dupont@exemple.fr", "jean.dupont+a@exemple.fr", "jean.dupont+a+b@exemple.fr", "JeanDupont+C@exemple.fr", "j.eandupont+z@exemple.fr",
	}
	draft := draft()
	for i, a := range spell {
		draft.Invitees = []lobby.Invitee{{Name: "x", Email: a}}
		id, err := d.Create(t.Context(), d.host, draft, "")
		if err != nil {
			t.Fatal(err)
		}
		want := meeting.Reason(255)
		if i >= lobby.CodesPerMailbox {
			want = meeting.TooMany
		}
		if err := d.SendCode(t.Context(), d.links(t, id)["x"], meeting.Mailbox, ""); reason(err) != want {
			t.Errorf("SendCode to spelling %d = %v, want reason %v", i, err, want)
		}
	}
	other := d.another(t, "other", "Jeanne")
	d.prove(t, d.links(t, other)["Jeanne"]) // somebody else's mailbox
	for _, a := range []string{"jean.dupont@exemple.fr.", "ｊean@exemple.fr", "jean@exemplé.fr", "\"jean\"@exemple.fr", "jean@exemple.fr\u200b", "jean@@exemple.fr"} {
		draft.Invitees = []lobby.Invitee{{Name: "x", Email: a}}
		if _, err := d.Create(t.Context(), d.host, draft, ""); reason(err) != meeting.Invalid {
			t.Errorf("inviting %q = %v, want invalid", a, err)
		}
	}
}

// wide spells digits as a Japanese keyboard does.
func wide(s string) string {
	return strings.Map(func(r rune) rune { return r - '0' + '０' }, s)
}

// T07: a form whose answer was lost is sent again: same answer, one mail, one
// try, one admission.
func TestT07SameAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 2, store.NewMemory())
		id, links := d[0].meet(t, "Jeanne")
		link := links["Jeanne"]
		for i := range 4 {
			if err := d[i%2].SendCode(t.Context(), link, meeting.Mailbox, "send"); err != nil {
				t.Errorf("SendCode %d = %v, want nil", i, err)
			}
		}
		if n := d[0].box.mailed("jeanne@exemple.fr"); n != 1 {
			t.Errorf("%d mails, want 1", n)
		}
		code := d[0].box.last()
		for i := range 4 {
			_, err := d[i%2].CheckCode(t.Context(), link, wrong(code, 0), "form")
			var no *meeting.Refusal
			if !errors.As(err, &no) || no.Left != meeting.CodeTries-1 {
				t.Errorf("CheckCode %d = %v, want %d left", i, err, meeting.CodeTries-1)
			}
		}
		// The right code typed into the same form is another attempt.
		for i := range 4 {
			p, err := d[i%2].CheckCode(t.Context(), link, code, "form")
			if err != nil || p.Email != "jeanne@exemple.fr" {
				t.Errorf("CheckCode %d = %v, want nil", i, err)
			}
		}
		p := meeting.MailboxPerson("jeanne@exemple.fr", time.Now())
		first := ""
		for i := range 4 {
			_, a, err := d[i%2].Knock(t.Context(), link, lobby.Arrival{Person: p, Device: "phone", Consent: true}, "knock")
			if err != nil || first != "" && a != first {
				t.Errorf("Knock %d = %s, %v, want %s", i, a, err, first)
			}
			first = a
		}
		for i := range 4 {
			if err := d[i%2].Answer(t.Context(), id, d[0].host.Key(), first, meeting.Answer{Admit: true}, "yes"); err != nil {
				t.Errorf("Answer %d = %v, want nil", i, err)
			}
		}
		again, err := d[1].Create(t.Context(), d[1].host, draft("Jeanne"), "form")
		if err != nil || again != id {
			t.Errorf("Create again = %s, %v, want %s", again, err, id)
		}
		synctest.Wait()
		h := d[0].history(t, id)
		for what, want := range map[meeting.What]int{
			meeting.Created: 1, meeting.Invited: 1, meeting.CodeIssued: 1, meeting.CodeRefused: 1,
			meeting.CodeProved: 1, meeting.Knocked: 1, meeting.LetIn: 1,
		} {
			if n := count(h, what); n != want {
				t.Errorf("%d times %s, want %d", n, what, want)
			}
		}
		if n := d[0].box.sent(); n != 1 {
			t.Errorf("%d invitations mailed, want 1", n)
		}
	})
}

// T07 at once: a double click is one mail.
func TestT07DoubleClick(t *testing.T) {
	everyStore(t, func(t *testing.T, k keeper) {
		d := doors(t, 2, k)
		_, links := d[0].meet(t, "Jeanne")
		errs := atOnce(50, func(i int) error { return d[i%2].SendCode(t.Context(), links["Jeanne"], meeting.Mailbox, "click") })
		if got := tally(errs); got["yes"] != 50 {
			t.Errorf("answers = %v, want all yes", got)
		}
		if n := d[0].box.mailed("jeanne@exemple.fr"); n != 1 {
			t.Errorf("%d mails, want 1", n)
		}
		d[0].proveLast(t, links["Jeanne"])
	})
}

// T07: however often a form is sent, its invitations are mailed once, also when
// the mail server takes its time.
func TestT07OneInvitationMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		d.box.delay = 5 * time.Second
		errs := atOnce(20, func(int) error {
			_, err := d.Create(t.Context(), d.host, draft("Jeanne", "Paul"), "form")
			return err
		})
		if got := tally(errs); got["yes"] != 20 {
			t.Errorf("answers = %v, want all yes", got)
		}
		time.Sleep(5 * time.Minute)
		if n := d.box.sent(); n != 2 {
			t.Errorf("%d invitations mailed, want 2", n)
		}
	})
}

// proveLast checks the last code sent.
func (s *site) proveLast(t *testing.T, link string) {
	t.Helper()
	if _, err := s.CheckCode(t.Context(), link, s.box.last(), ""); err != nil {
		t.Errorf("the last mail's code = %v, want nil", err)
	}
}

// T08: used, expired, replaced, and of another invitation or meeting: one
// answer, one price.
func TestT08CodeReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		_, links := d.meet(t, "Used", "Expired", "Foreign", "Elsewhere")
		other := d.another(t, "other", "Elsewhere")
		send := func(link string) string {
			if err := d.SendCode(t.Context(), link, meeting.Mailbox, ""); err != nil {
				t.Fatal(err)
			}
			return d.box.last()
		}
		used, expired := send(links["Used"]), send(links["Expired"])
		if _, err := d.CheckCode(t.Context(), links["Used"], used, ""); err != nil {
			t.Fatal(err)
		}
		time.Sleep(meeting.CodeLife + time.Second)
		foreign := send(links["Elsewhere"])
		send(links["Foreign"])
		elsewhere := send(d.links(t, other)["Elsewhere"])
		var answers []string
		for link, code := range map[string]string{
			links["Used"]: used, links["Expired"]: expired, links["Foreign"]: foreign, links["Elsewhere"]: elsewhere,
		} {
			_, err := d.CheckCode(t.Context(), link, code, "")
			var no *meeting.Refusal
			if !errors.As(err, &no) {
				t.Fatalf("CheckCode = %v, want a refusal", err)
			}
			answers = append(answers, fmt.Sprintf("%+v", *no))
		}
		for _, a := range answers {
			if a != answers[0] || !strings.Contains(a, "Left:4") {
				t.Errorf("answers differ: %q", answers)
			}
		}
	})
}

// T11: a hundred requests, over however many invitations, bring a mailbox five
// mails an hour, and the last one's code works.
func TestT11MailBombing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 2, store.NewMemory())
		var links []string
		for i := range 3 {
			links = append(links, d[0].links(t, d[0].another(t, strconv.Itoa(i), "Victim"))["Victim"])
		}
		last := ""
		for i := range 100 {
			before := d[0].box.mailed("victim@exemple.fr")
			err := d[i%2].SendCode(t.Context(), links[i%3], meeting.Mailbox, "")
			if err != nil && reason(err) != meeting.TooMany {
				t.Fatal(err)
			}
			if d[0].box.mailed("victim@exemple.fr") > before {
				last = links[i%3]
			}
			time.Sleep(6 * time.Second)
		}
		if n := d[0].box.mailed("victim@exemple.fr"); n != lobby.CodesPerMailbox {
			t.Errorf("%d mails, want %d", n, lobby.CodesPerMailbox)
		}
		// It was sent long ago by now: codes live ten minutes. So once more,
		// with the requests that are refused all after it.
		time.Sleep(time.Hour)
		for range 5 {
			if err := d[0].SendCode(t.Context(), last, meeting.Mailbox, ""); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		for range 3 {
			if err := d[0].SendCode(t.Context(), last, meeting.Mailbox, ""); reason(err) != meeting.TooMany {
				t.Errorf("SendCode = %v, want too_many", err)
			}
			time.Sleep(time.Minute)
		}
		d[1].proveLast(t, last)
	})
}

// T11: nor do invitation mails, sent again and again.
func TestT11Remail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id, _ := d.meet(t, "Victim")
		synctest.Wait()
		snap, err := d.Snapshot(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range snap.Invitations {
			for range 20 {
				if err := d.Remail(t.Context(), id, d.host.Key(), v.ID); err != nil && reason(err) != meeting.TooMany {
					t.Fatal(err)
				}
				synctest.Wait()
			}
		}
		if n := d.box.sent(); n != 6 {
			t.Errorf("%d mails, want one and five more", n)
		}
	})
}

// T12: whoever holds one link can spend its budget, and shuts out nobody else;
// a link issued anew works at once.
func TestT12LockOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id, links := d.meet(t, "Jeanne", "Paul")
		for range 40 {
			err := d.SendCode(t.Context(), links["Jeanne"], meeting.Mailbox, "")
			if err != nil && reason(err) != meeting.TooMany {
				t.Fatal(err)
			}
			for i := range 6 {
				_, _ = d.CheckCode(t.Context(), links["Jeanne"], strconv.Itoa(100000+i), "")
			}
			time.Sleep(time.Minute)
		}
		if err := d.SendCode(t.Context(), links["Jeanne"], meeting.Mailbox, ""); reason(err) != meeting.TooMany {
			t.Fatalf("the budget is not spent: %v", err)
		}
		d.prove(t, links["Paul"])
		d.opened(t, id) // nor the host
		snap, err := d.Snapshot(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range snap.Invitations {
			if v.Name == "Jeanne" {
				if err := d.Reissue(t.Context(), id, d.host.Key(), v.ID, ""); err != nil {
					t.Fatal(err)
				}
			}
		}
		d.prove(t, d.links(t, id)["Jeanne"])
		if err := d.SendCode(t.Context(), links["Jeanne"], meeting.Mailbox, ""); reason(err) != meeting.Revoked {
			t.Errorf("SendCode with the old link = %v, want revoked", err)
		}
	})
}

// What became of a mail is told: the guest of a code, the host of an invitation.
func TestMailFaults(t *testing.T) {
	for _, kind := range []mail.Kind{mail.Down, mail.Deferred, mail.Bounced} {
		synctest.Test(t, func(t *testing.T) {
			d := doors(t, 1, store.NewMemory())[0]
			d.box.fault = fmt.Errorf("mailing: %w", &mail.Fault{Kind: kind, Code: 500})
			id, links := d.meet(t, "Jeanne")
			synctest.Wait()
			snap, err := d.Snapshot(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range snap.Invitations {
				want := meeting.MailDeferred
				if kind == mail.Bounced {
					want = meeting.MailBounced
				}
				if v.Mail.State != want || v.Mail.Fault != kind.String() {
					t.Errorf("mail = %+v, want state %d: %s", v.Mail, want, kind)
				}
			}
			if err := d.SendCode(t.Context(), links["Jeanne"], meeting.Mailbox, ""); !lobby.IsUnsent(err) {
				t.Errorf("SendCode = %v, want the mail's fault", err)
			}
			// The mail server is back, and so is the guest.
			d.box.mu.Lock()
			d.box.fault = nil
			d.box.mu.Unlock()
			time.Sleep(meeting.CodeResend)
			d.prove(t, links["Jeanne"])
			for _, v := range snap.Invitations {
				if err := d.Remail(t.Context(), id, d.host.Key(), v.ID); err != nil {
					t.Errorf("Remail = %v, want nil", err)
				}
			}
			synctest.Wait()
			snap, _ = d.Snapshot(t.Context(), id)
			for _, v := range snap.Invitations {
				if v.Mail.State != meeting.Mailed {
					t.Errorf("mail = %+v, want mailed", v.Mail)
				}
			}
		})
	}
}

// draft is a meeting as meet asks for it.
func draft(names ...string) lobby.Draft {
	d := lobby.Draft{
		Title: "Consultation J. D.", Starts: time.Now().Add(time.Minute), Ends: time.Now().Add(time.Hour),
		Zone: "Europe/Paris", Lang: "fr", Settings: meeting.Settings{Early: 15 * time.Minute, Grace: time.Hour},
	}
	for _, n := range names {
		d.Invitees = append(d.Invitees, lobby.Invitee{Name: n, Email: strings.ToLower(n) + "@exemple.fr"})
	}
	return d
}
