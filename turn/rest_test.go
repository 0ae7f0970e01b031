package turn_test

import (
	"testing"
	"time"

	"vestibule/turn"
)

// TestT39RestingRelays: the relays of one who is not seen any more end, and
// are given again once credentials are issued, not before.
func TestT39RestingRelays(t *testing.T) {
	t.Parallel()
	onPlanes(t, func(t *testing.T, config func() turn.Config) {
		c := config()
		c.TLS = certificate(t)
		s := start(t, c)
		idle, busy := func() bool { return true }, func() bool { return false }
		networks := []string{"udp", "tcp", "tls"}
		var all []*caller
		for _, network := range networks {
			all = append(all, relayed(t, s, network, "adm-1"))
		}
		other := relayed(t, s, "udp", "adm-2")
		if err := s.Rest(t.Context(), "adm-1", busy); err != nil || !all[0].echoes(0x4000, "still", patience) || s.Live("adm-1") != 3 {
			t.Fatalf("Rest of one who is not idle = %v, with %d relays left, want 3", err, s.Live("adm-1"))
		}
		if err := s.Rest(t.Context(), "adm-1", idle); err != nil {
			t.Fatalf("Rest = %v", err)
		}
		if s.Live("adm-1") != 0 || s.Holds("adm-1") || !s.Holds("adm-2") || s.Holds("adm-3") {
			t.Errorf("Live = %d, Holds = %v, of another %v, of nobody %v", s.Live("adm-1"), s.Holds("adm-1"), s.Holds("adm-2"), s.Holds("adm-3"))
		}
		for i, network := range networks {
			if code := dial(t, s, network, all[i].cred).allocate(); code != 401 {
				t.Errorf("Allocate over %s while resting = %d, want 401", network, code)
			}
			if i > 0 && !closed(all[i].conn, patience) {
				t.Errorf("the connection over %s stays", network)
			}
		}
		if !other.echoes(0x4000, "other", patience) {
			t.Error("another participant's relay ended")
		}
		s.Issue("adm-1", time.Now())
		back := dial(t, s, "udp", all[0].cred) // also by the credentials of before
		if back.allocate() != 0 || back.bind(0x4000, echo(t)) != 0 || !back.echoes(0x4000, "back", patience) {
			t.Error("no relay after coming back")
		}
		if err := s.Cut(t.Context(), "adm-1"); err != nil || s.Holds("adm-1") || s.Issue("adm-1", time.Now()).Password != "" {
			t.Errorf("Cut = %v, Holds afterwards %v", err, s.Holds("adm-1"))
		}
	})
}
