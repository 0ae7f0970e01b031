package e2e_test

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// waitingReachesNothing tries every way around the waiting room, with a
// browser's cookies and without any.
func waitingReachesNothing(t *testing.T, h *house, cookies map[string]string) {
	t.Helper()
	paths := []string{
		"/", "/-/room", "/-/pass", "/-/events", "/-/assets/room.js", "/-/", "/rtc", "/rtc/v1", "/rtc/validate", "/rtc/v1/validate",
		"/twirp/livekit.RoomService/ListRooms", "/settings/regions", "/metrics", "/debug/pprof/", "/whip/v1", "/agent",
	}
	for _, jar := range []map[string]string{nil, cookies} {
		had := possessions{cookies: jar}
		for _, path := range paths {
			for _, method := range []string{http.MethodGet, http.MethodPost} {
				a := asked{Method: method, URL: h.Room + path, Header: http.Header{"Origin": {h.Room}}}
				if code, says := had.again(t, h, a); code != 401 && code != 403 && code != 405 {
					t.Errorf("%s %s answers %d to one who waits: %.100s", method, path, code, says)
				}
			}
			a := asked{Method: http.MethodGet, URL: h.Room + path, Header: http.Header{"Sec-Fetch-Mode": {"navigate"}}}
			if code, to := had.again(t, h, a); code != http.StatusSeeOther || !strings.HasPrefix(to, h.Door+"/") {
				t.Errorf("going to %s answers %d, want the door", path, code)
			}
		}
		for _, path := range []string{"/rtc", "/rtc/v1"} {
			if code := had.dial(t, h, h.Room+path+"?access_token=door"); code != http.StatusUnauthorized {
				t.Errorf("a web socket at %s for one who waits answers %d, want 401", path, code)
			}
		}
	}
}

// dial opens a web socket and answers the status, 101 if it opened.
func (h possessions) dial(t *testing.T, house *house, address string) int {
	t.Helper()
	header := http.Header{"Origin": {house.Room}}
	for k, v := range h.cookies {
		header.Add("Cookie", k+"="+v)
	}
	c, res, err := websocket.Dial(t.Context(), address, &websocket.DialOptions{HTTPClient: house.client, HTTPHeader: header})
	if err == nil {
		_ = c.CloseNow()
	}
	if res == nil {
		t.Fatalf("dialling: %v", err)
	}
	return res.StatusCode
}

// TestT34WaitingReachesNothing crawls the room's origin and the relay as
// somebody who waits, and counts the bytes the conference server received.
func TestT34WaitingReachesNothing(t *testing.T) {
	t.Parallel()
	i := openInside(t)
	i.now(t)
	host := i.console(t)
	v := i.guest(t, "J. D.", jeanne)
	before := i.conference.Received()

	jar := map[string]string{}
	for _, cookies := range v.jar {
		for name, value := range cookies {
			jar[name] = value
		}
	}
	id := v.admission()
	waitingReachesNothing(t, i.house, jar)
	v.post(v.form("/enter")).want(http.StatusConflict, "")
	forged := base64.RawURLEncoding.EncodeToString(append(unhex(t, i.Meeting+id), "sixteen bytes..."...))
	for _, path := range []string{"/-/enter", "/-/leave"} {
		v.ask(http.MethodPost, i.Room+path, one("ticket", forged), http.Header{"Origin": {i.Door}})
		if len(v.jar[i.Room]) > 0 {
			t.Errorf("%s gave a cookie to one who waits", path)
		}
	}
	allocateWithout(t, i.TURN)
	if got := i.conference.Received() - before; got != 0 {
		t.Errorf("the conference server received %d bytes because of one who waits, want 0", got)
	}

	// The way that it is counted counts: admitted, the bytes flow.
	host.open(i.Door+"/m/"+i.Meeting).submit("/enter", nil).submit("/-/enter", nil)
	host.answers(i.Door+"/m/"+i.Meeting, id, "admit")
	v.open(i.Door + "/a/" + id).enters()
	if got := i.conference.Received() - before; got == 0 {
		t.Error("the conference server received nothing of the admitted either: nothing was counted")
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// noRelay asks the relay without credentials, and with ones made up.
func noRelay(t *testing.T, p *person, admission string) {
	t.Helper()
	allocateWithout(t, p.h.TURN)
	if len(p.rec.took().Sockets) > 0 || eval[int](p, `pcs.length`) > 0 {
		t.Error("the waiting page opened a web socket or a peer connection")
	}
	username := fmt.Sprintf("%d:%s", time.Now().Add(time.Hour).Unix(), admission)
	got := eval[relays](p, fmt.Sprintf(`spy.relays({urls: "turn:%s?transport=udp", username: %q, credential: "made up"})`, p.h.TURN, username))
	if got.Relays > 0 || len(got.Refusals) == 0 {
		t.Errorf("the relay gave made-up credentials %+v, want refusals", got)
	}
}

// allocateWithout asks the relay for one without credentials.
func allocateWithout(t *testing.T, address string) {
	t.Helper()
	c, err := net.Dial("udp", address)
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
}
