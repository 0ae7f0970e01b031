package lobby_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

func decoded(t *testing.T, b []byte) (e meeting.Entry) {
	t.Helper()
	if err := json.Unmarshal(b, &e); err != nil {
		t.Fatal(err)
	}
	return e
}

// tries are the four things that can be done with a link.
func (d *door) tries(t *testing.T, link string) map[string]error {
	t.Helper()
	p := meeting.MailboxPerson("jeanne@exemple.fr", time.Now())
	_, look := d.Look(t.Context(), link)
	_, check := d.CheckCode(t.Context(), link, "123456", "")
	_, _, knock := d.Knock(t.Context(), link, lobby.Arrival{Person: p, Device: "phone", Consent: true}, "")
	return map[string]error{"Look": look, "SendCode": d.SendCode(t.Context(), link, meeting.Mailbox, ""), "CheckCode": check, "Knock": knock}
}

// A link of which a single bit is not ours costs no question to the store.
func TestForgedLinksAreRefusedUnasked(t *testing.T) {
	d := doors(t, 1, store.NewMemory())[0]
	id, links := d.meet(t, "Jeanne")
	good := links["Jeanne"]
	raw, err := base64.RawURLEncoding.DecodeString(good)
	if err != nil {
		t.Fatal(err)
	}
	forged := []string{"", "x", good[1:], good + "A", good + "=", " " + good, good + "\n", strings.ToUpper(good), strings.Repeat("A", len(good)), strings.Repeat("A", 1<<16)}
	for bit := range 8 * len(raw) {
		b := slices.Clone(raw)
		b[bit/8] ^= 1 << (bit % 8)
		forged = append(forged, base64.RawURLEncoding.EncodeToString(b))
	}
	for i := range good {
		forged = append(forged, good[:i]+"!"+good[i+1:], good[:i]+"\n"+good[i+1:])
	}
	eventually(t, "mails are out", 5*time.Second, func() bool {
		snap, err := d.Snapshot(t.Context(), id)
		for _, v := range snap.Invitations {
			return err == nil && v.Mail.State == meeting.Mailed
		}
		return false
	})
	before := d.box.sent()
	asked := d.wire.calls.Load()
	for _, link := range forged {
		for what, err := range d.tries(t, link) {
			if reason(err) != meeting.NotFound {
				t.Errorf("%s(%q) = %v, want not_found", what, link, err)
			}
		}
	}
	for _, secret := range append(forged, strings.Repeat("A\n", 32), strings.Repeat("A", 60)+"\n\n\n\n", strings.Repeat("\n", 64)) {
		if _, err := d.Redeem(t.Context(), secret); reason(err) != meeting.TicketSpent {
			t.Errorf("Redeem(%q) = %v, want ticket_spent", secret, err)
		}
		if _, _, err := d.Live(t.Context(), secret); reason(err) != meeting.SignIn {
			t.Errorf("Live(%q) = %v, want sign_in", secret, err)
		}
	}
	// The sweep asks for meetings it follows; none is followed here.
	if got := d.wire.calls.Load(); got != asked {
		t.Errorf("%d questions to the store, want none", got-asked)
	}
	if d.box.sent() != before || len(d.box.codes) != 0 {
		t.Error("a forged link had a mail sent")
	}
	if _, err := d.Look(t.Context(), good); err != nil {
		t.Errorf("Look = %v, want nil", err)
	}
}

func (b *box) sent() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.invites)
}

func TestReplacedLinkIsRefused(t *testing.T) {
	d := doors(t, 1, store.NewMemory())[0]
	id, old := d.meet(t, "Jeanne", "Paul")
	snap, err := d.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range snap.Invitations {
		if v.Name == "Jeanne" {
			if err := d.Reissue(t.Context(), id, d.host.Key(), v.ID, "once"); err != nil {
				t.Fatal(err)
			}
			// The same attempt again makes no third link (T07).
			if err := d.Reissue(t.Context(), id, d.host.Key(), v.ID, "once"); err != nil {
				t.Fatal(err)
			}
		}
	}
	fresh := d.links(t, id)
	for what, err := range d.tries(t, old["Jeanne"]) {
		if reason(err) != meeting.Revoked {
			t.Errorf("%s of the old link = %v, want revoked", what, err)
		}
	}
	if _, err := d.Look(t.Context(), fresh["Jeanne"]); err != nil || fresh["Jeanne"] == old["Jeanne"] {
		t.Errorf("Look at the new link = %v, want nil", err)
	}
	if fresh["Paul"] != old["Paul"] {
		t.Error("Paul's link changed with Jeanne's")
	}
	if v, err := d.Look(t.Context(), fresh["Jeanne"]); err != nil || v.Invitation.Generation != 1 {
		t.Errorf("Look = generation %d, %v, want 1", v.Invitation.Generation, err)
	}
}

