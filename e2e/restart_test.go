package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	built "vestibule/house"
	"vestibule/meeting"
	"vestibule/store/storetest"
)

// TestT38DoorRestartsWhileRedisIsAway freezes redis-server, has the host put
// somebody out, and restarts the door before it is back: they stay out, and the
// store learns of it from the journal.
func TestT38DoorRestartsWhileRedisIsAway(t *testing.T) {
	t.Parallel()
	redis := storetest.StartRedis(t)
	state, secret := t.TempDir(), []byte(strings.Repeat("s", 48))
	same := func(c *built.Config) { c.State, c.Secret = state, secret }
	var pass, admission string
	var id meeting.ID
	t.Run("before", func(t *testing.T) {
		i := openRedis(t, redis, same)
		i.now(t)
		id = meeting.ID(i.Meeting)
		console := i.Door + "/m/" + i.Meeting
		host := i.console(t)
		host.submit("/enter", nil).submit("/-/enter", nil)
		guest := i.guest(t, "J. D.", jeanne)
		admission = guest.admission()
		host.answers(console, admission, "admit")
		guest.open(i.Door + "/a/" + admission).enters()
		pass = guest.jar[i.Room]["__Host-room"]
		ended := guest.socket(i.house)
		expel := host.open(console).form("/expel", "admission", admission)
		redis.Stop()
		host.post(expel)
		<-ended
	})
	i := openRedis(t, redis, same)
	had := possessions{cookies: map[string]string{"__Host-room": pass}}
	address := i.Room + "/rtc/v1?access_token=door"
	if code := had.dial(t, i.house, address); code == http.StatusSwitchingProtocols || code == 0 {
		t.Errorf("the expelled one's web socket answers %d after the restart, with the store away", code)
	}
	redis.Resume()
	eventually(t, "the store knows who was put out", func() bool {
		// All the while, they do not slip in.
		if code := had.dial(t, i.house, address); code == http.StatusSwitchingProtocols {
			t.Fatal("the expelled came in after the restart")
		}
		s, err := i.product.Lobby.Snapshot(t.Context(), id)
		if err != nil {
			return false
		}
		a, _ := s.Admission(admission)
		return a.State == meeting.Expelled
	})
}
