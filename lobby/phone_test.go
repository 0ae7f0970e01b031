package lobby_test

import (
	"fmt"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/sms"
	"vestibule/store"
)

const victim = "+33612345642"

// call makes a meeting with invitees who have a number, and some a mailbox too.
func (s *site) call(t *testing.T, attempt string, list ...lobby.Invitee) map[string]string {
	t.Helper()
	d := draft()
	d.Invitees = list
	id, err := s.Create(t.Context(), s.host, d, attempt)
	if err != nil {
		t.Fatal(err)
	}
	return s.links(t, id)
}

// A code by SMS proves the telephone, one by mail the mailbox, and neither the
// other.
func TestCodeBySMS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 2, store.NewMemory())
		links := d[0].call(t, "1",
			lobby.Invitee{Name: "Jeanne", Email: "jeanne@exemple.fr", Phone: victim}, lobby.Invitee{Name: "Paul", Phone: "+4930901820"},
			lobby.Invitee{Name: "Zoé", Email: "zoe@exemple.fr"})
		if err := d[0].SendCode(t.Context(), links["Jeanne"], meeting.Telephone, "a"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(meeting.CodeResend)
		if err := d[1].SendCode(t.Context(), links["Jeanne"], meeting.Mailbox, "b"); err != nil {
			t.Fatal(err)
		}
		// Both are open; the one that was typed says what is proved.
		for i := range 2 { // the second time the same form again (T07)
			p, err := d[i].CheckCode(t.Context(), links["Jeanne"], d[0].box.texted(victim)[0], "c")
			if err != nil || p.Phone != victim || p.Email != "" || p.Evidence.Method != meeting.Telephone || p.Key() != "tel:|"+victim {
				t.Errorf("the texted code proves %+v, %v; want the telephone", p, err)
			}
		}
		if _, err := d[0].CheckCode(t.Context(), links["Jeanne"], d[0].box.last(), ""); reason(err) != meeting.WrongCode {
			t.Errorf("the mailed code after that = %v, want wrong_code", err)
		}
		for link, by := range map[string]meeting.Method{links["Paul"]: meeting.Mailbox, links["Zoé"]: meeting.Telephone, links["Jeanne"]: meeting.OIDC} {
			if err := d[0].SendCode(t.Context(), link, by, ""); reason(err) != meeting.NotFound {
				t.Errorf("SendCode where nothing is to be sent to = %v, want not_found", err)
			}
		}
		d[0].box.fault = &sms.Fault{Status: 503}
		if err := d[0].SendCode(t.Context(), links["Paul"], meeting.Telephone, ""); !lobby.IsUnsent(err) {
			t.Errorf("SendCode = %v, want the gateway's fault", err)
		}
	})
}

// Who proved the number that was invited is whom the rules mean.
func TestTelephoneMatchesTheInvitation(t *testing.T) {
	now := time.Now()
	d := meeting.Docs{Invitation: meeting.Invitation{ID: "i", Phone: victim, Email: "jeanne@exemple.fr"}}
	for number, want := range map[string]bool{victim: true, "+33612345643": false} {
		p := meeting.PhonePerson(number, now)
		if got := lobby.Facts(&d, &p, now).Invitation.AddressMatches; got != want {
			t.Errorf("AddressMatches for %s = %v, want %v", number, got, want)
		}
	}
	d.Invitation.Phone = ""
	p := meeting.PhonePerson("", now)
	if lobby.Facts(&d, &p, now).Invitation.AddressMatches {
		t.Error("no number matches no number")
	}
}

// T11: a number is flooded no more than a mailbox, over however many meetings;
// and every code that arrived works, in whichever order.
func TestT11OneTelephone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := doors(t, 2, store.NewMemory())
		var links []string
		for i := range 3 {
			links = append(links, d[0].call(t, strconv.Itoa(i), lobby.Invitee{Name: "Victim", Phone: victim})["Victim"])
		}
		for i := range 100 {
			if err := d[i%2].SendCode(t.Context(), links[i%3], meeting.Telephone, ""); err != nil && reason(err) != meeting.TooMany {
				t.Fatal(err)
			}
			time.Sleep(6 * time.Second)
		}
		if n := len(d[0].box.texted(victim)); n != lobby.CodesPerMailbox {
			t.Errorf("%d messages, want %d", n, lobby.CodesPerMailbox)
		}
	})
}

// T11, nothing lost: mails come late and out of order. Each of the last codes
// works, whichever is typed.
func TestT11LateMails(t *testing.T) {
	for typed := range 4 {
		t.Run(fmt.Sprint("code ", typed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := doors(t, 2, store.NewMemory())
				_, links := d[0].meet(t, "Jeanne")
				var codes []string
				for i := range 4 {
					if err := d[i%2].SendCode(t.Context(), links["Jeanne"], meeting.Mailbox, ""); err != nil {
						t.Fatal(err)
					}
					codes = append(codes, d[0].box.last())
					time.Sleep(meeting.CodeResend)
				}
				if _, err := d[1].CheckCode(t.Context(), links["Jeanne"], codes[typed], ""); err != nil {
					t.Errorf("code %d of 4 = %v, want nil", typed+1, err)
				}
				for i, c := range codes {
					if _, err := d[0].CheckCode(t.Context(), links["Jeanne"], c, ""); err == nil {
						t.Errorf("code %d works after code %d was used", i+1, typed+1)
					}
				}
			})
		})
	}
}
