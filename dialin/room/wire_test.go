package room_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/gorilla/websocket"
	"github.com/livekit/protocol/livekit"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"vestibule/dialin/room"
)

// The door asks no server for its own address, whatever the conference server
// tells: neither when it joins nor when it comes back. All else arrives as sent.
func TestNobodyIsAskedForAddresses(t *testing.T) {
	if _, err := room.New(room.Config{Passes: passes("")}); err != nil { // the dialer is its
		t.Fatal(err)
	}
	servers := []*livekit.ICEServer{{Urls: []string{"stun:stun.elsewhere.example:19302"}}, {Urls: []string{"turn:elsewhere.example"}}}
	join := func(n int) *livekit.SignalResponse {
		return &livekit.SignalResponse{Message: &livekit.SignalResponse_Join{Join: &livekit.JoinResponse{
			Room: &livekit.Room{Name: strings.Repeat("r", n)}, IceServers: servers,
		}}}
	}
	reconnect := &livekit.SignalResponse{Message: &livekit.SignalResponse_Reconnect{Reconnect: &livekit.ReconnectResponse{IceServers: servers}}}
	leave := &livekit.SignalResponse{Message: &livekit.SignalResponse_Leave{Leave: &livekit.LeaveRequest{}}}
	for name, first := range map[string]*livekit.SignalResponse{
		"short": join(1), "longer": join(300), "long": join(70_000), "back again": reconnect, "not let in": leave,
	} {
		t.Run(name, func(t *testing.T) {
			got := exchange(t, first, join(2))
			want := []*livekit.SignalResponse{proto.Clone(first).(*livekit.SignalResponse), join(2)}
			if j := want[0].GetJoin(); j != nil {
				j.IceServers = nil
			}
			if r := want[0].GetReconnect(); r != nil {
				r.IceServers = nil
			}
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// exchange has a server send messages, and returns what arrives.
func exchange(t *testing.T, messages ...*livekit.SignalResponse) (got []*livekit.SignalResponse) {
	t.Helper()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		for _, m := range messages {
			b, err := proto.Marshal(m)
			if err == nil {
				err = c.WriteMessage(websocket.PingMessage, []byte("still there?"))
			}
			if err == nil {
				err = c.WriteMessage(websocket.BinaryMessage, b)
			}
			if err != nil {
				t.Error(err)
			}
		}
		_, _, _ = c.ReadMessage() // until they hang up
	}))
	defer web.Close()
	c, answer, err := websocket.DefaultDialer.DialContext(t.Context(), strings.Replace(web.URL, "http", "ws", 1), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	defer c.Close()
	for range messages {
		_, b, err := c.ReadMessage()
		if err != nil {
			t.Fatal(err)
		}
		var m livekit.SignalResponse
		if err := proto.Unmarshal(b, &m); err != nil {
			t.Fatal(err)
		}
		got = append(got, &m)
	}
	return got
}