// T35: what one meeting gave opens no other: of N meetings' links, admissions,
// tickets and passes, each with each, only the diagonal.
func TestT35OnlyTheDiagonal(t *testing.T) {
	const n = 4
	d := doors(t, 1, store.NewMemory())[0]
	ids, admissions := make([]meeting.ID, n), make([]string, n)
	tickets, passes := make([]string, n), make([]string, n)
	invitations := make([]meeting.Invitation, n)
	for i := range n {
		ids[i] = d.another(t, strconv.Itoa(i), "Jeanne"+strconv.Itoa(i))
		snap, err := d.Snapshot(t.Context(), ids[i])
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range snap.Invitations {
			invitations[i] = v
		}
		d.opened(t, ids[i])
		// All use the same device: it must not make a difference.
		a, device := d.admitted(t, ids[i], d.Link(ids[i], &invitations[i]))
		admissions[i] = a
		passes[i] = d.inside(t, ids[i], a, device)
		if tickets[i], err = d.Enter(t.Context(), ids[i], a, device); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		for j := range n {
			device := "jeanne" + strconv.Itoa(j) + "@exemple.fr"
			_, look := d.Look(t.Context(), d.Link(ids[i], &invitations[j]))
			_, enter := d.Enter(t.Context(), ids[i], admissions[j], device)
			answer := d.Answer(t.Context(), ids[i], d.host.Key(), admissions[j], meeting.Answer{Admit: true}, "")
			if i == j {
				if look != nil || enter != nil || answer != nil {
					t.Errorf("own meeting: %v, %v, %v, want nil", look, enter, answer)
				}
				continue
			}
			if look == nil || enter == nil || answer == nil {
				t.Errorf("meeting %d, things of %d: Look %v, Enter %v, Answer %v, want refusals", i, j, look, enter, answer)
			}
			if _, err := d.Expel(t.Context(), ids[i], d.host.Key(), admissions[j], ""); err == nil {
				t.Errorf("expelled the guest of %d from %d", j, i)
			}
			for what, forged := range map[string]string{
				"ids of i, secret of j":     splice(t, passes[i], passes[j], 32),
				"meeting of i, rest of j":   splice(t, passes[i], passes[j], 16),
				"ticket as pass":            tickets[j],
				"ids of i, ticket's secret": splice(t, passes[i], tickets[j], 32),
			} {
				if _, _, err := d.Live(t.Context(), forged); err == nil {
					t.Errorf("Live with %s (%d, %d) = nil, want a refusal", what, i, j)
				}
				if _, err := d.Redeem(t.Context(), forged); err == nil && what != "ticket as pass" {
					t.Errorf("Redeem with %s (%d, %d) = nil, want a refusal", what, i, j)
				}
			}
		}
	}
	for i := range n {
		// The last ticket asked for is the only one that is good by now.
		if s, _, err := d.Live(t.Context(), passes[i]); err == nil && (s.Meeting != ids[i] || s.Admission != admissions[i]) {
			t.Errorf("pass %d opens %v", i, s.Meeting)
		}
	}
}

// splice takes the first n bytes of one secret and the rest of another.
func splice(t *testing.T, head, rest string, n int) string {
	t.Helper()
	a, err1 := base64.RawURLEncoding.DecodeString(head)
	b, err2 := base64.RawURLEncoding.DecodeString(rest)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	return base64.RawURLEncoding.EncodeToString(append(slices.Clone(a[:n]), b[n:]...))
}

// another creates a further meeting, with a form of its own.
func (s *site) another(t *testing.T, form string, names ...string) meeting.ID {
	t.Helper()
	id, err := s.Create(t.Context(), s.host, draft(names...), form)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
