package config_test

import (
	"log/slog"
	"slices"
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

func TestLegToTheConferenceServer(t *testing.T) {
	t.Setenv("JIGASI_SECRET", "a secret of the conference server")
	for _, leg := range []string{
		`{target: "sip:{bridge}@192.0.2.8:5060;transport=tcp", headers: {X-Name: "{name}"}, user: door, secret: "env:JIGASI_SECRET", media: [192.0.2.10/32]}`,
		`{registered: jigasi, headers: {Jitsi-Conference-Room: "{room}", Jitsi-Auth-Token: "{token}"}}`,
	} {
		f, faults := config.Parse("f", phones(`dialin:
  udp: [":5060"]
  dial: [sip:visio.example.org]
  peers:
    - {name: jigasi, addresses: [192.0.2.9/32], user: jigasi, secret: "env:JIGASI_SECRET", registers: true, dangerously_allow_md5: true}
  leg: `+leg+"\n"))
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		if _, err := f.Build(slog.New(slog.DiscardHandler)); err != nil && strings.Contains(err.Error(), "dialin") {
			t.Error(err)
		}
	}
	_, faults := config.Parse("f", phones(`dialin:
  udp: [":5060"]
  dial: [sip:visio.example.org]
  peers:
    - {name: jigasi, user: jigasi, secret: "env:JIGASI_SECRET", registers: true}
    - {name: operator, addresses: [192.0.2.5/32]}
  leg:
    target: "sip:x@{room}.example.org"
    registered: operator
    headers: {X-Room: "{rom}"}
    user: door
    media: [192.0.2.10]
`))
	var keys []string
	for _, f := range faults {
		keys = append(keys, f.Key)
	}
	for _, k := range []string{"dialin.peers[0].registers", "dialin.leg", "dialin.leg.target", "dialin.leg.registered", "dialin.leg.headers", "dialin.leg.media[0]"} {
		if !slices.Contains(keys, k) {
			t.Errorf("no fault at %s; faults at %v", k, keys)
		}
	}
}
