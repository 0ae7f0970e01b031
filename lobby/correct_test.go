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

// An address that was written to is told that its invitation is withdrawn, and
// the right one is invited under a calendar entry of its own. The old link opens
// nothing, and codes of the new one go to the new address alone.
func TestCorrectAfterMail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id := d.in(t, 5*time.Minute, meeting.Reminders{}, "Jeanne")
		synctest.Wait()
		old, first := d.links(t, id)["Jeanne"], d.box.tried()[0]
		v := d.sole(t, id)
		for range 2 { // the same attempt again does nothing more (T07)
			if err := d.Correct(t.Context(), id, d.host.Key(), v, lobby.Invitee{Name: "Jeanne D.", Email: "jd@exemple.fr"}, "once"); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if n := len(d.box.cancels); n != 1 || d.box.cancels[0].To != first.To || !d.box.cancels[0].Withdrawn || d.box.cancels[0].UID != first.UID {
				t.Fatalf("%d cancellations: %+v; want one, of the first entry, to the first address", n, d.box.cancels)
			}
			sent := d.box.tried()
			if len(sent) != 2 || sent[1].To != "jd@exemple.fr" || sent[1].Name != "Jeanne D." || sent[1].UID == first.UID {
				t.Fatalf("invitations = %+v, want a second one, to the new address", sent)
			}
		}
		for what, err := range d.tries(t, old) {
			if reason(err) != meeting.Revoked {
				t.Errorf("%s of the old link = %v, want revoked", what, err)
			}
		}
		d.prove(t, d.links(t, id)["Jeanne D."])
		if d.box.mailed("jd@exemple.fr") != 1 || d.box.mailed(first.To) != 0 {
			t.Errorf("codes went to %+v, want one to the new address", d.box.codes)
		}
	})
}

// Of an address that no mail reached nothing is withdrawn: the invitation stays
// the same, with another link.
func TestCorrectAfterBounce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		d.box.says(&mail.Fault{Kind: mail.Bounced, Code: 550})
		id := d.in(t, 5*time.Minute, meeting.Reminders{}, "Jeanne")
		synctest.Wait()
		d.box.says(nil)
		old, v := d.links(t, id)["Jeanne"], d.sole(t, id)
		for range 2 {
			if err := d.Correct(t.Context(), id, d.host.Key(), v, lobby.Invitee{Name: "Jeanne", Email: "jd@exemple.fr", Phone: "+33 6 12 34 56 78"}, ""); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		sent := d.box.tried()
		if len(sent) != 2 || sent[1].To != "jd@exemple.fr" || len(d.box.cancels) != 0 {
			t.Errorf("invitations = %+v, cancellations = %+v; want one more invitation alone", sent, d.box.cancels)
		}
		for what, err := range d.tries(t, old) {
			if reason(err) != meeting.Revoked {
				t.Errorf("%s of the old link = %v, want revoked", what, err)
			}
		}
		link := d.links(t, id)["Jeanne"]
		d.prove(t, link)
		time.Sleep(5 * time.Minute)
		if err := d.SendCode(t.Context(), link, meeting.Telephone, ""); err != nil || len(d.box.texted("+33612345678")) != 1 {
			t.Errorf("SendCode by telephone = %v, want one to the new number", err)
		}
		if d.sole(t, id) != v || d.box.mailed("jd@exemple.fr") != 1 || len(d.box.codes) != 1 {
			t.Errorf("codes went to %+v, want one to the new address", d.box.codes)
		}
	})
}

// T11: corrections of one invitation are mailed no oftener than it is mailed
// again, and the codes of a mailbox stay counted.
func TestT11Corrections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory())[0]
		id, _ := d.meet(t, "Victim")
		synctest.Wait()
		v := d.sole(t, id)
		for i := range 20 {
			name := lobby.Invitee{Name: "Victim " + string(rune('a'+i)), Email: "victim@exemple.fr"}
			if err := d.Correct(t.Context(), id, d.host.Key(), v, name, ""); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if n := d.box.sent(); n != 6 {
			t.Errorf("%d mails, want one and five more", n)
		}
	})
}

func TestCorrectRefuses(t *testing.T) {
	d := doors(t, 1, store.NewMemory())[0]
	id, links := d.meet(t, "Jeanne", "Paul")
	snap, err := d.Snapshot(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]string{}
	for _, v := range snap.Invitations {
		of[v.Name] = v.ID
	}
	d.admitted(t, id, links["Paul"])
	good := lobby.Invitee{Name: "J. D.", Email: "jd@exemple.fr"}
	tests := []struct {
		what       string
		host       meeting.Key
		invitation string
		to         lobby.Invitee
		want       meeting.Reason
	}{
		{"by a stranger", "https://id.example|eve", of["Jeanne"], good, meeting.NotFound},
		{"of nobody", d.host.Key(), "0011223344556677", good, meeting.NotFound},
		{"of who is inside", d.host.Key(), of["Paul"], good, meeting.Stale},
		{"to no name", d.host.Key(), of["Jeanne"], lobby.Invitee{Email: "jd@exemple.fr"}, meeting.Invalid},
		{"to no address", d.host.Key(), of["Jeanne"], lobby.Invitee{Name: "J. D.", Email: "jd@"}, meeting.Invalid},
		{"to a number without its country", d.host.Key(), of["Jeanne"], lobby.Invitee{Name: "J. D.", Phone: "06 12 34 56 78"}, meeting.Invalid},
	}
	for _, x := range tests {
		if err := d.Correct(t.Context(), id, x.host, x.invitation, x.to, ""); reason(err) != x.want {
			t.Errorf("Correct %s = %v, want %v", x.what, err, x.want)
		}
	}
	if got := d.links(t, id); got["Jeanne"] != links["Jeanne"] || got["Paul"] != links["Paul"] {
		t.Error("a refused correction changed a link")
	}
}

// Where a site shows hosts no addresses, a correction of the name alone keeps
// address and number.
func TestCorrectKeepsWhatIsHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 1, store.NewMemory(), func(c *lobby.Config) { c.Emails = lobby.EmailsMasked })[0]
		id, _ := d.meet(t, "Jeanne")
		synctest.Wait()
		if err := d.Correct(t.Context(), id, d.host.Key(), d.sole(t, id), lobby.Invitee{Name: "J. D."}, ""); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		sent := d.box.tried()
		if len(sent) != 2 || sent[1].To != "jeanne@exemple.fr" || sent[1].Name != "J. D." || len(d.box.cancels) != 0 {
			t.Errorf("invitations = %+v, want another to the same address", sent)
		}
	})
}
