package config_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"vestibule/config"
)

// relay is the example with something else in place of a line of its relay.
func relay(line, instead string) []byte {
	return []byte(strings.Replace(string(config.Example), line, instead, 1))
}

// TestT45PeerPortsAreNamed: at the conference server's address much else may
// answer. Which ports are its own is asked, and none may be the door's.
func TestT45PeerPortsAreNamed(t *testing.T) {
	const phone = "\n  udp: []                        # [\":5060\"]"
	for ports, want := range map[string]string{
		"7882": "", "20000-29999": "",
		`""`: "is missing", "rtp": "neither", "80": "neither", "7882-": "neither", "8000-7000": "neither", "70000": "neither",
		"3478": "turn.udp", "3000-4000": "turn.udp", "49152": "turn.min_port", "40000-65535": "turn.min_port",
	} {
		_, faults := config.Parse("f", relay("peer_ports: 7882", "peer_ports: "+ports))
		switch {
		case want == "" && len(faults) > 0:
			t.Errorf("peer_ports: %s has the faults %v", ports, faults)
		case want != "" && (len(faults) != 1 || faults[0].Key != "turn.peer_ports" || !strings.Contains(faults[0].What, want)):
			t.Errorf("peer_ports: %s has the faults %v, want one that says %q", ports, faults, want)
		}
	}
	if _, faults := config.Parse("f", relay("  peer_ports: 7882", "  # none")); len(faults) != 1 || faults[0].Key != "turn.peer_ports" {
		t.Errorf("without peer_ports: faults %v", faults)
	}
	for ports, want := range map[string]string{"5060": "dialin.udp", "29999-30100": "dialin.min_port"} {
		src := strings.Replace(string(relay("peer_ports: 7882", "peer_ports: "+ports)), phone, `
  udp: [":5060"]`, 1)
		src = strings.Replace(src, "  dial: [] ", "  dial: [sip:visio.example.org] ", 1)
		if _, faults := config.Parse("f", []byte(src)); len(faults) != 1 || !strings.Contains(faults[0].What, want) {
			t.Errorf("peer_ports: %s beside a phone door has the faults %v, want one that says %q", ports, faults, want)
		}
	}
}

// TestT45RelayIsBuiltWithPorts: what is written is what the relay is told.
func TestT45RelayIsBuiltWithPorts(t *testing.T) {
	for written, want := range map[string][2]uint16{"7882": {7882, 7882}, "50000-50999": {50000, 50999}} {
		// The relays keep off LiveKit's own range.
		src := strings.Replace(string(relay("peer_ports: 7882", "peer_ports: "+written)), "min_port: 49152 ", "min_port: 51000 ", 1)
		f, faults := config.Parse("f", []byte(src))
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		c, err := f.Relay()
		if got := [2]uint16{c.Peers.MinPort, c.Peers.MaxPort}; err != nil || got != want || len(c.Peers.Prefixes) != 1 {
			t.Errorf("peer_ports: %s builds %v, %v, want %v", written, c.Peers, err, want)
		}
	}
}

// TestTLSRelayHasAName: browsers compare the relay's name with its certificate,
// and an address is in none.
func TestTLSRelayHasAName(t *testing.T) {
	const host = `host: "" `
	for _, c := range []struct {
		tls, host string
		good      bool
	}{
		{"[]", "", true},
		{"[]", "203.0.113.7", true},
		{"[]", "relay.visio.example.org", true},
		{`[":5349"]`, "relay.visio.example.org", true},
		{`[":5349"]`, "visio.example.org", true},
		{`[":5349"]`, "", false},
		{`[":5349"]`, "203.0.113.7", false},
		{`[":5349"]`, "2001:db8::1", false},
		{`[":5349"]`, "*.example.org", false},
		{"[]", "turn:relay.visio.example.org", false},
	} {
		src := strings.Replace(string(relay("\n  tls: [] ", "\n  tls: "+c.tls+" ")), host, fmt.Sprintf("host: %q ", c.host), 1)
		f, faults := config.Parse("f", []byte(src))
		if c.good != (len(faults) == 0) || !c.good && faults[0].Key != "turn.host" {
			t.Errorf("tls %s under %q: faults %v, want none: %v", c.tls, c.host, faults, c.good)
		}
		want := []string{"visio.example.org", "room.visio.example.org"}
		if c.good && c.tls != "[]" && c.host != want[0] {
			want = append(want, c.host)
		}
		if got := f.Names(); c.good && !slices.Equal(got, want) {
			t.Errorf("tls %s under %q: certificates for %v, want %v", c.tls, c.host, got, want)
		}
	}
}
