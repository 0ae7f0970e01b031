//go:build linux

package sfu_test

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"

	"vestibule/turn"
)

// TestT45OnlyThroughTheRelay has the conference server, the door and the
// participants on machines of their own: the rules that docs/OPERATING.md
// gives to sites leave no way to media but the relay.
func TestT45OnlyThroughTheRelay(t *testing.T) {
	for family, c := range map[string]crossing{
		"IPv4": {"participant", "", streets{Participant: "198.51.100.2", Outside: "198.51.100.1", Inside: "192.0.2.10", Conference: "192.0.2.2"}},
		// These clients know no relay by IPv6 (pion/ice v4.4.0, gather.go); so
		// those who may pass do it from where its packets come from. The relay
		// by IPv6 itself is tested in package turn.
		"IPv6": {"door", " directly", streets{Participant: "2001:db8:1::2", Outside: "2001:db8:1::1", Inside: "2001:db8:2::10", Conference: "2001:db8:2::2"}},
	} {
		t.Run(family, func(t *testing.T) {
			t.Parallel()
			if inTown(t) {
				c.test(t)
			}
		})
	}
}

// crossing is who gets through the rules: from which machine, and how.
type crossing struct {
	from, how string
	streets
}

func (c crossing) test(t *testing.T) {
	s := c.streets
	buildTown(t, s)
	issuer, err := turn.New(relayConfig(s))
	if err != nil {
		t.Fatal(err)
	}
	cred := issuer.Issue("adm-1", time.Now())
	host, _, _ := strings.Cut(net.JoinHostPort(s.Outside, "|"), ":|")
	conference := send(t, "conference", errand{Do: "serve", Streets: s, ICE: fmt.Sprintf(
		"turn_servers: [{host: %q, port: %s, protocol: udp, username: %q, credential: %q}]", host, relayPort, cred.Username, cred.Password)}).tells(t)
	direct := net.JoinHostPort(s.Conference, conference.Signalling)
	send(t, "door", errand{Do: "relay", Streets: s, To: direct}).tells(t)
	guardConference(t, s, conference.Signalling, conference.Media)

	join := func(machine, identity, how string) report {
		t.Helper()
		token, err := auth.NewAccessToken(conference.Key, conference.Secret).SetIdentity(identity).
			SetVideoGrant(&auth.VideoGrant{Room: town, RoomJoin: true}).ToJWT()
		if err != nil {
			t.Fatal(err)
		}
		return send(t, machine, errand{Do: how, To: net.JoinHostPort(s.Outside, doorPort), Token: token}).tells(t)
	}
	knock := func() bool { return send(t, "participant", errand{Do: "knock", To: direct}).tells(t).Open }

	join(c.from, "anna", "speak"+c.how)
	if got := join(c.from, "bruno", "listen"+c.how).Packets; got == 0 {
		t.Error("through the door no packet arrives, want a call")
	}
	if got := join("participant", "claire", "listen directly").Packets; got != 0 {
		t.Errorf("without the relay %d packets arrive, want none", got)
	}
	if knock() {
		t.Error("the signalling answers past the door")
	}
	rules := command(t, "ip", "netns", "exec", "conference", "nft", "list", "ruleset")
	for _, chain := range []string{"dport", "sport"} {
		if !regexp.MustCompile(`udp ` + chain + ` \d+ counter packets [1-9]`).MatchString(rules) {
			t.Errorf("no %s rule had any media to drop: the test proves nothing\n%s", chain, rules)
		}
	}
	command(t, "ip", "netns", "exec", "conference", "nft", "flush", "ruleset")
	if got := join("participant", "denis", "listen directly").Packets; got == 0 || !knock() {
		t.Error("without the rules nothing passes either: the test proves nothing")
	}
}
