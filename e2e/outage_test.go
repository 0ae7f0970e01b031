package e2e_test

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/livekit/protocol/livekit"

	"vestibule/conference/conferencetest"
	"vestibule/store/storetest"
)

// socket opens the room's signalling as the visitor's page would, and answers a
// channel that is closed when it ends.
func (v *visitor) socket(h *house) <-chan struct{} {
	v.t.Helper()
	header := http.Header{"Origin": {h.Room}}
	for name, value := range v.jar[h.Room] {
		header.Add("Cookie", name+"="+value)
	}
	join := conferencetest.JoinRequest(&livekit.JoinRequest{
		ClientInfo:         &livekit.ClientInfo{Sdk: livekit.ClientInfo_JS, Protocol: 16, Version: "2.23.0"},
		ConnectionSettings: &livekit.ConnectionSettings{AutoSubscribe: true},
	})
	c, _, err := websocket.Dial(v.t.Context(), h.Room+"/rtc/v1?access_token=door&join_request="+url.QueryEscape(join), &websocket.DialOptions{HTTPClient: h.client, HTTPHeader: header})
	if err != nil {
		v.t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			if _, _, err := c.Read(context.WithoutCancel(v.t.Context())); err != nil {
				return
			}
		}
	}()
	v.t.Cleanup(func() { _ = c.CloseNow(); <-ended })
	return ended
}

// TestT38ExpelWhileRedisIsAway freezes redis-server, and has the host put
// somebody out all the same: they are cut now, the other stays, and the store
// learns of it when it is back.
func TestT38ExpelWhileRedisIsAway(t *testing.T) {
	redis := storetest.StartRedis(t)
	i := openRedis(t, redis)
	i.now(t)
	console := i.Door + "/m/" + i.Meeting
	host := i.console(t)
	host.submit("/enter", nil).submit("/-/enter", nil)
	guests := map[string]*visitor{"J. D.": i.guest(t, "J. D.", jeanne), "M. L.": i.guest(t, "M. L.", marc)}
	ended := map[string]<-chan struct{}{}
	ids := map[string]string{}
	for name, v := range guests {
		ids[name] = v.admission()
		host.answers(console, ids[name], "admit")
		v.open(i.Door + "/a/" + ids[name]).enters()
		ended[name] = v.socket(i.house)
	}
	expel := host.open(console).form("/expel", "admission", ids["J. D."])

	redis.Stop()
	defer redis.Resume()
	start := time.Now()
	done := make(chan struct{})
	go func() {
		defer close(done)
		host.post(expel)
	}()
	select {
	case <-ended["J. D."]:
		t.Logf("cut %v after it was asked, with the store away", time.Since(start).Round(time.Millisecond))
	case <-time.After(5 * time.Second):
		t.Error("the expelled one's connection is open 5 s later")
	}
	<-done
	had := possessions{cookies: guests["J. D."].jar[i.Room]}
	if code := had.dial(t, i.house, i.Room+"/rtc/v1?access_token=door"); code != http.StatusForbidden && code != http.StatusUnauthorized {
		t.Errorf("the expelled one's web socket answers %d while the store is away, want 401 or 403", code)
	}
	select {
	case <-ended["M. L."]:
		t.Error("the other one was cut too")
	default:
	}

	redis.Resume()
	eventually(t, "the store knows who was put out", func() bool {
		return host.open(console).code == http.StatusOK && strings.Contains(host.words(), "retiré·e")
	})
	if code := had.dial(t, i.house, i.Room+"/rtc/v1?access_token=door"); code != http.StatusForbidden && code != http.StatusUnauthorized {
		t.Errorf("the expelled one's web socket answers %d once the store is back, want 401 or 403", code)
	}
	i.visitor(t).open(i.link(t, "J. D.")).want(http.StatusNotFound, "Ce lien n’est plus valable")
	select {
	case <-ended["M. L."]:
		t.Error("the other one was cut when the store came back")
	default:
	}
}
