package gateway_test

import (
	"net/http"
	"testing"

	"vestibule/meeting"
)

// TestWayThrough is the main job, over HTTP/1.1 and HTTP/2.
func TestWayThrough(t *testing.T) {
	for name, two := range map[string]bool{"HTTP/1.1": false, "HTTP/2.0": true} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			h := s.host(doctor())
			m := h.meet(nil, "Jane Doe")
			g := s.browser(t, two)
			if got := g.get(m.links["Jane Doe"]).proto; got != name {
				t.Fatalf("the protocol is %s, want %s", got, name)
			}
			a := g.knock(m, "Jane Doe")
			if got := m.state(a); got != meeting.Waiting {
				t.Fatalf("after knocking the state is %v, want Waiting", got)
			}
			if got := g.get("/a/" + a); got.status != http.StatusOK {
				t.Fatalf("the waiting room = %d", got.status)
			}
			host := h.opens(m)
			h.admits(m, a)
			g.enters(a)
			guest := g.joins()
			if got := guest.join.GetParticipant().GetIdentity(); got != a {
				t.Errorf("the conference server knows the guest as %q, want %q", got, a)
			}
			for who, ws := range map[string]*socket{"host": host, "guest": guest} {
				if !ws.ping(t) {
					t.Errorf("the %s's signalling does not answer", who)
				}
			}
		})
	}
}
