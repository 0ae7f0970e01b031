package lobby_test

import (
	"testing"
	"testing/synctest"
	"time"

	"vestibule/lobby"
	"vestibule/meeting"
	"vestibule/store"
)

// T37: a co-host who is put out in the room, where they came from their console,
// keeps nothing that they came by before: not the link, by which a code to their
// mailbox would make them somebody else, and not its dial-in code. Told to the
// store at once or when it is back, it is the same; others lose nothing.
func TestT37ExpelledCohostKeepsNoLink(t *testing.T) {
	for name, away := range map[string]bool{"at once": false, "with the store away": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := doors(t, 1, store.NewMemory(), func(c *lobby.Config) { c.Dial = []string{"sip:door.example"} })[0]
				id, link := d.cohosted(t)
				ids, err := d.Invite(t.Context(), id, d.host.Key(), []lobby.Invitee{{Name: "Jeanne", Email: "jeanne@exemple.fr"}}, "")
				if err != nil || len(ids) != 1 {
					t.Fatal(err)
				}
				hers := d.links(t, id)["Jeanne"]
				phone, co := d.phones(t, id)["Hugo"], colleague()
				for _, p := range []meeting.Person{co, d.host} { // the owner tries the link they sent
					if _, err := d.comes(t, link, p, p.Subject); err != nil {
						t.Fatal(err)
					}
				}
				d.opened(t, id)
				a, err := d.HostKnock(t.Context(), id, lobby.Arrival{Person: co, Device: "co"}, "")
				if err != nil {
					t.Fatal(err)
				}
				pass := d.inside(t, id, a, "co")
				time.Sleep(time.Second)
				d.wire.away.Store(away)
				if _, err := d.Expel(t.Context(), id, d.host.Key(), a, ""); err != nil {
					t.Fatal(err)
				}
				d.wire.away.Store(false)
				time.Sleep(2 * time.Second)

				if _, _, err := d.Live(t.Context(), pass); reason(err) != meeting.Removed {
					t.Errorf("Live = %v, want removed", err)
				}
				if _, err := d.Look(t.Context(), link); reason(err) != meeting.Revoked {
					t.Errorf("Look = %v, want revoked", err)
				}
				if err := d.SendCode(t.Context(), link, meeting.Mailbox, ""); reason(err) != meeting.Revoked {
					t.Errorf("a code to the mailbox = %v, want revoked", err)
				}
				if _, err := d.dial(t, phone, caller("c", "192.0.2.1")); reason(err) != meeting.WrongCode {
					t.Errorf("the dial-in code = %v, want wrong_code", err)
				}
				if _, err := d.Look(t.Context(), hers); err != nil {
					t.Errorf("somebody else's link = %v", err)
				}
				if _, err := d.HostKnock(t.Context(), id, lobby.Arrival{Person: d.host, Device: "desk"}, ""); err != nil {
					t.Errorf("the owner = %v", err)
				}
				if n := count(d.history(t, id), meeting.LinkRevoked); n != 1 {
					t.Errorf("%d links withdrawn in the stream, want 1", n)
				}
			})
		})
	}
}
