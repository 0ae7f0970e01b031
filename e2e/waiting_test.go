package e2e_test

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// waitingReachesNothing tries every way around the waiting room.
func waitingReachesNothing(t *testing.T, p *person) {
	had := possessions{took: p.rec.took(), cookies: map[string]string{}}
	admission := p.admission()
	paths := []string{
		"/", "/-/room", "/-/pass", "/-/events", "/-/assets/room.js", "/-/", "/rtc", "/rtc/v1", "/rtc/validate", "/rtc/v1/validate",
		"/twirp/livekit.RoomService/ListRooms", "/settings/regions", "/metrics", "/debug/pprof/", "/whip/v1", "/agent",
	}
	for _, cookies := range []map[string]string{{}, p.cookies()} {
		had.cookies = cookies
		for _, path := range paths {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				a := asked{Method: method, URL: p.h.Room + path, Header: http.Header{"Origin": {p.h.Room}}}
				if code, says := had.again(t, p.h, a); code != 401 && code != 403 && code != 405 {
					t.Errorf("%s %s answers %d to one who waits: %.100s", method, path, code, says)
				}
			}
			a := asked{Method: http.MethodGet, URL: p.h.Room + path, Header: http.Header{"Sec-Fetch-Mode": {"navigate"}}}
			if code, to := had.again(t, p.h, a); code != http.StatusSeeOther || !strings.HasPrefix(to, p.h.Door+"/") {
				t.Errorf("going to %s answers %d, want the door", path, code)
			}
		}
		for _, path := range []string{"/rtc", "/rtc/v1"} {
			header := http.Header{"Origin": {p.h.Room}}
			for k, v := range cookies {
				header.Add("Cookie", k+"="+v)
			}
			c, res, err := websocket.Dial(t.Context(), p.h.Room+path+"?access_token=door", &websocket.DialOptions{HTTPClient: p.h.client, HTTPHeader: header})
			if err == nil {
				_ = c.CloseNow()
			}
			if res == nil || res.StatusCode != http.StatusUnauthorized {
				t.Errorf("a web socket at %s for one who waits: %v, want 401", path, err)
			}
		}
	}
	if len(p.rec.took().Sockets) > 0 || eval[int](p, `pcs.length`) > 0 {
		t.Error("the waiting page opened a web socket or a peer connection")
	}
	noRelay(t, p, fmt.Sprintf("%d:%s", time.Now().Add(time.Hour).Unix(), admission))
}

// noRelay asks the relay without credentials, and with ones made up.
func noRelay(t *testing.T, p *person, username string) {
	t.Helper()
	c, err := net.Dial("udp", p.h.TURN)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// An Allocate for UDP without credentials (RFC 8656 §7.1).
	allocate := append([]byte{0x00, 0x03, 0x00, 0x08, 0x21, 0x12, 0xA4, 0x42}, "twelve bytes"...)
	allocate = append(allocate, 0x00, 0x19, 0x00, 0x04, 17, 0, 0, 0)
	if _, err := c.Write(allocate); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 1500)
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	n, err := c.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	// 0x0113 is the error response to Allocate.
	if n < 20 || answer[0] != 0x01 || answer[1] != 0x13 {
		t.Errorf("the relay answers % x to an Allocate without credentials, want an error", answer[:min(n, 20)])
	}
	got := eval[relays](p, fmt.Sprintf(`spy.relays({urls: "turn:%s?transport=udp", username: %q, credential: "made up"})`, p.h.TURN, username))
	if got.Relays > 0 || len(got.Refusals) == 0 {
		t.Errorf("the relay gave made-up credentials %+v, want refusals", got)
	}
}
