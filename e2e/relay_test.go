package e2e_test

import (
	"slices"
	"testing"
)

// TestT45RelaysDoNotMeet: at the conference server's address are the relays,
// too. A guest who gets two of them to talk has a way to whatever else answers
// there, and past the conference server to others.
func TestT45RelaysDoNotMeet(t *testing.T) {
	h := openHouse(t)
	_, _, guest, _ := gather(t, h)
	guest.checkPath() // the same relay leads to the conference server
	eval[any](guest, `pcs.forEach((pc) => pc.close())`)
	got := eval[struct {
		Relays int  `json:"relays"`
		Met    bool `json:"met"`
	}](guest, `spy.hairpin({...`+myRelay+`, urls: `+myRelay+`.urls.filter((u) => u.includes("udp"))})`)
	if got.Relays < 2 || got.Met {
		t.Errorf("the guest's relays: %+v, want 2 or more that did not meet", got)
	}
}

// TestRelayOverTLSAlone: in a network that lets nothing but TLS out, a meeting
// goes through the relay's TLS listener, under its name.
func TestRelayOverTLSAlone(t *testing.T) {
	h := openHouse(t)
	h.working = "turns:"
	_, desk, guest, _ := gather(t, h)
	for _, p := range []*person{desk, guest} {
		p.checkPath()
		got := eval[[]string](p, `spy.transports()`)
		if len(got) == 0 || slices.ContainsFunc(got, func(s string) bool { return s != "tls" }) {
			t.Errorf("%s reaches the relay over %v, want TLS", p.name, got)
		}
	}
}
