//go:build linux

package sfu_test

import (
	"fmt"
	"net"
	"regexp"
	"testing"
	"time"

	"github.com/livekit/protocol/auth"

	"vestibule/turn"
)

// TestT45OnlyThroughTheRelay has the conference server, the door and the
// participants on machines of their own: the rules that docs/OPERATING.md
// gives to sites leave no way to media but the relay.
func TestT45OnlyThroughTheRelay(t *testing.T) {
	if !inTown(t) {
		return
	}
	buildTown(t)
	issuer, err := turn.New(relayConfig())
	if err != nil {
		t.Fatal(err)
	}
	cred := issuer.Issue("adm-1", time.Now())
	conference := send(t, "conference", errand{Do: "serve", ICE: fmt.Sprintf(
		"turn_servers: [{host: %s, port: %s, protocol: udp, username: %q, credential: %q}]", outsideIP, relayPort, cred.Username, cred.Password)}).tells(t)
	direct := net.JoinHostPort(conferenceIP, conference.Signalling)
	send(t, "door", errand{Do: "relay", To: direct}).tells(t)
	guardConference(t, conference.Signalling, conference.Media)

	join := func(identity, how string) report {
		t.Helper()
		token, err := auth.NewAccessToken(conference.Key, conference.Secret).SetIdentity(identity).
			SetVideoGrant(&auth.VideoGrant{Room: town, RoomJoin: true}).ToJWT()
		if err != nil {
			t.Fatal(err)
		}
		return send(t, "participant", errand{Do: how, To: net.JoinHostPort(outsideIP, doorPort), Token: token}).tells(t)
	}
	knock := func() bool { return send(t, "participant", errand{Do: "knock", To: direct}).tells(t).Open }

	join("anna", "speak")
	if got := join("bruno", "listen").Packets; got == 0 {
		t.Error("through the relay no packet arrives, want a call")
	}
	if got := join("claire", "listen without relay").Packets; got != 0 {
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
	if got := join("denis", "listen without relay").Packets; got == 0 || !knock() {
		t.Error("without the rules nothing passes either: the test proves nothing")
	}
}
