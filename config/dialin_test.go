package config_test

import (
	"log/slog"
	"strings"
	"testing"

	"vestibule/config"
)

// phones puts a phone door into the example in place of its empty one.
func phones(section string) []byte {
	src := string(config.Example)
	i := strings.Index(src, "\ndialin:") + 1
	j := i + strings.Index(src[i:], "\nmeetings:") + 1
	return []byte(src[:i] + section + src[j:])
}

func TestPhoneDoor(t *testing.T) {
	t.Setenv("ROOM_SECRET", "a secret of a room device")
	f, faults := config.Parse("f", phones(`dialin:
  udp: [":5060"]
  tls: [":5061"]
  public: 203.0.113.7
  srtp: require
  dial: [sip:visio.example.org]
  only_peers: true
  peers:
    - {name: operator, addresses: [192.0.2.5/32]}
    - {name: salle-1, user: salle1, secret: "env:ROOM_SECRET"}
`))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	// Whatever else of the example is not on this machine, the phone door is.
	if _, err := f.Build(slog.New(slog.DiscardHandler)); err != nil && strings.Contains(err.Error(), "dialin") {
		t.Error(err)
	}
}

func TestPhoneDoorFaults(t *testing.T) {
	_, faults := config.Parse("f", phones(`dialin:
  udp: ["5060"]
  public: visio.example.org
  min_port: 100
  srtp: maybe
  lang: de
  calls: 0
  peers:
    - {addresses: [192.0.2.5]}
    - {name: salle-1, user: salle1}
`))
	var keys []string
	for _, f := range faults {
		keys = append(keys, f.Key)
	}
	want := []string{
		"dialin.udp[0]", "dialin.public", "dialin.min_port", "dialin.srtp", "dialin.lang", "dialin.calls",
		"dialin.peers[0].name", "dialin.peers[0].addresses[0]", "dialin.peers[1]", "dialin.dial",
	}
	for _, k := range want {
		if !strings.Contains(strings.Join(keys, " "), k) {
			t.Errorf("no fault at %s; faults at %v", k, keys)
		}
	}
}
